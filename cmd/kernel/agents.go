package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/suggest"
)

func (c *cli) agentsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "agents",
		Short: "Register, change, show, suspend, resume and retire agents, people and services",
		Long: `Register, change, show, suspend, resume and retire the agents, people and services
of a running kernel's registry. Showing takes the role admin or auditor, all else
admin. "kernel registry apply" registers many, from a file.`,
		Example: "  kernel agents list\n  kernel agents suspend agent-001 --reason 'odd deployments'",
	}
	onlySubcommands(cmd)
	cmd.AddCommand(
		c.agentsListCommand(), c.agentsShowCommand(), c.agentsAddCommand(), c.agentsSetCommand(),
		c.statusCommand("suspend", "suspended", "Deny an agent everything until it is resumed"),
		c.statusCommand("resume", "active", "Let a suspended agent ask again"),
		c.statusCommand("retire", "retired", "Deny an agent everything, for ever"),
	)
	return cmd
}

func (c *cli) agentsListCommand() *cobra.Command {
	var kind, status string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List agents, people and services",
		Example: "  kernel agents list --kind agent --status suspended",
		Args:    noArguments(),
		RunE: c.connected(func(ctx context.Context, k *client.Client, _ []string) error {
			agents, err := k.Agents(ctx, "", kind, status)
			if err != nil {
				return err
			}
			if asJSON {
				return c.printJSON(struct {
					Agents []client.Principal `json:"agents"`
				}{agents})
			}
			w := c.table()
			fmt.Fprintln(w, "ID\tKIND\tSTATUS\tOWNER\tCAPABILITIES")
			for _, a := range agents {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", cell(a.ID), a.Kind, a.Status, cell(a.Owner), cell(strings.Join(kernel.SortedKeys(a.Capabilities), ", ")))
			}
			return w.Flush()
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	cmd.Flags().StringVar(&kind, "kind", "", "only those that are an `agent|person|service`")
	cmd.Flags().StringVar(&status, "status", "", "only in this `STATUS`: active, suspended or retired")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) agentsShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Print all that is registered of one, as JSON",
		Example: "  kernel agents show agent-001",
		Args:    arguments(1, 1, "ID"),
		RunE: c.connected(func(ctx context.Context, k *client.Client, args []string) error {
			all, err := k.Agents(ctx, "", "", "")
			if err != nil {
				return err
			}
			var ids []string
			for _, a := range all {
				if a.ID == args[0] {
					return c.printJSON(a)
				}
				ids = append(ids, a.ID)
			}
			return unknownAgent(args[0], ids)
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	return cmd
}

func unknownAgent(id string, known []string) error {
	e := kernel.Errorf(kernel.NotFound, "the registry knows no %q", id)
	if near := suggest.DidYouMean(id, known); near != "" {
		return e.WithHint("%s", near)
	}
	return e.WithHint("\"kernel agents list\" shows all")
}

func (c *cli) statusCommand(name, status, short string) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:     name + " ID",
		Short:   short,
		Long:    short + ". It holds from the moment that the command\nreturns, and is recorded with the reason.",
		Example: "  kernel agents " + name + " agent-001 --reason 'incident 42'",
		Args:    arguments(1, 1, "ID"),
		RunE: c.connected(func(ctx context.Context, k *client.Client, args []string) error {
			if err := k.SetStatus(ctx, args[0], status, reason); err != nil {
				return err
			}
			_, err := fmt.Fprintf(c.stdout, "%s is %s\n", safe(args[0]), status)
			return err
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for people: recorded `TEXT`")
	return cmd
}
