package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/internal/app"
)

func (c *cli) testCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "test PATH…",
		Short: "Run the tests of bundles",
		Long: `Run the tests of bundles: a line for each case, what differs, and the rules that
no case shows. Each folder is a bundle; files named together are one. A case
without context.now is decided for 2026-01-01T00:00:00Z. Exit code 1 says that
a case failed or that there is none.`,
		Example: "  kernel test policies",
		Args:    arguments(1, 0, "PATH"),
		RunE: func(_ *cobra.Command, args []string) error {
			bundles, err := app.ReadBundles(args)
			if err != nil {
				return err
			}
			return c.test(bundles, asJSON)
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) test(bundles []app.BundleSource, asJSON bool) error {
	all := struct {
		OK      bool             `json:"ok"`
		Bundles []app.TestReport `json:"bundles"`
	}{OK: true}
	for _, b := range bundles {
		report, err := app.RunTests(b)
		if err != nil {
			return err
		}
		all.OK = all.OK && report.OK
		all.Bundles = append(all.Bundles, report)
		if !asJSON {
			c.printTests(report)
		}
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

func (c *cli) printTests(r app.TestReport) {
	for _, k := range r.Cases {
		if k.Pass {
			fmt.Fprintln(c.stdout, c.paint(green, "ok  "), k.Name)
			continue
		}
		fmt.Fprintf(c.stdout, "%s %s  (%s:%d)\n", c.paint(red, "FAIL"), k.Name, k.File, k.Line)
		if k.Error != "" {
			fmt.Fprintln(c.stdout, "      "+k.Error)
		}
		for _, d := range k.Diff {
			fmt.Fprintln(c.stdout, "      "+d.String())
		}
	}
	c.printNames("matched in no case", r.Coverage.NeverMatched)
	c.printNames("matched, but decided in no case", r.Coverage.NeverDecisive)
	fmt.Fprintf(c.stdout, "%s: %d passed, %d failed\n", r.Name, r.Passed, r.Failed)
	if len(r.Cases) == 0 {
		c.say(r.Name+": there are no tests", "write a document of kind test; \"kernel init\" shows one")
	}
}

func (c *cli) printNames(what string, names []string) {
	if len(names) == 0 {
		return
	}
	fmt.Fprintln(c.stdout, c.paint(yellow, what+":"))
	for _, n := range names {
		fmt.Fprintln(c.stdout, "      "+n)
	}
}
