package gate_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	kernel "github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

func everything(string) bool { return true }

// TestEachMessageIsSentByOneNode has three nodes tell one endpoint of what they
// all enter in the log, until each has nothing more to tell.
func TestEachMessageIsSentByOneNode(t *testing.T) {
	const each = 10
	onEveryStore(t, func(t *testing.T, f *cluster) {
		list := f.nodes(t, anybodySchema)
		boxes := make([]*gate.Outbox, len(list))
		for i, n := range list {
			var err error
			if boxes[i], err = n.Outbox(t.Context(), "pager", everything); err != nil {
				t.Fatal(err)
			}
		}
		var mu sync.Mutex
		told, asked := map[string]int{}, map[string]bool{}
		var all sync.WaitGroup
		for i, n := range list {
			all.Go(func() {
				for k := range each {
					d, err := n.Decide(t.Context(), gateway, gate.Ask{Door: "decisions", Request: kernel.Request{
						Agent: kernel.Agent{ID: fmt.Sprintf("agent-%d-%d", i, k)}, Action: "act", Resource: kernel.Resource{Type: "thing", ID: "t"},
					}})
					if err != nil || d.Approval == nil {
						t.Errorf("Decide = %v, %v", d, err)
						continue
					}
					mu.Lock()
					asked[d.ID] = true
					mu.Unlock()
				}
			})
			all.Go(func() {
				for range 400 {
					for _, id := range tellOnce(t, boxes[i]) {
						mu.Lock()
						told[id]++
						mu.Unlock()
					}
					mu.Lock()
					done := len(told) == each*len(list)
					mu.Unlock()
					if done {
						return
					}
				}
			})
		}
		all.Wait()
		for i := range boxes {
			for _, id := range tellOnce(t, boxes[i]) {
				told[id]++
			}
		}
		if len(told) != len(asked) || len(asked) != each*len(list) {
			t.Errorf("%d messages about %d questions", len(told), len(asked))
		}
		for id, times := range told {
			if times != 1 {
				t.Errorf("%s was sent %d times", id, times)
			}
		}
	})
}

const anybodySchema = `pdl: v1
kind: schema
name: s
agents: any
resources: {thing: {}}
actions: {act: {resource: thing}}
---
pdl: v1
kind: policy
name: p
rules:
  - {id: ask, match: {action: act}, effect: REQUIRE_APPROVAL}
`

// tellOnce takes up, claims and delivers what there is, and returns which.
func tellOnce(t *testing.T, box *gate.Outbox) (ids []string) {
	t.Helper()
	if _, err := box.TakeUp(t.Context()); err != nil {
		t.Error(err)
	}
	claimed, _, err := box.Claim(t.Context(), 4, time.Minute)
	if err != nil {
		t.Error(err)
	}
	for _, d := range claimed {
		if err := box.Settle(t.Context(), d, gate.Sent{OK: true}); err != nil {
			t.Error(err)
		}
		ids = append(ids, d.ID)
	}
	return ids
}

// TestANodeThatDiesLeavesItsMessagesToTheOthers: not before what it claimed may
// be sent by others, and not for ever.
func TestANodeThatDiesLeavesItsMessagesToTheOthers(t *testing.T) {
	now := time.Now()
	onEveryStore(t, func(t *testing.T, f *cluster) {
		var mu sync.Mutex
		past := time.Duration(0)
		f.clock = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now.Add(past)
		}
		list := f.nodes(t, anybodySchema)
		dead, err := list[0].Outbox(t.Context(), "pager", everything)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := list[0].Decide(t.Context(), gateway, gate.Ask{Door: "decisions", Request: kernel.Request{
			Agent: kernel.Agent{ID: "agent-001"}, Action: "act", Resource: kernel.Resource{Type: "thing", ID: "t"},
		}}); err != nil {
			t.Fatal(err)
		}
		if _, err := dead.TakeUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		claimed, _, err := dead.Claim(t.Context(), 4, time.Minute)
		if err != nil || len(claimed) != 1 {
			t.Fatalf("Claim = %v, %v", claimed, err)
		}
		other, err := list[1].Outbox(t.Context(), "pager", everything)
		if err != nil {
			t.Fatal(err)
		}
		if ids := tellOnce(t, other); len(ids) != 0 {
			t.Errorf("sent by another node while it is under way: %v", ids)
		}
		mu.Lock()
		past = time.Minute
		mu.Unlock()
		if ids := tellOnce(t, other); len(ids) != 1 || ids[0] != claimed[0].ID {
			t.Errorf("sent: %v, want %s", ids, claimed[0].ID)
		}
		// What the first says of it now is too late, and changes nothing.
		if err := dead.Settle(t.Context(), claimed[0], gate.Sent{Wait: time.Second}); err != nil {
			t.Error(err)
		}
		if ids := tellOnce(t, other); len(ids) != 0 {
			t.Errorf("sent again: %v", ids)
		}
	})
}

// TestTakingUpIsAllOrNothing has each commit end in every way it can.
func TestTakingUpIsAllOrNothing(t *testing.T) {
	for name, fault := range map[string]storetest.Fault{
		"not committed": {Status: store.NotCommitted}, "lost": {Status: store.Unknown}, "committed, and nobody was told": {Status: store.Unknown, Written: true},
	} {
		h := openAsking(t, nil)
		box, err := h.Outbox(t.Context(), "pager", everything)
		if err != nil {
			t.Fatal(err)
		}
		h.ask(t, "all")
		h.ask(t, "all")
		h.store.Fail(fault)
		if _, err := box.TakeUp(t.Context()); (err == nil) != fault.Written {
			t.Errorf("%s: TakeUp = %v", name, err)
		}
		if ids := len(tellOnce(t, box)); ids != 2 {
			t.Errorf("%s: %d messages were taken up, want 2", name, ids)
		}
		if ids := len(tellOnce(t, box)); ids != 0 {
			t.Errorf("%s: %d messages were taken up twice", name, ids)
		}
	}
}
