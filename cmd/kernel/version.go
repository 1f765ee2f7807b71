package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/internal/app"
)

func (c *cli) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version and what it is made of",
		Example: "  kernel version --json",
		Args:    noArguments(),
		RunE: func(*cobra.Command, []string) error {
			v := app.VersionsOf(c.version)
			if asJSON {
				return c.printJSON(v)
			}
			_, err := fmt.Fprintf(c.stdout, "kernel %s\ncommit %s\ngo     %s\nsqlite %s\npdl    %s\n", v.Version, v.Commit, v.Go, v.SQLite, v.PDL)
			return err
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}
