package eval_test

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

const nearBundle = `
pdl: v1
kind: schema
name: s
agents: any
agent: {role: "enum(junior, senior, lead)", level: "int(0..10)", on: bool}
resources:
  service: {tier: "enum(gold, silver)"}
  bucket: {}
actions:
  deploy:
    resource: [service, bucket]
    params: {cents: "int(0..1000000)", program: string(..64), "labels?": "list(string, ..8)", "since?": timestamp, "parts?": "int(1..9)"}
context: {"ticket?": string(..16)}
---
pdl: v1
kind: data
name: limits
types: {cents: int, programs: list(string)}
values: {cents: 200, programs: [make, go]}
---
pdl: v1
kind: policy
name: p
rules:
  - id: small
    match: {action: deploy}
    when: 3 * params.cents + 1 <= 5 * data.limits.cents && params.program in data.limits.programs
    effect: ALLOW
  - id: junior
    match: {action: deploy, agent.role: junior}
    when: agent.level < 3
    effect: DENY
  - id: ticket
    match: {action: deploy}
    when: has(context.ticket) && context.ticket.startsWith("INC-")
    effect: REQUIRE_APPROVAL
  - id: labels
    match: {action: deploy}
    when: has(params.labels) && params.labels.exists(l, l == "danger")
    effect: DENY
  - id: fresh
    match: {action: deploy}
    when: has(params.since) && context.now - params.since < duration("24h")
    effect: DENY
  - id: both
    match: {action: deploy, agent.on: true, agent.role: lead}
    effect: DENY
`

func nearInput(change func(*eval.Input)) eval.Input {
	in := eval.Input{Now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Request: kernel.Request{
		Agent:    kernel.Agent{ID: "agent-001", Attributes: map[string]any{"role": "senior", "level": int64(2), "on": false}},
		Action:   "deploy",
		Resource: kernel.Resource{Type: "bucket", ID: "a"},
		Params:   map[string]any{"cents": int64(100), "program": "go"},
	}}
	change(&in)
	return in
}

func TestNearestNamesTheChange(t *testing.T) {
	p, _ := program(t, nearBundle+"---\npdl: v1\nkind: test\nname: t\nbase: {action: deploy, agent: {id: a, role: lead, level: 1, on: true}, resource: {type: bucket, id: b}, params: {cents: 1, program: go}}\ncases: [{name: a, expect: {decision: DENY}}]\n")
	for _, c := range []struct {
		name   string
		change func(*eval.Input)
		want   []string
	}{
		{"an enum, a bound, a text, presence", func(*eval.Input) {}, []string{
			"agent.role: senior → junior: DENY",
			"context.ticket: <nil> → INC-: REQUIRE_APPROVAL",
			"params.cents: 100 → 334: DENY",
			"params.labels: <nil> → [danger]: DENY",
			"params.program: go → another value: DENY",
			"params.since: <nil> → 2026-11-23T11:59:59Z: DENY",
		}},
		{"back below a bound", func(in *eval.Input) { in.Request.Params["cents"] = int64(5000) }, []string{
			"params.cents: 5000 → 333: ALLOW",
			"context.ticket: <nil> → INC-: REQUIRE_APPROVAL",
		}},
		{"a level, a role", func(in *eval.Input) { in.Request.Agent.Attributes["role"] = "junior" }, []string{
			"agent.level: 2 → 3: ALLOW",
			"agent.role: junior → senior: ALLOW",
			"agent.role: junior → lead: ALLOW",
		}},
		{"a text that is a condition's", func(in *eval.Input) { in.Request.Context = map[string]any{"ticket": "INC-17"} }, []string{
			"context.ticket: INC-17 → another value: ALLOW",
			"context.ticket: INC-17 → <nil>: ALLOW",
			"agent.role: senior → junior: DENY",
		}},
		{"an element of a list", func(in *eval.Input) { in.Request.Params["labels"] = []any{"calm", "danger"} }, []string{
			"params.labels: [calm danger] → []: ALLOW",
			"params.labels: [calm danger] → [calm]: ALLOW",
			"params.labels: [calm danger] → <nil>: ALLOW",
		}},
		{"an instant", func(in *eval.Input) { in.Request.Params["since"] = "2026-11-23T08:00:00Z" }, []string{
			"context.now: 2026-11-23T12:00:00Z → 2026-11-24T08:00:00Z: ALLOW",
			"params.since: 2026-11-23T08:00:00Z → 2026-11-22T12:00:00Z: ALLOW",
			"params.since: 2026-11-23T08:00:00Z → <nil>: ALLOW",
		}},
		{"two attributes where one is not enough", func(in *eval.Input) {
			in.Request.Agent.Attributes["role"], in.Request.Params["labels"] = "junior", []any{"danger"}
		}, []string{
			"agent.level: 2 → 3 and params.labels: [danger] → <nil>: ALLOW",
			"agent.role: junior → senior and params.labels: [danger] → <nil>: ALLOW",
		}},
		{"two attributes that hold together", func(in *eval.Input) {
			in.Request.Agent.Attributes["role"], in.Request.Agent.Attributes["on"] = "lead", true
		}, []string{"agent.on: true → false: ALLOW", "agent.role: lead → senior: ALLOW"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := eval.Nearest(p, nearInput(c.change))
			if err != nil {
				t.Fatal(err)
			}
			lines := changeLines(got)
			for _, want := range c.want {
				if !slices.Contains(lines, want) {
					t.Errorf("Nearest does not name %q, but\n%s", want, strings.Join(lines, "\n"))
				}
			}
			if got.Tried == 0 || got.Tried > 20_000 {
				t.Errorf("%d requests were tried", got.Tried)
			}
		})
	}
}

