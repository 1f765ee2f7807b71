package gate_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// limited lets an agent act five times an hour, and spend 1,000.00 a day.
const limited = `pdl: v1
kind: schema
name: limited
agents: any
resources: {thing: {}}
actions:
  act: {resource: thing}
  pay: {resource: thing, params: {cents: "int(0..)"}}
facts:
  acts_1h: {event: act, by: [agent.id], count: true, within: 1h}
  tries_1h: {event: act, by: [agent.id], count: true, within: 1h, counts: attempted}
  spent_today: {event: pay, by: [agent.id], sum: params.cents, within: "day(Europe/Berlin)"}
  last_pay?: {event: pay, by: [agent.id], last: true, within: 24h}
---
pdl: v1
kind: policy
name: limits
rules:
  - {id: few, match: {action: act}, when: 'facts.acts_1h < 5 && facts.tries_1h < 1000', effect: ALLOW}
  - {id: budget, match: {action: pay}, when: 'params.cents <= 100000 && facts.spent_today <= 100000 - params.cents && !(has(facts.last_pay) && facts.last_pay > context.now)', effect: ALLOW}
`

func act(agent, id string) gate.Ask {
	return gate.Ask{Door: "decisions", Request: kernel.Request{
		RequestID: id, Agent: kernel.Agent{ID: agent}, Action: "act", Resource: kernel.Resource{Type: "thing", ID: "t"},
	}}
}

func pay(agent string, cents int64) gate.Ask {
	ask := act(agent, "")
	ask.Request.Action, ask.Request.Params = "pay", map[string]any{"cents": cents}
	return ask
}

func openLimited(t *testing.T, change func(*gate.Config)) *house {
	t.Helper()
	h := open(t, change)
	activate(t, h, limited)
	return h
}

func (h *house) allowed(t *testing.T, ask gate.Ask) bool {
	t.Helper()
	d, err := h.Decide(t.Context(), admin, ask)
	if err != nil {
		t.Fatal(err)
	}
	return d.Decision == kernel.Allow
}

// allows counts the decisions of the log that allow an action.
func (h *house) allows(t *testing.T, action string) (n int) {
	for _, e := range h.entries(t) {
		if e.Decision != nil && e.Decision.Action == action && e.Decision.Verdict.Decision == kernel.Allow {
			n++
		}
	}
	return n
}

