package gate_test

import (
	"sync"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/grant"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// full asks until the limit of five is reached, and returns the grants.
func (h *house) full(t *testing.T) (list []kernel.Decision) {
	t.Helper()
	for range 5 {
		list = append(list, h.grant(t, act("agent-001", "")))
	}
	if h.allowed(t, act("agent-001", "")) {
		t.Fatal("a sixth is allowed")
	}
	return list
}

func TestAReservationCountsUntilItExpires(t *testing.T) {
	grants := granting(t)
	h := openGranting(t)
	h.full(t)
	h.pass(time.Minute - time.Second)
	if h.allowed(t, act("agent-001", "")) {
		t.Error("a sixth is allowed although none has expired")
	}
	h.pass(time.Second)
	for i := range 5 {
		if !h.allowed(t, act("agent-001", "")) {
			t.Errorf("number %d after all have expired is not allowed", i+1)
		}
	}
	if h.allowed(t, act("agent-001", "")) {
		t.Error("a sixth is allowed after the five were given back")
	}
	expired := 0
	for _, e := range h.entries(t) {
		if e.Grant != nil && e.Grant.Change == ledger.GrantExpired {
			expired++
		}
	}
	if expired != 5 {
		t.Errorf("%d entries say that a grant expired, want 5", expired)
	}
	h.reopen(t, grants) // facts are those of the log
	activate(t, h, limited)
	if h.allowed(t, act("agent-001", "")) {
		t.Error("a sixth is allowed after a restart")
	}
}

func TestARestartEndsTheGrantsOfBefore(t *testing.T) {
	grants := granting(t)
	h := openLimited(t, grants)
	h.full(t)
	h.reopen(t, grants)
	activate(t, h, limited)
	if h.allowed(t, act("agent-001", "")) {
		t.Error("a sixth is allowed after a restart")
	}
	h.pass(time.Minute)
	if !h.allowed(t, act("agent-001", "")) {
		t.Error("what expired after a restart counts")
	}
}

func TestOnlyWhatHadNoEffectIsGivenBack(t *testing.T) {
	noEffect := grant.Settlement{Outcome: grant.Failed, NoEffect: true}
	for _, c := range []struct {
		name   string
		caller kernel.Caller
		s      grant.Settlement
		free   bool
	}{
		{"succeeded", gateway, grant.Settlement{Outcome: grant.Succeeded}, false},
		{"failed", gateway, grant.Settlement{Outcome: grant.Failed}, false},
		{"abandoned", gateway, grant.Settlement{Outcome: grant.Abandoned}, false},
		{"failed without effect", gateway, noEffect, true},
		{"failed without effect, as the agent says of itself", agent1, noEffect, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := openGranting(t)
			d := h.full(t)[2]
			if _, err := h.redeem(c.caller, d); err != nil {
				t.Fatal(err)
			}
			r, err := h.Settle(t.Context(), c.caller, d.ID, c.s)
			if err != nil || r.State != grant.Settled || r.Released != c.free {
				t.Fatalf("Settle = %+v, %v", r, err)
			}
			if free := h.allowed(t, act("agent-001", "")); free != c.free {
				t.Errorf("another is allowed: %v, want %v", free, c.free)
			}
			if h.allowed(t, act("agent-001", "")) {
				t.Error("more than one was given back")
			}
			h.reopen(t, granting(t))
			activate(t, h, limited)
			if h.allowed(t, act("agent-001", "")) {
				t.Error("a restart gives more back")
			}
		})
	}
}

func TestARedeemedGrantDoesNotExpire(t *testing.T) {
	h := openGranting(t)
	for _, d := range h.full(t) {
		if _, err := h.redeem(gateway, d); err != nil {
			t.Fatal(err)
		}
	}
	h.pass(2 * time.Minute)
	if h.allowed(t, act("agent-001", "")) {
		t.Error("what was redeemed is given back")
	}
}

// TestABudgetIsKeptWhileReservationsComeAndGo: at every instant of the log what
// was allowed and not given back is within the budget.
func TestABudgetIsKeptWhileReservationsComeAndGo(t *testing.T) {
	h := openGranting(t)
	var wg sync.WaitGroup
	for worker := range 50 {
		wg.Go(func() {
			for i := range 10 {
				ask := withGrant(pay("agent-001", int64(1000+worker*13+i)))
				d, err := h.Decide(t.Context(), dev, ask)
				if err != nil {
					t.Error(err)
					return
				}
				if worker == 0 {
					h.pass(20 * time.Second)
				}
				if d.Grant == nil || (worker+i)%3 == 0 {
					continue
				}
				if _, err := h.redeem(dev, d); err != nil {
					continue // it expired meanwhile
				}
				if _, err := h.Settle(t.Context(), dev, d.ID, grant.Settlement{Outcome: grant.Failed, NoEffect: (worker+i)%2 == 0}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	spent, released := map[string]int64{}, 0
	for row, err := range h.store.Entries(t.Context(), store.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := ledger.Decode(row.Body)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case e.Decision != nil && e.Decision.Verdict.Decision == kernel.Allow:
			request, err := ledger.RequestOf(row)
			if err != nil {
				t.Fatal(err)
			}
			spent[e.Decision.ID], _ = request.Params["cents"].(int64)
		case e.Grant != nil && (e.Grant.Change == ledger.GrantExpired || e.Grant.Released):
			delete(spent, e.Grant.ID)
			released++
		}
		total := int64(0)
		for _, cents := range spent {
			total += cents
		}
		if total > 100_000 {
			t.Fatalf("entry %d: %d of 100000 is spent or reserved", e.Seq, total)
		}
	}
	if released == 0 || len(spent) == 0 {
		t.Errorf("%d were given back, %d count", released, len(spent))
	}
	h.sound(t)
}
