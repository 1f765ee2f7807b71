package eval_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
)

const explained = `
pdl: v1
kind: schema
name: s
agents: any
strict: false
agent: {role: "enum(junior, senior)", level: int, owner?: string}
resources:
  service: {environment: "enum(staging, production)"}
actions:
  deploy: {resource: service, params: {size: int, tags: list(string), at: timestamp}}
  other: {resource: service}
---
pdl: v1
kind: policy
name: p
variables:
  small: params.size < 10
rules:
  - id: a-plain
    match: {action: deploy}
    effect: ALLOW
  - id: b-atom
    match: {action: deploy, agent.role: senior, resource.environment: [production]}
    when: agent.level > 5
    effect: DENY
  - id: c-false
    match: {action: deploy}
    when: variables.small && (agent.level * 2 > 5 || "urgent" in params.tags) && !params.tags.exists(t, t == "x")
    effect: DENY
  - id: d-error
    match: {action: deploy}
    when: params.size / (params.size - 20) > 0 || agent.owner == "x"
    effect: REQUIRE_APPROVAL
    mode: shadow
  - id: e-time
    match: {action: deploy}
    when: context.now - params.at >= duration("90m") && params.at < timestamp("2027-01-01T00:00:00Z")
    effect: ALLOW
  - id: f-other
    match: {action: other}
    effect: ALLOW
---
pdl: v1
kind: table
name: t
match: {action: deploy}
inputs: [agent.role, resource.environment]
outputs: [effect]
rows:
  - [junior, staging, ALLOW]
  - [junior, "*", ALLOW]
  - ["*", "*", ALLOW]
`

func explainedInput() eval.Input {
	return eval.Input{Now: noon(), Request: kernel.Request{
		Agent:    kernel.Agent{ID: "agent-001", Attributes: map[string]any{"role": "junior", "level": int64(2)}},
		Action:   "deploy",
		Resource: kernel.Resource{Type: "service", ID: "svc/a", Attributes: map[string]any{"environment": "staging"}},
		Params:   map[string]any{"size": int64(20), "tags": []any{"a", "b"}, "at": "2026-06-01T10:30:00Z"},
	}}
}

func TestExplainShowsEveryCandidateAndWhatItLookedAt(t *testing.T) {
	p, _ := program(t, explained)
	trace, err := p.Explain(explainedInput())
	if err != nil {
		t.Fatal(err)
	}
	if trace.Action != "deploy" || trace.ResourceType != "service" || trace.Verdict.Decision != kernel.Allow {
		t.Errorf("Explain = %s", text(t, trace))
	}
	if trace.Shadow == nil || trace.Shadow.Code != kernel.CodeEvaluationError || trace.Shadow.PolicyVersion != p.Version() ||
		trace.Shadow.RequestDigest != trace.Verdict.RequestDigest {
		t.Errorf("shadow = %v, want %s", trace.Shadow, kernel.CodeEvaluationError)
	}
	want := []string{
		`{"rule":"p/a-plain","effect":"ALLOW","mode":"enforce","match":true,"result":"true"}`,
		`{"rule":"p/b-atom","effect":"DENY","mode":"enforce","match":false,` +
			`"failed":{"path":"agent.role","wanted":["senior"],"value":"junior"},"when":"agent.level > 5","result":"not evaluated"}`,
		`{"rule":"p/c-false","effect":"DENY","mode":"enforce","match":true,` +
			`"when":"variables.small && (agent.level * 2 > 5 || \"urgent\" in params.tags) && !params.tags.exists(t, t == \"x\")","result":"false","values":[` +
			`{"expression":"params.size < 10 && (agent.level * 2 > 5 || \"urgent\" in params.tags) && !params.tags.exists(t, t == \"x\")","value":false},` +
			`{"expression":"params.size < 10","value":false},{"expression":"params.size","value":20},` +
			`{"expression":"agent.level * 2 > 5 || \"urgent\" in params.tags","value":false},` +
			`{"expression":"agent.level * 2 > 5","value":false},{"expression":"agent.level * 2","value":4},{"expression":"agent.level","value":2},` +
			`{"expression":"\"urgent\" in params.tags","value":false},{"expression":"params.tags","value":["a","b"]},` +
			`{"expression":"!params.tags.exists(t, t == \"x\")","value":true},{"expression":"params.tags.exists(t, t == \"x\")","value":false}]}`,
		`{"rule":"p/d-error","effect":"REQUIRE_APPROVAL","mode":"shadow","match":true,` +
			`"when":"params.size / (params.size - 20) > 0 || agent.owner == \"x\"","result":"error","error":"division by zero","values":[` +
			`{"expression":"params.size / (params.size - 20) > 0 || agent.owner == \"x\"","value":null,"error":"division by zero"},` +
			`{"expression":"params.size / (params.size - 20) > 0","value":null,"error":"division by zero"},` +
			`{"expression":"params.size / (params.size - 20)","value":null,"error":"division by zero"},` +
			`{"expression":"params.size","value":20},{"expression":"params.size - 20","value":0},` +
			`{"expression":"agent.owner == \"x\"","value":null,"error":"an optional attribute is absent"},` +
			`{"expression":"agent.owner","value":null,"error":"an optional attribute is absent"}]}`,
		`{"rule":"p/e-time","effect":"ALLOW","mode":"enforce","match":true,` +
			`"when":"context.now - params.at >= duration(\"90m\") && params.at < timestamp(\"2027-01-01T00:00:00Z\")","result":"true","values":[` +
			`{"expression":"context.now - params.at >= duration(\"90m\") && params.at < timestamp(\"2027-01-01T00:00:00Z\")","value":true},` +
			`{"expression":"context.now - params.at >= duration(\"90m\")","value":true},{"expression":"context.now - params.at","value":"1h30m0s"},` +
			`{"expression":"context.now","value":"2026-06-01T12:00:00Z"},{"expression":"params.at","value":"2026-06-01T10:30:00Z"},` +
			`{"expression":"params.at < timestamp(\"2027-01-01T00:00:00Z\")","value":true}]}`,
		`{"rule":"t/*-*","effect":"ALLOW","mode":"enforce","match":false,"beaten_by":"agent.role is junior","result":"not evaluated"}`,
		`{"rule":"t/junior-*","effect":"ALLOW","mode":"enforce","match":false,` +
			`"beaten_by":"agent.role is junior and resource.environment is staging","result":"not evaluated"}`,
		`{"rule":"t/junior-staging","effect":"ALLOW","mode":"enforce","match":true,"result":"true"}`,
	}
	for i, c := range trace.Candidates {
		if i >= len(want) || text(t, c) != want[i] {
			t.Errorf("candidate %d = %s, want %s", i, text(t, c), want[min(i, len(want)-1)])
		}
	}
	if len(trace.Candidates) != len(want) {
		t.Errorf("%d candidates, want %d", len(trace.Candidates), len(want))
	}
}

