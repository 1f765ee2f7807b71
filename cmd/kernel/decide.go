package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/app"
)

func (c *cli) decideCommand() *cobra.Command {
	var request, batch string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "decide --request FILE|-",
		Short: "Ask a running kernel",
		Long: `Ask a running kernel and print its decision as JSON: the one on the data folder,
with the folder's admin token, or the one at --server.

--batch asks about up to 1,000 requests at once, one a line or as {"requests":
[…]}, and prints an answer a line in their order: a decision, or {"error": …}.

--dry-run asks what the verdict would be. Nothing is decided, that somebody asked
is recorded, and the answer permits nothing. It takes an admin or auditor.

Exit codes: 0 ALLOW, 3 DENY, 4 REQUIRE_APPROVAL, 5 no kernel could answer. What
is not 0 is a refusal. Of a batch it is 0 when everything is ALLOW; else that of
the gravest answer: an error (5, 1, 2), DENY, REQUIRE_APPROVAL.`,
		Example: "  kernel decide --request request.json\n" +
			"  KERNEL_TOKEN=kt_… kernel decide --server https://kernel.example.org --request -\n" +
			"  kernel decide --batch requests.jsonl | jq -r .decision",
		Args: noArguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.settings(cmd)
			if err != nil {
				return err
			}
			ask, err := c.question(request, batch, dryRun)
			if err != nil {
				return err
			}
			k, err := app.Connect(cfg)
			if err != nil {
				return err
			}
			return ask(cmd.Context(), k)
		},
	}
	settingFlags(cmd, "server", "token", "token-file", "data")
	requestFlag(cmd, &request)
	cmd.Flags().Var(newText("FILE", &batch), "batch", "many requests, one JSON document a line; - reads standard input")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what the verdict would be, and decide nothing")
	return cmd
}

// question reads what is asked, from one place, and returns what asks it. What
// is no request is not asked, whichever kernel there is.
func (c *cli) question(request, batch string, dryRun bool) (func(context.Context, *client.Client) error, error) {
	switch {
	case batch == "":
		return c.oneQuestion(request, dryRun)
	case request != "":
		return nil, misuse("--request and --batch are both there").WithHint("give one of them")
	case dryRun:
		return nil, misuse("--dry-run takes one request, not a batch")
	}
	data, err := c.input(batch)
	if err != nil {
		return nil, err
	}
	requests, err := readRequests(data)
	return func(ctx context.Context, k *client.Client) error { return c.decideBatch(ctx, k, requests) }, err
}

func (c *cli) oneQuestion(request string, dryRun bool) (func(context.Context, *client.Client) error, error) {
	data, err := c.request(request)
	if err != nil {
		return nil, err
	}
	req, err := kernel.DecodeRequest(data)
	if dryRun {
		return func(ctx context.Context, k *client.Client) error { return c.dryRun(ctx, k, req) }, err
	}
	return func(ctx context.Context, k *client.Client) error { return c.decide(ctx, k, req) }, err
}

func (c *cli) decide(ctx context.Context, k *client.Client, req kernel.Request) error {
	d, err := k.Decide(ctx, req)
	if err != nil {
		return err
	}
	return orCode(c.printJSON(d), d.Decision)
}

func (c *cli) dryRun(ctx context.Context, k *client.Client, req kernel.Request) error {
	v, err := k.DryRun(ctx, req)
	if err != nil {
		return err
	}
	return orCode(c.printJSON(v), v.Decision)
}
