package history_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/history"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

const schema = `pdl: v1
kind: schema
name: payments
agents: any
agent: {team?: string}
resources: {account: {}}
actions:
  pay: {resource: account, params: {cents: "int(0..)", payee: string, "due?": timestamp, "urgent?": bool}}
facts:
  count_1h: {event: pay, by: [agent.id], count: true, within: 1h}
  tried_1h: {event: pay, by: [agent.id], count: true, within: 1h, counts: attempted}
  sum_day: {event: pay, by: [agent.id, agent.team], sum: params.cents, within: "day(America/St_Johns)"}
  payees_2h: {event: pay, by: [resource.id], distinct: params.payee, within: 2h}
  last?: {event: pay, by: [params.due, params.urgent], last: true, within: 30m}
  reported_at?: {event: checked, by: [resource.id], last: true, within: 24h}
events:
  checked: {reporters: ["role:ci"], resource: account}
---
pdl: v1
kind: policy
name: limits
rules:
  - id: all
    match: {action: pay}
    when: |
      facts.count_1h < 5 && facts.tried_1h < 50 && facts.sum_day + params.cents < 100000 && facts.payees_2h < 3
      && !(has(facts.last) && facts.last > context.now - duration("1m"))
      && has(facts.reported_at) && facts.reported_at > context.now - duration("12h")
    effect: ALLOW
`

var names = []string{"count_1h", "last", "payees_2h", "reported_at", "sum_day", "tried_1h"}

func compile(t *testing.T, text string) *pdl.Schema {
	t.Helper()
	b, diagnostics := pdl.Compile([]pdl.File{{Name: "test.yaml", Data: []byte(text)}})
	if diagnostics.HasErrors() {
		t.Fatal(diagnostics)
	}
	return b.Schema
}

func pay(agent string, cents int64, also ...any) kernel.Request {
	r := kernel.Request{
		Agent: kernel.Agent{ID: agent, Attributes: map[string]any{}}, Action: "pay",
		Resource: kernel.Resource{Type: "account", ID: "acc/1"},
		Params:   map[string]any{"cents": cents, "payee": "payee-001"},
	}
	for i := 0; i < len(also); i += 2 {
		name := also[i].(string)
		if name == "team" {
			r.Agent.Attributes[name] = also[i+1]
		} else {
			r.Params[name] = also[i+1]
		}
	}
	return r
}

