package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/app"
)

func (c *cli) policiesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policies",
		Short: "Push, compare and activate the policies of a running kernel",
		Long: `Push, compare and activate the policies of a running kernel. A bundle is pushed
first: it is checked, its tests are run, and it is kept under its version. Then it
is activated. To go back, activate an older version. Pushing and activating take
the role admin, the rest also auditor.`,
		Example: "  kernel policies push policies\n  kernel policies activate sha256:4f1d --reason 'change 17'",
	}
	onlySubcommands(cmd)
	cmd.AddCommand(c.policiesPushCommand(), c.policiesListCommand(), c.policiesShowCommand(), c.policiesActivateCommand())
	return cmd
}

func (c *cli) policiesPushCommand() *cobra.Command {
	var options client.PushOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "push PATH",
		Short: "Have a bundle checked, tested and kept, so that it can be activated",
		Long: `Have a bundle checked, tested and kept, so that it can be activated: one file, or
every *.yaml and *.yml below a folder. The kernel checks it as "kernel serve" does and
runs its tests; a bundle that is invalid, or whose tests fail, is not kept. Nothing
decides by it yet.`,
		Example: "  kernel policies push policies --reason 'change 17'\n  kernel policies push policies --dry-run",
		Args:    arguments(1, 1, "PATH"),
		RunE: c.connected(func(ctx context.Context, k *client.Client, args []string) error {
			files, err := app.ReadBundleToPush(args[0])
			if err != nil {
				return err
			}
			pushed, err := k.PushPolicy(ctx, files, options)
			if err != nil {
				return c.bundleError(err)
			}
			if asJSON {
				return c.printJSON(pushed)
			}
			return c.printPushed(pushed)
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	cmd.Flags().StringVar(&options.Reason, "reason", "", "why, for people: recorded `TEXT`")
	cmd.Flags().BoolVar(&options.AllowFailing, "allow-failing-tests", false, "keep it although its own tests fail; that is recorded")
	cmd.Flags().BoolVar(&options.DryRun, "dry-run", false, "check it and keep nothing")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// bundleError prints what a kernel found wrong with a bundle.
func (c *cli) bundleError(err error) error {
	var bundle *client.BundleError
	if !errors.As(err, &bundle) {
		return err
	}
	for _, d := range bundle.Diagnostics {
		fmt.Fprintln(c.stderr, line(d))
	}
	c.printFailedTests(bundle.FailedTests)
	return bundle.Problem.At("")
}

func (c *cli) printFailedTests(failed []client.FailedTest) {
	for _, t := range failed {
		fmt.Fprintln(c.stderr, "failed", safe(t.Name))
		if t.Error != "" {
			fmt.Fprintln(c.stderr, " ", safe(t.Error))
		}
		for _, d := range t.Diff {
			fmt.Fprintf(c.stderr, "  %s: want %s, have %s\n", safe(d.Member), safe(d.Want), safe(d.Have))
		}
	}
}

// line is a diagnostic as kernel check prints it, without the source.
func line(d client.PolicyDiagnostic) string {
	text := fmt.Sprintf("%s:%d:%d: ", d.File, d.Line, d.Col)
	if d.Severity == "warning" {
		text += "warning: "
	}
	if text += d.Message; d.Suggestion != "" {
		text += "; " + d.Suggestion
	}
	return safe(text)
}

func (c *cli) printPushed(p client.PushedPolicy) error {
	for _, w := range p.Warnings {
		fmt.Fprintln(c.stderr, line(w))
	}
	c.printFailedTests(p.FailedTests)
	what := "pushed"
	switch {
	case p.DryRun:
		what = "a dry run, nothing was kept:"
	case p.Known:
		what = "was pushed before:"
	}
	_, err := fmt.Fprintf(c.stdout, "%s %s: %s, %s passed", what, p.Version, plural(p.Rules, "rule"), plural(p.Tests.Passed, "test"))
	if p.Tests.Failed > 0 {
		fmt.Fprintf(c.stdout, ", %d failed", p.Tests.Failed)
	}
	fmt.Fprintln(c.stdout)
	if !p.DryRun {
		fmt.Fprintf(c.stderr, "next: kernel policies activate %s\n", p.Version)
	}
	return err
}

func (c *cli) policiesListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the policies that were pushed or active, and which one decides",
		Example: "  kernel policies list",
		Args:    noArguments(),
		RunE: c.connected(func(ctx context.Context, k *client.Client, _ []string) error {
			active, list, err := k.Policies(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				return c.printJSON(struct {
					Active   string          `json:"active,omitzero"`
					Policies []client.Policy `json:"policies"`
				}{active, list})
			}
			w := c.table()
			fmt.Fprintln(w, "VERSION\tSTATE\tRULES\tTESTS\tPUSHED\tACTIVATED")
			for _, p := range list {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", p.Version, stateOf(p), counts(p), when(p.Pushed), when(p.Activated))
			}
			return w.Flush()
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func stateOf(p client.Policy) string {
	switch {
	case p.Active:
		return "active"
	case p.Activated != nil:
		return "was active"
	}
	return "pushed"
}

// counts fills the cells of rules and tests.
func counts(p client.Policy) string {
	if p.Tests == nil {
		return "-\t-"
	}
	if p.Tests.Failed > 0 {
		return fmt.Sprintf("%d\t%d, %d failed", p.Rules, p.Tests.Passed, p.Tests.Failed)
	}
	return fmt.Sprintf("%d\t%d", p.Rules, p.Tests.Passed)
}

func when(e *client.PolicyEvent) string {
	if e == nil {
		return "-"
	}
	text := e.At.UTC().Format(time.RFC3339) + " by " + cell(e.By)
	if e.Reason != "" {
		text += ": " + cell(e.Reason)
	}
	return text
}

func (c *cli) policiesShowCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "show [VERSION]",
		Short:   "Print the files of a policy; without a version, of the active one",
		Long:    "Print the files of a policy; without a version, of the active one. Of a version\nits beginning is enough.",
		Example: "  kernel policies show\n  kernel policies show sha256:4f1d",
		Args:    arguments(0, 1, "VERSION"),
		RunE: c.connected(func(ctx context.Context, k *client.Client, args []string) error {
			version, _, err := findPolicy(ctx, k, args)
			if err != nil {
				return err
			}
			files, err := k.PolicyFiles(ctx, version)
			if err != nil {
				return err
			}
			if asJSON {
				return c.printJSON(struct {
					Version string              `json:"version"`
					Files   []client.PolicyFile `json:"files"`
				}{version, files})
			}
			for _, f := range files {
				fmt.Fprintf(c.stdout, "# %s\n%s", safe(f.Name), f.Text)
				if !strings.HasSuffix(f.Text, "\n") {
					fmt.Fprintln(c.stdout)
				}
			}
			return nil
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	jsonFlag(cmd, &asJSON)
	return cmd
}
