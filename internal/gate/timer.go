package gate

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
)

// keepTime looks every second for what is due of approvals, and at once when
// something is.
func (g *Gate) keepTime() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-g.pending.nudged:
		case <-g.stop:
			return
		}
		if err := g.Due(context.Background()); err != nil {
			g.cfg.Log.Warn("what is due of approvals could not be done", "error", err)
		}
	}
}

// Due does what is due of pending approvals by the gate's clock: automatic
// votes, escalation, expiry, and reviews that are overdue. What several nodes find due is done once: their
// records are changed by compare-and-set.
func (g *Gate) Due(ctx context.Context) error {
	now := g.instant()
	for rec, err := range g.cfg.Store.Records(ctx, recordDue, "") {
		if err != nil {
			return err
		}
		var d due
		if err := json.Unmarshal(rec.Value, &d); err != nil {
			return fmt.Errorf("the record of what is due of approval %s: %w", rec.Key, err)
		}
		if d.At.After(now) {
			continue
		}
		if err := g.attendTo(ctx, rec.Key); err != nil {
			g.cfg.Log.Warn("what is due of an approval could not be done", "approval", rec.Key, "error", err)
		}
	}
	if err := g.dueReviews(ctx, now); err != nil {
		return err
	}
	return g.pending.recount(ctx, g.cfg.Store)
}

// attendTo does what is due of one approval. Where no policy is active it can
// end, and nothing else.
func (g *Gate) attendTo(ctx context.Context, id string) error {
	if g.program.Load() != nil {
		return g.sit(ctx, id, (*sitting).attend)
	}
	f, err := g.firstOf(ctx, id)
	if err != nil {
		return err
	}
	return g.submit(ctx, &job{urgent: true, apply: func(b *batch) error {
		s, err := g.seat(b, f, heard{})
		if err != nil || s.q.State != approval.Pending || b.now.Before(s.q.Expires) {
			return err
		}
		s.Case = &approval.Case{Now: b.now}
		return s.whole(s.expire())
	}})
}

// expire ends a question whose time is over.
func (s *sitting) expire() error {
	if err := s.settle(approval.Expired, approval.TooLate, "", "there were not votes enough in time"); err != nil {
		return err
	}
	return s.keep()
}

// attend does what is due of a question.
func (s *sitting) attend() error {
	if s.q.State != approval.Pending || s.q.Due.After(s.Now) {
		return nil // another node did it
	}
	if !s.Now.Before(s.q.Expires) {
		return s.expire()
	}
	q, steps := s.q.Escalate(s.Case)
	s.q = q
	s.q.Due = s.q.Next(s.Case)
	if steps > 0 {
		if err := s.record(s.gate.cfg.Node, ledger.ChangeEscalated); err != nil {
			return err
		}
	}
	return s.voteAutomatically(steps > 0)
}

// voteAutomatically adds the votes that nobody has to give.
func (s *sitting) voteAutomatically(recorded bool) error {
	for _, id := range s.q.Automatic(s.Case, s.automatic) {
		s.q.Votes = append(s.q.Votes[:len(s.q.Votes):len(s.q.Votes)], approval.Vote{By: id, Approve: true, Automatic: true, At: s.Now})
		if err := s.record(s.gate.cfg.Node, ledger.ChangeVoted); err != nil {
			return err
		}
		recorded = true
	}
	if !recorded { // the times moved with the policy: an entry says so, too
		if err := s.record(s.gate.cfg.Node, ledger.ChangeEscalated); err != nil {
			return err
		}
	}
	if err := s.conclude(); err != nil {
		return err
	}
	return s.keep()
}
