package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// Kinds of records of approvals. Their keys are the ids of decisions.
const (
	recordApproval = "approval"     // value: the question
	recordDue      = "approval_due" // of a pending one: when something happens to it by itself
)

// endedLife is how long the record of a question is kept after it ended, and so
// how long lists have it. The log keeps what became of it.
const endedLife = 30 * 24 * time.Hour

// How many questions may be pending. A request beyond that is decided like
// any other, but nobody is asked.
const (
	maxPendingOfAgent = 256
	maxPending        = 10_000
)

// pendings counts what is pending, and tells who waits that something changed.
type pendings struct {
	mu      sync.Mutex
	byAgent map[string]int
	total   int
	turned  chan struct{} // closed at the next change of an approval
	nudged  chan struct{} // holds one when something is due at once
}

// A due is the value of a record that says when something happens to a pending
// approval.
type due struct {
	At    time.Time `json:"at"`
	Agent string    `json:"agent"`
}

func (a *pendings) start() {
	a.byAgent, a.turned, a.nudged = map[string]int{}, make(chan struct{}), make(chan struct{}, 1)
}

// room reports whether one more question of an agent may be pending, beside
// those that a batch opens, which are of the agents listed.
func (a *pendings) room(agent string, opens []string) bool {
	own := 0
	for _, other := range opens {
		if other == agent {
			own++
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.total+len(opens) < maxPending && a.byAgent[agent]+own < maxPendingOfAgent
}

// changed notes that a question was opened (1), settled (-1) or has another vote (0).
func (a *pendings) changed(agent string, by int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total += by
	if a.byAgent[agent] += by; a.byAgent[agent] <= 0 {
		delete(a.byAgent, agent)
	}
	close(a.turned)
	a.turned = make(chan struct{})
}

// next is closed at the next change.
func (a *pendings) next() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.turned
}

func (a *pendings) nudge() {
	select {
	case a.nudged <- struct{}{}:
	default: // somebody looks soon anyway
	}
}

// recount counts the pending questions anew: other nodes settle some, too.
func (a *pendings) recount(ctx context.Context, r store.Reader) error {
	byAgent, total := map[string]int{}, 0
	for rec, err := range r.Records(ctx, recordDue, "") {
		if err != nil {
			return err
		}
		var d due
		if err := json.Unmarshal(rec.Value, &d); err != nil {
			return fmt.Errorf("the record of what is due of approval %s: %w", rec.Key, err)
		}
		byAgent[d.Agent]++
		total++
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byAgent, a.total = byAgent, total
	return nil
}

// theCase is what a question about a request is looked at with.
func (g *Gate) theCase(b *batch, known kernel.Request, st registry.Standing, v kernel.Verdict) *approval.Case {
	return &approval.Case{
		Registry: b.registry, Workflow: b.program.Workflow, Request: known, Chain: st.Chain,
		NoSelf:  v.Constraints["no_self_approval"] == true,
		Authors: g.authors(b.program.Version()), Now: b.now,
	}
}

// ask makes of a REQUIRE_APPROVAL what it asks people; nil where the verdict
// is another, or too much is pending. nudge: something is due at once.
func (g *Gate) ask(b *batch, q *question, v kernel.Verdict, st registry.Standing, evaluator *eval.Evaluator) (opened *ledger.Opened, nudge bool, err error) {
	if v.Decision != kernel.RequireApproval || !g.pending.room(q.Request.Agent.ID, b.opens) {
		return nil, false, nil
	}
	needs, automatic := needsOf(evaluator.Asked())
	c := g.theCase(b, st.Know(q.Request), st, v)
	whole, err := c.Open(approval.Question{Needs: needs, Asker: q.caller.StandsFor})
	if err != nil {
		return nil, false, err
	}
	next := whole.Next(c)
	if nudge = len(whole.Automatic(c, automatic)) > 0; nudge {
		next = b.now
	}
	return &ledger.Opened{Asker: whole.Asker, Expires: whole.Expires, Due: next, Needs: needs}, nudge, nil
}

// needsOf splits what a verdict asks into needs and automatic votes.
func needsOf(list []eval.Asked) ([]approval.Need, map[string][]string) {
	needs, automatic := make([]approval.Need, len(list)), map[string][]string{}
	for i, a := range list {
		needs[i] = approval.Need{Workflow: a.Workflow, Needed: a.Needed}
		automatic[a.Workflow] = a.Automatic
	}
	return needs, automatic
}

// openApproval adds the records of a question that a decision opens.
func (g *Gate) openApproval(b *batch, q *question, d kernel.Decision, opened *ledger.Opened, nudge bool) error {
	if opened == nil {
		return nil
	}
	pending := approval.Question{
		ID: d.ID, State: approval.Pending, Agent: q.Request.Agent.ID, Action: q.Request.Action, Caller: q.caller.Principal, Asker: opened.Asker,
		Opened: d.DecidedAt, Expires: opened.Expires, Due: opened.Due, Needs: opened.Needs,
	}
	record, err := pending.Encode()
	if err != nil {
		return err
	}
	b.change(store.Transition{RecordKey: store.RecordKey{Kind: recordApproval, Key: d.ID}, Value: record})
	b.change(store.Transition{RecordKey: store.RecordKey{Kind: recordDue, Key: d.ID}, Value: dueRecord(pending)})
	b.opens = append(b.opens, pending.Agent)
	b.after = append(b.after, func() {
		g.pending.changed(pending.Agent, 1)
		if nudge {
			g.pending.nudge()
		}
	})
	return nil
}

func dueRecord(q approval.Question) []byte {
	value, _ := json.Marshal(due{q.Due, q.Agent}) // an instant and a string always encode
	return value
}

// present is what became of the approval of a decision until now.
func (g *Gate) present(id string) (*kernel.Approval, error) {
	ctx := context.Background()
	q, _, err := g.questionOf(ctx, id)
	if isNotFound(err) {
		var f *first
		if f, err = g.firstOf(ctx, id); err == nil {
			q, _, err = g.ended(ctx, f)
		}
	}
	if err != nil {
		return nil, err
	}
	return view(q), nil
}

func view(q approval.Question) *kernel.Approval {
	return &kernel.Approval{
		ID: q.ID, State: string(q.State), ExpiresAt: q.Expires, Code: string(q.Code), Reason: q.Reason, Decision: q.Answer,
	}
}

// questionOf reads the record of an approval, and its version.
func (g *Gate) questionOf(ctx context.Context, id string) (approval.Question, uint64, error) {
	rec, err := g.cfg.Store.Record(ctx, store.RecordKey{Kind: recordApproval, Key: id})
	if errors.Is(err, store.ErrNotFound) {
		return approval.Question{}, 0, noApproval(id)
	}
	if err != nil {
		return approval.Question{}, 0, unavailable("the approval could not be read")
	}
	q, err := approval.Decode(rec.Value)
	if err == nil && q.ID != id {
		err = fmt.Errorf("the record of approval %s is that of %s", id, q.ID)
	}
	return q, rec.Version, err
}
