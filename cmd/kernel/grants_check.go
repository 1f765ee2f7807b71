package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/app"
)

// A checking is a grant, what it has to be for, and where the keys are.
type checking struct{ file, request, keys string }

func (c *cli) grantsCheckCommand() *cobra.Command {
	var k checking
	cmd := &cobra.Command{
		Use:   "check --for REQUEST",
		Short: "Check a grant's token against a request, offline with --keys",
		Long: `Check that a kernel signed a grant's token as it is, for exactly this request, and
that it is not over. The token is read from stdin or --file. With --keys, a copy of
/.well-known/jwks.json, no kernel is asked. Whether the grant was redeemed, or
anything changed since, only kernel grants redeem tells.`,
		Example: "  kernel grants check --for request.json --keys jwks.json < token",
		Args:    noArguments(),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if k.keys == "" {
			return c.connected(func(ctx context.Context, server *client.Client, _ []string) error {
				keys, err := server.GrantKeys(ctx)
				if err != nil {
					return err
				}
				return c.checkGrant(k, keys)
			})(cmd, args)
		}
		data, err := c.input(k.keys)
		if err != nil {
			return err
		}
		keys, err := client.ReadKeys(data)
		if err != nil {
			return err
		}
		return c.checkGrant(k, keys)
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	cmd.Flags().StringVar(&k.request, "for", "", "the `FILE` with the request that is to be executed")
	cmd.Flags().StringVarP(&k.file, "file", "f", "-", "the `FILE` with the token; - is the standard input")
	cmd.Flags().StringVar(&k.keys, "keys", "", "a `FILE` with the kernel's keys, a JWK set; else the kernel is asked")
	return cmd
}

func (c *cli) checkGrant(k checking, keys client.Keys) error {
	if k.request == "" {
		return misuse("--for is missing").WithHint("name the file with the request that is to be executed")
	}
	data, err := c.input(k.request)
	if err != nil {
		return err
	}
	req, err := kernel.DecodeRequest(data)
	if err != nil {
		return err
	}
	token, err := c.input(k.file)
	if err != nil {
		return err
	}
	p, err := keys.Check(strings.TrimSpace(string(token)), req, app.Clock())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "ok %s: %s may %s until %s, by %s\n", safe(p.ID), safe(p.Agent), safe(p.Action),
		p.ExpiresAt.UTC().Format(time.RFC3339), safe(p.Issuer))
	return err
}
