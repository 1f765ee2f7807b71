package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/internal/app"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

func (c *cli) schemaCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "schema",
		Short:   "JSON Schemas of policy documents, for editors",
		Example: "  kernel schema print --all --out .schemas",
	}
	onlySubcommands(cmd)
	var all bool
	var out string
	printing := &cobra.Command{
		Use:   "print KIND|--all [--out DIR]",
		Short: "Print the JSON Schema of a kind of document",
		Long: `Print the JSON Schema (2020-12) of a kind of document: an editor completes keys by
it and explains them. --all prints one schema for documents of every kind, which
is what a file of several documents needs.

With --out the schemas are written into a folder, KIND.schema.json each, and with
--all pdl.schema.json beside them.`,
		Example: "  kernel schema print policy\n  kernel schema print --all --out .schemas",
		RunE: func(_ *cobra.Command, args []string) error {
			kinds := args
			switch {
			case all && len(args) > 0:
				return misuse("--all and %q: one of them", args[0])
			case !all && len(args) != 1:
				return misuse("KIND is missing").WithHint("usage: \"kernel schema print KIND|--all [--out DIR]\"")
			case all && out != "":
				kinds = append(pdl.Kinds(), app.AnyKind)
			case all:
				kinds = []string{app.AnyKind}
			}
			return c.printSchemas(kinds, out)
		},
	}
	printing.Flags().BoolVar(&all, "all", false, "one schema for documents of every kind")
	printing.Flags().Var(newText("DIR", &out), "out", "write files into this folder")
	cmd.AddCommand(printing)
	return cmd
}

func (c *cli) printSchemas(kinds []string, out string) error {
	if out == "" {
		schema, err := app.PolicySchema(kinds[0])
		if err == nil {
			_, err = c.stdout.Write(schema)
		}
		return err
	}
	written, err := app.WritePolicySchemas(out, kinds)
	for _, path := range written {
		fmt.Fprintln(c.stdout, "wrote", path)
	}
	return err
}
