package main

import (
	"context"
	"fmt"
	"time"

	"github.com/strixlabs/execution-kernel"
)

// withdrawTime is how long solo takes to withdraw what nobody wants any more.
const withdrawTime = 5 * time.Second

// awaitPeople waits until people allowed a decision, and returns the one that
// allows it. Whoever interrupts it, or has waited long enough, has it withdrawn
// when interrupted, and left for people otherwise.
func (s *session) awaitPeople(ctx context.Context, asked kernel.Decision) (kernel.Decision, error) {
	fmt.Fprintf(s.out, "waiting up to %s: an approver runs kernel approvals approve %s\n", s.wait, asked.ID)
	limited, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	d, err := s.kernel.Await(limited, asked)
	switch {
	case ctx.Err() != nil:
		return d, s.withdraw(asked)
	case limited.Err() != nil:
		return d, failf(exitPending, "nobody answered within %s; nothing ran", s.wait).
			withHint("it waits for people until %s; ask again with a longer --wait", asked.Approval.ExpiresAt.UTC().Format(time.RFC3339))
	case err != nil:
		return d, refusal(err)
	}
	describe(s.out, d)
	if a := d.Approval; a != nil && a.State != "APPROVED" {
		return d, failf(exitDenied, "%s (%s) %s; nothing ran", a.State, a.Code, printable(a.Reason))
	}
	return d, nil
}

// withdraw cancels the question that was interrupted.
func (s *session) withdraw(asked kernel.Decision) error {
	ctx, cancel := context.WithTimeout(context.Background(), withdrawTime)
	defer cancel()
	if _, err := s.kernel.Cancel(ctx, asked.ID, "interrupted"); err != nil {
		return failf(exitFailed, "interrupted; the question could not be withdrawn: %v; nothing ran", err)
	}
	return failf(exitFailed, "interrupted; the question was withdrawn; nothing ran")
}
