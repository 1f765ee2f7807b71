package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/internal/app"
)

func (c *cli) logCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "log",
		Short: "Read and check the log, with or without a running kernel",
		Long: `Read and check the log of a data folder, of a copy of one, or of a database
(--store). It works without a kernel and beside a running one; whoever may read
the folder or the database may read its log.`,
		Example: "  kernel log list --decision DENY\n  kernel log verify --data copy-of-the-data-folder",
	}
	onlySubcommands(cmd)
	cmd.AddCommand(
		c.logListCommand(), c.logShowCommand(), c.logVerifyCommand(), c.logReplayCommand(), c.logAuditCommand(), c.logCheckpointCommand(),
	)
	return cmd
}

// reading runs f with the log of the configured data folder.
func (c *cli) reading(f func(context.Context, *app.Log, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		cfg, err := c.settings(cmd)
		if err != nil {
			return err
		}
		var progress func(done, of uint64)
		if terminal(c.stderr) {
			progress = func(done, of uint64) { fmt.Fprintf(c.stderr, "\r\x1b[K%d of %d entries", done, max(done, of)) }
		}
		log, err := app.OpenLog(cmd.Context(), cfg, progress)
		if err != nil {
			return err
		}
		return errors.Join(f(cmd.Context(), log, args), log.Close())
	}
}

// endProgress clears the line that progress was shown on.
func (c *cli) endProgress() {
	if terminal(c.stderr) {
		fmt.Fprint(c.stderr, "\r\x1b[K")
	}
}

// shardFlag adds --shard; what it returns is nil where the flag is not given.
func shardFlag(cmd *cobra.Command, usage string) func() (*int, error) {
	shard := cmd.Flags().Int("shard", 0, usage)
	return func() (*int, error) {
		switch {
		case !cmd.Flags().Changed("shard"):
			return nil, nil
		case *shard < 0:
			return nil, misuse("--shard is 0 or more")
		}
		return shard, nil
	}
}

func (c *cli) logShowCommand() *cobra.Command {
	var only func() (*int, error)
	cmd := &cobra.Command{
		Use:   "show SEQ|DECISION_ID",
		Short: "Print one entry and, for a decision, its request",
		Long: `Print one entry and, for a decision, its request. A number is one of shard 0, or of --shard;
a decision id is found in every shard.`,
		Example: "  kernel log show 41823\n  kernel log show 17 --shard 1\n  kernel log show 01KFG8XN3B2M4Q5R6S7T8V9WXY",
		Args:    arguments(1, 1, "SEQ or DECISION_ID"),
		RunE: c.reading(func(ctx context.Context, log *app.Log, args []string) error {
			shard, err := only()
			if err != nil {
				return err
			}
			if shard == nil {
				shard = new(int)
			}
			entry, err := log.Show(ctx, *shard, args[0])
			if err != nil {
				return err
			}
			if err := c.printJSON(entry); err != nil || entry.Problem == "" {
				return err
			}
			return fmt.Errorf("entry %d was changed after it was written: %s", entry.Seq, entry.Problem)
		}),
	}
	settingFlags(cmd, "data", "store")
	only = shardFlag(cmd, "the shard `N` that SEQ is a number of")
	return cmd
}

func (c *cli) logCheckpointCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "checkpoint",
		Short: "Sign the log as it is now, and print the checkpoint",
		Long: `Sign the log as it is now, and print the checkpoint, a signed note (C2SP
tlog-checkpoint). The running kernel signs; when none runs, the folder's key is
used. Kept elsewhere, a checkpoint proves later that nothing was changed. It is
of the shard that the kernel writes, which its first line names where several
kernels share a log.`,
		Example: "  kernel log checkpoint > /mnt/elsewhere/checkpoint",
		Args:    noArguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.settings(cmd)
			if err != nil {
				return err
			}
			note, err := app.SignCheckpoint(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(c.stdout, note)
			return err
		},
	}
	settingFlags(cmd, "data", "store", "server", "token", "token-file")
	return cmd
}