func changeLines(c eval.Counterfactual) []string {
	var lines []string
	for _, k := range c.Changes {
		var edits []string
		for _, e := range k.Edits {
			edits = append(edits, fmt.Sprintf("%s: %v → %v", e.Path, e.From, e.To))
		}
		lines = append(lines, strings.Join(edits, " and ")+": "+k.Decision.String())
	}
	return lines
}

// TestNearestTellsTheTruth asks about every test case of the shipped bundles
// and the corpus: each change that is named leads to the decision that is
// named, no smaller set of its edits does, the fewest come first, and the
// answer is the same the second time.
func TestNearestTellsTheTruth(t *testing.T) {
	changes, asked := 0, 0
	for _, files := range shippedBundles(t) {
		b := compile(t, files...)
		p := lower(t, b)
		for i, c := range b.Tests {
			if asked++; testing.Short() && i > 3 {
				break
			}
			in := inputOf(t, c)
			got, err := eval.Nearest(p, in)
			if err != nil {
				t.Fatalf("%s: %v", c.Name, err)
			}
			before, err := p.Decide(in)
			if err != nil {
				t.Fatal(err)
			}
			for j, k := range got.Changes {
				changes++
				if d := decisionWith(t, p, in, k.Edits); d != k.Decision || d == before.Decision {
					t.Errorf("%s: %v leads from %v to %v", c.Name, changeLines(got)[j], before.Decision, d)
				}
				if j > 0 && len(k.Edits) < len(got.Changes[j-1].Edits) {
					t.Errorf("%s: %v comes behind changes of more attributes", c.Name, changeLines(got)[j])
				}
			}
			if again, err := eval.Nearest(p, in); err != nil || !reflect.DeepEqual(got, again) {
				t.Fatalf("%s: the second answer differs: %v", c.Name, err)
			}
		}
	}
	if changes < 200 {
		t.Errorf("found %d changes for %d cases, want at least 200", changes, asked)
	}
}

// TestNearestMissesNoValueOfAnEnum compares with trying all of them.
func TestNearestMissesNoValueOfAnEnum(t *testing.T) {
	for _, files := range shippedBundles(t) {
		b := compile(t, files...)
		p := lower(t, b)
		for _, c := range b.Tests[:min(len(b.Tests), 12)] {
			in := inputOf(t, c)
			got, err := eval.Nearest(p, in)
			if err != nil {
				t.Fatal(err)
			}
			before, err := p.Decide(in)
			if err != nil {
				t.Fatal(err)
			}
			if !got.Complete {
				continue
			}
			for _, a := range p.Schema().Agent {
				for _, v := range values(a.Type) {
					edit := eval.Edit{Path: "agent." + a.Name, To: v}
					d := decisionWith(t, p, in, []eval.Edit{edit})
					found := slices.ContainsFunc(got.Changes, func(k eval.Change) bool {
						return len(k.Edits) == 1 && k.Edits[0].Path == edit.Path && k.Decision == d
					})
					if d != before.Decision && !found {
						t.Errorf("%s: %s → %v leads to %v and is not named by %v", c.Name, edit.Path, v, d, changeLines(got))
					}
				}
			}
		}
	}
}

