package gate_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	kernel "github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/token"
)

// credited allows an agent as many acts as somebody reported credits for it.
const credited = `pdl: v1
kind: schema
name: credited
agents: any
resources: {thing: {}}
actions: {act: {resource: thing}}
events:
  credit: {reporters: ["role:bank"], resource: thing}
facts:
  acts: {event: act, by: [agent.id], count: true, within: 1h}
  credits: {event: credit, by: [agent.id], count: true, within: 1h}
---
pdl: v1
kind: policy
name: p
rules:
  - {id: credit, match: {action: act}, when: facts.acts < facts.credits, effect: ALLOW}
`

// bank registers a reporter and returns its caller.
func (f *cluster) bank(t *testing.T, n *node) kernel.Caller {
	t.Helper()
	d := document(t, `{"registry": "v1", "services": {"bank-001": {"roles": ["reporter", "bank"]}}}`)
	if _, err := n.Apply(t.Context(), admin, d, gate.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	secret, _, err := n.CreateToken(t.Context(), admin, token.Spec{Name: "bank", Role: kernel.RoleReporter, Principal: "bank-001"})
	if err != nil {
		t.Fatal(err)
	}
	caller, err := n.Authenticate(secret)
	if err != nil {
		t.Fatal(err)
	}
	return caller
}

func credit(agent string) gate.Report {
	return gate.Report{Event: "credit", Agent: agent, Resource: kernel.Resource{Type: "thing", ID: "t"}, Door: "events"}
}

// reported counts the events in all shards.
func (f *cluster) reported(t *testing.T) (n int) {
	t.Helper()
	s := f.open()
	shards, err := s.Shards(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range shards {
		for _, err := range s.Entries(t.Context(), store.Query{Shard: shard, Kind: "event", Bare: true}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	return n
}

// TestAnEventToldToOneNodeCountsOnAllAtOnce: a decision that begins when the
// report was answered counts it, on whichever node.
func TestAnEventToldToOneNodeCountsOnAllAtOnce(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		nodes := f.nodes(t, credited)
		bank := f.bank(t, nodes[0])
		for i := range 12 {
			here, there := nodes[i%3], nodes[(i+1+i/3%2)%3]
			if d := patiently(t, there, act("agent-001", "")); d.Decision != kernel.Deny {
				t.Fatalf("round %d: %s before it was credited", i, d.Decision)
			}
			if _, err := here.Report(t.Context(), bank, credit("agent-001")); err != nil {
				t.Fatal(err)
			}
			if d := patiently(t, there, act("agent-001", "")); d.Decision != kernel.Allow {
				t.Fatalf("round %d: %s (%s) although it was credited", i, d.Decision, d.Reason)
			}
		}
		f.checked(t)
	})
}

// TestAReporterOfOneNodeIsOneOfAllAtOnce: a refusal that nothing is written of
// is never that of a registry or a policy of before.
func TestAReporterOfOneNodeIsOneOfAllAtOnce(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		nodes := f.nodes(t, limited)
		activateOn(t, nodes[0], credited)
		bank := f.bank(t, nodes[0])
		for i, n := range nodes {
			if _, err := n.Report(t.Context(), bank, credit("agent-001")); err != nil {
				t.Errorf("node %d: %v", i, err)
			}
		}
		if _, err := nodes[2].Apply(t.Context(), admin, document(t, `{"registry": "v1", "services": {"bank-001": {"roles": ["reporter"]}}}`), gate.ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
		for i, n := range nodes {
			if _, err := n.Report(t.Context(), bank, credit("agent-001")); !isCode(err, kernel.Forbidden) {
				t.Errorf("node %d: %v, want that it is no reporter any more", i, err)
			}
		}
	})
}

func activateOn(t *testing.T, n *node, source string) {
	t.Helper()
	files := []pdl.File{{Name: "p.yaml", Data: []byte(source)}}
	if err := n.Activate(t.Context(), admin, compile(t, files), files); err != nil {
		t.Fatal(err)
	}
}

// race reports credits and asks for acts on three nodes at once, and returns
// how many reports were answered and how many acts allowed. At the middle is
// called after half of the reports were sent.
func (f *cluster) race(t *testing.T, nodes []*node, bank kernel.Caller, middle func()) (told, allowed int64) {
	t.Helper()
	const credits, acts = 24, 90
	var answered, seen, sent atomic.Int64
	var wg sync.WaitGroup
	for i := range credits {
		wg.Go(func() {
			if sent.Add(1) == credits/2 {
				middle()
			}
			_, err := nodes[i%3].Report(t.Context(), bank, credit("agent-001"))
			switch {
			case err == nil:
				answered.Add(1)
			case !isCode(err, kernel.Unavailable):
				t.Error(err)
			}
		})
	}
	for i := range acts {
		wg.Go(func() {
			d, err := nodes[i%3].Decide(t.Context(), admin, act("agent-001", ""))
			switch {
			case err == nil && d.Decision == kernel.Allow:
				seen.Add(1)
			case err != nil && !isCode(err, kernel.Unavailable):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	return answered.Load(), seen.Load()
}

// used asks until nothing is allowed any more on any node, and compares what
// the log allows with what was reported in it.
func (f *cluster) used(t *testing.T, nodes []*node, told, seen int64) {
	t.Helper()
	for i := range nodes {
		for range 100 {
			if patiently(t, nodes[i], act("agent-001", "")).Decision == kernel.Deny {
				break
			}
		}
	}
	allowed, _ := f.allowed(t, "act")
	events := f.reported(t)
	if allowed != events || int64(events) < told || int64(allowed) < seen {
		t.Errorf("%d acts were allowed by %d events; %d of these were answered, and %d acts seen before", allowed, events, told, seen)
	}
	f.checked(t)
}

func TestEventsAndDecisionsAtOnceOverThreeNodesAreExact(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		nodes := f.nodes(t, credited)
		told, seen := f.race(t, nodes, f.bank(t, nodes[0]), func() {})
		f.used(t, nodes, told, seen)
	})
}

// A report that a killed node answered is counted by the others; one that it
// did not answer is counted when it is in the log, and else not.
func TestEventsOfANodeThatIsKilledAreCountedWhenTheyAreRecorded(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		nodes := f.nodes(t, credited)
		told, seen := f.race(t, nodes, f.bank(t, nodes[0]), func() {
			if _, err := nodes[2].store.Acquire(t.Context(), 2, "node", time.Hour); err != nil {
				t.Error(err)
			}
		})
		if told == 0 {
			t.Error("no report was answered: the test proves nothing")
		}
		nodes[2] = f.node(t, 2, nil)
		f.used(t, nodes, told, seen)
	})
}

// TestWhatANodeThatIsBehindCountsLiesBeforeWhoDidNotSeeIt: a node that knows its
// keys reads nothing before it adds to them, so its instant may lie before a
// decision of another that was committed earlier.
func TestWhatANodeThatIsBehindCountsLiesBeforeWhoDidNotSeeIt(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		f.setClock()
		at := func(skew time.Duration) func(*gate.Config) {
			return func(c *gate.Config) { c.Clock = func() time.Time { return f.clock().Add(skew) } }
		}
		behind := f.node(t, 0, at(-450*time.Millisecond))
		activateOn(t, behind, strings.NewReplacer(
			"act: {resource: thing}", "act: {resource: thing}, look: {resource: thing}",
			"rules:", "rules:\n  - {id: look, match: {action: look}, when: facts.acts < 100 && facts.credits < 100, effect: ALLOW}",
		).Replace(credited))
		bank := f.bank(t, behind)
		ahead := f.node(t, 1, at(450*time.Millisecond))
		look := act("agent-001", "")
		look.Request.Action = "look"
		for range 3 {
			told, err := behind.Report(t.Context(), bank, credit("agent-001"))
			if err != nil {
				t.Fatal(err)
			}
			acted := patiently(t, behind, act("agent-001", ""))
			looked := patiently(t, ahead, look)
			if acted.Decision != kernel.Allow || !told.At.Before(looked.DecidedAt) || !acted.DecidedAt.Before(looked.DecidedAt) {
				t.Fatalf("told at %s, %s at %s, looked at %s: the test proves nothing", told.At, acted.Decision, acted.DecidedAt, looked.DecidedAt)
			}
		}
		f.checked(t)
	})
}
