package gate

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/oklog/ulid/v2"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// How long a request_id is remembered, and how long it may answer ALLOW again.
const (
	requestLife = 24 * time.Hour
	allowLife   = 60 * time.Second
)

// An Ask is a request as it came through a door.
type Ask struct {
	Request   kernel.Request
	Door      string // decisions, evaluate: recorded with the decision
	Phase1    bool   // undeclared resource types and environments are denied instead of refused
	ClaimedAt string // the caller's own timestamp: recorded, never believed
}

// A question is an ask made ready, outside the committer, for evaluation.
type question struct {
	Ask
	caller  kernel.Caller
	private *store.Private // canonical request, salt and digest
}

// Decide answers a request and records the answer, or does neither.
//
// The error is a *kernel.Error: Forbidden when the caller may not speak for
// the agent, Invalid when the request does not fit the schema, Spent or Reused
// for its request_id, Unavailable when nothing could be recorded. The door
// records a refusal for all but the last.
func (g *Gate) Decide(ctx context.Context, caller kernel.Caller, ask Ask) (kernel.Decision, error) {
	q, err := g.prepare(caller, ask)
	if err != nil {
		return kernel.Decision{}, err
	}
	j := &job{}
	if ask.Request.RequestID != "" {
		d, err := g.settled(ctx, q, j)
		if !errors.Is(err, store.ErrNotFound) {
			return g.answer(q, d, err)
		}
	}
	var d kernel.Decision
	j.apply = func(b *batch) (err error) {
		d, err = g.decide(b, j, q)
		return err
	}
	err = g.submit(ctx, j)
	return g.answer(q, d, err)
}

// answer is what the caller is told of a decision that is on disk, or the error
// that stands in its place.
func (g *Gate) answer(q *question, d kernel.Decision, err error) (kernel.Decision, error) {
	if err != nil {
		return kernel.Decision{}, err
	}
	return g.withToken(d, &q.Request)
}

func (g *Gate) prepare(caller kernel.Caller, ask Ask) (*question, error) {
	if !caller.MaySpeakFor(ask.Request.Agent.ID) {
		return nil, kernel.Errorf(kernel.Forbidden, "the caller may not speak for agent %q", ask.Request.Agent.ID).
			At("$.agent.id").WithHint("use a token of that agent, or of a gateway that speaks for it")
	}
	if err := ask.check(); err != nil {
		return nil, err
	}
	canonical, err := ask.Request.Canonical()
	if err != nil {
		return nil, kernel.Errorf(kernel.Invalid, "the request has no canonical form").At("$")
	}
	private, err := g.salted(canonical)
	if err != nil {
		return nil, err
	}
	return &question{Ask: ask, caller: caller, private: private}, nil
}

// salted is the private part of an entry about a request in its canonical form.
func (g *Gate) salted(canonical []byte) (*store.Private, error) {
	salt := make([]byte, ledger.SaltSize)
	if _, err := io.ReadFull(g.cfg.Rand, salt); err != nil {
		return nil, unavailable("no randomness for the record")
	}
	return ledger.NewPrivate(salt, canonical), nil
}

// check refuses what no row of the log could hold. Doors have checked their
// input already; here one bad string would cost every decision of its batch.
func (a Ask) check() error {
	err := checkTexts([]placed{
		{"$.agent.id", a.Request.Agent.ID}, {"$.action", a.Request.Action},
		{"$.request_id", a.Request.RequestID}, {"$.timestamp", a.ClaimedAt}, {"$", a.Door},
	})
	if err != nil {
		return err
	}
	if a.Request.Agent.ID == "" || a.Request.Action == "" {
		return kernel.Errorf(kernel.Invalid, "a request names an agent and an action").At("$")
	}
	return nil
}

// A placed text is one of a request, and where it stands.
type placed struct{ path, text string }

func checkTexts(texts []placed) error {
	for _, s := range texts {
		if !utf8.ValidString(s.text) || strings.ContainsRune(s.text, 0) {
			return kernel.Errorf(kernel.Invalid, "not UTF-8, or a U+0000 in it").At(s.path)
		}
	}
	return nil
}

