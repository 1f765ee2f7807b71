package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/grant"
)

func (c *cli) grantsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "grants",
		Short: "Redeem and settle grants, and see what became of them",
		Long: `Redeem and settle grants, and see what became of them. A grant is the single-use
permission that an ALLOW carries: whoever executes redeems it before the effect
and settles it after. A grant has the id of its decision.`,
		Example: "  kernel grants list --state redeemed\n  kernel grants show 01KFG8XN3B2M4Q5R6S7T8V9WXY",
	}
	onlySubcommands(cmd)
	cmd.AddCommand(c.grantsListCommand(), c.grantsShowCommand(), c.grantsCheckCommand(), c.grantsRedeemCommand(), c.grantsSettleCommand())
	return cmd
}

func (c *cli) grantsListCommand() *cobra.Command {
	var q client.GrantQuery
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the grants that are still kept, the oldest first",
		Long: `List the grants that are still kept, the oldest first: closed ones for a week,
redeemed ones for 30 days. The log has all of them: kernel log list --kind grant.
It takes the role admin or auditor.`,
		Example: "  kernel grants list --state redeemed --json",
		Args:    noArguments(),
		RunE: c.connected(func(ctx context.Context, k *client.Client, _ []string) error {
			grants, next, err := k.Grants(ctx, q)
			if err != nil {
				return err
			}
			if asJSON {
				return c.printJSON(struct {
					Grants []client.Grant `json:"grants"`
					Next   string         `json:"next_cursor,omitzero"`
				}{grants, next})
			}
			w := c.table()
			fmt.Fprintln(w, "ID\tSTATE\tAGENT\tACTION\tEXPIRES\tREDEEMED BY\tOUTCOME")
			for _, g := range grants {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", cell(g.ID), cell(g.State), cell(g.Agent), cell(g.Action),
					g.ExpiresAt.UTC().Format(time.RFC3339), cell(g.RedeemedBy), cell(g.Outcome))
			}
			if err := w.Flush(); err != nil || next == "" {
				return err
			}
			_, err = fmt.Fprintf(c.stderr, "more with --cursor %s\n", safe(next))
			return err
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	cmd.Flags().StringVar(&q.State, "state", "", "only those in this `STATE`: "+states())
	cmd.Flags().StringVar(&q.Agent, "agent", "", "only those of the agent with this `ID`")
	cmd.Flags().IntVar(&q.Limit, "limit", 100, "how many at most, 1 to 1000 (`N`)")
	cmd.Flags().StringVar(&q.Cursor, "cursor", "", "where the page before ended (`CURSOR`)")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func states() string {
	var words []string
	for _, s := range grant.States() {
		words = append(words, string(s))
	}
	return strings.Join(words, ", ")
}

func (c *cli) grantsShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Print what became of a grant",
		Long:    "Print what became of a grant. Its token is not shown: kernel decide prints it once.",
		Example: "  kernel grants show 01KFG8XN3B2M4Q5R6S7T8V9WXY",
		Args:    arguments(1, 1, "ID"),
		RunE: c.connected(func(ctx context.Context, k *client.Client, args []string) error {
			g, err := k.Grant(ctx, args[0])
			if err != nil {
				return err
			}
			return c.printJSON(g)
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	return cmd
}

func (c *cli) grantsRedeemCommand() *cobra.Command {
	var digest string
	cmd := &cobra.Command{
		Use:   "redeem ID",
		Short: "Redeem a grant whose token is read from stdin",
		Long: `Redeem a grant whose token (grant.token of the decision) is read from stdin. With
exit code 0 what was decided may be executed, now and once.`,
		Example: "  kernel grants redeem 01KFG8XN3B2M4Q5R6S7T8V9WXY < token",
		Args:    arguments(1, 1, "ID"),
		RunE: c.connected(func(ctx context.Context, k *client.Client, args []string) error {
			token, err := c.input("-")
			if err != nil {
				return err
			}
			text := strings.TrimSpace(string(token))
			if text == "" {
				return misuse("there is no token on stdin").WithHint("it is grant.token of the decision: kernel grants redeem %s < token", args[0])
			}
			g, err := k.Redeem(ctx, args[0], text, digest)
			if err != nil {
				return err
			}
			return c.printJSON(g)
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	cmd.Flags().StringVar(&digest, "request-digest", "", "the `DIGEST` of the request that is to be executed; another than the grant's is refused")
	return cmd
}

func (c *cli) grantsSettleCommand() *cobra.Command {
	var s client.Settlement
	cmd := &cobra.Command{
		Use:     "settle ID --outcome OUTCOME",
		Short:   "Say how what a grant permitted ended",
		Long:    "Say how what a grant permitted ended. Only whoever redeemed the grant may.",
		Example: "  kernel grants settle 01KFG8XN3B2M4Q5R6S7T8V9WXY --outcome succeeded",
		Args:    arguments(1, 1, "ID"),
		RunE: c.connected(func(ctx context.Context, k *client.Client, args []string) error {
			if s.Outcome == "" {
				return misuse("--outcome is missing").WithHint("say --outcome succeeded, failed or abandoned")
			}
			g, err := k.Settle(ctx, args[0], s)
			if err != nil {
				return err
			}
			return c.printJSON(g)
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	cmd.Flags().StringVar(&s.Outcome, "outcome", "", "how it ended (`OUTCOME`): succeeded, failed, or abandoned")
	cmd.Flags().StringVar(&s.Result, "result", "", "the `DIGEST` (sha256:…) of whatever shows it")
	cmd.Flags().BoolVar(&s.NoEffect, "no-effect", false, "with failed: nothing was changed, so the decision need not count")
	return cmd
}
