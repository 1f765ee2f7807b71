package main

import (
	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

func (c *cli) convertCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "convert",
		Short:   "Turn other policy formats into bundles",
		Example: "  kernel convert phase1 policies.json > policies.yaml",
	}
	onlySubcommands(cmd)
	cmd.AddCommand(&cobra.Command{
		Use:   "phase1 FILE|-",
		Short: "Turn a Phase 1 JSON matrix into a bundle on stdout",
		Long: `Turn a Phase 1 JSON matrix {type: {environment: {risk_level, approvals_required,
constraints}}} into a complete bundle on stdout: a schema and a table.`,
		Example: "  kernel convert phase1 policies.json > policies.yaml",
		Args:    arguments(1, 1, "FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			matrix, err := c.input(args[0])
			if err != nil {
				return err
			}
			bundle, err := pdl.ConvertPhase1(matrix)
			if err != nil {
				return err
			}
			_, err = c.stdout.Write(bundle)
			return err
		},
	})
	return cmd
}
