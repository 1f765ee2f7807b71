package main

import (
	"fmt"
	"strings"

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
good bundle to stdout. Below it stand the ALLOW rules that rest on what the
caller says and nobody proves, the action whose conditions can take longest, and
what "kernel serve" of this version would refuse. Exit code 1 says that a bundle
is invalid.`,
		Example: "  kernel check policies\n  kernel check --json policies | jq .bundles[].diagnostics\n  kernel check --json policies | jq .bundles[].claims.rules",
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
		c.claims(report.Claims)
		c.dearest(report.Costs)
		c.unserved(report.Serve)
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

// claims lists the ALLOW rules that rest on claimed attributes, and no more of
// them than anybody reads.
func (c *cli) claims(r *app.ClaimsReport) {
	const most = 10
	if r.Allow == 0 {
		return
	}
	if r.AnyAgent {
		fmt.Fprintln(c.stdout, "   agents: any: every agent attribute that is not from: registry is claimed, and so is agent.id")
	}
	fmt.Fprintf(c.stdout, "   ALLOW rules: %d, on claimed attributes of agent or resource: %d, on params or context, always claimed: %d\n", r.Allow, len(r.Rules), r.Inputs)
	table := c.table()
	for _, rule := range r.Rules[:min(len(r.Rules), most)] {
		var attributes []string
		for _, a := range rule.Attributes {
			attributes = append(attributes, a.Path+" ("+a.From+")")
		}
		fmt.Fprintf(table, "     %s\t%s\n", rule.Rule, strings.Join(attributes, ", "))
	}
	_ = table.Flush()
	if more := len(r.Rules) - most; more > 0 {
		fmt.Fprintf(c.stdout, "     … and %d more: --json lists them\n", more)
	}
}

// dearest says what the conditions of the dearest action can take.
func (c *cli) dearest(costs []app.CostReport) {
	if len(costs) == 0 {
		return
	}
	d, about := costs[0], "under 0.01 ms"
	if d.Microseconds >= 10 {
		about = fmt.Sprintf("about %.2f ms", float64(d.Microseconds)/1000)
	}
	fmt.Fprintf(c.stdout, "   dearest action: %s, at most %d steps, %s; of these %d steps in %s\n", d.Action, d.Steps, about, d.DearestSteps, d.Dearest)
}

// unserved says what keeps kernel serve from taking the bundle.
func (c *cli) unserved(r *app.ServeReport) {
	for _, d := range r.Diagnostics {
		hint := ""
		if d.Suggestion != "" {
			hint = "; " + d.Suggestion
		}
		fmt.Fprintf(c.stdout, "   kernel serve refuses it: %s:%d:%d: %s%s\n", d.File, d.Line, d.Col, d.Message, hint)
	}
}
