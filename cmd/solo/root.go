package main

import (
	"context"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/strixlabs/execution-kernel/internal/suggest"
)

func newRoot(stdout, stderr *os.File) *cobra.Command {
	root := &cobra.Command{
		Use:           "solo",
		Short:         "Ship an artifact when the kernel allows it",
		Long:          "solo reads solo.yaml, asks the execution kernel before any step runs, and runs\nthe steps only after an ALLOW that is on record.",
		Version:       orElse(version, "unknown"),
		SilenceErrors: true,
		SilenceUsage:  true,

		DisableSuggestions: true, // ours are better
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(initCommand(stdout), planCommand(stdout, stderr), shipCommand(stdout, stderr))
	return root
}

// unknownCommand is how cobra's error begins when the first word names no
// subcommand.
const unknownCommand = "unknown command "

// execute runs a command line, and finds a word for the one that was not known.
func execute(ctx context.Context, root *cobra.Command) error {
	err := root.ExecuteContext(ctx)
	if err == nil {
		return nil
	}
	rest, unknown := strings.CutPrefix(err.Error(), unknownCommand)
	if !unknown {
		return err
	}
	quoted, _ := strconv.QuotedPrefix(rest)
	word, _ := strconv.Unquote(quoted)
	var names []string
	for _, sub := range root.Commands() {
		names = append(names, sub.Name())
	}
	return failf(exitMisuse, "unknown command %q", word).
		withHint("%s", orElse(suggest.DidYouMean(word, names), "solo --help lists the commands"))
}

// noArguments refuses words after a subcommand.
func noArguments(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return failf(exitMisuse, "%s takes no arguments, but was given %q", c.CommandPath(), args[0]).
		withHint("%s --help", c.CommandPath())
}

func flagError(c *cobra.Command, err error) error {
	f := failf(exitMisuse, "%v", err)
	const unknown = "unknown flag: --"
	if name, ok := strings.CutPrefix(err.Error(), unknown); ok {
		var known []string
		c.Flags().VisitAll(func(fl *pflag.Flag) { known = append(known, fl.Name) })
		if near := suggest.Nearest(name, known); near != "" {
			return f.withHint("did you mean --%s?", near)
		}
	}
	return f.withHint("%s --help", c.CommandPath())
}

func orElse(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}