func TestExplainHasNoShadowWhereItWouldSayTheSame(t *testing.T) {
	p, _ := program(t, explained)
	in := explainedInput()
	in.Request.Params["size"] = int64(5)
	in.Request.Agent.Attributes["owner"] = "y"
	trace, err := p.Explain(in)
	if err != nil || trace.Shadow != nil {
		t.Errorf("Explain = %v, %v, want no shadow verdict", trace.Shadow, err)
	}
}

func TestExplainPrintsConditionsAsCEL(t *testing.T) {
	y := newTypist(t)
	for _, source := range []string{
		`agent.trusted || params.force && !has(agent.owner)`,
		`(agent.trusted || params.force) && !has(agent.owner)`,
		`!(agent.trusted && params.force)`,
		`(agent.trusted ? 1 : 2) + 3 == 4`,
		`agent.trusted ? params.force : agent.trusted ? true : params.force`,
		`(agent.trusted ? params.force : false) ? true : params.force`,
		`params.count - (1 - agent.level) == -params.count`,
		`-(params.count + 1) * 2 % 3 == 0`,
		`agent.level in [1, params.count, -3]`,
		`-(-9223372036854775808) < params.count - -3`,
		`agent.team.startsWith("a\"b\n") && "x".contains(agent.team)`,
		`params.sizes.all(n, n > 0 && agent.groups.exists_one(g, size(g) == n))`,
		`agent.groups.size() == 2`,
		`agent.team.matches("^a\\d+$")`,
		`1 < 2 == (params.count < 3)`,
		`context.now + duration("1h") > timestamp("2026-01-01T00:00:00Z")`,
	} {
		b, err := y.bundleOf(source)
		if err != nil {
			t.Fatal(err)
		}
		in := (&gen{}).input()
		trace, err := lower(t, b).Explain(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := trace.Candidates[0].Values[0].Expression; got != source {
			t.Errorf("Explain prints %s, want %s", got, source)
		}
	}
}

func TestExplainLeavesOutTheInsidesOfLoops(t *testing.T) {
	p, _ := program(t, explained)
	trace, err := p.Explain(explainedInput())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range trace.Candidates {
		if slices.ContainsFunc(c.Values, func(v eval.Value) bool { return strings.HasPrefix(v.Expression, "t ") }) {
			t.Errorf("%s shows the inside of a loop: %v", c.Rule, c.Values)
		}
	}
}
