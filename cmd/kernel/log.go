package main

import (
	"github.com/spf13/cobra"
)

func (c *cli) logCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "log",
		Short: "Read and check the log, with or without a running kernel",
		Long: `Read and check the log of a data folder or of a copy of one. It works without a
kernel and beside a running one; whoever may read the folder may read the log.`,
		Example: "  kernel log list --decision DENY\n  kernel log verify --data copy-of-the-data-folder",
	}
	onlySubcommands(cmd)
	return cmd
}
