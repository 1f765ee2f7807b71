package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/internal/app"
)

func (c *cli) checkCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check PATH…",
		Short: "Check bundles: syntax, types, and rules that cannot be decided",
		Long: `Check bundles: syntax, types, and rules that cannot be decided. Each folder is a
bundle; files named together are one. Findings go to stderr, a line for each
good bundle to stdout. Exit code 1 says that a bundle is invalid.`,
		Example: "  kernel check policies\n  kernel check --json policies | jq .bundles[].diagnostics",
		Args:    arguments(1, 0, "PATH"),
		RunE: func(_ *cobra.Command, args []string) error {
			bundles, err := app.ReadBundles(args)
			if err != nil {
				return err
			}
			return c.check(bundles, asJSON)
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) check(bundles []app.BundleSource, asJSON bool) error {
	all := struct {
		OK      bool              `json:"ok"`
		Bundles []app.CheckReport `json:"bundles"`
	}{OK: true}
	for _, b := range bundles {
		report, diags, err := app.Check(b)
		if err != nil {
			return err
		}
		all.OK = all.OK && report.OK
		all.Bundles = append(all.Bundles, report)
		if asJSON {
			continue
		}
		for _, d := range diags {
			fmt.Fprintln(c.stderr, d)
		}
		if !report.OK {
			c.say(report.Summary(), "")
			continue
		}
		fmt.Fprintln(c.stdout, c.paint(green, "ok"), report.Summary())
	}
	if asJSON {
		if err := c.printJSON(all); err != nil {
			return err
		}
	}
	if !all.OK {
		return exitError(exitFailed)
	}
	return nil
}
