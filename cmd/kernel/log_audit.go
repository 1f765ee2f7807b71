package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/internal/app"
	"github.com/strixlabs/execution-kernel/internal/ledger"
)

func (c *cli) logAuditCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Check what the log says of effects: one grant each, one redemption, and votes enough",
		Long: `Check what the log says of effects: every redemption had one grant, issued with one
ALLOW; every grant was redeemed once at most, in time and by somebody who may act
for its agent; only its redeemer settled it. Every approval ended once; every ALLOW
that answers one was approved in time, by votes enough of different principals, each
given with a token that stands for them, or by somebody alone who said why, while
no review of the like was overdue. The votes are counted again by the policy and the
registry of then: whom it asked, whom it requires, who may not vote, and that it was
not denied by then. Exit code 1 names what breaks this.

That the log is the one that was written is for kernel log verify to say.`,
		Example: "  kernel log audit --data copy-of-the-data-folder",
		Args:    noArguments(),
		RunE: c.reading(func(ctx context.Context, log *app.Log, _ []string) error {
			report, err := log.Audit(ctx)
			c.endProgress()
			if err != nil {
				return err
			}
			return c.printAudit(report, asJSON)
		}),
	}
	settingFlags(cmd, "data", "store")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) printAudit(r ledger.AuditReport, asJSON bool) error {
	var err error
	if asJSON {
		err = c.printJSON(struct {
			OK        bool      `json:"ok"`
			Entries   uint64    `json:"entries"`
			Grants    uint64    `json:"grants"`
			Effects   uint64    `json:"effects"`
			Approvals uint64    `json:"approvals"`
			Again     uint64    `json:"decided_again"`
			Broken    uint64    `json:"broken"`
			Open      uint64    `json:"reviews_open"`
			Overdue   uint64    `json:"reviews_overdue"`
			Found     int       `json:"found"`
			Findings  []finding `json:"findings"`
		}{r.OK(), r.Entries, r.Grants, r.Effects, r.Approvals, r.DecidedAgain, r.Broken, r.Open, r.Overdue, r.Count, findingsOf(r.Findings)})
	} else {
		c.printFound(r.Findings)
		if r.OK() {
			fmt.Fprintf(c.stdout, "%s %s: %s, %d redeemed, each once; %s, %d decided again\n", c.paint(green, "ok"), plural(r.Entries, "entry"), plural(r.Grants, "grant"), r.Effects, plural(r.Approvals, "approval"), r.DecidedAgain)
		}
		if r.Broken > 0 {
			fmt.Fprintf(c.stdout, "   %s by somebody alone: %s open, %d overdue\n", plural(r.Broken, "approval"), plural(r.Open, "review"), r.Overdue)
		}
	}
	if err != nil || r.OK() {
		return err
	}
	return fmt.Errorf("the log breaks %d promises about effects, the first: %s", r.Count, r.List[0])
}
