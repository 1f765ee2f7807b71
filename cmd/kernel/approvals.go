package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
)

func (c *cli) approvalsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "approvals",
		Short: "See what waits for people, and vote on it",
		Long: `See what waits for people, and vote on it. To vote takes a token with the role
approver that stands for a person of the registry; whoever asked, and an admin,
may withdraw.`,
		Example: "  kernel approvals list --mine\n  kernel approvals approve 01KFG8XN3B2M4Q5R6S7T8V9WXY",
	}
	onlySubcommands(cmd)
	cmd.AddCommand(
		c.approvalsListCommand(), c.approvalsShowCommand(),
		c.voteCommand("approve", "Vote for it", (*client.Client).Approve), c.voteCommand("reject", "Vote against it, which ends it", (*client.Client).Reject),
		c.breakGlassCommand(), c.reviewCommand(), c.approvalsCancelCommand(), c.approvalsWatchCommand(),
	)
	return cmd
}

func (c *cli) approvalsListCommand() *cobra.Command {
	var q client.ApprovalQuery
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List what you may see, the oldest first",
		Example: "  kernel approvals list --state PENDING --json",
		Args:    noArguments(),
		RunE: c.connected(func(ctx context.Context, k *client.Client, _ []string) error {
			list, err := k.Approvals(ctx, q)
			if err != nil {
				return err
			}
			if asJSON {
				return c.printJSON(struct {
					Approvals []client.Approval `json:"approvals"`
				}{list})
			}
			w := c.table()
			if q.Review != "" {
				printReviews(w, list)
				return w.Flush()
			}
			fmt.Fprintln(w, "ID\tSTATE\tAGENT\tRISK\tEXPIRES\tMISSING")
			for _, a := range list {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", a.ID, a.State, cell(a.Agent), a.RiskLevel, a.ExpiresAt.UTC().Format(time.RFC3339), cell(waits(a)))
			}
			return w.Flush()
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	cmd.Flags().Var(newText("PENDING|APPROVED|REJECTED|EXPIRED|CANCELLED", &q.State), "state", "only those in this state")
	cmd.Flags().BoolVar(&q.Mine, "mine", false, "only what you may vote on now, or review")
	cmd.Flags().Var(newText("open|overdue", &q.Review), "review", "only what somebody allowed alone and whose review is open or overdue")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// waits says what an approval waits for: votes, or what allowed it for a review.
func waits(a client.Approval) string {
	if a.Broken != nil && a.Broken.MayReview {
		return "your review"
	}
	return missing(a)
}

// missing says what an approval takes yet.
func missing(a client.Approval) string {
	var list []string
	for _, w := range a.Workflows {
		for _, m := range w.Missing {
			if w.Name != "" {
				m += " (" + w.Name + ")"
			}
			list = append(list, m)
		}
	}
	return strings.Join(list, ", ")
}

func (c *cli) approvalsShowCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Show one: what would be done, why you are asked, what changed since",
		Example: "  kernel approvals show 01KFG8XN3B2M4Q5R6S7T8V9WXY",
		Args:    arguments(1, 1, "ID"),
		RunE: c.connected(func(ctx context.Context, k *client.Client, args []string) error {
			a, err := k.Approval(ctx, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return c.printJSON(a)
			}
			return c.showApproval(a)
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// showApproval prints what a vote is about. What somebody else wrote cannot
// move the cursor.
func (c *cli) showApproval(a client.Approval) error {
	w := c.table()
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, safe(value))
		}
	}
	line("approval", a.ID)
	line("state", a.State)
	line("because", strings.TrimSpace(a.Code+" "+a.Note))
	line("decision", a.Decision)
	line("agent", a.Agent)
	line("owner", a.Owner)
	line("asked by", asker(a))
	line("request", string(a.Request))
	line("digest", a.RequestDigest)
	line("risk", a.RiskLevel)
	line("why", a.Reason)
	line("rules", strings.Join(a.Rules, ", "))
	line("expires", a.ExpiresAt.UTC().Format(time.RFC3339))
	for _, f := range a.Workflows {
		line("workflow", fmt.Sprintf("%s asks %s; %d needed, counted: %s", orUnnamed(f.Name), strings.Join(f.Asks, ", "), f.Needed, orNobody(f.Counted)))
	}
	for _, v := range a.Votes {
		line("vote", fmt.Sprintf("%s %s at %s %s", v.By, spoken(v), v.At.UTC().Format(time.RFC3339), v.Reason))
	}
	line("missing", missing(a))
	showGlass(line, a)
	line("link", a.Link)
	if a.Now != nil {
		line("now", a.Now.Decision+": "+a.Now.Reason)
		line("changed", strings.Join(a.Now.Changed, "; "))
	}
	line("you", standing(a))
	return w.Flush()
}

// standing says what somebody may do about an approval, or why they may not vote.
func standing(a client.Approval) string {
	switch {
	case a.Broken != nil && a.Broken.MayReview:
		return "may review"
	case a.BreakGlass != nil && a.BreakGlass.May && a.MayVote:
		return "may vote, or break the glass"
	case a.BreakGlass != nil && a.BreakGlass.May:
		return "may break the glass; " + a.MayNot
	case a.MayVote:
		return "may vote"
	}
	return a.MayNot
}

// asker is who asked: of a token its name, which people know, before its id.
func asker(a client.Approval) string {
	if a.AskedByName == "" {
		return a.AskedBy
	}
	return fmt.Sprintf("%s (%s)", a.AskedByName, a.AskedBy)
}

func orUnnamed(name string) string {
	if name == "" {
		return "(no name)"
	}
	return name
}

func orNobody(names []string) string {
	if len(names) == 0 {
		return "nobody"
	}
	return strings.Join(names, ", ")
}

func spoken(v client.ApprovalVote) string {
	switch {
	case v.Automatic:
		return "approved by itself"
	case v.Approve:
		return "approved"
	}
	return "rejected"
}

func (c *cli) voteCommand(name, short string, vote func(*client.Client, context.Context, string, string, string) (kernel.Approval, error)) *cobra.Command {
	var reason, digest string
	cmd := &cobra.Command{
		Use:   name + " ID",
		Short: short,
		Long: short + `. The vote is for the request as it is shown: without --digest it is
read and printed first.`,
		Example: "  kernel approvals " + name + " 01KFG8XN3B2M4Q5R6S7T8V9WXY --reason 'seen with the team'",
		Args:    arguments(1, 1, "ID"),
	}
	cmd.RunE = c.connected(func(ctx context.Context, k *client.Client, args []string) error {
		digest, err := c.shownDigest(ctx, k, args[0], digest)
		if err != nil {
			return err
		}
		got, err := vote(k, ctx, args[0], digest, reason)
		if err != nil {
			return err
		}
		return c.printVoted(ctx, k, got)
	})
	settingFlags(cmd, "server", "token", "token-file", "data")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for people: recorded `TEXT`")
	cmd.Flags().StringVar(&digest, "digest", "", "the `DIGEST` of the request that you were shown")
	return cmd
}

// shownDigest is the digest that somebody was shown: without one the request is
// printed now.
func (c *cli) shownDigest(ctx context.Context, k *client.Client, id, digest string) (string, error) {
	if digest != "" {
		return digest, nil
	}
	a, err := k.Approval(ctx, id)
	if err != nil {
		return "", err
	}
	_, err = fmt.Fprintf(c.stdout, "%s asks: %s\n", safe(a.Agent), safe(string(a.Request)))
	return a.RequestDigest, err
}

// printVoted says what came of a vote: the decision that allows the request, or
// what it still takes.
func (c *cli) printVoted(ctx context.Context, k *client.Client, got kernel.Approval) error {
	more := got.Reason
	switch {
	case got.Decision != "":
		more = "decision " + got.Decision + " allows it"
	case got.State == "PENDING":
		if a, err := k.Approval(ctx, got.ID); err == nil { // the vote counts, whether this can be read or not
			more = missing(a)
		}
	}
	if more != "" {
		more = ": " + more
	}
	_, err := fmt.Fprintf(c.stdout, "%s is %s%s\n", got.ID, got.State, safe(more))
	return err
}

func (c *cli) approvalsCancelCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:     "cancel ID",
		Short:   "Withdraw what was asked",
		Example: "  kernel approvals cancel 01KFG8XN3B2M4Q5R6S7T8V9WXY",
		Args:    arguments(1, 1, "ID"),
	}
	cmd.RunE = c.connected(func(ctx context.Context, k *client.Client, args []string) error {
		got, err := k.Cancel(ctx, args[0], reason)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.stdout, "%s is %s\n", got.ID, got.State)
		return err
	})
	settingFlags(cmd, "server", "token", "token-file", "data")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for people: recorded `TEXT`")
	return cmd
}

