package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/app"
)

func (c *cli) decideCommand() *cobra.Command {
	var request, batch string
	var how asking
	cmd := &cobra.Command{
		Use:   "decide --request FILE|-",
		Short: "Ask a running kernel",
		Long: `Ask a running kernel and print its decision as JSON: the one on the data folder,
with the folder's admin token, or the one at --server.

--wait waits until people answered what asks them, and prints the decision that they
allowed, with its grant; without an answer in time the one that asked, which stays
open: kernel decisions show ID --wait waits on, kernel approvals cancel ID withdraws it.
A kernel that is started again meanwhile is asked again.

--batch asks about up to 1,000 requests at once, one a line or as {"requests":
[…]}, and prints an answer a line in their order: a decision, or {"error": …}.

--dry-run asks what the verdict would be. Nothing is decided, that somebody asked
is recorded, and the answer permits nothing. It takes an admin or auditor.

Exit codes: 0 ALLOW, 3 DENY, 4 REQUIRE_APPROVAL, 5 no kernel could answer. What
is not 0 is a refusal. Of a batch it is 0 when everything is ALLOW; else that of
the gravest answer: an error (5, 1, 2), DENY, REQUIRE_APPROVAL.`,
		Example: "  kernel decide --request request.json\n" +
			"  kernel decide --request request.json --wait 30m\n" +
			"  KERNEL_TOKEN=kt_… kernel decide --server https://kernel.example.org --request -\n" +
			"  kernel decide --batch requests.jsonl | jq -r .decision",
		Args: noArguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.settings(cmd)
			if err != nil {
				return err
			}
			ask, err := c.question(request, batch, how)
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
	cmd.Flags().BoolVar(&how.dryRun, "dry-run", false, "say what the verdict would be, and decide nothing")
	waitFlag(cmd, &how.wait)
	return cmd
}

// asking is how one request is asked.
type asking struct {
	dryRun bool
	wait   time.Duration // for people, where they are asked
}

func waitFlag(cmd *cobra.Command, wait *time.Duration) {
	cmd.Flags().DurationVar(wait, "wait", 0, "how long to wait for people where they are asked, a `DURATION` such as 30m")
}

// question reads what is asked, from one place, and returns what asks it. What
// is no request is not asked, whichever kernel there is.
func (c *cli) question(request, batch string, how asking) (func(context.Context, *client.Client) error, error) {
	switch {
	case how.wait < 0:
		return nil, misuse("--wait is %s; it is not below 0", how.wait)
	case how.wait > 0 && how.dryRun:
		return nil, misuse("--dry-run asks nobody, so --wait has nothing to wait for")
	case batch == "":
		return c.oneQuestion(request, how)
	case request != "":
		return nil, misuse("--request and --batch are both there").WithHint("give one of them")
	case how.dryRun:
		return nil, misuse("--dry-run takes one request, not a batch")
	case how.wait > 0:
		return nil, misuse("--wait takes one request, not a batch").WithHint("kernel decisions show ID --wait waits for one of them")
	}
	data, err := c.input(batch)
	if err != nil {
		return nil, err
	}
	requests, err := readRequests(data)
	return func(ctx context.Context, k *client.Client) error { return c.decideBatch(ctx, k, requests) }, err
}

func (c *cli) oneQuestion(request string, how asking) (func(context.Context, *client.Client) error, error) {
	data, err := c.request(request)
	if err != nil {
		return nil, err
	}
	req, err := kernel.DecodeRequest(data)
	if how.dryRun {
		return func(ctx context.Context, k *client.Client) error { return c.dryRun(ctx, k, req) }, err
	}
	return func(ctx context.Context, k *client.Client) error { return c.decide(ctx, k, req, how.wait) }, err
}

func (c *cli) decide(ctx context.Context, k *client.Client, req kernel.Request, wait time.Duration) error {
	d, err := k.Decide(ctx, req)
	if err != nil {
		return err
	}
	return c.answered(ctx, k, d, wait)
}

// answered prints a decision once people answered it, or the time is over.
func (c *cli) answered(ctx context.Context, k *client.Client, d kernel.Decision, wait time.Duration) error {
	if wait > 0 && d.Approval != nil {
		limited, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		if !d.Approval.Settled() {
			fmt.Fprintf(c.stderr, "waiting up to %s for people: kernel approvals show %s\n", wait, safe(d.ID))
		}
		later, err := c.await(limited, k, d)
		switch {
		case err == nil:
			d = later
		case gone(err):
			return kernel.Errorf(kernel.Unavailable, "%v", err).WithHint("decision %s was asked, and waits for people: kernel decisions show %s --wait %s goes on", d.ID, d.ID, wait)
		case ctx.Err() != nil || limited.Err() == nil:
			return err
		default: // nobody answered in time
			fmt.Fprintf(c.stderr, "decision %s still waits for people after %s\n", safe(d.ID), wait)
		}
	}
	return orCode(c.printJSON(d), d.Decision)
}

// awaitPause is how long a kernel that does not answer is left alone.
const awaitPause = time.Second

// await waits until people answered. A kernel that is started again meanwhile
// still knows what was asked.
func (c *cli) await(ctx context.Context, k *client.Client, asked kernel.Decision) (kernel.Decision, error) {
	for said := false; ; said = true {
		d, err := k.Await(ctx, asked)
		if !gone(err) {
			return d, err
		}
		if !said {
			fmt.Fprintf(c.stderr, "no kernel answers; asking again until the time is over\n")
		}
		select {
		case <-time.After(awaitPause):
		case <-ctx.Done():
			return d, err
		}
	}
}

// gone reports that no kernel is there, not that somebody waits no longer.
func gone(err error) bool {
	return errors.Is(err, client.ErrUnreachable) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}

func (c *cli) dryRun(ctx context.Context, k *client.Client, req kernel.Request) error {
	v, err := k.DryRun(ctx, req)
	if err != nil {
		return err
	}
	return orCode(c.printJSON(v), v.Decision)
}
