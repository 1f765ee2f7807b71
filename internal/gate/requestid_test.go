package gate_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	kernel "github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

func TestARequestIDIsDecidedOnce(t *testing.T) {
	h := open(t, nil)
	const callers = 100
	ids := make([]string, callers)
	var fresh atomic.Int32
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			d, err := h.Decide(t.Context(), gateway, ship("agent-001", "development", "r1"))
			if err != nil {
				t.Error(err)
			}
			if !d.Replayed {
				fresh.Add(1)
			}
			ids[i] = d.ID
		})
	}
	all.Wait()
	if len(slices.Compact(ids)) != 1 || fresh.Load() != 1 || h.decisions(t) != 1 {
		t.Errorf("%d ids, %d fresh answers, %d entries, want one of each", len(slices.Compact(ids)), fresh.Load(), h.decisions(t))
	}
}

func TestARequestIDBelongsToItsCallerAgentAndRequest(t *testing.T) {
	h := open(t, nil)
	ask := func(c kernel.Caller, a gate.Ask) (kernel.Decision, error) { return h.Decide(t.Context(), c, a) }
	first, err := ask(gateway, ship("agent-001", "development", "r1"))
	if err != nil {
		t.Fatal(err)
	}
	if d, err := ask(agent1, ship("agent-001", "development", "r1")); err != nil || d.Replayed || d.ID == first.ID {
		t.Errorf("another caller: %+v, %v", d, err)
	}
	if d, err := ask(gateway, ship("agent-002", "development", "r1")); err != nil || d.Replayed {
		t.Errorf("another agent: %+v, %v", d, err)
	}
	if _, err := ask(gateway, ship("agent-001", "production", "r1")); !isCode(err, kernel.Reused) {
		t.Errorf("another request: %v", err)
	}
	h.pass(61 * time.Second)
	if _, err := ask(gateway, ship("agent-001", "development", "r1")); !isCode(err, kernel.Spent) {
		t.Errorf("an ALLOW after 61 s: %v", err)
	}
	h.pass(24 * time.Hour)
	if d, err := ask(gateway, ship("agent-001", "development", "r1")); err != nil || d.Replayed {
		t.Errorf("after 24 h: %+v, %v", d, err)
	}
}

func TestARecordedRefusalIsReplayedLongerThanAnAllow(t *testing.T) {
	h := open(t, nil)
	first, err := h.Decide(t.Context(), gateway, ship("agent-001", "production", "r1"))
	if err != nil || first.Decision != kernel.RequireApproval {
		t.Fatalf("%+v, %v", first, err)
	}
	h.pass(23 * time.Hour)
	again, err := h.Decide(t.Context(), gateway, ship("agent-001", "production", "r1"))
	if err != nil || !again.Replayed || again.ID != first.ID {
		t.Errorf("after 23 h: %+v, %v", again, err)
	}
}

func TestAnAllowIsSpentWhenThePolicyChanges(t *testing.T) {
	h := open(t, nil)
	if _, err := h.Decide(t.Context(), gateway, ship("agent-001", "development", "r1")); err != nil {
		t.Fatal(err)
	}
	_, files := shipping(t)
	for i := range files {
		files[i].Data = []byte(strings.ReplaceAll(string(files[i].Data), "name: shipping", "name: shipping2"))
	}
	if err := h.Activate(t.Context(), admin, compile(t, files), files); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Decide(t.Context(), gateway, ship("agent-001", "development", "r1")); !isCode(err, kernel.Spent) {
		t.Errorf("Decide = %v, want %s", err, kernel.Spent)
	}
}

func TestTheSameRequestIDInOneBatchAndAcrossAConflict(t *testing.T) {
	h := open(t, nil)
	release := h.block()
	results := make(chan kernel.Decision, 3)
	for range 3 {
		go func() {
			d, err := h.Decide(t.Context(), gateway, ship("agent-001", "development", "same"))
			if err != nil {
				t.Error(err)
			}
			results <- d
		}()
	}
	time.Sleep(10 * time.Millisecond) // the first commits, the others wait behind it
	release()
	a, b, c := <-results, <-results, <-results
	if a.ID != b.ID || b.ID != c.ID || h.decisions(t) != 1 {
		t.Errorf("ids %s %s %s, %d entries", a.ID, b.ID, c.ID, h.decisions(t))
	}
}

// A lingering store has written a commit some time before it says so.
type lingering struct {
	*storetest.Memory
	written, release chan struct{}
}

func (s *lingering) Commit(ctx context.Context, b *store.Batch) (store.Outcome, error) {
	out, err := s.Memory.Commit(ctx, b)
	if len(b.Entries) > 0 && b.Entries[0].Kind == string(ledger.KindDecision) {
		s.written <- struct{}{}
		<-s.release
	}
	return out, err
}

func TestARequestThatComesAgainWhileItsCommitEndsIsAnsweredAgain(t *testing.T) {
	h := &house{store: &storetest.Memory{}}
	h.now.Store(noon.UnixNano())
	slow := &lingering{h.store, make(chan struct{}, 9), make(chan struct{})}
	h.reopen(t, func(c *gate.Config) { c.Store = slow })
	program, files := shipping(t)
	if err := h.Activate(t.Context(), admin, program, files); err != nil {
		t.Fatal(err)
	}
	answers := make(chan kernel.Decision, 2)
	ask := func() {
		d, err := h.Decide(t.Context(), gateway, ship("agent-001", "development", "r1"))
		if err != nil {
			t.Error(err)
		}
		answers <- d
	}
	go ask()
	<-slow.written
	go ask()
	for h.Waiting() == 0 {
		time.Sleep(time.Millisecond)
	}
	close(slow.release)
	first, second := <-answers, <-answers
	if first.ID != second.ID || first.Replayed == second.Replayed || h.decisions(t) != 1 {
		t.Errorf("answers %s (replayed %v) and %s (replayed %v), %d entries", first.ID, first.Replayed, second.ID, second.Replayed, h.decisions(t))
	}
}
