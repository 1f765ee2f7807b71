package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/client"
)

func (c *cli) decisionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "decisions",
		Short:   "See a decision of a running kernel, and wait for people",
		Long:    "See a decision of a running kernel, and wait for people where they are asked. The whole\nlog is read with kernel log.",
		Example: "  kernel decisions show 01KFG8XN3B2M4Q5R6S7T8V9WXY",
	}
	onlySubcommands(cmd)
	cmd.AddCommand(c.decisionsShowCommand())
	return cmd
}

func (c *cli) decisionsShowCommand() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Print a decision, with what became of its approval and its grant",
		Long: `Print a decision as JSON, with what became of its approval and its grant. --wait
waits until people answered it, and prints the decision that they allowed. Whoever
asked sees it, and an auditor or admin, which is recorded.

Exit codes: 0 ALLOW, 3 DENY, 4 REQUIRE_APPROVAL, 5 no kernel could answer.`,
		Example: "  kernel decisions show 01KFG8XN3B2M4Q5R6S7T8V9WXY --wait 30m",
		Args:    arguments(1, 1, "ID"),
		RunE: c.connected(func(ctx context.Context, k *client.Client, args []string) error {
			if wait < 0 {
				return misuse("--wait is %s; it is not below 0", wait)
			}
			d, err := k.Decision(ctx, args[0])
			if err != nil {
				return err
			}
			return c.answered(ctx, k, d, wait)
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	waitFlag(cmd, &wait)
	return cmd
}
