package gate_test

import (
	"context"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// A tampered store is one that somebody else writes to while the kernel runs.
type tampered struct {
	*storetest.Memory
	change func(*store.Entry)
}

func (t *tampered) Entry(ctx context.Context, shard int, seq uint64) (store.Entry, error) {
	e, err := t.Memory.Entry(ctx, shard, seq)
	t.apply(&e)
	return e, err
}

func (t *tampered) Entries(ctx context.Context, q store.Query) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for e, err := range t.Memory.Entries(ctx, q) {
			t.apply(&e)
			if !yield(e, err) {
				return
			}
		}
	}
}

func (t *tampered) Bodies(ctx context.Context, shard int, from uint64) iter.Seq2[store.Body, error] {
	return func(yield func(store.Body, error) bool) {
		for e, err := range t.Entries(ctx, store.Query{Shard: shard, From: from}) {
			if !yield(store.Body{Leaf: store.Leaf{Seq: e.Seq, Hash: e.Leaf}, Body: e.Body}, err) {
				return
			}
		}
	}
}

func (t *tampered) apply(e *store.Entry) {
	if t.change != nil {
		t.change(e)
	}
}

func openTampered(t *testing.T) (*house, *tampered) {
	h := &house{store: &storetest.Memory{}}
	bad := &tampered{Memory: h.store}
	h.now.Store(noon.UnixNano())
	h.reopen(t, func(c *gate.Config) { c.Store = bad })
	program, files := shipping(t)
	if err := h.Activate(t.Context(), admin, program, files); err != nil {
		t.Fatal(err)
	}
	return h, bad
}

func denyToAllow(e *store.Entry) {
	e.Body = []byte(strings.Replace(string(e.Body), `"decision":"REQUIRE_APPROVAL"`, `"decision":"ALLOW"`, 1))
}

func TestAnEditedEntryIsNeverAnAnswer(t *testing.T) {
	h, bad := openTampered(t)
	ask := ship("agent-001", "production", "r1")
	first, err := h.Decide(t.Context(), gateway, ask)
	if err != nil || first.Decision != kernel.RequireApproval {
		t.Fatal(first, err)
	}
	bad.change = denyToAllow
	if d, err := h.Decide(t.Context(), gateway, ask); err == nil {
		t.Errorf("an edited entry answers %+v", d)
	}
}

func TestARequestIDAnswersItsCallerAndAgentOnly(t *testing.T) {
	h, bad := openTampered(t)
	if _, err := h.Decide(t.Context(), gateway, ship("agent-001", "production", "r1")); err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*store.Entry){
		func(e *store.Entry) { e.Caller = "somebody" },
		func(e *store.Entry) { e.Agent = "agent-002" },
		func(e *store.Entry) { e.Seq++ },
		func(e *store.Entry) { e.Private = nil },
	} {
		bad.change = change
		if d, err := h.Decide(t.Context(), gateway, ship("agent-001", "production", "r1")); !isCode(err, kernel.Unavailable) {
			t.Errorf("Decide = %+v, %v", d, err)
		}
	}
}

func TestAnAllowOfThisProcessIsReplayedFromMemory(t *testing.T) {
	h, bad := openTampered(t)
	ask := ship("agent-001", "development", "r1")
	first, err := h.Decide(t.Context(), gateway, ask)
	if err != nil {
		t.Fatal(err)
	}
	bad.change = func(e *store.Entry) { e.Body = nil }
	if d, err := h.Decide(t.Context(), gateway, ask); err != nil || d.ID != first.ID || !d.Replayed {
		t.Errorf("Decide = %+v, %v", d, err)
	}
	h.pass(61 * time.Second)
	h.pass(-26 * time.Hour) // however the clock is set
	if d, err := h.Decide(t.Context(), gateway, ask); err == nil {
		t.Errorf("with the clock set back: %+v", d)
	}
}

func TestAnAllowSurvivesARestartForItsMinute(t *testing.T) {
	h := open(t, nil)
	ask := ship("agent-001", "development", "r1")
	first, err := h.Decide(t.Context(), gateway, ask)
	if err != nil {
		t.Fatal(err)
	}
	h.reopen(t, nil)
	program, files := shipping(t)
	if err := h.Activate(t.Context(), admin, program, files); err != nil {
		t.Fatal(err)
	}
	if d, err := h.Decide(t.Context(), gateway, ask); err != nil || d.ID != first.ID || !d.Replayed {
		t.Errorf("after a restart: %+v, %v", d, err)
	}
	h.pass(61 * time.Second)
	if _, err := h.Decide(t.Context(), gateway, ask); !isCode(err, kernel.Spent) {
		t.Errorf("after a minute: %v", err)
	}
}

func TestNothingIsDecidedOnALogThatSomebodyChanged(t *testing.T) {
	h, bad := openTampered(t)
	if _, err := h.Decide(t.Context(), gateway, ship("agent-001", "production", "")); err != nil {
		t.Fatal(err)
	}
	bad.change = denyToAllow
	if note, err := h.Checkpoint(t.Context(), admin); err == nil {
		t.Fatalf("a changed log was signed: %s", note)
	}
	bad.change = nil
	if _, err := h.Decide(t.Context(), gateway, ship("agent-001", "development", "")); !isCode(err, kernel.Unavailable) {
		t.Errorf("Decide = %v", err)
	}
	if err := h.Ready(t.Context()); !isCode(err, kernel.Unavailable) {
		t.Errorf("Ready = %v", err)
	}
}

func TestNothingIsDecidedWhileTheClockIsFarBehindTheLog(t *testing.T) {
	h := open(t, nil)
	ask := ship("agent-001", "development", "")
	if _, err := h.Decide(t.Context(), gateway, ask); err != nil {
		t.Fatal(err)
	}
	h.pass(-2 * time.Hour)
	if _, err := h.Decide(t.Context(), gateway, ask); !isCode(err, kernel.Unavailable) || !strings.Contains(err.Error(), "clock") {
		t.Errorf("Decide = %v", err)
	}
	if err := h.Ready(t.Context()); !isCode(err, kernel.Unavailable) {
		t.Errorf("Ready = %v", err)
	}
	h.pass(2 * time.Hour)
	if err := h.Ready(t.Context()); err != nil {
		t.Errorf("Ready = %v once the clock is right", err)
	}
	if _, err := h.Decide(t.Context(), gateway, ask); err != nil {
		t.Errorf("Decide = %v once the clock is right", err)
	}
}

func TestACheckpointWhoseCallerLeavesIsKept(t *testing.T) {
	h := open(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	h.store.OnCommit(func(*store.Batch) { cancel() }) // while it is being persisted
	first, err := h.Checkpoint(ctx, admin)
	if err != nil {
		t.Fatalf("Checkpoint: %v", err)
	}
	if again, err := h.Checkpoint(t.Context(), admin); err != nil || again != first {
		t.Errorf("the next Checkpoint = %q, %v, want the same", again, err)
	}
}