func facts(t *testing.T, h *history.History, r kernel.Request, now time.Time) map[string]any {
	t.Helper()
	values, err := h.Facts(&r, names, now)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestAFactIsOfTheWindowAndOfItsKey(t *testing.T) {
	h := history.New(compile(t, schema))
	add := func(at time.Time, allowed bool, r kernel.Request) {
		t.Helper()
		h.Add(&history.Event{Name: r.Action, Subject: r, At: at, Allowed: allowed})
	}
	add(noon.Add(-time.Hour), true, pay("agent-001", 1)) // just left the hour
	add(noon.Add(-time.Hour+1), true, pay("agent-001", 20))
	add(noon.Add(-time.Minute), false, pay("agent-001", 300))
	add(noon, true, pay("agent-001", 4000, "payee", "payee-002"))
	add(noon, true, pay("agent-002", 50000))
	got := facts(t, h, pay("agent-001", 7), noon)
	want := map[string]any{"count_1h": int64(2), "tried_1h": int64(3), "sum_day": int64(4021), "payees_2h": int64(2), "last": "2026-11-24T12:00:00Z"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Facts = %v, want %v", got, want)
	}
	if got := facts(t, h, pay("agent-003", 7, "team", "", "urgent", true), noon); !reflect.DeepEqual(got, map[string]any{"payees_2h": int64(2)}) {
		t.Errorf("Facts of another agent = %v", got)
	}
}

// Two keys are one only when every attribute is equal: an absent one is a
// value of its own, texts do not run into each other, and instants are what
// they mean rather than how they are written.
func TestKeysAreEqualExactlyWhenTheirAttributesAre(t *testing.T) {
	const text = `pdl: v1
kind: schema
name: keys
agents: any
agent: {a?: string, b?: string, n?: int, t?: timestamp, d?: duration, f?: bool}
resources: {thing: {}}
actions: {act: {resource: thing}}
facts:
  n: {event: act, by: [agent.a, agent.b, agent.n, agent.t, agent.d, agent.f], count: true, within: 1h}
---
pdl: v1
kind: policy
name: p
rules: [{id: all, match: {action: act}, when: facts.n < 1, effect: ALLOW}]
`
	s := compile(t, text)
	m := func(pairs ...any) map[string]any {
		values := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			values[pairs[i].(string)] = pairs[i+1]
		}
		return values
	}
	same := [][]map[string]any{
		{m(), nil},
		{m("a", "")},
		{m("a", "x", "b", "y")},
		{m("a", "xy", "b", "")},
		{m("a", "xy")},
		{m("b", "xy")},
		{m("a", "-")},
		{m("a", "s\x00")},
		{m("n", int64(0))},
		{m("n", int64(-1))},
		{m("f", true)},
		{m("f", false)},
		{m("a", "t")},
		{m("t", "2026-11-24T12:00:00Z"), m("t", "2026-11-24T13:00:00+01:00"), m("t", "2026-11-24T12:00:00.000Z")},
		{m("t", "2026-11-24T12:00:00.5Z"), m("t", "2026-11-24T12:00:00.500Z")},
		{m("d", "1h30m"), m("d", "90m"), m("d", "5400s")},
		{m("d", "90s")},
	}
	request := func(attributes map[string]any) kernel.Request {
		return kernel.Request{Agent: kernel.Agent{ID: "agent-001", Attributes: attributes}, Action: "act", Resource: kernel.Resource{Type: "thing", ID: "1"}}
	}
	for i, class := range same {
		h := history.New(s)
		h.Add(&history.Event{Name: "act", Subject: request(class[0]), At: noon, Allowed: true})
		for j, other := range same {
			for _, attributes := range other {
				r := request(attributes)
				got, err := h.Facts(&r, []string{"n"}, noon)
				if err != nil {
					t.Fatal(err)
				}
				if found := got["n"] == int64(1); found != (i == j) {
					t.Errorf("added %v, asked %v: %v", class[0], attributes, got)
				}
			}
		}
	}
}

// happened is an event as the naive count looks at it.
type happened struct {
	history.Event
	kept bool
}

// naive counts every event in the window, one by one.
func naive(s *pdl.Schema, all []happened, r kernel.Request, now time.Time) map[string]any {
	values := map[string]any{}
	for _, f := range s.Facts {
		count, sum, last, distinct := int64(0), int64(0), time.Time{}, map[string]bool{}
		for _, e := range all {
			if e.Name != f.Event || !e.Allowed && !f.Attempted || !f.Within.Holds(e.At, now) || !equal(f.By, e.Subject, r) {
				continue
			}
			count++
			if v, ok := at(f.Of, e.Subject).(int64); ok {
				sum += v
			}
			if v := at(f.Of, e.Subject); v != nil {
				distinct[fmt.Sprint(v)] = true
			}
			if e.At.After(last) {
				last = e.At
			}
		}
		v := map[pdl.Measure]any{pdl.Count: count, pdl.Sum: sum, pdl.Distinct: int64(len(distinct)), pdl.Last: last.UTC().Format(time.RFC3339Nano)}[f.Measure]
		if count > 0 && v != int64(0) {
			values[f.Name] = v
		}
	}
	return values
}

func equal(by []string, a, b kernel.Request) bool {
	for _, path := range by {
		if at(path, a) != at(path, b) {
			return false
		}
	}
	return true
}

func at(path string, r kernel.Request) any {
	root, name, _ := strings.Cut(path, ".")
	switch {
	case path == "agent.id":
		return r.Agent.ID
	case path == "resource.id":
		return r.Resource.ID
	case root == "agent":
		return r.Agent.Attributes[name]
	case root == "params":
		return r.Params[name]
	}
	return nil
}

