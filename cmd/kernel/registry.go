package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/app"
)

func (c *cli) registryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "registry",
		Short:   "Say who may ask, and what is trusted of agents and resources",
		Long:    "Say who may ask, and what is trusted of agents and resources: the registry of a\nrunning kernel as a file. This takes the role admin; export also auditor.",
		Example: "  kernel registry apply --file registry.yaml --dry-run",
	}
	onlySubcommands(cmd)
	cmd.AddCommand(c.registryApplyCommand(), c.registryExportCommand())
	return cmd
}

func (c *cli) registryApplyCommand() *cobra.Command {
	var file string
	var options client.ApplyOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "apply --file FILE",
		Short: "Make the registry what a file says, and show what is different",
		Long: `Make the registry what a file says, all or nothing, and show what is different.
What the file does not name stays as it is; with --prune resources it does not
name are removed, and agents, people and services retired, which is for ever. A
status that the file does not say is kept: applying a file resumes nobody.

Warnings name attributes, values, actions and resource types that the active
policy does not have: it never reads them, or denies for them.`,
		Example: "  kernel registry apply --file registry.yaml --dry-run\n  kernel registry apply --file registry.yaml",
		Args:    noArguments(),
	}
	cmd.RunE = c.connected(func(ctx context.Context, k *client.Client, _ []string) error {
		if file == "" {
			return misuse("--file is missing").WithHint("name a file, or - for the standard input")
		}
		data, err := c.input(file)
		if err != nil {
			return err
		}
		document, err := app.RegistryDocument(file, data)
		if err != nil {
			return err
		}
		changes, err := k.ApplyRegistry(ctx, document, options)
		if err != nil {
			return err
		}
		if asJSON {
			return c.printJSON(changes)
		}
		return c.printChanges(changes)
	})
	settingFlags(cmd, "server", "token", "token-file", "data")
	cmd.Flags().StringVarP(&file, "file", "f", "", "the `FILE` in YAML; - is the standard input")
	cmd.Flags().BoolVar(&options.DryRun, "dry-run", false, "show what would change, and change nothing")
	cmd.Flags().StringVar(&options.Reason, "reason", "", "why, for people: recorded `TEXT`")
	cmd.Flags().BoolVar(&options.Prune, "prune", false, "remove or retire what the file does not name")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) printChanges(r client.RegistryChanges) error {
	for _, w := range r.Warnings {
		fmt.Fprintf(c.stderr, "warning: %s: %s\n", safe(w.Path), safe(w.Message))
	}
	for _, change := range r.Changes {
		fmt.Fprintf(c.stdout, "%s %s %s\n", change.Change, change.Object, safe(change.ID))
		for _, line := range change.Details {
			fmt.Fprintf(c.stdout, "  %s\n", safe(line))
		}
	}
	done := fmt.Sprintf("%s; the registry has version %d", plural(len(r.Changes), "change"), r.Version)
	if r.DryRun {
		done = fmt.Sprintf("%s; a dry run: nothing was changed", plural(len(r.Changes), "change"))
	}
	_, err := fmt.Fprintln(c.stdout, done)
	return err
}

func (c *cli) registryExportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "export",
		Short:   "Print the registry as the file that apply takes",
		Example: "  kernel registry export > registry.yaml",
		Args:    noArguments(),
		RunE: c.connected(func(ctx context.Context, k *client.Client, _ []string) error {
			_, document, err := k.Registry(ctx)
			if err != nil {
				return err
			}
			file, err := app.RegistryFile(document)
			if err != nil {
				return err
			}
			_, err = c.stdout.Write(file)
			return err
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	return cmd
}
