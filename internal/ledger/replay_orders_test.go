package ledger_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
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

// look reads what was reported and how often act was allowed, and counts
// nowhere; act reads what it counts.
const credits = `pdl: v1
kind: schema
name: credits
agents: any
resources: {thing: {}}
actions: {act: {resource: thing}, look: {resource: thing}}
events:
  credit: {reporters: ["role:bank"], resource: thing, params: {cents: int(0..1000), from: string}}
facts:
  acts: {event: act, by: [agent.id], count: true, within: 1h}
  credits: {event: credit, by: [agent.id], count: true, within: 1h}
  total: {event: credit, by: [agent.id], sum: params.cents, within: 1h}
  banks: {event: credit, by: [agent.id], distinct: params.from, within: 1h}
  credited_at?: {event: credit, by: [agent.id], last: true, within: 1h}
---
pdl: v1
kind: policy
name: credits
rules:
  - {id: act, match: {action: act}, when: facts.acts < 5, effect: ALLOW}
  - id: look
    match: {action: look}
    when: facts.acts < 90 && facts.credits < 90 && facts.total < 90000 && facts.banks < 90 && !(has(facts.credited_at) && facts.credited_at > context.now)
    effect: ALLOW
`

// A recorded is an entry of a shard some time after the log began: an action with
// the facts that it recorded, or a credit of as many cents from one bank.
type recorded struct {
	shard  int
	at     time.Duration
	action string // empty: a credit
	facts  map[string]any
	cents  int64
	from   string
}

func looks(shard int, at time.Duration, facts map[string]any) recorded {
	return recorded{shard: shard, at: at, action: "look", facts: facts}
}

func acts(shard int, at time.Duration, n int64) recorded {
	if n == 0 {
		return recorded{shard: shard, at: at, action: "act"}
	}
	return recorded{shard: shard, at: at, action: "act", facts: map[string]any{"acts": n}}
}

func credit(shard int, at time.Duration, cents int64, from string) recorded {
	return recorded{shard: shard, at: at, cents: cents, from: from}
}

// saw is what look records of credits.
func saw(credits, total, banks int64, at time.Duration) map[string]any {
	return map[string]any{"credits": credits, "total": total, "banks": banks, "credited_at": dawn.Add(at).Format(time.RFC3339Nano)}
}

func (e recorded) commit(t *testing.T, s store.Store, program *eval.Program) {
	t.Helper()
	head, err := s.Head(t.Context(), e.shard)
	if err != nil {
		t.Fatal(err)
	}
	b, err := ledger.Extend(e.shard, head)
	if err != nil {
		t.Fatal(err)
	}
	request := kernel.Request{Agent: kernel.Agent{ID: "agent-001"}, Action: e.action, Resource: kernel.Resource{Type: "thing", ID: "t"}}
	id := fmt.Sprintf("01KD%011d%011d", e.shard, head.Size)
	entry := ledger.Entry{Instant: dawn.Add(e.at), Node: "node", Batch: id, Caller: "dev"}
	if e.action == "" {
		request.Action, request.Params = "credit", map[string]any{"cents": e.cents, "from": e.from}
		entry.Event = &ledger.Reported{Event: "credit"}
	} else {
		verdict, err := program.Decide(eval.Input{Request: request, Now: entry.Instant, Facts: e.facts})
		if err != nil {
			t.Fatal(err)
		}
		entry.Decision = &ledger.Decided{ID: id, Agent: "agent-001", Action: e.action, Facts: e.facts, Verdict: verdict}
	}
	canonical, err := request.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Append(entry, ledger.NewPrivate(bytes.Repeat([]byte{7}, ledger.SaltSize), canonical)); err != nil {
		t.Fatal(err)
	}
	out, err := s.Commit(t.Context(), &store.Batch{ID: id, Shard: e.shard, PrevSize: head.Size, Next: b.Head(), Entries: b.Entries()})
	if err != nil || out.Status != store.Committed {
		t.Fatal(out, err)
	}
}