func (c *cli) approvalsWatchCommand() *cobra.Command {
	var mine, asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Print what waits, and each change, as it happens",
		Long: `Print what waits, and each change, as it happens, until it is interrupted or the
kernel is gone.`,
		Example: "  kernel approvals watch --mine",
		Args:    noArguments(),
	}
	cmd.RunE = c.connected(func(ctx context.Context, k *client.Client, _ []string) error {
		for seen := 0; ; {
			err := k.Follow(ctx, mine, func(a client.Approval) error {
				if seen++; asJSON {
					if err := c.printLine(a); err != nil {
						return err
					}
				} else if _, err := fmt.Fprintf(c.stdout, "%s %s %s %s %s\n", a.ID, a.State, safe(a.Agent), safe(string(a.Request)), safe(missing(a))); err != nil {
					return err
				}
				if seen == limit {
					return errEnough
				}
				return nil
			})
			if errors.Is(err, errEnough) || ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
	settingFlags(cmd, "server", "token", "token-file", "data")
	cmd.Flags().BoolVar(&mine, "mine", false, "only what you may vote on")
	cmd.Flags().IntVar(&limit, "limit", 0, "end after so many `LINES`; 0: never")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// errEnough ends a watch that has seen what it wanted.
var errEnough = errors.New("enough was seen")
