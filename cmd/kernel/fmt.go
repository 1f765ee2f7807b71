package main

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/internal/app"
)

func (c *cli) fmtCommand() *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "fmt [--check] PATH…",
		Short: "Write policies in their canonical form",
		Long: `Write policies in their canonical form: keys in the order of the reference, two
spaces of indentation, rows of tables in columns. Comments stay, and so does the
meaning: the policy version is the same before and after. Conditions that were
folded or in double quotes become | blocks or one plain line.

Files that change are replaced, whole or not at all, and named; - formats the
standard input to the standard output. With --check nothing is written, files
that would change are named, and the exit code is 1 when there are some. When
a file is not YAML, no file is written.`,
		Example: "  kernel fmt policies\n  kernel fmt --check policies\n  kernel fmt - < policy.yaml",
		Args:    arguments(1, 0, "PATH"),
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 1 && args[0] == "-":
				return c.formatInput(check)
			case slices.Contains(args, "-"):
				return misuse("- stands alone").WithHint("format files and the standard input in two calls")
			}
			return c.format(args, check)
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "write nothing, and fail when a file would change")
	return cmd
}

func (c *cli) format(paths []string, check bool) error {
	files, err := app.FormatFiles(paths)
	if err != nil {
		return err
	}
	differ := false
	for _, f := range files {
		if !f.Changed {
			continue
		}
		differ = true
		if !check {
			if err := f.Write(); err != nil {
				return err
			}
		}
		fmt.Fprintln(c.stdout, f.Name)
	}
	if check && differ {
		return exitError(exitFailed)
	}
	return nil
}

func (c *cli) formatInput(check bool) error {
	const name = "standard input"
	data, err := c.input("-")
	if err != nil {
		return err
	}
	text, err := app.FormatText(name, data)
	switch {
	case err != nil:
		return err
	case !check:
		_, err = c.stdout.Write(text)
		return err
	case !bytes.Equal(text, data):
		fmt.Fprintln(c.stdout, name)
		return exitError(exitFailed)
	}
	return nil
}
