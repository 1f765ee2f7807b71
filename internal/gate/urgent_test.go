package gate_test

import (
	"sync"
	"testing"
	"time"

	kernel "github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

// TestAKillFindsRoomWhereDecisionsDoNot: the queue is full and the disk hangs;
// a decision is refused at once, a kill switch waits before all that waits.
func TestAKillFindsRoomWhereDecisionsDoNot(t *testing.T) {
	h := open(t, func(c *gate.Config) { c.Queue = 4 })
	release := h.block()
	var waiting sync.WaitGroup
	codes := make(chan kernel.Code, 64)
	ask := func() {
		if d, err := h.Decide(t.Context(), dev, ship("agent-001", "development", "")); err == nil {
			codes <- d.Code
		}
	}
	waits := func(n int) {
		t.Helper()
		for end := time.Now().Add(5 * time.Second); h.Waiting() != n; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d decisions wait, not %d", h.Waiting(), n)
			}
		}
	}
	waiting.Go(ask) // the committer takes it up, and hangs
	time.Sleep(20 * time.Millisecond)
	waits(0)
	for range 4 {
		waiting.Go(ask)
	}
	waits(4)
	if _, err := h.Decide(t.Context(), dev, ship("agent-001", "development", "")); !isCode(err, kernel.Unavailable) {
		t.Errorf("one more decision found room: %v", err)
	}
	killed := make(chan error, 1)
	waiting.Go(func() { killed <- h.Kill(t.Context(), dev, registry.ScopeAll, "", "") })
	time.Sleep(20 * time.Millisecond)
	release()
	waiting.Wait()
	if err := <-killed; err != nil {
		t.Fatalf("the kill switch found no room: %v", err)
	}
	close(codes)
	allowed, stopped := 0, 0
	for c := range codes {
		if c == kernel.CodeKilled {
			stopped++
		} else {
			allowed++
		}
	}
	if allowed != 1 || stopped != 4 {
		t.Errorf("%d were decided before the switch and %d after; it goes before the 4 that waited", allowed, stopped)
	}
}
