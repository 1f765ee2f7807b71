package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/app"
)

func (c *cli) delegationsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "delegations",
		Short: "Lend a capability from one agent to another, list and revoke",
		Long: `Lend a capability from one agent to another, list what was lent, and revoke it. A
token of the lender lends and revokes, as does one that speaks for it; listing
takes the role admin or auditor.`,
		Example: "  kernel delegations list",
	}
	onlySubcommands(cmd)
	cmd.AddCommand(c.lendCommand(), c.delegationsListCommand(), c.revokeCommand())
	return cmd
}

func (c *cli) lendCommand() *cobra.Command {
	var d client.Delegation
	var resources, limits []string
	var expires time.Duration
	cmd := &cobra.Command{
		Use:   "lend --from AGENT --to AGENT --of CAPABILITY",
		Short: "Lend a capability, narrowed and for some time",
		Long: `Lend a capability, narrowed and for some time. What is lent is never wider than
what the lender has, now or later, and ends with it.`,
		Example: "  kernel delegations lend --from agent-001 --to agent-002 --of ship \\\n    --action deploy_service --resource 'service=svc/*' --expires 8h",
		Args:    noArguments(),
	}
	cmd.RunE = c.connected(func(ctx context.Context, k *client.Client, _ []string) error {
		for _, r := range resources {
			kind, id, found := strings.Cut(r, "=")
			if !found {
				return misuse("--resource %q is no TYPE=ID", r)
			}
			d.Resources = append(d.Resources, client.Target{Type: kind, ID: id})
		}
		if expires < time.Second {
			return misuse("--expires is a time from now: 8h")
		}
		var err error
		if d.Limits, err = limitsOf(limits); err != nil {
			return err
		}
		d.Expires = app.Clock().Add(expires).UTC().Truncate(time.Second)
		lent, err := k.Lend(ctx, d)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.stdout, "lent %s until %s\n", lent.ID, lent.Expires.UTC().Format(time.RFC3339))
		return err
	})
	settingFlags(cmd, "server", "token", "token-file", "data")
	cmd.Flags().StringVar(&d.From, "from", "", "the `AGENT` that lends")
	cmd.Flags().StringVar(&d.To, "to", "", "the `AGENT` that may ask with it")
	cmd.Flags().StringVar(&d.Of, "of", "", "the `CAPABILITY` of the lender, or the id of a delegation to it")
	cmd.Flags().StringArrayVar(&d.Actions, "action", nil, "an action, a `PATTERN`: a name, or the beginning of one and a *; may be repeated")
	cmd.Flags().StringArrayVar(&resources, "resource", nil, "a resource, `TYPE=ID`, both patterns; may be repeated")
	limitFlag(cmd.Flags(), &limits)
	cmd.Flags().DurationVar(&expires, "expires", 0, "how long, a `DURATION` such as 8h")
	cmd.Flags().IntVar(&d.Lend, "lend", 0, "how many `TIMES` in a row it may be lent on")
	return cmd
}

func (c *cli) delegationsListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List what was lent and not revoked",
		Example: "  kernel delegations list --json",
		Args:    noArguments(),
		RunE: c.connected(func(ctx context.Context, k *client.Client, _ []string) error {
			list, err := k.Delegations(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				return c.printJSON(struct {
					Delegations []client.Delegation `json:"delegations"`
				}{list})
			}
			w := c.table()
			fmt.Fprintln(w, "ID\tFROM\tTO\tOF\tACTIONS\tEXPIRES")
			for _, d := range list {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", d.ID, cell(d.From), cell(d.To), cell(d.Of), cell(strings.Join(d.Actions, ", ")), d.Expires.UTC().Format(time.RFC3339))
			}
			return w.Flush()
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) revokeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "revoke ID",
		Short:   "End a delegation, and all that was lent on from it",
		Example: "  kernel delegations revoke 01KFG8XN3B2M4Q5R6S7T8V9WXY",
		Args:    arguments(1, 1, "ID"),
		RunE: c.connected(func(ctx context.Context, k *client.Client, args []string) error {
			if err := k.Revoke(ctx, args[0]); err != nil {
				return err
			}
			_, err := fmt.Fprintln(c.stdout, "revoked", args[0])
			return err
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	return cmd
}