func values(t pdl.Type) []any {
	var list []any
	switch t.Kind {
	case pdl.Bool:
		list = []any{true, false}
	case pdl.Enum:
		for _, v := range t.Values {
			list = append(list, v)
		}
	case pdl.Int:
		for v := t.Min; v <= t.Max && v < t.Min+20; v++ {
			list = append(list, v)
		}
	}
	return list
}

// decisionWith decides the request with edits, or returns the old decision
// when it does not fit the schema then.
func decisionWith(t *testing.T, p *eval.Program, in eval.Input, edits []eval.Edit) kernel.Effect {
	t.Helper()
	before, err := p.Decide(in)
	if err != nil {
		t.Fatal(err)
	}
	var set func(m map[string]any, name string, v any) map[string]any
	set = func(m map[string]any, name string, v any) map[string]any {
		if record, rest, nested := strings.Cut(name, "."); nested {
			below, _ := m[record].(map[string]any)
			name, v = record, set(below, rest, v)
		}
		n := map[string]any{}
		for k, old := range m {
			n[k] = old
		}
		if n[name] = v; v == nil {
			delete(n, name)
		}
		return n
	}
	for _, e := range edits {
		root, name, _ := strings.Cut(e.Path, ".")
		switch {
		case e.Path == "context.now":
			at, err := time.Parse(time.RFC3339Nano, e.To.(string))
			if err != nil {
				t.Fatal(err)
			}
			in.Now = at
		case e.Path == "resource.type":
			in.Request.Resource.Type = e.To.(string)
		case root == "agent":
			in.Request.Agent.Attributes = set(in.Request.Agent.Attributes, name, e.To)
		case root == "resource":
			in.Request.Resource.Attributes = set(in.Request.Resource.Attributes, name, e.To)
		case root == "params":
			in.Request.Params = set(in.Request.Params, name, e.To)
		case root == "context":
			in.Request.Context = set(in.Request.Context, name, e.To)
		case root == "facts":
			in.Facts = set(in.Facts, name, e.To)
		}
	}
	v, err := p.Decide(in)
	if err != nil {
		return before.Decision
	}
	return v.Decision
}

func shippedBundles(t *testing.T) [][]pdl.File {
	t.Helper()
	var bundles [][]pdl.File
	for _, pattern := range []string{"../../policies/shipping", "../../policies/examples/*", "../../policies/library/*", "../app/starter"} {
		folders, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, folder := range folders {
			paths, err := filepath.Glob(folder + "/*.yaml")
			if err != nil {
				t.Fatal(err)
			}
			var files []pdl.File
			for _, path := range paths {
				if filepath.Base(path) == "registry.yaml" {
					continue // no part of the bundle beside it
				}
				files = append(files, pdl.File{Name: path, Data: read(t, path)})
			}
			if len(files) > 0 {
				bundles = append(bundles, files)
			}
		}
	}
	for _, path := range corpusFiles(t) {
		bundles = append(bundles, []pdl.File{{Name: path, Data: read(t, path)}})
	}
	return bundles
}

func TestNearestBeforeTheRules(t *testing.T) {
	p, _ := program(t, nearBundle+"---\npdl: v1\nkind: test\nname: t\nbase: {action: deploy, agent: {id: a, role: lead, level: 1, on: true}, resource: {type: bucket, id: b}, params: {cents: 1, program: go}}\ncases: [{name: a, expect: {decision: DENY}}]\n")
	got, err := eval.Nearest(p, nearInput(func(in *eval.Input) { in.Request.Action = "launch" }))
	if err != nil || len(got.Changes) != 0 || got.Changes == nil || got.Tried != 0 {
		t.Errorf("Nearest of an unknown action = %v, %v", got, err)
	}
	if _, err := eval.Nearest(p, nearInput(func(in *eval.Input) { in.Request.Params["cents"] = "many" })); err == nil {
		t.Error("Nearest of a request that does not fit has no error")
	}
}
