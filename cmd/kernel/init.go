package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/internal/app"
)

func (c *cli) initCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "init DIR",
		Short:   "Write a commented bundle to start from",
		Long:    "Write a commented bundle to start from: a schema, policies and tests that pass,\nand a registry with an agent that may ask.",
		Example: "  kernel init policies",
		Args:    arguments(1, 1, "DIR"),
		RunE: func(_ *cobra.Command, args []string) error {
			written, err := app.InitBundle(args[0])
			if err != nil {
				return err
			}
			for _, path := range written {
				fmt.Fprintln(c.stdout, "wrote", path)
			}
			fmt.Fprintf(c.stdout, "\nnext:\n  kernel check %[1]s\n  kernel test %[1]s\n  kernel serve --policies %[1]s\n", quote(args[0]))
			return nil
		},
	}
}
