package ledger_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

const fewActs = `pdl: v1
kind: schema
name: few
agents: any
resources: {thing: {}}
actions: {act: {resource: thing}, idle: {resource: thing}}
facts: {acts: {event: act, by: [agent.id], count: true, within: 1h}}
---
pdl: v1
kind: policy
name: few
rules:
  - {id: few, match: {action: act}, when: facts.acts < 5, effect: ALLOW}
  - {id: idle, match: {action: idle}, effect: ALLOW}
`

// acting commits a decision on an action with the facts it says that it read.
func acting(t *testing.T, s store.Store, program *eval.Program, shard int, at time.Duration, agent string, acts int) {
	t.Helper()
	head, err := s.Head(t.Context(), shard)
	if err != nil {
		t.Fatal(err)
	}
	b, err := ledger.Extend(shard, head)
	if err != nil {
		t.Fatal(err)
	}
	request := kernel.Request{Agent: kernel.Agent{ID: agent}, Action: "act", Resource: kernel.Resource{Type: "thing", ID: "t"}}
	var facts map[string]any
	if acts > 0 {
		facts = map[string]any{"acts": int64(acts)}
	}
	verdict, err := program.Decide(eval.Input{Request: request, Now: dawn.Add(at), Facts: facts})
	if err != nil {
		t.Fatal(err)
	}
	canonical, err := request.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	id := fmt.Sprintf("01KD%011d%011d", shard, head.Size)
	_, err = b.Append(ledger.Entry{
		Instant: dawn.Add(at), Node: "node", Batch: id, Caller: "dev",
		Decision: &ledger.Decided{ID: id, Agent: agent, Action: "act", Facts: facts, Verdict: verdict},
	}, ledger.NewPrivate(bytes.Repeat([]byte{7}, ledger.SaltSize), canonical))
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Commit(t.Context(), &store.Batch{ID: id, Shard: shard, PrevSize: head.Size, Next: b.Head(), Entries: b.Entries()})
	if err != nil || out.Status != store.Committed {
		t.Fatal(out, err)
	}
}

func TestFactsAreCountedAgainFromAllShards(t *testing.T) {
	bundle, diags := pdl.Compile([]pdl.File{{Name: "few.yaml", Data: []byte(fewActs)}})
	if bundle == nil {
		t.Fatal(diags)
	}
	program, err := eval.New(bundle)
	if err != nil {
		t.Fatal(err)
	}
	load := func(string) (*eval.Program, error) { return program, nil }
	type step struct {
		shard int
		at    time.Duration
		acts  int
	}
	const minute = time.Minute
	for _, c := range []struct {
		name  string
		steps []step
		want  string // "": as recorded
	}{
		{"one after the other", []step{{0, minute, 0}, {1, 2 * minute, 1}, {0, 3 * minute, 2}, {2, 4 * minute, 3}}, ""},
		{"in one instant, the later shard first", []step{{0, minute, 1}, {1, minute, 0}, {0, minute, 2}, {1, minute, 3}}, ""},
		{"beyond the window", []step{{0, minute, 0}, {1, 2 * minute, 1}, {0, 62 * minute, 0}, {1, 62 * minute, 1}}, ""},
		{"beyond the limit", []step{{0, minute, 0}, {1, 2 * minute, 1}, {1, 3 * minute, 2}, {1, 4 * minute, 3}, {1, 5 * minute, 4}, {0, 6 * minute, 5}, {2, 7 * minute, 5}}, ""},
		{"one that another shard counted is left out", []step{{0, minute, 0}, {1, 2 * minute, 0}}, "entry 0 of shard 1: its fact acts was nothing, the entries before it come to 1"},
		{"one that nobody counted", []step{{1, minute, 0}, {0, 2 * minute, 2}}, "entry 0: its fact acts was 2, the entries before it come to 1"},
		{"in one instant, two that did not see each other", []step{{0, minute, 0}, {1, minute, 0}}, "entry 0 of shard 1: its fact acts was nothing"},
	} {
		var s storetest.Memory
		for _, step := range c.steps {
			acting(t, &s, program, step.shard, step.at, "agent-001", step.acts)
		}
		report, err := ledger.ReplayFacts(t.Context(), &s, load)
		if err != nil || report.Decisions != uint64(len(c.steps)) {
			t.Errorf("%s: ReplayFacts = %d decisions, %v, want %d", c.name, report.Decisions, err, len(c.steps))
		}
		if c.want == "" && !report.OK() || c.want != "" && (report.Count != 1 || !strings.HasPrefix(report.List[0].String(), c.want)) {
			t.Errorf("%s: findings %q, want %q", c.name, report.List, c.want)
		}
		if replay, err := ledger.Replay(t.Context(), &s, ledger.Policies{Load: load}); err != nil || !replay.OK() {
			t.Errorf("%s: Replay = %v, %v; the verdicts follow from the facts as recorded", c.name, replay.List, err)
		}
	}
	var s storetest.Memory
	acting(t, &s, program, 0, minute, "agent-001", 0)
	changed := faulty{Store: &s, entries: edit(func(e *store.Entry) bool { e.Body = []byte("{}"); return true })}
	if report, err := ledger.ReplayFacts(t.Context(), changed, load); err != nil || report.OK() {
		t.Errorf("ReplayFacts = %v, %v, want an entry that cannot be read named", report.List, err)
	}
	report, err := ledger.ReplayFacts(t.Context(), &s, func(string) (*eval.Program, error) { return nil, errors.New("away") })
	if err != nil || report.OK() {
		t.Errorf("ReplayFacts = %v, %v, want a policy that is away named", report.List, err)
	}
}
