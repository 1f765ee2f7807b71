package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/internal/app"
)

func (c *cli) storeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Prepare and look at the database that keeps the log",
		Long: `Prepare and look at the database that keeps the log. With --store (or
KERNEL_STORE) a kernel keeps it in PostgreSQL instead of SQLite in its data folder.`,
		Example: "  kernel store migrate --store postgres://kernel@db.example.org/kernel?sslmode=verify-full\n  kernel store status",
	}
	onlySubcommands(cmd)
	cmd.AddCommand(c.storeMigrateCommand(), c.storeStatusCommand(), c.storeCopyCommand())
	return cmd
}

func (c *cli) storeMigrateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Prepare a PostgreSQL database, or bring it up to date",
		Long: `Prepare a PostgreSQL database, or bring it up to date. Everything lies in the
schema "kernel". Kernels do not do it by themselves when they start, since others
of the earlier version may still be deciding: stop them first.`,
		Example: "  kernel store migrate --store postgres://kernel@db.example.org/kernel?sslmode=verify-full",
		Args:    noArguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.settings(cmd)
			if err != nil {
				return err
			}
			name, err := app.MigrateStore(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.stdout, "%s is up to date\n", name)
			return err
		},
	}
	settingFlags(cmd, "store")
	return cmd
}

func (c *cli) storeStatusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Say what the store is, how long its log is, and who writes it",
		Example: "  kernel store status --json",
		Args:    noArguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.settings(cmd)
			if err != nil {
				return err
			}
			status, err := app.Status(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			if asJSON {
				return c.printJSON(status)
			}
			return c.printStatus(status)
		},
	}
	settingFlags(cmd, "store", "data")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) storeCopyCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "copy DIR URL",
		Short: "Move the log of a data folder into an empty PostgreSQL database",
		Long: `Move the log of a data folder, on which no kernel runs, into an empty PostgreSQL
database that was prepared with kernel store migrate: entries, requests, tokens,
policies and checkpoints. All of it or nothing; it is read back and verified. The
folder stays, with its keys: go on with kernel serve --data DIR --store URL.`,
		Example: "  kernel store copy ~/.local/state/execution-kernel postgres://kernel@db.example.org/kernel?sslmode=verify-full",
		Args:    arguments(2, 2, "DIR or URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			copied, err := app.CopyStore(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			if asJSON {
				return c.printJSON(copied)
			}
			fmt.Fprintf(c.stdout, "%s %s and %s copied to %s and verified\n", c.paint(green, "ok"),
				plural(copied.Entries, "entry"), plural(copied.Records, "record"), safe(copied.To))
			_, err = fmt.Fprintf(c.stdout, "root  %s\n", copied.Root)
			return err
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) printStatus(s app.StoreStatus) error {
	t := c.table()
	fmt.Fprintf(t, "store\t%s\n", safe(s.Store))
	fmt.Fprintf(t, "engine\t%s\n", s.Engine)
	switch {
	case s.Schema == 0:
		fmt.Fprintf(t, "schema\tnone; prepare it with kernel store migrate\n")
	case s.Schema < s.Newest:
		fmt.Fprintf(t, "schema\tversion %d; kernel store migrate brings it to %d\n", s.Schema, s.Newest)
	case s.Schema > s.Newest:
		fmt.Fprintf(t, "schema\tversion %d, of a later version of this program, which knows %d\n", s.Schema, s.Newest)
	default:
		fmt.Fprintf(t, "schema\tversion %d\n", s.Schema)
		fmt.Fprintf(t, "log\t%s\n", plural(s.Entries, "entry"))
	}
	if s.Root != "" {
		fmt.Fprintf(t, "root\t%s\n", s.Root)
	}
	for _, l := range s.Leases {
		state := "free"
		if l.Left > 0 {
			state = fmt.Sprintf("for another %.1f s", l.Left)
		}
		fmt.Fprintf(t, "shard %d\t%s, epoch %d, %s\n", l.Shard, safe(l.Owner), l.Epoch, state)
	}
	return t.Flush()
}
