package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/internal/app"
	"github.com/strixlabs/execution-kernel/internal/eval"
)

// A testRun says how tests are run and shown.
type testRun struct {
	json, coverage bool
	failUnder      string
	least          float64 // percent
}

func (c *cli) testCommand() *cobra.Command {
	var t testRun
	cmd := &cobra.Command{
		Use:   "test PATH…",
		Short: "Run the tests of bundles",
		Long: `Run the tests of bundles: a line for each case, what differs, and the rules that
no case shows. Each folder is a bundle; files named together are one. A case
without context.now is decided for 2026-01-01T00:00:00Z. Exit code 1 says that
a case failed or that there is none.

--coverage measures in full what the cases show: rules and rows of tables that
held and that decided, and the parts of conditions, the operands of && and ||
and the arms of ?:, that were both true and false. What exists, all and
exists_one say of each element counts as a whole.`,
		Example: "  kernel test policies\n  kernel test --coverage --fail-under 95 policies",
		Args:    arguments(1, 0, "PATH"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := t.readLimit(); err != nil {
				return err
			}
			bundles, err := app.ReadBundles(args)
			if err != nil {
				return err
			}
			return c.test(bundles, t)
		},
	}
	cmd.Flags().BoolVar(&t.coverage, "coverage", false, "measure in full what the cases show")
	cmd.Flags().Var(newText("PERCENT", &t.failUnder), "fail-under", "fail when less than this is covered; implies --coverage")
	jsonFlag(cmd, &t.json)
	return cmd
}

func (t *testRun) readLimit() error {
	if t.failUnder == "" {
		return nil
	}
	var err error
	t.coverage = true
	if t.least, err = strconv.ParseFloat(t.failUnder, 64); err != nil || !(t.least >= 0 && t.least <= 100) {
		return misuse("--fail-under: %q is no percentage", t.failUnder).WithHint("write a number from 0 to 100")
	}
	return nil
}

func (c *cli) test(bundles []app.BundleSource, t testRun) error {
	all := struct {
		OK      bool             `json:"ok"`
		Bundles []app.TestReport `json:"bundles"`
	}{OK: true}
	for _, b := range bundles {
		report, err := app.RunTests(b, t.coverage)
		if err != nil {
			return err
		}
		low := report.Full != nil && report.Full.Percent < t.least
		report.OK = report.OK && !low
		all.OK = all.OK && report.OK
		all.Bundles = append(all.Bundles, report)
		if !t.json {
			c.printTests(report)
		}
		if low {
			c.say(fmt.Sprintf("%s: the tests cover %.1f%%, less than %s%%", report.Name, report.Full.Percent, t.failUnder), "")
		}
	}
	if t.json {
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
	if r.Full == nil {
		c.printNames("matched in no case", r.Coverage.NeverMatched)
	} else {
		c.printNames("matched in no case", r.Full.NeverMatched)
		c.printNames("rows that won in no case", r.Full.NeverWon)
	}
	c.printNames("matched, but decided in no case", r.Coverage.NeverDecisive)
	if r.Full != nil {
		c.printBranches(r.Full.Branches)
		fmt.Fprintf(c.stdout, "%s: %.1f%% covered, %d of %d points\n", r.Name, r.Full.Percent, r.Full.Covered, r.Full.Points)
	}
	fmt.Fprintf(c.stdout, "%s: %d passed, %d failed\n", r.Name, r.Passed, r.Failed)
	if len(r.Cases) == 0 {
		c.say(r.Name+": there are no tests", "write a document of kind test; \"kernel init\" shows one")
	}
}

func (c *cli) printBranches(branches []eval.Branch) {
	if len(branches) == 0 {
		return
	}
	fmt.Fprintln(c.stdout, c.paint(yellow, "parts of conditions that were not both true and false:"))
	for _, b := range branches {
		what := "never true"
		switch {
		case b.NeverTrue && b.NeverFalse:
			what = "never evaluated"
		case b.NeverFalse:
			what = "never false"
		}
		source := strings.Join(strings.Fields(b.Source), " ")
		fmt.Fprintf(c.stdout, "      %s:%d:%d: %s: %s  (%s)\n", b.File, b.Line, b.Col, what, source, b.Rule)
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
