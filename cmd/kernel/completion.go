package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/strixlabs/execution-kernel"
)

// completeValues has shells complete the values of flags that take one of a
// few words, and offer files only where a flag or argument names one.
func completeValues(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		completeValues(sub)
	}
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Value.Type() == "bool" {
			return
		}
		metavar, _ := pflag.UnquoteUsage(f)
		complete := cobra.NoFileCompletions
		switch words := valuesOf(metavar); {
		case words != nil:
			complete = cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
		case namesFiles(metavar):
			return // what shells do by themselves
		}
		// It fails for a flag that has completions already, or is none of the command's.
		_ = cmd.RegisterFlagCompletionFunc(f.Name, complete)
	})
	if !namesFiles(cmd.Use) && !cmd.HasSubCommands() && cmd.ValidArgsFunction == nil && len(cmd.ValidArgs) == 0 {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
}

// valuesOf returns the words that the metavar of a usage, such as KIND, stands for, or nil.
func valuesOf(metavar string) (words []string) {
	switch metavar {
	case "KIND":
		words = entryKinds()
	case "ROLE":
		for _, r := range kernel.Roles() {
			words = append(words, string(r))
		}
	case "DECISION":
		words = kernel.EffectNames()
	default:
		if strings.Contains(metavar, "|") && !namesFiles(metavar) {
			words = strings.Split(metavar, "|")
		}
	}
	return words
}

func namesFiles(metavar string) bool {
	for _, word := range []string{"FILE", "DIR", "PATH"} {
		if strings.Contains(metavar, word) {
			return true
		}
	}
	return false
}
