package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/app"
)

func (c *cli) policiesActivateCommand() *cobra.Command {
	var reason, previous, proofFile string
	var dry bool
	cmd := &cobra.Command{
		Use:   "activate VERSION",
		Short: "Show what a pushed policy changes, and let it decide",
		Long: `Show what a pushed policy changes, and let it decide from the moment that the
command returns. An older version is how to go back. Of a version its beginning is
enough. When somebody else activated another one in between, nothing happens.
With --dry-run it only shows the difference; with --previous it activates only
while that version is the active one. A kernel with require-proof takes --proof,
the record that "kernel prove --record --sign" wrote of this very bundle.`,
		Example: "  kernel policies activate sha256:4f1d --dry-run\n  kernel policies activate sha256:4f1d --reason 'change 17'",
		Args:    arguments(1, 1, "VERSION"),
		RunE: c.connected(func(ctx context.Context, k *client.Client, args []string) error {
			record, err := app.ReadRecord(proofFile)
			if err != nil {
				return err
			}
			to, active, err := findPolicy(ctx, k, args)
			if err != nil {
				return takesAdmin(err, dry)
			}
			if previous != "" && previous != active {
				return kernel.Errorf(kernel.Conflict, "the active policy is %s", orNone(active)).WithHint("look at the difference to that one, and activate again")
			}
			if err := c.printDiff(ctx, k, active, to); err != nil || dry {
				return err
			}
			if err := k.ActivateProvedPolicy(ctx, to, active, reason, record); err != nil {
				return err
			}
			if to == active {
				_, err = fmt.Fprintf(c.stdout, "%s was active already; nothing was changed\n", to)
				return err
			}
			_, err = fmt.Fprintf(c.stdout, "active: %s (before: %s)\n", to, orNone(active))
			return err
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for people: recorded `TEXT`")
	cmd.Flags().StringVar(&previous, "previous", "", "the `VERSION` that must be active until then")
	cmd.Flags().Var(newText("FILE", &proofFile), "proof", "the signed proof record of the policy, where the kernel requires one")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show the difference, and change nothing")
	return cmd
}

// takesAdmin says what activating takes to whoever may not even look.
func takesAdmin(err error, dry bool) error {
	var e *kernel.Error
	if dry || !errors.As(err, &e) || e.Code != kernel.Forbidden {
		return err
	}
	return kernel.Errorf(kernel.Forbidden, "%s", e.Message).
		WithHint("it takes a token with the role admin; with --dry-run auditor is enough")
}

func orNone(version string) string {
	if version == "" {
		return "none"
	}
	return version
}

func (c *cli) printDiff(ctx context.Context, k *client.Client, from, to string) error {
	d, err := k.DiffPolicies(ctx, from, to)
	if err != nil {
		return err
	}
	if d.From != from {
		return kernel.Errorf(kernel.Conflict, "the active policy is %s by now", orNone(d.From)).WithHint("try again")
	}
	for _, f := range d.Files {
		fmt.Fprintf(c.stdout, "%s %s\n", f.Change, safe(f.Name))
		for text := range strings.Lines(f.Diff) {
			fmt.Fprintln(c.stdout, safe(strings.TrimSuffix(text, "\n")))
		}
	}
	_, err = fmt.Fprintf(c.stdout, "%s from %s to %s\n", plural(len(d.Files), "difference"), orNone(d.From), to)
	return err
}

// findPolicy finds the policy that a beginning of its version names, or the
// active one, and says which is active.
func findPolicy(ctx context.Context, k *client.Client, args []string) (found, active string, err error) {
	active, list, err := k.Policies(ctx)
	switch {
	case err != nil:
		return "", "", err
	case len(args) == 0 && active == "":
		return "", "", kernel.Errorf(kernel.NotFound, "no policy is active").WithHint("\"kernel policies list\" shows those that were pushed")
	case len(args) == 0:
		return active, active, nil
	}
	const least = 4
	prefix := "sha256:" + strings.TrimPrefix(args[0], "sha256:")
	var matches []string
	for _, p := range list {
		if strings.HasPrefix(p.Version, prefix) {
			matches = append(matches, p.Version)
		}
	}
	switch {
	case len(prefix) < len("sha256:")+least:
		return "", "", misuse("%q is too short for a version", args[0]).WithHint("write at least %d digits after sha256:", least)
	case len(matches) == 0:
		return "", "", kernel.Errorf(kernel.NotFound, "no policy of version %s was pushed", args[0]).
			WithHint("push it first; \"kernel policies list\" shows those that were")
	case len(matches) > 1:
		return "", "", misuse("%s is the beginning of %d versions", args[0], len(matches)).WithHint("write more digits")
	}
	return matches[0], active, nil
}
