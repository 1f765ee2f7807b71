package gate_test

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	kernel "github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

const fiveAnHour = `pdl: v1
kind: schema
name: hours
agents: any
resources: {thing: {}}
actions: {act: {resource: thing}}
facts:
  acted_1h: {event: act, by: [agent.id], count: true, within: 1h}
---
pdl: v1
kind: policy
name: p
rules:
  - {id: few, match: {action: act}, when: facts.acted_1h < 5, effect: ALLOW}
`

// setClock gives a cluster a clock that stands where it is set.
func (f *cluster) setClock() *atomic.Int64 {
	now := &atomic.Int64{}
	now.Store(noon.UnixNano())
	f.clock = func() time.Time { return time.Unix(0, now.Load()).UTC() }
	return now
}

// factRecords counts the records of facts.
func (f *cluster) factRecords(t *testing.T) (n int) {
	t.Helper()
	for r, err := range f.open().Records(t.Context(), "fact", "") {
		if err != nil {
			t.Fatal(err)
		}
		if n++; r.Expires == 0 {
			t.Errorf("the record %s never expires", r.Key)
		}
	}
	return n
}

// TestRecordsOfFactsExpire: what a node remembers of a key whose record is gone
// never passes for what it is when it is made anew.
func TestRecordsOfFactsExpire(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		now := f.setClock()
		nodes := f.nodes(t, fiveAnHour)
		decide := func(n *node, agent string) kernel.Effect { return patiently(t, n, act(agent, "")).Decision }
		decide(nodes[0], "agent-001")
		decide(nodes[0], "agent-001") // it remembers the version of two
		if n := f.factRecords(t); n != 1 {
			t.Fatalf("%d records of facts, want 1", n)
		}
		now.Add(int64(3 * time.Hour))
		decide(nodes[1], "agent-002")
		if n := f.factRecords(t); n != 1 {
			t.Errorf("%d records of facts after three hours, want that of agent-002 alone", n)
		}
		decide(nodes[1], "agent-001")
		decide(nodes[1], "agent-001") // the version of two again, of others
		allowed := 2
		for range 10 {
			if decide(nodes[0], "agent-001") == kernel.Allow {
				allowed++
			}
		}
		if allowed != 5 {
			t.Errorf("%d ALLOW within the hour, want 5", allowed)
		}
		f.checked(t)
	})
}

// A grant that is ended when the record of what it reserved is gone gives
// nothing back that others would miss.
func TestAReservationOutlivesTheRecordOfItsFact(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		now := f.setClock()
		nodes := f.nodes(t, fiveAnHour)
		gone := f.node(t, 3, func(cfg *gate.Config) { granting(t)(cfg); cfg.GrantLife = time.Minute })
		for range 5 {
			if d := patiently(t, gone, withGrant(act("agent-001", ""))); d.Grant == nil {
				t.Fatal("no grant")
			}
		}
		now.Add(int64(3 * time.Hour))
		gone.closeNow(t)
		if err := nodes[2].Adopt(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 7 {
			if d := patiently(t, nodes[i%3], act("agent-001", "")); (d.Decision == kernel.Allow) != (i < 5) {
				t.Errorf("call %d: %s", i, d.Decision)
			}
		}
		f.checked(t)
	})
}

// TestLimitsAreExactForDays draws nodes with clocks of their own, agents and
// pauses of milliseconds to hours, and counts again what came of it.
func TestLimitsAreExactForDays(t *testing.T) {
	shared := &storetest.Memory{Clock: time.Now}
	f := &cluster{open: func() store.Store { return shared }, signer: signerOf(t)}
	now := f.setClock()
	nodes := f.nodes(t, fiveAnHour)
	for i := range nodes {
		skew := time.Duration(i-1) * 450 * time.Millisecond
		nodes[i] = f.node(t, i, func(c *gate.Config) { c.Clock = func() time.Time { return f.clock().Add(skew) } })
	}
	random := rand.New(rand.NewPCG(4, 2))
	allowed := map[string][]time.Time{}
	pauses := []time.Duration{time.Millisecond, time.Second, 10 * time.Minute, time.Hour, 2*time.Hour - time.Second, 2 * time.Hour, 5 * time.Hour}
	for range 600 {
		now.Add(int64(pauses[random.IntN(1+random.IntN(len(pauses)))]))
		agent := []string{"agent-001", "agent-002", "agent-003"}[random.IntN(3)]
		for range 1 + random.IntN(4) {
			d := patiently(t, nodes[random.IntN(len(nodes))], act(agent, ""))
			inWindow := 0
			for _, at := range allowed[agent] {
				if at.After(d.DecidedAt.Add(-time.Hour)) {
					inWindow++
				}
			}
			if (d.Decision == kernel.Allow) != (inWindow < 5) {
				t.Fatalf("%s at %s: %s after %d within the hour", agent, d.DecidedAt, d.Decision, inWindow)
			}
			if d.Decision == kernel.Allow {
				allowed[agent] = append(allowed[agent], d.DecidedAt)
			}
		}
	}
	if n := f.factRecords(t); n > 3 {
		t.Errorf("%d records of the facts of three agents", n)
	}
	f.checked(t)
}
