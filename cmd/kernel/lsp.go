package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/strixlabs/execution-kernel/internal/app"
	"github.com/strixlabs/execution-kernel/internal/lsp"
)

func (c *cli) lspCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "lsp",
		Short: "Help an editor with policies: the Language Server Protocol",
		Long: `Help an editor with policies: the Language Server Protocol on the standard input
and output. An editor starts this command. It shows what "kernel check" finds
while you type, completes and explains names, goes to where they are declared,
and formats as "kernel fmt" does.

The bundle of a file is the nearest folder above it, within the workspace, that
holds a schema.`,
		Example: "  kernel lsp",
		Args:    noArguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f, ok := c.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
				return misuse("this command speaks with an editor, and here is a terminal").
					WithHint("configure your editor to start \"kernel lsp\"; docs/editors.md shows how")
			}
			return lsp.Serve(cmd.Context(), c.stdin, c.stdout, lsp.Config{
				ReadBundle: app.ReadBundle,
				Version:    c.version,
				Log:        func(format string, args ...any) { fmt.Fprintf(c.stderr, "kernel: "+format+"\n", args...) },
			})
		},
	}
}
