package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/client"
)

func (c *cli) killCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kill",
		Short: "Stop everything, an action or an agent, and lift it again",
		Long: `Stop everything, an action or an agent. From the moment that the command returns
every request that is stopped is denied with the code KILLED, until it is lifted.
This takes the role admin; list also auditor.`,
		Example: "  kernel kill on --all --reason 'incident 42'\n  kernel kill on --action 'deploy_*'\n  kernel kill list",
	}
	onlySubcommands(cmd)
	cmd.AddCommand(
		c.switchCommand("on", "Stop requests until they are lifted", "stopped", (*client.Client).Kill),
		c.switchCommand("off", "Lift a kill switch", "lifted", (*client.Client).Lift),
		c.killListCommand(),
	)
	return cmd
}

func (c *cli) switchCommand(name, short, done string, turn func(*client.Client, context.Context, string, string, string) error) *cobra.Command {
	var all bool
	var action, agent, reason string
	cmd := &cobra.Command{
		Use:     name + " --all|--action PATTERN|--agent ID",
		Short:   short,
		Example: "  kernel kill " + name + " --agent agent-001 --reason 'incident 42'",
		Args:    noArguments(),
	}
	cmd.RunE = c.connected(func(ctx context.Context, k *client.Client, _ []string) error {
		scope, target, given := "all", "", 0
		for _, s := range []struct {
			set           bool
			scope, target string
		}{{all, "all", ""}, {action != "", "action", action}, {agent != "", "agent", agent}} {
			if s.set {
				scope, target, given = s.scope, s.target, given+1
			}
		}
		if given != 1 {
			return misuse("name one of --all, --action and --agent")
		}
		if err := turn(k, ctx, scope, target, reason); err != nil {
			return err
		}
		if target == "" {
			target = "everything"
		}
		_, err := fmt.Fprintf(c.stdout, "%s: %s\n", done, safe(target))
		return err
	})
	settingFlags(cmd, "server", "token", "token-file", "data")
	cmd.Flags().BoolVar(&all, "all", false, "everything")
	cmd.Flags().StringVar(&action, "action", "", "the actions of a `PATTERN`: a name, or the beginning of one and a *")
	cmd.Flags().StringVar(&agent, "agent", "", "all that the agent with this `ID` asks")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for people: recorded `TEXT`")
	return cmd
}

func (c *cli) killListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List what is stopped",
		Example: "  kernel kill list --json",
		Args:    noArguments(),
		RunE: c.connected(func(ctx context.Context, k *client.Client, _ []string) error {
			kills, err := k.Kills(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				return c.printJSON(struct {
					Kills []client.Kill `json:"kills"`
				}{kills})
			}
			w := c.table()
			fmt.Fprintln(w, "SCOPE\tTARGET\tSINCE\tBY\tREASON")
			for _, s := range kills {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Scope, cell(s.Target), s.Since.UTC().Format(time.RFC3339), cell(s.By), cell(s.Reason))
			}
			return w.Flush()
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	jsonFlag(cmd, &asJSON)
	return cmd
}