func credited(t *testing.T) *eval.Program {
	t.Helper()
	bundle, diags := pdl.Compile([]pdl.File{{Name: "credits.yaml", Data: []byte(credits)}})
	if bundle == nil {
		t.Fatal(diags)
	}
	program, err := eval.New(bundle)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// TestWhatWasCommittedLaterMayLieBefore: who reads nothing, or not what another
// counted, may have an instant before a decision that did not see it.
func TestWhatWasCommittedLaterMayLieBefore(t *testing.T) {
	program := credited(t)
	const second, ms = time.Second, time.Millisecond
	var many []recorded
	for i := range 90 {
		many = append(many, credit(1+i%3, 3*second+time.Duration(i)*ms, 1, fmt.Sprint("bank-", i)))
	}
	after := func(list []recorded, last recorded) []recorded { return append(list[:len(list):len(list)], last) }
	for _, c := range []struct {
		name  string
		steps []recorded
		want  string // "": as recorded
	}{
		{"an event of another shard", []recorded{
			credit(1, second, 5, "a"), credit(1, 9*second, 7, "b"), looks(0, 9*second+300*ms, saw(1, 5, 1, second)), looks(0, 9*second+400*ms, saw(2, 12, 2, 9*second)),
		}, ""},
		{"some of two others' events", []recorded{
			credit(1, 9*second, 7, "b"), credit(1, 9*second+20*ms, 3, "c"), credit(2, 9*second+10*ms, 30, "d"), credit(2, 9*second+30*ms, 50, "e"),
			looks(0, 9*second+300*ms, saw(3, 40, 3, 9*second+20*ms)), looks(0, 9*second+310*ms, saw(4, 90, 4, 9*second+30*ms)),
		}, ""},
		{"a decision that was allowed, and one that reads what it counts", []recorded{
			acts(1, 9*second, 0), looks(0, 9*second+300*ms, nil), looks(0, 9*second+310*ms, map[string]any{"acts": int64(1)}), acts(0, 9*second+320*ms, 1),
		}, ""},
		{"one that was allowed in the same nanosecond, and an event before it", []recorded{
			credit(1, 9*second, 7, "b"), looks(0, 9*second+ms, map[string]any{"acts": int64(1)}), acts(2, 9*second+ms, 0),
		}, ""},
		{"a minute later", []recorded{
			credit(1, 9*second, 7, "b"), looks(0, 9*second+ms, nil), looks(0, 69*second, saw(1, 7, 1, 9*second)), looks(2, 70*second, saw(1, 7, 1, 9*second)),
		}, ""},
		{"longer ago than clocks are apart", []recorded{
			credit(1, 9*second, 7, "b"), looks(0, 11*second+ms, nil),
		}, "entry 0: its fact banks was nothing, the entries before it come to 1; nor does any order of what other shards recorded within 2s"},
		{"a value of no order", []recorded{
			credit(1, 9*second, 7, "b"), credit(1, 9*second+ms, 8, "b"), looks(0, 9*second+300*ms, saw(1, 8, 1, 9*second+ms)),
		}, "entry 0: its fact"},
		{"the later of one shard's without the earlier", []recorded{
			credit(1, 9*second, 7, "b"), credit(1, 9*second+ms, 8, "c"), looks(0, 9*second+300*ms, saw(1, 7, 1, 9*second+ms)),
		}, "entry 0: its fact"},
		{"what lies after it", []recorded{
			looks(0, 9*second, map[string]any{"acts": int64(1)}), acts(1, 9*second+ms, 0),
		}, "entry 0: its fact acts was 1, the entries before it come to nothing"},
		{"what was seen before is not seen any more", []recorded{
			credit(1, 9*second, 7, "b"), looks(0, 9*second+ms, saw(1, 7, 1, 9*second)), looks(0, 9*second+2*ms, nil),
		}, "entry 1: its fact banks was nothing"},
		{"its own shard's", []recorded{
			credit(0, 9*second, 7, "b"), looks(0, 9*second+ms, nil), credit(1, second, 7, "b"),
		}, "entry 1: its fact"},
		{"two that count the same and did not see each other", []recorded{
			acts(0, 9*second, 0), acts(1, 9*second+ms, 0),
		}, "entry 0 of shard 1: its fact acts was nothing"},
		{"an event before both that one of two saw, and the other, which saw that one, did not", []recorded{
			credit(2, 9*second, 7, "b"), looks(1, 9*second+ms, saw(1, 7, 1, 9*second)), looks(1, 9*second+2*ms, nil),
		}, "entry 1 of shard 1: its fact banks was nothing"},
		{"few of many of three shards, and none of their sums", after(many[:24], looks(0, 3*second+100*ms, saw(13, 12, 13, 3*second))), "entry 0: its fact banks was 13, the entries before it come to 24; nor"},
		{"all but the last of many", after(many, looks(0, 3*second+100*ms, saw(87, 87, 87, 3*second+86*ms))), ""},
		{"too many to tell", after(many, looks(0, 3*second+100*ms, saw(31, 30, 31, 3*second))), "entry 0: its fact banks was 31, the entries before it come to 90; whether another order explains it cannot be told: more than 16384 were tried"},
	} {
		var s storetest.Memory
		decisions := uint64(0)
		for _, step := range c.steps {
			step.commit(t, &s, program)
			if step.action != "" {
				decisions++
			}
		}
		report, err := ledger.ReplayFacts(t.Context(), &s, func(string) (*eval.Program, error) { return program, nil })
		if err != nil || report.Decisions != decisions {
			t.Errorf("%s: ReplayFacts = %d decisions, %v, want %d", c.name, report.Decisions, err, decisions)
		}
		if c.want == "" && !report.OK() || c.want != "" && (report.Count != 1 || !strings.HasPrefix(report.List[0].String(), c.want)) {
			t.Errorf("%s: findings %q, want %q", c.name, report.List, c.want)
		}
	}
}

// A commits draws what three nodes commit one after the other, whose clocks are
// up to half a second off. Whoever reads takes up the instants of all before;
// an event has that of when its batch began.
type commits struct {
	*rand.Rand
	now    time.Duration
	skew   [3]time.Duration
	last   [3]time.Duration
	newest time.Duration

	acts, credits, total int64
	banks                map[string]bool
	credited             time.Duration
}

func (c *commits) next() recorded {
	c.now += time.Duration(c.Int64N(int64(60 * time.Millisecond)))
	shard := c.IntN(3)
	at := c.now + c.skew[shard]
	kind := c.IntN(3)
	if kind == 0 {
		at -= time.Duration(c.Int64N(int64(900 * time.Millisecond)))
	} else {
		at = max(at, c.newest)
	}
	at = max(at, c.last[shard])
	c.last[shard], c.newest = at, max(c.newest, at)
	switch kind {
	case 0:
		e := credit(shard, at, c.Int64N(9)+1, fmt.Sprint("bank-", c.IntN(9)))
		c.credits, c.total, c.credited = c.credits+1, c.total+e.cents, max(c.credited, at)
		c.banks[e.from] = true
		return e
	case 1:
		e := acts(shard, at, c.acts)
		c.acts = min(c.acts+1, 5) // beyond which it is denied
		return e
	}
	facts := map[string]any{}
	if c.credits > 0 {
		facts = saw(c.credits, c.total, int64(len(c.banks)), c.credited)
	}
	if c.acts > 0 {
		facts["acts"] = c.acts
	}
	if len(facts) == 0 {
		facts = nil
	}
	return looks(shard, at, facts)
}

// TestWhatNodesCommitIsExplained: whatever the clocks, the log of nodes that
// guard what they read has no finding; one count more has.
func TestWhatNodesCommitIsExplained(t *testing.T) {
	program := credited(t)
	load := func(string) (*eval.Program, error) { return program, nil }
	for seed := range uint64(20) {
		c := commits{Rand: rand.New(rand.NewPCG(seed, 5)), now: 5 * time.Second, banks: map[string]bool{}}
		for i := range c.skew {
			c.skew[i] = time.Duration(c.Int64N(int64(time.Second))) - time.Second/2
		}
		var s storetest.Memory
		for range 80 {
			c.next().commit(t, &s, program)
		}
		if report, err := ledger.ReplayFacts(t.Context(), &s, load); err != nil || !report.OK() {
			t.Fatalf("seed %d: ReplayFacts = %v, %v, want every decision explained", seed, report.List, err)
		}
		c.now += 3 * time.Second
		facts := saw(c.credits+1, c.total, int64(len(c.banks)), c.credited)
		facts["acts"] = c.acts
		looks(int(seed%3), c.now, facts).commit(t, &s, program)
		if report, err := ledger.ReplayFacts(t.Context(), &s, load); err != nil || report.Count != 1 {
			t.Fatalf("seed %d: ReplayFacts = %v, %v, want the last decision named", seed, report.List, err)
		}
	}
}
