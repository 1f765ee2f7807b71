package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// A sitting looks at one pending question, inside a batch: the request is
// evaluated again, and what comes of it is committed with the batch.
type sitting struct {
	gate    *Gate
	batch   *batch
	first   *first
	q       approval.Question
	version uint64 // of its record
	due     uint64 // of the record of what is due

	*approval.Case
	verdict   kernel.Verdict
	standing  registry.Standing
	facts     map[string]any
	automatic map[string][]string
	private   *store.Private  // of the decision that allows it
	glass     *versionedGlass // that somebody broke; nil: nobody did
	glassBy   string          // the token that breaks it
	recorded  bool            // entries were added to the batch
}

// first is the decision that asks, as the log has it.
type first struct {
	entry   ledger.Entry
	row     store.Entry
	request kernel.Request
}

// firstOf reads a decision that asks people. Its row has to be what was
// written: what people approve is what is in it.
func (g *Gate) firstOf(ctx context.Context, id string) (*first, error) {
	row, err := g.cfg.Store.EntryByID(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noApproval(id)
	}
	if err != nil {
		return nil, unavailable("the log could not be read")
	}
	entry, err := ledger.Read(row)
	if err != nil {
		return nil, fmt.Errorf("entry %d was changed: %w; run \"kernel log verify\"", row.Seq, err)
	}
	if _, asks := entry.Question(); !asks || row.Private == nil {
		return nil, noApproval(id)
	}
	request, err := ledger.RequestOf(row)
	return &first{entry, row, request}, err
}

// noApproval is the answer about what is no approval and about one that is not
// the caller's to see: nobody can tell which.
func noApproval(id string) error {
	return kernel.Errorf(kernel.NotFound, "there is no approval %q", id).WithHint("kernel approvals list shows those that you may see")
}

// questionAsked reads the record of a question, which has to be about what the
// log says was asked: whoever can write the database must not be able to have a
// vote counted after the time is over.
func (g *Gate) questionAsked(ctx context.Context, f *first) (approval.Question, uint64, error) {
	asked, _ := f.entry.Question()
	q, version, err := g.questionOf(ctx, asked.ID)
	if isNotFound(err) {
		return g.ended(ctx, f)
	}
	if err == nil && !q.AsksWhat(asked) {
		err = unavailable("the record of approval %s is not what the log says was asked", asked.ID)
	}
	return q, version, err
}

// sit runs a part of a batch that looks at a question, and waits until what
// comes of it is on disk. It goes before decisions: who votes is not kept
// waiting by who asks.
func (g *Gate) sit(ctx context.Context, id string, act func(*sitting) error) error {
	return g.look(ctx, id, true, act)
}

// look is sit for whoever only reads or withdraws, too: agents may, and have no
// part in the lane that votes and kill switches have.
func (g *Gate) look(ctx context.Context, id string, urgent bool, act func(*sitting) error) error {
	f, err := g.firstOf(ctx, id)
	if err != nil {
		return err
	}
	private, err := g.salted(f.row.Private.Request) // of a second decision about the request
	if err != nil {
		return err
	}
	var heard heard
	if q, _, err := g.questionAsked(ctx, f); err != nil {
		return err
	} else if q.State == approval.Pending { // before the batch: others are not kept waiting
		if heard, err = g.hear(ctx, f, time.Time{}); err != nil {
			return err
		}
	}
	return g.submit(ctx, &job{urgent: urgent, apply: func(b *batch) error {
		s, err := g.seat(b, f, heard)
		if err != nil {
			return err
		}
		s.private = private
		if err := s.evaluate(); err != nil {
			return err
		}
		return s.whole(act(s))
	}})
}

// seat begins a sitting in a batch, with the question as it is by then.
func (g *Gate) seat(b *batch, f *first, heard heard) (*sitting, error) {
	asked, _ := f.entry.Question()
	if b.owners[store.RecordKey{Kind: recordApproval, Key: asked.ID}] != nil {
		return nil, errLater // its record is changed once in a batch
	}
	s := &sitting{gate: g, batch: b, first: f}
	var err error
	if s.q, s.version, err = g.believe(context.Background(), f, heard); err != nil {
		return nil, err
	}
	if s.q.Code == approval.GlassBroken {
		if s.glass, err = g.believeGlass(context.Background(), asked.ID); err != nil {
			return nil, err
		}
	}
	due, err := recordOrNone(g.cfg.Store, store.RecordKey{Kind: recordDue, Key: asked.ID})
	s.due = due.Version
	return s, err
}

// whole makes sure that a failure leaves nothing in the batch: one that added
// entries before it failed has the batch begun anew without it.
func (s *sitting) whole(err error) error {
	if err != nil && s.recorded {
		return fmt.Errorf("%w: %w", errPanic, err)
	}
	return err
}