// The night of the test is one in which a zone repeated the end of a day: at
// 00:01 its clocks went back to 23:01 of the day before.
var evening = time.Date(2006, 10, 29, 0, 0, 0, 0, time.UTC)

func TestFactsAreWhatCountingEveryEventGives(t *testing.T) {
	s := compile(t, schema)
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		h, now := history.New(s), evening.Add(time.Duration(rng.Int64N(int64(3*time.Hour))))
		if seed%2 == 0 {
			now = noon
		}
		var all []happened
		for i := range 400 {
			now = now.Add(time.Duration(rng.Int64N(int64(4 * time.Minute))))
			if rng.IntN(100) == 0 {
				now = now.Add(time.Duration(rng.Int64N(int64(26 * time.Hour))))
			}
			r := pay(fmt.Sprintf("agent-%03d", rng.IntN(3)), rng.Int64N(1000), "payee", fmt.Sprint(rng.IntN(4)))
			if rng.IntN(2) == 0 {
				r.Agent.Attributes["team"] = fmt.Sprint(rng.IntN(2))
			}
			e := history.Event{Name: "pay", Subject: r, At: now, Allowed: rng.IntN(3) > 0}
			switch rng.IntN(8) {
			case 0:
				e.Name, e.Allowed, e.Reported = "checked", true, true
			case 1: // another node's, which arrives late
				e.At = now.Add(-time.Duration(rng.Int64N(int64(20 * time.Minute))))
			}
			h.Add(&e)
			all = append(all, happened{Event: e})
			switch rng.IntN(6) {
			case 0:
				h.UndoTo(0)
				all = keptOf(all)
			case 1, 2:
				h.Keep()
				for i := range all {
					all[i].kept = true
				}
			}
			got, want := facts(t, h, r, now), naive(s, all, r, now)
			if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d, step %d, at %s: Facts = %v, want %v", seed, i, now, got, want)
			}
			before := now.Add(-time.Duration(rng.Int64N(int64(10 * time.Second)))) // a decision of another shard's
			sums, wantSums := facts(t, h, r, before), naive(s, until(all, before), r, before)
			for _, name := range []string{"count_1h", "payees_2h", "sum_day", "tried_1h"} {
				if sums[name] != wantSums[name] {
					t.Fatalf("seed %d, step %d, back at %s: %s = %v, want %v", seed, i, before, name, sums[name], wantSums[name])
				}
			}
			if again := facts(t, h, r, now); !reflect.DeepEqual(again, got) {
				t.Fatalf("seed %d, step %d, at %s again: Facts = %v, want %v", seed, i, now, again, got)
			}
		}
	}
}

// until is events as if none lay after an instant: whoever asks there is told
// of all the same.
func until(all []happened, now time.Time) (list []happened) {
	for _, e := range all {
		if e.At.After(now) {
			e.At = now
		}
		list = append(list, e)
	}
	return list
}

func keptOf(all []happened) []happened {
	var list []happened
	for _, e := range all {
		if e.kept {
			list = append(list, e)
		}
	}
	return list
}

// A schema of before may have taken what this one does not: no such event
// keeps others from being counted.
func TestATotalBeyondTheLargestIntegerIsGivenAsThat(t *testing.T) {
	h := history.New(compile(t, schema))
	add := func(at time.Time, cents any) {
		r := pay("agent-001", 0)
		r.Params["cents"] = cents
		h.Add(&history.Event{Name: "pay", Subject: r, At: at, Allowed: true})
	}
	const most = 1<<53 - 1
	for i := range 3000 {
		add(noon.Add(time.Duration(i)), int64(most))
	}
	h.Keep()
	if got := facts(t, h, pay("agent-001", 0), noon.Add(time.Minute)); got["count_1h"] != int64(3000) || got["sum_day"] != int64(most) {
		t.Errorf("beyond the largest integer: %v", got)
	}
	for _, strange := range []any{int64(-5), "12", true, nil, []any{int64(1)}} {
		add(noon.Add(time.Hour), strange)
	}
	tomorrow := noon.Add(24 * time.Hour)
	add(tomorrow, int64(7))
	if got := facts(t, h, pay("agent-001", 0), tomorrow); got["count_1h"] != int64(1) || got["sum_day"] != int64(7) {
		t.Errorf("the day after: %v", got)
	}
}

