package gate

import (
	"context"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// A Breaking is how somebody allows alone what others were asked. Who it is the
// caller says, and nothing else.
type Breaking struct {
	ID     string // of the approval
	Digest string // of the request that they were shown
	Reason string
}

// BreakGlass allows what waits for approval, by the word of one person whom
// every workflow that is asked lets do that, with a reason. What is denied now
// is rejected all the same. It returns what became of the approval once that is
// on disk, with the review that somebody else has to close.
//
// The error is a *kernel.Error: Forbidden for whoever may not, Invalid without
// a reason, Conflict for what has ended and while a review is overdue.
func (g *Gate) BreakGlass(ctx context.Context, caller kernel.Caller, by Breaking) (*kernel.Approval, error) {
	if err := mayVote(caller, by.ID, by.Digest, by.Reason); err != nil {
		return nil, err
	}
	open, err := g.openByTheLog(ctx) // before the batch: what is overdue is long since in the log
	if err != nil {
		return nil, err
	}
	var result *kernel.Approval
	err = g.sit(ctx, by.ID, func(s *sitting) error {
		if !s.visible(caller) {
			return noApproval(by.ID)
		}
		if err := s.isAbout(by.Digest); err != nil {
			return err
		}
		if err := s.breakGlass(caller, by.Reason, open); err != nil {
			return err
		}
		result = view(s.q)
		return s.keep()
	})
	if err != nil {
		return nil, err // it may be under way yet
	}
	return result, nil
}

// breakGlass settles a question by the word of one person.
func (s *sitting) breakGlass(caller kernel.Caller, reason string, open []approval.Glass) error {
	id, isToken := tokenID(s.q.Caller)
	after, glass, err := s.q.Break(s.Case, caller.StandsFor, reason, open, s.verdict, isToken && s.gate.tokens.revoked(id))
	if err != nil {
		return err
	}
	if after.State == approval.Approved {
		s.glass, s.glassBy = &versionedGlass{Glass: glass}, caller.Principal
		return s.allow(after)
	}
	s.q = after
	return s.record(s.gate.cfg.Node, ledger.ChangeSettled)
}

// enterGlass adds the entry of a glass that was broken with the decision that
// allows what was asked, and its record.
func (s *sitting) enterGlass() error {
	s.glass.Answer = s.q.Answer
	return s.gate.changeGlass(s.batch, s.glassBy, ledger.GlassBroken, *s.glass)
}

// changeGlass adds to a batch what becomes of a broken glass: its entry, its
// record, and that people are told of it.
func (g *Gate) changeGlass(b *batch, caller, change string, glass versionedGlass) error {
	value, err := glass.Encode()
	if err != nil {
		return err
	}
	_, err = b.log.Append(ledger.Entry{
		Instant: b.now, Node: g.cfg.Node, Batch: b.id, Caller: caller, Glass: &ledger.GlassChange{Change: change, Glass: glass.Glass},
	}, nil)
	if err != nil {
		return err
	}
	open := store.Transition{RecordKey: openGlassKey(glass.ID), From: glass.version, Value: value}
	if glass.Closed() {
		open.Value = nil
		b.change(store.Transition{RecordKey: store.RecordKey{Kind: recordGlass, Key: glass.ID}, Value: value})
	}
	b.change(open)
	b.after = append(b.after, func() { g.tellGlass(change, glass.Glass) })
	return nil
}

// tellGlass says in the service's own log, and to its metrics, what became of a
// broken glass.
func (g *Gate) tellGlass(change string, glass approval.Glass) {
	about := []any{"approval", glass.ID, "agent", glass.Agent, "action", glass.Action, "by", glass.By, "decision", glass.Answer}
	switch change {
	case ledger.GlassBroken:
		g.cfg.Log.Warn("somebody broke the glass: it was allowed without the approval of others", append(about, "reason", glass.Reason)...)
	case ledger.GlassOverdue:
		g.cfg.Log.Warn("the review of a broken glass is overdue: nobody breaks that of its workflow until it is closed", about...)
	default:
		g.cfg.Log.Info("a review of a broken glass was closed", about...)
	}
	if g.cfg.OnGlass != nil {
		g.cfg.OnGlass(change)
	}
}
