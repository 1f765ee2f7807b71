package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/strixlabs/execution-kernel/internal/app"
	"github.com/strixlabs/execution-kernel/internal/suggest"
)

func (c *cli) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "kernel",
		Short: "Decide what agents may do, record it first, and prove it later",
		Long: `Kernel decides what agents may do: ALLOW, DENY or REQUIRE_APPROVAL, by policies
you write, recorded on disk before anybody learns the answer.

Exit codes: 0 ALLOW or done, 1 failed, 2 misuse or invalid input, 3 DENY,
4 REQUIRE_APPROVAL, 5 no kernel could answer, 6 neither proved nor refuted.`,
		Example:       "  kernel init policies\n  kernel serve --policies policies",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(c.stdin)
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	root.Version = app.Version(c.version)
	root.SetVersionTemplate("kernel {{.Version}}\n")
	onlySubcommands(root)
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		c.initCommand(), c.serveCommand(), c.checkCommand(), c.fmtCommand(), c.testCommand(), c.proveCommand(), c.evalCommand(), c.decideCommand(), c.decisionsCommand(),
		c.logCommand(), c.storeCommand(), c.tokensCommand(), c.registryCommand(), c.agentsCommand(), c.killCommand(), c.delegationsCommand(), c.approvalsCommand(), c.grantsCommand(), c.webhooksCommand(), c.policiesCommand(), c.eventsCommand(), c.schemaCommand(), c.lspCommand(), c.convertCommand(), c.configCommand(), c.doctorCommand(), c.versionCommand(),
	)
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	for _, sub := range root.Commands() {
		switch sub.Name() {
		case "completion":
			onlySubcommands(sub)
		case "help":
			sub.Run, sub.RunE = nil, helpOf
		}
	}
	completeValues(root)
	return root
}

// flagError says what is wrong with a flag, and which one was meant.
func flagError(cmd *cobra.Command, err error) error {
	e := misuse("%v", err)
	if name, unknown := strings.CutPrefix(err.Error(), "unknown flag: "); unknown {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
		if near := suggest.DidYouMean(name, names); near != "" {
			return e.WithHint("%s", near)
		}
	}
	return e.WithHint("\"%s --help\" lists the flags", cmd.CommandPath())
}

// onlySubcommands makes a command refuse to run by itself, and suggest which
// of its subcommands was meant.
func onlySubcommands(cmd *cobra.Command) {
	cmd.Args = cobra.ArbitraryArgs
	cmd.DisableFlagsInUseLine = true
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return misuse("a command is missing").WithHint("\"%s --help\" lists the commands", cmd.CommandPath())
		}
		return unknownCommand(cmd, args[0])
	}
}

// unknownCommand says that cmd has no subcommand of this name, and which one
// was meant.
func unknownCommand(cmd *cobra.Command, name string) error {
	e := misuse("unknown command %q for %q", name, cmd.CommandPath())
	if near := suggest.DidYouMean(name, subcommands(cmd)); near != "" {
		return e.WithHint("%s", near)
	}
	return e.WithHint("\"%s --help\" lists the commands", cmd.CommandPath())
}

// helpOf is kernel help COMMAND.
func helpOf(cmd *cobra.Command, args []string) error {
	found, rest, err := cmd.Root().Find(args)
	if err != nil {
		return misuse("%v", err)
	}
	if len(rest) > 0 {
		return unknownCommand(found, rest[0])
	}
	return found.Help()
}

func subcommands(cmd *cobra.Command) []string {
	var names []string
	for _, sub := range cmd.Commands() {
		names = append(names, sub.Name())
	}
	return names
}

// arguments wants between least and most arguments, called what in messages;
// most 0 means any number.
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		usage := "\"" + cmd.UseLine() + "\""
		switch {
		case len(args) < least:
			return misuse("%s is missing", what).WithHint("usage: %s", usage)
		case most > 0 && len(args) > most, most == 0 && least == 0 && len(args) > 0:
			return misuse("unexpected argument %q", args[max(most, 0)]).WithHint("usage: %s", usage)
		}
		return nil
	}
}

// noArguments refuses any argument.
func noArguments() cobra.PositionalArgs { return arguments(0, 0, "") }

// settingFlags adds --config and the flags of some settings.
func settingFlags(cmd *cobra.Command, keys ...string) {
	cmd.Flags().Var(newText("FILE", new(string)), "config", "a YAML file with these settings (also KERNEL_CONFIG)")
	for _, s := range app.Settings() {
		if !slices.Contains(keys, s.Key) {
			continue
		}
		if s.Value == "" {
			cmd.Flags().Bool(s.Key, false, s.Usage)
			continue
		}
		value := s.Default
		cmd.Flags().Var(newText(s.Value, &value), s.Key, s.Usage)
	}
}

// settings loads the configuration of a command with setting flags.
func (c *cli) settings(cmd *cobra.Command) (app.Config, error) {
	from, err := c.sources(cmd)
	if err != nil {
		return app.Config{}, err
	}
	return app.Load(from)
}

// sources is where the settings of a command come from.
func (c *cli) sources(cmd *cobra.Command) (app.Sources, error) {
	from := app.Sources{Flags: map[string]string{}, Environ: c.environ}
	for _, s := range app.Settings() {
		if f := cmd.Flags().Lookup(s.Key); f != nil && f.Changed {
			from.Flags[s.Key] = f.Value.String()
		}
	}
	if f := cmd.Flags().Lookup("config"); f.Changed {
		if from.File = f.Value.String(); from.File == "" {
			return app.Sources{}, misuse("--config: the value is empty")
		}
	}
	return from, nil
}

// A textFlag is a string flag whose help shows what stands for its value.
type textFlag struct {
	value   *string
	metavar string
}

func newText(metavar string, value *string) *textFlag { return &textFlag{value, metavar} }

func (t *textFlag) String() string     { return *t.value }
func (t *textFlag) Set(s string) error { *t.value = s; return nil }
func (t *textFlag) Type() string       { return t.metavar }
