package gate_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	kernel "github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

func TestNoDecisionIsAnsweredThatIsNotOnDisk(t *testing.T) {
	for _, c := range []struct {
		name     string
		fault    storetest.Fault
		answered bool // the fault settles as committed
	}{
		{"not committed", storetest.Fault{Status: store.NotCommitted, Err: store.ErrFull}, false},
		{"unknown and written", storetest.Fault{Status: store.Unknown, Written: true, Err: errors.New("connection lost")}, true},
		{"unknown and not written", storetest.Fault{Status: store.Unknown, Err: errors.New("connection lost")}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := open(t, nil)
			h.store.Fail(c.fault)
			d, err := h.Decide(t.Context(), gateway, ship("agent-001", "development", ""))
			if c.answered != (err == nil) || !c.answered && !isCode(err, kernel.Unavailable) {
				t.Fatalf("Decide = %+v, %v", d, err)
			}
			if want := map[bool]int{true: 1, false: 0}[c.answered]; h.decisions(t) != want {
				t.Errorf("%d decisions in the log, want %d", h.decisions(t), want)
			}
			if err := h.Ready(t.Context()); err != nil {
				t.Errorf("not ready once the store is back: %v", err)
			}
			if _, err := h.Decide(t.Context(), gateway, ship("agent-001", "development", "")); err != nil {
				t.Errorf("the next decision: %v", err)
			}
		})
	}
}

func TestReadinessShowsAStoreThatCannotBeWritten(t *testing.T) {
	h := open(t, nil)
	full := storetest.Fault{Status: store.NotCommitted, Err: store.ErrFull}
	h.store.Fail(full, full)
	if _, err := h.Decide(t.Context(), gateway, ship("agent-001", "development", "")); !isCode(err, kernel.Unavailable) {
		t.Fatalf("Decide: %v", err)
	}
	if err := h.Ready(t.Context()); !isCode(err, kernel.Unavailable) {
		t.Errorf("Ready = %v while the disk is full", err)
	}
	if err := h.Ready(t.Context()); err != nil {
		t.Errorf("Ready = %v after space returned", err)
	}
}

func TestNothingIsDecidedWithoutAPolicy(t *testing.T) {
	h := &house{store: &storetest.Memory{}}
	h.reopen(t, nil)
	_, decide := h.Decide(t.Context(), gateway, ship("agent-001", "development", ""))
	for call, err := range map[string]error{"Decide": decide, "Ready": h.Ready(t.Context())} {
		var e *kernel.Error
		if !errors.As(err, &e) || e.Code != kernel.Unavailable || !strings.Contains(e.Hint, "kernel policies activate") {
			t.Errorf("%s = %v, want %s with the hint to activate one", call, err, kernel.Unavailable)
		}
	}
}

func TestOverloadAnswersAtOnce(t *testing.T) {
	h := open(t, func(c *gate.Config) { c.Queue, c.MaxBatch = 2, 1 })
	release := h.block()
	var refused atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := h.Decide(t.Context(), gateway, ship("agent-001", "development", "")); isCode(err, kernel.Unavailable) {
				refused.Add(1)
			}
		})
	}
	for refused.Load() < 17 { // one commits, two wait
		time.Sleep(time.Millisecond)
	}
	release()
	all.Wait()
	if n := h.decisions(t); n != 20-int(refused.Load()) {
		t.Errorf("%d decisions in the log, %d of 20 refused", n, refused.Load())
	}
}

func TestCloseCommitsWhatWaitsAndRefusesTheRest(t *testing.T) {
	h := open(t, nil)
	release := h.block()
	var answered atomic.Int32
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if _, err := h.Decide(t.Context(), gateway, ship("agent-001", "development", "")); err == nil {
				answered.Add(1)
			}
		})
	}
	time.Sleep(10 * time.Millisecond)
	go release()
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	if _, err := h.Decide(t.Context(), gateway, ship("agent-001", "development", "")); !isCode(err, kernel.Unavailable) {
		t.Errorf("after Close: %v", err)
	}
	if n := h.decisions(t); n != int(answered.Load()) {
		t.Errorf("%d entries, %d answers", n, answered.Load())
	}
}

func TestOneBadRequestDoesNotCostTheOthersTheirBatch(t *testing.T) {
	h := open(t, nil)
	release := h.block()
	var good atomic.Int32
	var all sync.WaitGroup
	for i := range 20 {
		ask := ship("agent-001", "development", fmt.Sprintf("r%d", i))
		if i%2 == 0 {
			ask.Request.RequestID += "\x00"
		}
		all.Go(func() {
			if _, err := h.Decide(t.Context(), gateway, ask); err == nil {
				good.Add(1)
			} else if !isCode(err, kernel.Invalid) {
				t.Error(err)
			}
		})
	}
	time.Sleep(10 * time.Millisecond)
	release()
	all.Wait()
	if good.Load() != 10 || h.decisions(t) != 10 {
		t.Errorf("%d answered, %d in the log, want 10", good.Load(), h.decisions(t))
	}
}

func TestAStoreThatCannotTellStopsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stuck atomic.Bool
		h := open(t, func(c *gate.Config) {
			c.Clock, c.Budget = time.Now, 2*time.Second
			c.OnStuck = func(error) { stuck.Store(true) }
		})
		h.store.FailLookups(errors.New("connection lost"))
		h.store.Fail(storetest.Fault{Status: store.Unknown, Written: true})
		for range 2 {
			if _, err := h.Decide(t.Context(), gateway, ship("agent-001", "development", "")); !isCode(err, kernel.Unavailable) {
				t.Errorf("Decide = %v while nobody can tell", err)
			}
		}
		time.Sleep(3 * time.Second)
		if !stuck.Load() {
			t.Error("nobody was told that the process should end")
		}
		h.store.FailLookups(nil)
		time.Sleep(2 * time.Second)
		if _, err := h.Decide(t.Context(), gateway, ship("agent-001", "development", "")); err != nil {
			t.Errorf("after the store can tell again: %v", err)
		}
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseWritesTheLastSums(t *testing.T) {
	h := open(t, nil)
	for range 15 {
		if err := h.Refuse(t.Context(), agent1, gate.Refusal{Door: "decisions", Code: kernel.Malformed}); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	counted := 0
	for _, e := range h.entries(t) {
		if e.Refusal != nil {
			counted += e.Refusal.Count
		}
	}
	if counted != 15 {
		t.Errorf("%d refusals in the log, want 15", counted)
	}
}

func TestCheckpointsDoNotPileUp(t *testing.T) {
	h := open(t, nil)
	for range 30 {
		h.pass(time.Minute)
		if _, err := h.Decide(t.Context(), gateway, ship("agent-001", "development", "")); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Checkpoint(t.Context(), admin); err != nil {
			t.Fatal(err)
		}
	}
	records := 0
	for _, err := range h.store.Records(t.Context(), "checkpoint", "") {
		if err != nil {
			t.Fatal(err)
		}
		records++
	}
	if records < 3 || records > 5 {
		t.Errorf("%d checkpoint records after 30 minutes, want one every 10 and the latest", records)
	}
}