func TestAHundredAtOnceAgainstALimitOfFiveAreFive(t *testing.T) {
	h := openLimited(t, nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := 0
	for range 100 {
		wg.Go(func() {
			d, err := h.Decide(t.Context(), admin, act("agent-001", ""))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if d.Decision == kernel.Allow {
				seen++
			}
		})
	}
	wg.Wait()
	if n := h.allows(t, "act"); seen != 5 || n != 5 {
		t.Errorf("callers saw %d ALLOW, the log holds %d, want 5", seen, n)
	}
	if !h.allowed(t, act("agent-002", "")) {
		t.Error("another agent's limit is its own")
	}
}

func TestABudgetIsNeverOverspentByManyWorkers(t *testing.T) {
	h := openLimited(t, nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	spent := int64(0)
	for worker := range 50 {
		wg.Go(func() {
			for i := range 20 {
				cents := int64(1 + (worker*37+i*211)%9000)
				d, err := h.Decide(t.Context(), admin, pay("agent-001", cents))
				if err != nil {
					t.Error(err)
				}
				if d.Decision == kernel.Allow {
					mu.Lock()
					spent += cents
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if spent > 100_000 || spent < 90_000 {
		t.Errorf("spent %d of 100000", spent)
	}
}

func TestAWindowMovesWithTheClockAndTheDayWithItsZone(t *testing.T) {
	h := openLimited(t, nil)
	for i := range 5 {
		if !h.allowed(t, act("agent-001", "")) {
			t.Fatalf("act %d was not allowed", i)
		}
		h.pass(time.Minute)
	}
	if h.allowed(t, act("agent-001", "")) {
		t.Error("the sixth in an hour was allowed")
	}
	h.pass(55*time.Minute - time.Nanosecond) // the first was an hour ago, less a nanosecond
	if h.allowed(t, act("agent-001", "")) {
		t.Error("allowed a nanosecond too early")
	}
	h.pass(time.Nanosecond)
	if !h.allowed(t, act("agent-001", "")) {
		t.Error("the first left the window, and its place is not free")
	}
	if !h.allowed(t, pay("agent-001", 100_000)) || h.allowed(t, pay("agent-001", 1)) {
		t.Error("a day's budget is 100000")
	}
	h.pass(time.Date(2026, 11, 23, 23, 0, 0, 0, time.UTC).Sub(time.Unix(0, h.now.Load())) - 1) // a nanosecond before midnight in Berlin
	if h.allowed(t, pay("agent-001", 1)) {
		t.Error("allowed before midnight")
	}
	h.pass(1)
	if !h.allowed(t, pay("agent-001", 1)) {
		t.Error("a new day in Berlin has a new budget")
	}
}

// What a batch that was not committed would have counted does not count, and
// what a restart finds in the log does.
func TestHistoryIsWhatIsOnDisk(t *testing.T) {
	h := openLimited(t, nil)
	for range 3 {
		if !h.allowed(t, act("agent-001", "")) {
			t.Fatal("not allowed")
		}
	}
	h.store.Fail(storetest.Fault{Status: store.NotCommitted, Err: store.ErrFull})
	if d, err := h.Decide(t.Context(), admin, act("agent-001", "")); !isCode(err, kernel.Unavailable) {
		t.Fatalf("on a full disk: %+v, %v", d, err)
	}
	if !h.allowed(t, act("agent-001", "again")) {
		t.Error("the fourth: what was not recorded was counted")
	}
	if d, err := h.Decide(t.Context(), admin, act("agent-001", "again")); err != nil || !d.Replayed {
		t.Errorf("a repeated request: %+v, %v", d, err)
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.reopen(t, nil)
	activate(t, h, limited)
	if !h.allowed(t, act("agent-001", "")) || h.allowed(t, act("agent-001", "")) {
		t.Error("after a restart the fifth is allowed, and the sixth is not")
	}
}

// A policy that counts what none counted before counts what happened before.
func TestANewPolicyCountsWhatHappenedBeforeIt(t *testing.T) {
	h := open(t, nil)
	activate(t, h, strings.ReplaceAll(limited, "facts.acts_1h < 5", "facts.acts_1h < 100"))
	for range 6 {
		if !h.allowed(t, act("agent-001", "")) {
			t.Fatal("not allowed")
		}
	}
	activate(t, h, limited)
	if h.allowed(t, act("agent-001", "")) {
		t.Error("six times within the hour, and allowed once more")
	}
}

// Entries hold the facts they rest on, so that a replay needs no history; and
// the log counted again, event by event, gives the same facts.
func TestEveryDecisionIsReplayedFromItsEntry(t *testing.T) {
	h := openLimited(t, nil)
	program := compile(t, []pdl.File{{Name: "b.yaml", Data: []byte(limited)}})
	for i := range 40 {
		h.allowed(t, act(fmt.Sprintf("agent-%03d", i%3), ""))
		h.allowed(t, pay("agent-001", int64(i*997)))
		h.pass(7 * time.Minute)
	}
	report, err := ledger.Replay(t.Context(), h.store, ledger.Policies{Entered: true, Load: func(string) (*eval.Program, error) { return program, nil }})
	if err != nil || report.Decisions != 80 || len(report.List) > 0 {
		t.Errorf("Replay = %+v, %v", report, err)
	}
	held := false
	for _, e := range h.entries(t) {
		if e.Decision != nil && e.Decision.Facts["spent_today"] != nil && e.Decision.Facts["last_pay"] != nil {
			held = true
		}
	}
	if !held {
		t.Error("no entry holds the facts it rests on")
	}
}

// Whoever asks what would be decided counts for nothing.
func TestExplanationsSeeTheFactsAndCountForNothing(t *testing.T) {
	h := openLimited(t, nil)
	for range 4 {
		h.allowed(t, act("agent-001", ""))
	}
	for range 3 {
		if v, err := h.DryRun(t.Context(), auditor, act("agent-001", "")); err != nil || v.Decision != kernel.Allow {
			t.Errorf("DryRun = %+v, %v", v, err)
		}
	}
	h.allowed(t, act("agent-001", ""))
	trace, err := h.Explain(t.Context(), auditor, act("agent-001", ""))
	if err != nil || trace.Verdict.Decision != kernel.Deny {
		t.Errorf("Explain = %+v, %v", trace.Verdict, err)
	}
}

// A hiding store leaves rows out of what a query selects, as if their columns
// had been changed.
type hiding struct {
	*storetest.Memory
	shows func(*store.Entry) bool
}

func (s *hiding) Entries(ctx context.Context, q store.Query) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for e, err := range s.Memory.Entries(ctx, q) {
			if (err != nil || s.shows(&e)) && !yield(e, err) {
				return
			}
		}
	}
}

// Who can write the database cannot give an agent its limit back.
func TestAHistoryThatWasChangedIsNotCounted(t *testing.T) {
	decision := func(e *store.Entry) bool { return e.Kind == string(ledger.KindDecision) }
	for name, shows := range map[string]func(*store.Entry) bool{
		"another agent in its column": func(e *store.Entry) bool { e.Agent = "agent-009"; return true },
		"another kind in its column":  func(e *store.Entry) bool { e.Kind = string(ledger.KindAccess); return true },
		"another request beside it": func(e *store.Entry) bool {
			if decision(e) {
				private := *e.Private
				private.Request = []byte(strings.Replace(string(private.Request), "agent-001", "agent-009", 1))
				e.Private = &private
			}
			return true
		},
		"no request beside it": func(e *store.Entry) bool { e.Private = nil; return true },
		"decisions gone":       func(e *store.Entry) bool { return !decision(e) },
		"one gone":             func(e *store.Entry) bool { return e.Seq != 4 },
		"the first gone":       func(e *store.Entry) bool { return e.Seq > 4 },
		"the last gone":        func(e *store.Entry) bool { return e.Seq < 4 },
		"all gone":             func(*store.Entry) bool { return false },
	} {
		t.Run(name, func(t *testing.T) {
			h := openLimited(t, nil)
			for range 5 {
				h.allowed(t, act("agent-001", ""))
			}
			if err := h.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			h.reopen(t, func(c *gate.Config) { c.Store = &hiding{h.store, shows} })
			files := []pdl.File{{Name: "b.yaml", Data: []byte(limited)}}
			err := h.Activate(t.Context(), admin, compile(t, files), files)
			if err == nil {
				t.Error("the policy was activated over a log that was changed")
				if d, err := h.Decide(t.Context(), admin, act("agent-001", "")); err == nil {
					t.Errorf("and decided %s", d.Decision)
				}
			}
		})
	}
}

// What was denied before the rules may hold anything: it counts for nothing,
// and keeps nobody else from being decided, before and after a restart.
func TestWhatIsDeniedBeforeTheRulesCountsForNothing(t *testing.T) {
	h := openLimited(t, nil)
	for range 1200 {
		ask := act("agent-001", "")
		ask.Request.Resource.Type = "stranger"
		if h.allowed(t, ask) {
			t.Fatal("an unknown resource was allowed")
		}
	}
	if !h.allowed(t, act("agent-001", "")) {
		t.Error("attempts that never came to the rules were counted")
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.reopen(t, nil)
	activate(t, h, limited)
	if !h.allowed(t, act("agent-001", "")) {
		t.Error("they are counted after a restart")
	}
}

// A schema of before took what this one does not. The new policy is activated
// all the same, and counts what can be counted.
func TestAPolicyIsActivatedOverWhatAnOlderSchemaTook(t *testing.T) {
	h := open(t, nil)
	activate(t, h, strings.ReplaceAll(strings.ReplaceAll(limited, "sum: params.cents", "count: true"), `cents: "int(0..)"`, "cents: int"))
	for _, cents := range []int64{-100, 70} {
		if !h.allowed(t, pay("agent-001", cents)) {
			t.Fatal("not allowed")
		}
		h.pass(time.Second)
	}
	activate(t, h, limited)
	if !h.allowed(t, pay("agent-001", 99_930)) || h.allowed(t, pay("agent-001", 1)) {
		t.Error("what a payment of -100 left of the budget is not what 70 left of it")
	}
}
