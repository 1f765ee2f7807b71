package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/client"
)

func (c *cli) breakGlassCommand() *cobra.Command {
	var reason, digest string
	cmd := &cobra.Command{
		Use:   "break-glass ID",
		Short: "Allow it alone, with a reason that somebody reviews",
		Long: `Allow it alone, with a reason that somebody reviews. The workflow says who may,
how long the reason is at least, and who reviews until when; while a review is
overdue nobody breaks the glass of the workflow. What is denied stays denied.

It is for the request as it is shown: without --digest it is read and printed
first.`,
		Example: "  kernel approvals break-glass 01KFG8XN3B2M4Q5R6S7T8V9WXY --reason 'checkout is down, nobody of the team answers'",
		Args:    arguments(1, 1, "ID"),
	}
	cmd.RunE = c.connected(func(ctx context.Context, k *client.Client, args []string) error {
		digest, err := c.shownDigest(ctx, k, args[0], digest)
		if err != nil {
			return err
		}
		got, err := k.BreakGlass(ctx, args[0], digest, reason)
		if err != nil {
			return err
		}
		return c.printVoted(ctx, k, got)
	})
	settingFlags(cmd, "server", "token", "token-file", "data")
	cmd.Flags().StringVar(&reason, "reason", "", "why it cannot wait: recorded `TEXT`, required")
	cmd.Flags().StringVar(&digest, "digest", "", "the `DIGEST` of the request that you were shown")
	return cmd
}

func (c *cli) reviewCommand() *cobra.Command {
	var outcome, note string
	cmd := &cobra.Command{
		Use:     "review ID",
		Short:   "Close the review of what somebody allowed alone",
		Example: "  kernel approvals review 01KFG8XN3B2M4Q5R6S7T8V9WXY --outcome justified --note 'seen in the incident channel'",
		Args:    arguments(1, 1, "ID"),
	}
	cmd.RunE = c.connected(func(ctx context.Context, k *client.Client, args []string) error {
		if outcome == "" || note == "" {
			return misuse("a review has an outcome and a note").WithHint("kernel approvals review %s --outcome justified --note TEXT", args[0])
		}
		if err := oneOf("--outcome", outcome, []string{"justified", "unjustified"}); err != nil {
			return err
		}
		a, err := k.Review(ctx, args[0], outcome == "justified", note)
		if err != nil {
			return err
		}
		open := ""
		if a.Broken != nil {
			open = strings.Join(openReviews(a.Broken), "; ")
		}
		if open != "" {
			open = "; still open: " + open
		}
		_, err = fmt.Fprintf(c.stdout, "the review of %s is closed: %s%s\n", a.ID, outcome, safe(open))
		return err
	})
	settingFlags(cmd, "server", "token", "token-file", "data")
	cmd.Flags().Var(newText("justified|unjustified", &outcome), "outcome", "whether it was right")
	cmd.Flags().StringVar(&note, "note", "", "what you found, for people: recorded `TEXT`, required")
	return cmd
}

// openReviews says until when reviews wait, which and for whom: what a list cuts
// off comes last.
func openReviews(b *client.BrokenGlass) []string {
	var list []string
	for _, r := range b.Reviews {
		if r.By == "" {
			list = append(list, fmt.Sprintf("until %s %s asks %s", r.DueAt.UTC().Format(time.RFC3339), r.Workflow, strings.Join(r.Asks, ", ")))
		}
	}
	return list
}

// showGlass prints who may break the glass, or who did.
func showGlass(line func(name, value string), a client.Approval) {
	if g := a.BreakGlass; g != nil {
		line("break glass", fmt.Sprintf("%s, until %s, with a reason of %d characters", strings.Join(g.Asks, ", "), g.Until.UTC().Format(time.RFC3339), g.MinReason))
	}
	b := a.Broken
	if b == nil {
		return
	}
	line("broken", fmt.Sprintf("by %s at %s: %s", b.By, b.At.UTC().Format(time.RFC3339), b.Reason))
	for _, r := range b.Reviews {
		if r.By != "" {
			line("review", fmt.Sprintf("%s: %s by %s at %s: %s", r.Workflow, outcomeOf(r), r.By, r.At.UTC().Format(time.RFC3339), r.Note))
		}
	}
	for _, open := range openReviews(b) {
		line(map[bool]string{true: "overdue", false: "review"}[b.Overdue], open)
	}
}

func outcomeOf(r client.GlassReview) string {
	if r.Justified != nil && *r.Justified {
		return "justified"
	}
	return "unjustified"
}

// printReviews lists broken glasses by their reviews.
func printReviews(w io.Writer, list []client.Approval) {
	fmt.Fprintln(w, "ID\tAGENT\tBROKEN BY\tAT\tREVIEW")
	for _, a := range list {
		if b := a.Broken; b != nil {
			late := map[bool]string{true: "OVERDUE: "}[b.Overdue]
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", a.ID, cell(a.Agent), cell(b.By), b.At.UTC().Format(time.RFC3339), cell(late+strings.Join(openReviews(b), "; ")))
		}
	}
}
