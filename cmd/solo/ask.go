package main

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
)

// A question is what the command line and solo.yaml ask together.
type question struct {
	file, env, server, tokenFile string
	timeout, wait                time.Duration
	json                         bool
}

func (q *question) flags(c *cobra.Command) {
	fileFlag(c, &q.file)
	c.Flags().StringVar(&q.env, "env", "", "the `ENVIRONMENT` to ship to (required)")
	c.Flags().StringVar(&q.server, "server", "", "the kernel's address (`URL`); else KERNEL_SERVER, else kernel: in solo.yaml")
	c.Flags().StringVar(&q.tokenFile, "token-file", "", "a `FILE` that holds the token; else KERNEL_TOKEN")
	c.Flags().DurationVar(&q.timeout, "timeout", 10*time.Second, "how long to wait for the kernel's answer")
	c.Flags().BoolVar(&q.json, "json", false, "print the report as JSON; the steps' output goes to stderr")
}

// check finds what is wrong with the command line before anything is read.
func (q *question) check() error {
	if q.env == "" {
		return failf(exitMisuse, "--env is missing").withHint("say where to ship, as in --env development")
	}
	if q.wait < 0 {
		return failf(exitMisuse, "--wait is %s; it is not below 0", q.wait)
	}
	if q.timeout <= 0 {
		return failf(exitMisuse, "--timeout is %s; it must be above 0", q.timeout)
	}
	return nil
}

// address is the first that is said: flag, variable, file.
func (q *question) address(cfg config) (string, error) {
	for _, a := range []string{q.server, os.Getenv("KERNEL_SERVER"), cfg.Kernel} {
		if a != "" {
			return a, nil
		}
	}
	return "", failf(exitMisuse, "nothing says where the kernel is").
		withHint("give --server, KERNEL_SERVER, or kernel: in %s", q.file)
}

// token is empty where none is given: a kernel in its development mode asks
// for none, every other one refuses.
func (q *question) token() (string, error) {
	secret := os.Getenv("KERNEL_TOKEN")
	if q.tokenFile != "" {
		data, err := readBounded(q.tokenFile)
		if err != nil {
			return "", failf(exitMisuse, "read the token: %v", err)
		}
		if secret = strings.TrimSpace(string(data)); secret == "" {
			return "", failf(exitMisuse, "%s holds no token", q.tokenFile)
		}
	}
	return secret, nil
}

// request says what shipping is. Its id is new each time: a recorded ALLOW is
// never taken for a second effect.
func request(cfg config, env string) kernel.Request {
	names := []any{}
	for _, s := range cfg.Steps {
		names = append(names, s.Name)
	}
	return kernel.Request{
		RequestID: "solo-" + rand.Text(),
		Agent:     kernel.Agent{ID: cfg.Agent},
		Action:    "ship",
		Resource: kernel.Resource{
			Type:       cfg.Artifact.Type,
			ID:         cfg.Artifact.Name,
			Attributes: map[string]any{"environment": env},
		},
		Params: map[string]any{"actions": names},
	}
}

// ask gets a decision or says why there is none.
func ask(ctx context.Context, c *client.Client, req kernel.Request, timeout time.Duration) (kernel.Decision, error) {
	if err := req.Check(); err != nil {
		return kernel.Decision{}, failf(exitMisuse, "this cannot be asked: %v", err)
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	d, err := c.Decide(limited, req)
	switch {
	case ctx.Err() != nil:
		return kernel.Decision{}, failf(exitFailed, "interrupted while asking; nothing ran")
	case err != nil:
		return kernel.Decision{}, refusal(err)
	}
	return d, nil
}

// refusal tells a kernel that said no from one that could not say anything.
func refusal(err error) error {
	var e *kernel.Error
	if !errors.As(err, &e) {
		f := failf(exitUnreachable, "%v; nothing ran", err)
		if errors.Is(err, client.ErrUnreachable) {
			return f.withHint("is it running there? \"kernel serve\" starts it, --server says where it is")
		}
		return f
	}
	switch e.Code {
	case kernel.Unavailable, kernel.Internal, kernel.Timeout:
		return failf(exitUnreachable, "the kernel decided nothing: %v; nothing ran", e).withHint("%s", e.Hint)
	case kernel.Unauthenticated:
		return failf(exitDenied, "the kernel does not know who asks: %v; nothing ran", e).
			withHint("give a token with KERNEL_TOKEN or --token-file; whoever runs the kernel makes one: " +
				"kernel tokens create --name solo --role agent --agent ID")
	}
	return failf(exitDenied, "the kernel refused the question: %v; nothing ran", e).withHint("%s", e.Hint)
}
