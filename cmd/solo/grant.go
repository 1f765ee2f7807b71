package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
)

// redeem spends the grant of the decision. Without it no step runs: an ALLOW is
// an answer, the grant the permission for one effect.
func (s *session) redeem(ctx context.Context) error {
	d := s.report.Decision
	if d.Grant == nil || d.Grant.Token == "" {
		return failf(exitDenied, "allowed, but without a grant for it; nothing ran").
			withHint("solo needs a kernel that hands out grants, and asks anew each time")
	}
	limited, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	_, err := s.kernel.Redeem(limited, d.Grant.ID, d.Grant.Token, d.RequestDigest)
	var e *kernel.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return failf(exitFailed, "interrupted while redeeming the grant; nothing ran")
	case errors.As(err, &e) && e.Code != kernel.Unavailable && e.Code != kernel.Internal && e.Code != kernel.Timeout:
		return failf(exitDenied, "allowed, but the grant cannot be redeemed: %v; nothing ran", e).withHint("%s", orElse(e.Hint, "ship again"))
	}
	return failf(exitUnreachable, "the grant could not be redeemed: %v; nothing ran", err).withHint("ship again: that asks for another decision")
}

// settleTime is how long solo tries to say how it ended.
const settleTime = 10 * time.Second

// settle tells the kernel how the steps ended, even when solo is interrupted.
// What happened is done: that it could not be told is a warning.
func (s *session) settle(ctx context.Context, err error) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if _, failed := s.kernel.Settle(limited, s.report.Decision.Grant.ID, s.settlement(ctx, err)); failed != nil {
		fmt.Fprintf(s.out, "%s the kernel could not be told how it ended: %v\n", painter(s.out).yellow("warning"), printable(failed.Error()))
	}
}

func (s *session) settlement(ctx context.Context, err error) client.Settlement {
	switch {
	case err == nil:
		return client.Settlement{Outcome: "succeeded"}
	case !slices.ContainsFunc(s.report.Steps, func(r stepReport) bool { return r.State != "not_run" }):
		return client.Settlement{Outcome: "failed", NoEffect: true}
	case ctx.Err() != nil:
		return client.Settlement{Outcome: "abandoned"}
	}
	return client.Settlement{Outcome: "failed"}
}
