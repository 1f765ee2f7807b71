package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel/client"
)

func (c *cli) webhooksCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "webhooks",
		Short: "See whom the kernel tells what happens, and send again what did not arrive",
		Long: `See whom the kernel tells what happens, and send again what did not arrive.
kernel serve --webhooks FILE says whom it tells.`,
		Example: "  kernel webhooks list\n  kernel webhooks test pager\n  kernel webhooks retry pager",
	}
	onlySubcommands(cmd)
	cmd.AddCommand(c.webhooksListCommand(), c.webhooksTestCommand(), c.webhooksRetryCommand())
	return cmd
}

func (c *cli) webhooksListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list [ENDPOINT]",
		Short: "List endpoints, or the messages to one that were not delivered",
		Long: `List endpoints, or the messages to one that were not delivered. Those that were
given up are kept for 30 days. It takes the role admin or auditor.`,
		Example: "  kernel webhooks list\n  kernel webhooks list pager --json",
		Args:    arguments(0, 1, "ENDPOINT"),
		RunE: c.connected(func(ctx context.Context, k *client.Client, args []string) error {
			list, err := k.Webhooks(ctx)
			if err != nil {
				return err
			}
			if len(args) > 0 {
				return c.listMessages(list, args[0], asJSON)
			}
			if asJSON {
				return c.printJSON(struct {
					Webhooks []client.Webhook `json:"webhooks"`
				}{list})
			}
			w := c.table()
			fmt.Fprintln(w, "ENDPOINT\tSTATE\tPENDING\tDEAD\tTARGET\tEVENTS")
			for _, h := range list {
				fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\n", cell(h.Endpoint), hookState(h), h.Pending, h.Dead, cell(h.Target), cell(strings.Join(h.Events, ",")))
			}
			return w.Flush()
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	jsonFlag(cmd, &asJSON)
	return cmd
}

func hookState(h client.Webhook) string {
	switch {
	case !h.Configured:
		return "removed"
	case !h.Stopped.IsZero():
		return "stopped"
	}
	return "on"
}

func (c *cli) listMessages(list []client.Webhook, endpoint string, asJSON bool) error {
	for _, h := range list {
		if h.Endpoint != endpoint {
			continue
		}
		if asJSON {
			return c.printJSON(h)
		}
		w := c.table()
		fmt.Fprintln(w, "ID\tEVENT\tSTATE\tATTEMPTS\tSINCE\tNEXT\tLAST")
		for _, m := range h.Messages {
			next := ""
			if !m.Next.IsZero() {
				next = m.Next.UTC().Format(time.RFC3339)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", cell(m.ID), cell(m.Event), cell(m.State), m.Attempts, m.Since.UTC().Format(time.RFC3339), cell(next), cell(m.Last))
		}
		return w.Flush()
	}
	return misuse("there is no webhook %q", endpoint).WithHint("kernel webhooks list shows those there are")
}

// errNotDelivered is the failure of a test that was sent and not taken.
var errNotDelivered = errors.New("the test was not delivered")

func (c *cli) webhooksTestCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test ENDPOINT",
		Short: "Send a signed test to an endpoint, once",
		Long: `Send a signed test to an endpoint, once, and say what it answered. The exit code
is 1 unless that was 2xx. It takes the role admin.`,
		Example: "  kernel webhooks test pager",
		Args:    arguments(1, 1, "ENDPOINT"),
		RunE: c.connected(func(ctx context.Context, k *client.Client, args []string) error {
			delivered, note, err := k.TestWebhook(ctx, args[0])
			if err != nil {
				return err
			}
			if !delivered {
				return fmt.Errorf("%w: %s", errNotDelivered, safe(note))
			}
			_, err = fmt.Fprintf(c.stdout, "delivered: %s\n", safe(note))
			return err
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	return cmd
}

func (c *cli) webhooksRetryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "retry ENDPOINT [MESSAGE]",
		Short: "Send again what was not delivered",
		Long: `Send again what was given up, and try now what waits: all of an endpoint, or one
message. Messages keep their ids. An endpoint whose receiver answered 410 is told
again. It takes the role admin.`,
		Example: "  kernel webhooks retry pager",
		Args:    arguments(1, 2, "ENDPOINT"),
		RunE: c.connected(func(ctx context.Context, k *client.Client, args []string) error {
			message := ""
			if len(args) > 1 {
				message = args[1]
			}
			n, err := k.RetryWebhook(ctx, args[0], message)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.stdout, "sent again: %d\n", n)
			return err
		}),
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	return cmd
}
