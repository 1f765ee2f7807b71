package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/internal/app"
)

func (c *cli) proveKeyCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "key FILE",
		Short: "Make a key that signs proof records",
		Long: `Make a key that signs proof records: FILE, which stays with whoever proves, and
FILE.pub, which a kernel is given with --require-proof.`,
		Example: "  kernel prove key proofs.key\n  kernel prove --record proof.json --sign proofs.key policies",
		Args:    arguments(1, 1, "FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			if name == "" {
				name = filepath.Base(args[0])
			}
			if err := app.MakeProofKey(args[0], name); err != nil {
				return err
			}
			_, err := fmt.Fprintf(c.stdout, "%s signs proof records; %s.pub checks them\n", safe(args[0]), safe(args[0]))
			return err
		},
	}
	cmd.Flags().Var(newText("NAME", &name), "name", "what signatures call the key (default: the name of the file)")
	return cmd
}