// decide evaluates one question inside a batch and adds its entry.
func (g *Gate) decide(b *batch, j *job, q *question) (kernel.Decision, error) {
	key := ""
	if q.Request.RequestID != "" {
		key = q.key()
		d, err := g.again(b, j, q, key)
		if !errors.Is(err, store.ErrNotFound) {
			return d, err
		}
	}
	evaluator := g.evaluatorOf(b.program)
	if evaluator == nil {
		return kernel.Decision{}, noPolicy()
	}
	st := standing(b.registry, b.program, &q.Request, b.now)
	known := st.Know(q.Request)
	facts, err := g.facts(b, &known)
	if err != nil {
		return kernel.Decision{}, err
	}
	v, err := evaluator.Decide(eval.Input{
		Request: q.Request, Now: b.now, Standing: &st, Facts: facts, Phase1: q.Phase1, Digest: q.private.Digest,
	})
	if err == nil {
		err = q.worthKeeping(v)
	}
	if err != nil {
		return kernel.Decision{}, err
	}
	granting, err := g.wantsGrant(b.program, q, v)
	if err != nil {
		return kernel.Decision{}, err
	}
	opened, nudge, err := g.ask(b, q, v, st, evaluator)
	if err != nil {
		return kernel.Decision{}, err
	}
	id, err := ulid.New(ulid.Timestamp(b.now), g.cfg.Rand)
	if err != nil {
		return kernel.Decision{}, unavailable("no randomness for the record")
	}
	undo := g.happens(b, id.String(), known, v, false)
	d, err := g.enter(b, id.String(), q, v, st, facts, opened, "")
	if err == nil {
		err = g.openApproval(b, q, d, opened, nudge)
	}
	if err == nil && granting {
		err = g.issueGrant(b, &d, granted{asker: q.caller.Principal, agent: q.Request.Agent.ID, action: q.Request.Action, door: q.Door})
	}
	if err != nil {
		undo()
		return kernel.Decision{}, err
	}
	d.KeptBy = evaluator.Program().KeptBy(d.Constraints)
	if q.Request.RequestID != "" {
		b.change(store.Transition{
			RecordKey: store.RecordKey{Kind: recordRequest, Key: key},
			Value:     ledger.Place{Shard: d.Entry.Shard, Seq: d.Entry.Seq}.Text(), Expires: b.now.Add(requestLife).UnixNano(),
		})
		b.asked[key] = answered{decision: d, digest: q.private.Digest, standing: st}
		if d.Decision == kernel.Allow {
			now := g.cfg.Clock()
			b.after = append(b.after, func() { g.allows.add(key, b.asked[key], now) })
		}
	}
	return d, nil
}

// evaluatorOf returns the committer's evaluator of a program, or nil of none.
func (g *Gate) evaluatorOf(program *eval.Program) *eval.Evaluator {
	if program == nil {
		return nil
	}
	if g.evaluator == nil || g.evaluator.Program() != program {
		g.evaluator = program.NewEvaluator(eval.Config{Paranoid: g.cfg.Paranoid})
	}
	return g.evaluator
}

// enter adds the entry of a verdict to the batch: one that opens an approval,
// or answers the decision that did.
func (g *Gate) enter(b *batch, id string, q *question, v kernel.Verdict, st registry.Standing, facts map[string]any, opened *ledger.Opened, answers string) (kernel.Decision, error) {
	v.RequestDigest = "" // an unsalted hash of the request: it lies beside the entry, with the salt
	entry := ledger.Entry{
		Instant: b.now, Node: g.cfg.Node, Batch: b.id, Caller: q.caller.Principal, Door: q.Door,
		Decision: &ledger.Decided{
			ID: id, Agent: q.Request.Agent.ID, Action: q.Request.Action, Standing: st, Facts: facts,
			Phase1: q.Phase1, ClaimedAt: q.ClaimedAt, Verdict: v, Opened: opened, Answers: answers,
		},
	}
	row, err := b.log.Append(entry, q.private)
	if err != nil {
		return kernel.Decision{}, unavailable("its entry could not be made")
	}
	return ledger.Answer(entry, row), nil
}

// How large a request about something undeclared may be, in its canonical
// form. No schema bounds what such a request holds, and every decision keeps
// its request, so without a bound whatever anybody sends would fill the disk.
// The Phase 1 door answers names of any length, so it has more.
const (
	maxUndeclared       = 16 << 10  // bytes
	maxUndeclaredPhase1 = 256 << 10 // bytes
)

// worthKeeping refuses to decide about something undeclared when that would
// have to be kept and is large. The refusal is recorded without the request;
// whatever is decided is kept whole, so its commitment and replay hold.
func (q *question) worthKeeping(v kernel.Verdict) error {
	limit := maxUndeclared
	if q.Phase1 {
		limit = maxUndeclaredPhase1
	}
	if !beforeShape(v.Code) || len(q.private.Request) <= limit {
		return nil
	}
	return kernel.Errorf(kernel.TooLarge, "a request that is not compared with the policy's schema is over %d bytes", limit).
		At("$").WithHint("declare it in the schema of the policy, or send less")
}

// beforeShape reports whether a verdict was reached before the request was
// fitted to the schema, so that anything may be in it.
func beforeShape(code kernel.Code) bool {
	switch code {
	case kernel.CodeKilled, kernel.CodeUnknownAgent, kernel.CodeAgentSuspended, kernel.CodeUnknownAction, kernel.CodeUnknownResource:
		return true
	}
	return false
}

// key is what a request_id is unique under: a JSON array, so that no two
// triples share one.
func (q *question) key() string {
	key, err := json.Marshal([]string{q.caller.Principal, q.Request.Agent.ID, q.Request.RequestID})
	if err != nil {
		return "" // three valid strings always encode; an empty key conflicts rather than deduplicates
	}
	return string(key)
}
