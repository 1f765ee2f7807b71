package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
)

// withdrawTime is how long solo takes to withdraw what nobody waits for any more.
const withdrawTime = 5 * time.Second

// awaitPeople waits until people allowed a decision, and returns the one that
// allows it. A question that was interrupted, or waited long enough, is
// withdrawn: nobody is left to run what a later vote would allow.
func (s *session) awaitPeople(ctx context.Context, asked kernel.Decision) (kernel.Decision, error) {
	fmt.Fprintf(s.out, "waiting up to %s: an approver runs kernel approvals approve %s\n", s.wait, asked.ID)
	limited, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	d, err := s.kernel.Await(limited, asked)
	switch {
	case ctx.Err() != nil:
		return d, s.interrupted(asked)
	case limited.Err() != nil:
		return d, s.waitedEnough(asked)
	case err != nil:
		return d, refusal(err)
	}
	if a := d.Approval; a != nil && a.State != "APPROVED" {
		s.report.Decision = &d
		return d, s.unapproved(*a)
	}
	describe(s.out, d)
	return d, nil
}

// interrupted withdraws the question of whoever does not want it any more.
func (s *session) interrupted(asked kernel.Decision) error {
	ctx, cancel := context.WithTimeout(context.Background(), withdrawTime)
	defer cancel()
	if _, err := s.kernel.Cancel(ctx, asked.ID, "interrupted"); err != nil {
		return failf(exitFailed, "interrupted; the question could not be withdrawn: %v; nothing ran", err)
	}
	return failf(exitFailed, "interrupted; the question was withdrawn; nothing ran")
}

// waitedEnough withdraws the question that people did not answer in time.
func (s *session) waitedEnough(asked kernel.Decision) error {
	ctx, cancel := context.WithTimeout(context.Background(), withdrawTime)
	defer cancel()
	_, err := s.kernel.Cancel(ctx, asked.ID, fmt.Sprintf("solo waited %s", s.wait))
	votes := s.votes(ctx, asked)
	if err != nil {
		return failf(exitPending, "%s within %s; the question could not be withdrawn: %v; nothing ran", votes, s.wait, err).
			withHint("kernel approvals cancel %s withdraws it; then ship again with a longer --wait", asked.ID)
	}
	return failf(exitPending, "%s within %s; the question was withdrawn; nothing ran", votes, s.wait).
		withHint("ship again with a longer --wait, and tell the approvers: earlier votes do not count for it")
}

// votes says how many of the votes that are needed were there.
func (s *session) votes(ctx context.Context, asked kernel.Decision) string {
	a, err := s.kernel.Approval(ctx, asked.ID)
	if err != nil {
		return "not enough people approved" // which is known without the kernel
	}
	counted, needed := 0, 0
	for _, w := range a.Workflows {
		counted, needed = counted+min(len(w.Counted), w.Needed), needed+w.Needed
	}
	return fmt.Sprintf("%d of %d approved", counted, needed)
}

// unapproved says who ended a question, and why.
func (s *session) unapproved(ended kernel.Approval) error {
	what := strings.ToLower(ended.State)
	if by := s.endedBy(ended.ID); by != "" {
		what += " by " + by
	}
	if ended.Reason != "" {
		what += fmt.Sprintf(": %s", strings.TrimSuffix(ended.Reason, "."))
	}
	f := failf(exitDenied, "%s (%s); nothing ran", printable(what), ended.Code)
	if ended.Code == "VOTE" {
		return f.withHint("kernel approvals show %s has every vote; change what they object to, and ship again", ended.ID)
	}
	return f.withHint("kernel approvals show %s says what was asked; to ship again asks again", ended.ID)
}

// endedBy is who ended a question; empty where it is the kernel, or not known.
func (s *session) endedBy(id string) string {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	a, err := s.kernel.Approval(ctx, id)
	if err != nil {
		return "" // that it ended is known all the same
	}
	for _, v := range a.Votes {
		if !v.Approve {
			return v.By
		}
	}
	return a.By
}
