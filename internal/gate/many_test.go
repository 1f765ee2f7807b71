package gate_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	kernel "github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// shipments returns n asks of as many agents.
func shipments(n int, environment string) []gate.Ask {
	asks := make([]gate.Ask, n)
	for i := range asks {
		asks[i] = ship(fmt.Sprintf("agent-%04d", i), environment, "")
	}
	return asks
}

func TestAThousandDecisionsTakeAHandfulOfCommits(t *testing.T) {
	var commits atomic.Int32
	h := open(t, func(c *gate.Config) { c.OnCommit = func(gate.CommitStats) { commits.Add(1) } })
	commits.Store(0)
	answers := h.DecideBatch(t.Context(), gateway, shipments(1000, "development"))
	if n := commits.Load(); len(answers) != 1000 || n > 3 {
		t.Errorf("%d answers in %d commits, want 1000 in at most 3", len(answers), n)
	}
	for i, a := range answers {
		row, err := h.store.EntryByID(t.Context(), a.Decision.ID)
		if a.Err != nil || err != nil || row.Agent != fmt.Sprintf("agent-%04d", i) || row.Decision != "ALLOW" || row.Seq != a.Decision.Entry.Seq {
			t.Fatalf("answer %d: %+v, recorded %+v, %v", i, a, row, err)
		}
	}
	if answers := h.DecideBatch(t.Context(), gateway, nil); len(answers) != 0 {
		t.Errorf("%d answers to nothing", len(answers))
	}
}

func TestABatchAnswersAsOneByOne(t *testing.T) {
	single, many := open(t, nil), open(t, nil)
	asks := []gate.Ask{
		ship("agent-001", "development", ""), ship("agent-001", "production", ""), ship("other", "development", ""),
		ship("agent-001", "nowhere", ""), ship("", "development", ""), ship("agent-002", "staging", "r1"), ship("agent-002", "staging", "r1"),
		ship("agent-002", "production", "r1"), ship("agent-003", "staging", "r1"),
	}
	unknown := ship("agent-001", "development", "")
	unknown.Request.Action = "sink"
	asks = append(asks, unknown)
	got := many.DecideBatch(t.Context(), gateway, asks)
	for i, ask := range asks {
		want, err := single.Decide(t.Context(), gateway, ask)
		d := got[i].Decision
		if fmt.Sprint(d.Verdict) != fmt.Sprint(want.Verdict) || fmt.Sprint(got[i].Err) != fmt.Sprint(err) || d.Replayed != want.Replayed {
			t.Errorf("ask %d: %+v, one by one %+v, %v", i, got[i], want, err)
		}
	}
	if got[5].Decision.ID != got[6].Decision.ID || !got[6].Decision.Replayed || !isCode(got[7].Err, kernel.Reused) {
		t.Errorf("one request_id three times: %+v, %+v, %v", got[5], got[6], got[7].Err)
	}
	if many.decisions(t) != single.decisions(t) {
		t.Errorf("%d decisions, one by one %d", many.decisions(t), single.decisions(t))
	}
}

// TestARequestIDTwiceInABatchOfManyCommits: the second is not in the commit of
// the first.
func TestARequestIDTwiceInABatchOfManyCommits(t *testing.T) {
	h := open(t, func(c *gate.Config) { c.MaxBatch = 2 })
	asks := shipments(6, "development")
	asks[0], asks[5] = ship("agent-001", "development", "r1"), ship("agent-001", "development", "r1")
	got := h.DecideBatch(t.Context(), gateway, asks)
	if got[5].Err != nil || !got[5].Decision.Replayed || got[5].Decision.ID != got[0].Decision.ID || h.decisions(t) != 5 {
		t.Errorf("%+v and %+v, %d decisions", got[0], got[5], h.decisions(t))
	}
}

