package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/app"
)

func (c *cli) tokensCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tokens",
		Short: "Create, list, rotate and revoke the tokens of a running kernel",
		Long: `Create, list, rotate and revoke the tokens of a running kernel. This takes the role admin:
the data folder's own token, or one given by --token-file or KERNEL_TOKEN.`,
		Example: "  kernel tokens create --name deployer --role agent --agent agent-001",
	}
	onlySubcommands(cmd)
	cmd.AddCommand(c.tokensCreateCommand(), c.tokensListCommand(), c.tokensRotateCommand(), c.tokensRevokeCommand())
	return cmd
}

// connected runs f with a client of the configured kernel.
func (c *cli) connected(f func(context.Context, *client.Client, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		cfg, err := c.settings(cmd)
		if err != nil {
			return err
		}
		k, err := app.Connect(cfg)
		if err != nil {
			return err
		}
		return f(cmd.Context(), k, args)
	}
}

func (c *cli) tokensCreateCommand() *cobra.Command {
	var spec client.TokenSpec
	var role string
	var agents []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "create --name NAME --role ROLE",
		Short: "Make a token; its secret is shown once",
		Long: `Make a token; its secret is shown once, on stdout, and kept nowhere.

Roles: agent asks for itself (--agent), gateway for the agents it speaks for
(--agents), auditor reads the log, approver votes and reporter reports events as
whoever of the registry it stands for (--principal), admin administers.`,
		Example: "  kernel tokens create --name deployer --role agent --agent agent-001 --expires 720h\n" +
			"  kernel tokens create --name ci --role gateway --agents 'ci-*,agent-001'",
		Args: noArguments(),
	}
	cmd.RunE = c.connected(func(ctx context.Context, k *client.Client, _ []string) error {
		spec.Role, spec.SpeaksFor = kernel.Role(role), agents
		if cmd.Flags().Changed("expires") && spec.ExpiresIn <= 0 {
			return misuse("--expires is a time from now: 720h")
		}
		secret, t, err := k.CreateToken(ctx, spec)
		if err != nil {
			return flagPaths(err)
		}
		if asJSON {
			return c.printJSON(struct {
				Secret string       `json:"secret"`
				Token  client.Token `json:"token"`
			}{secret, t})
		}
		fmt.Fprintf(c.stderr, "token %s for %s; this is the only time its secret is shown:\n", t.ID, describe(t))
		_, err = fmt.Fprintln(c.stdout, secret)
		return err
	})
	settingFlags(cmd, "server", "token", "token-file", "data")
	cmd.Flags().StringVar(&spec.Name, "name", "", "the `NAME` of what uses the token: 1 to 128 characters")
	cmd.Flags().StringVar(&role, "role", "", "the `ROLE`: admin, gateway, agent, auditor, approver or reporter")
	cmd.Flags().StringVar(&spec.Agent, "agent", "", "with --role agent: the `ID` of the one agent it is")
	cmd.Flags().StringSliceVar(&agents, "agents", nil, "with --role gateway: the `AGENTS` it speaks for: ids, or prefixes that end in *")
	cmd.Flags().StringVar(&spec.Principal, "principal", "", "the `ID` of the person or service of the registry that it stands for: it is worth nothing when that is suspended or has not the role any more")
	cmd.Flags().DurationVar(&spec.ExpiresIn, "expires", 0, "how long it lives, a `DURATION` such as 720h (default: until it is revoked)")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// flagPaths says an error about the request in words of the flags.
func flagPaths(err error) error {
	flags := map[string]string{
		"$.name": "--name", "$.role": "--role", "$.agent": "--agent", "$.speaks_for": "--agents", "$.principal": "--principal", "$.expires_in": "--expires",
	}
	var ours *kernel.Error
	if errors.As(err, &ours) && flags[ours.Path] != "" {
		return ours.At(flags[ours.Path])
	}
	return err
}

func describe(t client.Token) string {
	switch {
	case t.Principal != "":
		return fmt.Sprintf("%s %s", t.Role, t.Principal)
	case t.Agent != "":
		return fmt.Sprintf("%s %s", t.Role, t.Agent)
	case len(t.SpeaksFor) > 0:
		return fmt.Sprintf("%s of %s", t.Role, strings.Join(t.SpeaksFor, ", "))
	}
	return string(t.Role)
}

func (c *cli) tokensListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the tokens, without their secrets",
		Example: "  kernel tokens list --json",
		Args:    noArguments(),
		RunE: c.connected(func(ctx context.Context, k *client.Client, _ []string) error {
			tokens, err := k.Tokens(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				return c.printJSON(struct {
					Tokens []client.Token `json:"tokens"`
				}{tokens})
			}
			return c.printTokens(tokens)
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) printTokens(tokens []client.Token) error {
	w := c.table()
	fmt.Fprintln(w, "ID\tNAME\tFOR\tCREATED\tSTATE")
	for _, t := range tokens {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", t.ID, cell(t.Name), cell(describe(t)), t.CreatedAt.UTC().Format(time.RFC3339), state(t, app.Clock()))
	}
	return w.Flush()
}

func state(t client.Token, now time.Time) string {
	switch {
	case !t.RevokedAt.IsZero():
		return "revoked " + t.RevokedAt.UTC().Format(time.RFC3339)
	case t.ExpiresAt.IsZero():
		return "valid"
	case now.Before(t.ExpiresAt):
		return "valid until " + t.ExpiresAt.UTC().Format(time.RFC3339)
	}
	return "expired " + t.ExpiresAt.UTC().Format(time.RFC3339)
}

func (c *cli) tokensRevokeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "revoke ID",
		Short:   "Make a token worth nothing, at once and for ever",
		Example: "  kernel tokens revoke 01KFG8XN3B2M4Q5R6S7T8V9WXY",
		Args:    arguments(1, 1, "ID"),
		RunE: c.connected(func(ctx context.Context, k *client.Client, args []string) error {
			if err := k.RevokeToken(ctx, args[0]); err != nil {
				return err
			}
			_, err := fmt.Fprintln(c.stdout, "revoked", args[0])
			return err
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	return cmd
}