// evaluate decides the request again, by what holds at this instant. The
// first decision about it is not among its facts.
func (s *sitting) evaluate() error {
	g, b, program := s.gate, s.batch, s.batch.program
	if program == nil {
		return noPolicy()
	}
	request := s.first.request
	s.standing = standing(b.registry, program, &request, b.now)
	known := s.standing.Know(request)
	s.Case = g.theCase(b, known, s.standing, s.first.entry.Decision.Verdict)
	s.Chain = slices.Concat(s.Chain, s.first.entry.Decision.Standing.Chain)
	var err error
	if s.facts, err = s.factsNow(&known); err != nil {
		return err
	}
	evaluator := g.evaluatorOf(program)
	s.verdict, err = evaluator.Decide(eval.Input{
		Request: request, Now: b.now, Standing: &s.standing, Facts: s.facts, Phase1: s.first.entry.Decision.Phase1, Digest: s.private.Digest,
	})
	var misfit *kernel.Error
	if errors.As(err, &misfit) { // a request that the policy does not take any more is not allowed by it
		s.verdict = kernel.Verdict{Reason: "the request does not fit the policy any more: " + misfit.Error()}
		return nil
	}
	s.NoSelf = s.NoSelf || s.verdict.Constraints["no_self_approval"] == true
	if err == nil && s.verdict.Decision == kernel.RequireApproval && s.q.State == approval.Pending {
		s.q.Needs, s.automatic = needsOf(evaluator.Asked())
	}
	return err
}

// factsNow are the facts of the request without the decision that asked.
func (s *sitting) factsNow(known *kernel.Request) (map[string]any, error) {
	if s.gate.past != nil {
		defer s.gate.past.Without(s.q.ID, known.Action, s.batch.now)()
	}
	return s.gate.facts(s.batch, known)
}

// record adds a change of the question: its entry, and its records.
func (s *sitting) record(caller, change string) error {
	b, g := s.batch, s.gate
	s.recorded = true
	_, err := b.log.Append(ledger.Entry{
		Instant: b.now, Node: g.cfg.Node, Batch: b.id, Caller: caller, Approval: &ledger.ApprovalChange{Change: change, Question: s.q},
	}, nil)
	return err
}

// keep adds the records of the question as it is now, once.
func (s *sitting) keep() error {
	b, g, q := s.batch, s.gate, s.q
	value, err := q.Encode()
	if err != nil {
		return err
	}
	record := store.Transition{RecordKey: store.RecordKey{Kind: recordApproval, Key: q.ID}, From: s.version, Value: value}
	timer := store.Transition{RecordKey: store.RecordKey{Kind: recordDue, Key: q.ID}, From: s.due}
	by := -1
	if q.State == approval.Pending {
		timer.Value, by = dueRecord(q), 0
	} else if q.Code != approval.GlassBroken { // that is reviewed, however late
		record.Expires = b.now.Add(endedLife).UnixNano()
	}
	b.change(record)
	b.change(timer)
	b.after = append(b.after, func() { g.pending.changed(q.Agent, by) })
	return nil
}

// conclude settles the question when there are votes enough: it is allowed by
// a decision of its own, unless what holds now denies it.
func (s *sitting) conclude() error {
	id, isToken := tokenID(s.q.Caller)
	after, err := s.q.Conclude(s.Case, s.automatic, s.verdict, isToken && s.gate.tokens.revoked(id))
	if err != nil || after.State == approval.Pending {
		return err
	}
	if after.State == approval.Approved {
		return s.allow(after)
	}
	s.q = after
	return s.record(s.gate.cfg.Node, ledger.ChangeSettled)
}

// allow adds the decision that allows what was asked, its grant, and the end
// of the question: one batch has all three.
func (s *sitting) allow(after approval.Question) error {
	e := s.first.entry
	granting := s.gate.cfg.Grants != nil && !e.Decision.Phase1
	if !granting && needsGrant(s.batch.program, e.Decision.Action) {
		return s.settle(approval.Rejected, approval.PolicyChanged, "", "the action is allowed with a grant only, which cannot be handed out")
	}
	q := &question{
		Ask:    Ask{Request: s.first.request, Door: e.Door, Phase1: e.Decision.Phase1, ClaimedAt: e.Decision.ClaimedAt},
		caller: kernel.Caller{Principal: e.Caller}, private: s.private,
	}
	v := approval.Allow(s.verdict)
	if after.Code == approval.GlassBroken {
		v = approval.AllowAlone(s.verdict)
	}
	id, err := ulid.New(ulid.Timestamp(s.Now), s.gate.cfg.Rand)
	if err != nil {
		return unavailable("no randomness for the record")
	}
	s.gate.happens(s.batch, id.String(), s.Request, v, true) // taken back with the batch
	d, err := s.gate.enter(s.batch, id.String(), q, v, s.standing, s.facts, nil, s.q.ID)
	if err != nil {
		return err
	}
	s.q, s.q.Answer = after, d.ID
	if s.glass != nil {
		if err := s.enterGlass(); err != nil {
			return err
		}
	}
	if granting {
		if err := s.gate.issueGrant(s.batch, &d, granted{asker: e.Caller, agent: e.Decision.Agent, action: e.Decision.Action, door: e.Door}); err != nil {
			return err
		}
	}
	return s.record(s.gate.cfg.Node, ledger.ChangeSettled)
}

func (s *sitting) settle(to approval.State, code approval.Code, by, reason string) (err error) {
	if s.q, err = s.q.Settle(to, code, by, reason, s.Now); err != nil {
		return err
	}
	return s.record(s.gate.cfg.Node, ledger.ChangeSettled)
}