func TestWhatTheStoreDidNotTakeIsNoDecision(t *testing.T) {
	for name, fault := range map[string]storetest.Fault{
		"full":    {Status: store.NotCommitted, Err: store.ErrFull},
		"unknown": {Status: store.Unknown, Err: errors.New("connection lost")},
	} {
		h := open(t, func(c *gate.Config) { c.MaxBatch = 4 })
		release := h.block()
		var answers []gate.Answer
		var asked sync.WaitGroup
		asked.Go(func() { answers = h.DecideBatch(t.Context(), gateway, shipments(12, "development")) })
		h.store.Fail(fault) // the first commit; those behind it hold
		release()
		asked.Wait()
		lost := 0
		for i, a := range answers {
			if a.Err == nil {
				if _, err := h.store.EntryByID(t.Context(), a.Decision.ID); err != nil {
					t.Errorf("%s: answer %d is not in the log: %v", name, i, err)
				}
				continue
			}
			lost++
			if !isCode(a.Err, kernel.Unavailable) || a.Decision.Decision != kernel.Deny || a.Decision.ID != "" {
				t.Errorf("%s: answer %d: %+v", name, i, a)
			}
		}
		if lost != 4 || h.decisions(t) != 8 {
			t.Errorf("%s: %d lost, %d recorded, want 4 and 8", name, lost, h.decisions(t))
		}
	}
}

// waitFor waits until so many jobs wait.
func waitFor(h *house, jobs int) {
	for h.Waiting() < jobs {
		time.Sleep(time.Millisecond)
	}
}

func TestBatchesLeaveRoomInTheQueue(t *testing.T) {
	h := open(t, func(c *gate.Config) { c.Queue, c.MaxBatch = 20, 5 })
	var answers []gate.Answer
	var asked sync.WaitGroup
	var once sync.Once
	started, hold := make(chan struct{}), make(chan struct{})
	h.store.OnCommit(func(*store.Batch) { once.Do(func() { close(started) }); <-hold })
	asked.Go(func() { _, _ = h.Decide(t.Context(), gateway, ship("agent-001", "development", "")) })
	<-started
	asked.Go(func() { answers = h.DecideBatch(t.Context(), gateway, shipments(15, "development")) })
	waitFor(h, 10)
	asked.Go(func() {
		if _, err := h.Decide(t.Context(), gateway, ship("agent-002", "development", "")); err != nil {
			t.Errorf("one beside a batch: %v", err)
		}
	})
	waitFor(h, 11)
	close(hold)
	asked.Wait()
	refused := 0
	for _, a := range answers {
		if isCode(a.Err, kernel.Unavailable) {
			refused++
		} else if a.Err != nil {
			t.Error(a.Err)
		}
	}
	if refused != 5 {
		t.Errorf("%d refused, want 5", refused)
	}
}

func TestAStoppedGateRefusesABatch(t *testing.T) {
	h := open(t, nil)
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, a := range h.DecideBatch(t.Context(), gateway, shipments(3, "development")) {
		if !isCode(a.Err, kernel.Unavailable) {
			t.Errorf("%+v", a)
		}
	}
}

func TestADryRunLeavesOnlyThatSomebodyAsked(t *testing.T) {
	h := open(t, nil)
	size := h.Size()
	for environment, want := range map[string]kernel.Effect{"development": kernel.Allow, "production": kernel.RequireApproval} {
		ask := ship("agent-001", environment, "r1")
		got, err := h.DryRun(t.Context(), auditor, ask)
		if err != nil || got.Decision != want {
			t.Errorf("DryRun(%s) = %+v, %v, want %v", environment, got, err, want)
		}
		d, err := open(t, nil).Decide(t.Context(), gateway, ask)
		if err != nil || fmt.Sprint(d.Verdict) != fmt.Sprint(got) {
			t.Errorf("DryRun(%s) = %+v, Decide %+v, %v", environment, got, d.Verdict, err)
		}
	}
	log := h.entries(t)[size:]
	if len(log) != 2 || log[0].Access == nil || log[0].Access.What != "dryrun" || log[0].Caller != "au" || h.decisions(t) != 0 {
		t.Errorf("left %+v", log)
	}
	for _, caller := range []kernel.Caller{agent1, gateway, {}} {
		if _, err := h.DryRun(t.Context(), caller, ship("agent-001", "development", "")); !isCode(err, kernel.Forbidden) {
			t.Errorf("%q: %v", caller.Principal, err)
		}
	}
	h.store.Fail(storetest.Fault{Status: store.NotCommitted})
	if _, err := h.DryRun(t.Context(), auditor, ship("agent-001", "development", "")); !isCode(err, kernel.Unavailable) {
		t.Errorf("unrecorded: %v", err)
	}
}