func TestLongKeysAreAsDifferentAsShortOnes(t *testing.T) {
	h := history.New(compile(t, schema))
	long := strings.Repeat("agent-", 40)
	h.Add(&history.Event{Name: "pay", Subject: pay(long+"1", 5), At: noon, Allowed: true})
	if got := facts(t, h, pay(long+"1", 0), noon); got["count_1h"] != int64(1) {
		t.Errorf("the same: %v", got)
	}
	if got := facts(t, h, pay(long+"2", 0), noon); got["count_1h"] != nil {
		t.Errorf("another: %v", got)
	}
}

func TestSpansReachAsFarAsTheLongestWindow(t *testing.T) {
	got := history.New(compile(t, schema)).Spans(noon)
	want := []history.Span{{Name: "checked", Since: noon.Add(-24 * time.Hour)}, {Name: "pay", Since: time.Date(2026, 11, 24, 3, 30, 0, 0, time.UTC)}}
	if len(got) != 2 || got[0] != want[0] || got[1].Name != "pay" || !got[1].Since.Equal(want[1].Since) {
		t.Errorf("Spans = %v, want %v", got, want)
	}
}

// What left its window takes no memory for long.
func TestWhatLeftTheWindowIsForgotten(t *testing.T) {
	h, now := history.New(compile(t, schema)), noon
	most := 0
	for i := range 20_000 {
		now = now.Add(time.Minute)
		r := pay(fmt.Sprintf("agent-%d", i), 1)
		h.Add(&history.Event{Name: "pay", Subject: r, At: now, Allowed: true})
		h.Keep()
		facts(t, h, r, now)
		most = max(most, h.Size())
	}
	// Three days of the fact by day, each event a key of its own, up to twice;
	// and little of the others.
	if limit := 2*2*3*24*60 + 1000; most > limit {
		t.Errorf("%d items are kept, want at most %d", most, limit)
	}
}

// TestAnEventCountsForNothingAfterItsLife: what happened a life ago is part of
// no fact, in any zone, on any day.
func TestAnEventCountsForNothingAfterItsLife(t *testing.T) {
	for zone, at := range map[string]time.Time{
		"America/St_Johns": time.Date(2026, 11, 1, 4, 0, 0, 0, time.UTC),   // the clocks go back
		"Pacific/Apia":     time.Date(2011, 12, 29, 11, 0, 0, 0, time.UTC), // a day is left out
		"America/Juneau":   time.Date(1867, 10, 17, 10, 0, 0, 0, time.UTC), // one comes twice
		"UTC":              noon,
	} {
		s := compile(t, strings.Replace(schema, "America/St_Johns", zone, 1))
		for _, r := range []kernel.Request{pay("agent-001", 5), {Action: "checked", Resource: kernel.Resource{Type: "account", ID: "acc/1"}}} {
			h := history.New(s)
			h.Add(&history.Event{Name: r.Action, Subject: r, At: at, Allowed: true, Reported: r.Action == "checked"})
			h.Keep()
			if got := facts(t, h, r, at); len(got) == 0 {
				t.Errorf("%s: %s counts for nothing when it happened", zone, r.Action)
			}
			r.Action = "pay"
			if got := facts(t, h, r, at.Add(h.Life())); len(got) > 0 {
				t.Errorf("%s: after %s it still counts: %v", zone, h.Life(), got)
			}
		}
	}
	if life := history.New(&pdl.Schema{}).Life(); life != 0 {
		t.Errorf("without facts the life is %s", life)
	}
}
