package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
)

func (c *cli) tokensRotateCommand() *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "rotate ID",
		Short: "Replace a token by a new one for the same",
		Long: `Replace a token by a new one for the same: its secret is shown once, and then the
old token is revoked. A token that expires is replaced by one that lives as long
from now. With --keep both hold until you revoke the old one.`,
		Example: "  kernel tokens rotate 01KFG8XN3B2M4Q5R6S7T8V9WXY > ci.token",
		Args:    arguments(1, 1, "ID"),
		RunE: c.connected(func(ctx context.Context, k *client.Client, args []string) error {
			spec, err := rotated(ctx, k, args[0])
			if err != nil {
				return err
			}
			secret, t, err := k.CreateToken(ctx, spec)
			if err != nil {
				return err
			}
			// The secret is told before the old token ends: whoever is
			// interrupted in between has two tokens, and not none.
			fmt.Fprintf(c.stderr, "token %s for %s; this is the only time its secret is shown:\n", t.ID, describe(t))
			if _, err := fmt.Fprintln(c.stdout, secret); err != nil || keep {
				return err
			}
			if err := k.RevokeToken(ctx, args[0]); err != nil {
				return fmt.Errorf("the new token holds, and so does the old one, which could not be revoked: %w", err)
			}
			fmt.Fprintln(c.stderr, "revoked", args[0])
			return nil
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	cmd.Flags().BoolVar(&keep, "keep", false, "do not revoke the old token yet")
	return cmd
}

// rotated is what a new token for the same as an old one is made of.
func rotated(ctx context.Context, k *client.Client, id string) (client.TokenSpec, error) {
	tokens, err := k.Tokens(ctx)
	if err != nil {
		return client.TokenSpec{}, err
	}
	i := slices.IndexFunc(tokens, func(t client.Token) bool { return t.ID == id })
	if i < 0 {
		return client.TokenSpec{}, kernel.Errorf(kernel.NotFound, "there is no token %q", id).WithHint("\"kernel tokens list\" shows them")
	}
	t := tokens[i]
	if !t.RevokedAt.IsZero() {
		return client.TokenSpec{}, misuse("token %s was revoked", id).WithHint("make a new one with \"kernel tokens create\"")
	}
	if t.Name == "local administrator" && t.Role == kernel.RoleAdmin {
		return client.TokenSpec{}, misuse("token %s is that of the data folder, which the kernel reads at its start", id).
			WithHint("revoke it, remove admin.token from the folder, and start the kernel again: it makes a new one")
	}
	spec := client.TokenSpec{Name: t.Name, Role: t.Role, Agent: t.Agent, SpeaksFor: t.SpeaksFor, Principal: t.Principal}
	if !t.ExpiresAt.IsZero() {
		spec.ExpiresIn = t.ExpiresAt.Sub(t.CreatedAt).Round(time.Second)
	}
	return spec, nil
}
