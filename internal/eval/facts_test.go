package eval_test

import (
	"errors"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
)

const factBundle = `
pdl: v1
kind: schema
name: s
agents: any
resources: {service: {}}
actions:
  deploy: {resource: service, params: {version: string, cents: "int(0..1000)"}}
events:
  tests_passed: {reporters: ["role:ci"], resource: service, params: {version: string}}
facts:
  deploys_1h: {event: deploy, by: [agent.id], count: true, within: 1h}
  deploys_24h: {event: deploy, by: [agent.id], count: true, within: 24h}
  attempts_24h: {event: deploy, by: [agent.id], count: true, within: 24h, counts: attempted}
  spent: {event: deploy, by: [agent.id], sum: params.cents, within: "day(Europe/Berlin)"}
  services: {event: deploy, by: [agent.id], distinct: resource.id, within: 24h}
  tested_at?: {event: tests_passed, by: [resource.id, params.version], last: true, within: 24h}
  tested_1h_at?: {event: tests_passed, by: [resource.id, params.version], last: true, within: 1h}
  today_at?: {event: deploy, by: [agent.id], last: true, within: "day(Europe/Berlin)"}
---
pdl: v1
kind: policy
name: p
rules:
  - {id: untested, match: {action: deploy}, when: '!has(facts.tested_at)', effect: DENY}
  - {id: fresh, match: {action: deploy}, when: 'has(facts.tested_1h_at) && facts.tested_1h_at < context.now', effect: ALLOW, risk: medium}
  - {id: often, match: {action: deploy}, when: facts.deploys_1h >= 3 || facts.deploys_24h >= 10 || facts.attempts_24h >= 20, effect: DENY}
  - {id: budget, match: {action: deploy}, when: facts.spent + params.cents > 1000 || facts.services > 5, effect: DENY}
  - {id: today, match: {action: deploy}, when: has(facts.today_at), effect: REQUIRE_APPROVAL}
  - {id: rest, match: {action: deploy}, effect: ALLOW}
`

func factInput(facts map[string]any) eval.Input {
	return eval.Input{
		Request: kernel.Request{
			Agent: kernel.Agent{ID: "agent-001"}, Action: "deploy", Resource: kernel.Resource{Type: "service", ID: "svc/a"},
			Params: map[string]any{"version": "1", "cents": int64(400)},
		},
		Now: time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC), Facts: facts,
	}
}

func TestFactsDecide(t *testing.T) {
	p, b := program(t, factBundle)
	o := newOracle(t, b)
	const tested = "2026-03-29T08:00:00Z"
	for _, c := range []struct {
		facts map[string]any
		want  string
	}{
		{nil, "p/untested"},
		{map[string]any{"tested_at": tested}, "p/rest"},
		{map[string]any{"tested_at": tested, "deploys_1h": int64(3), "deploys_24h": int64(3), "attempts_24h": int64(3)}, "p/often"},
		{map[string]any{"tested_at": tested, "attempts_24h": int64(20)}, "p/often"},
		{map[string]any{"tested_at": tested, "spent": int64(600)}, "p/rest"},
		{map[string]any{"tested_at": tested, "spent": int64(601)}, "p/budget"},
		{map[string]any{"tested_at": tested, "services": int64(6)}, "p/budget"},
		{map[string]any{"tested_at": "2026-03-29T11:30:00Z", "tested_1h_at": "2026-03-29T11:30:00Z"}, "p/fresh"},
		{map[string]any{"tested_at": tested, "today_at": "2026-03-28T23:00:00Z"}, "p/today"},
	} {
		v := o.agree(t, p, factInput(c.facts))
		if v.Rules[0] != c.want {
			t.Errorf("Decide with facts %v rests on %v, want %s", c.facts, v.Rules, c.want)
		}
	}
}

func TestFactsThatNoHistoryHasAreRefused(t *testing.T) {
	p, _ := program(t, factBundle)
	for _, c := range []struct {
		facts map[string]any
		path  string
	}{
		{map[string]any{"deploys_1h": int64(-1)}, "$.facts.deploys_1h"},
		{map[string]any{"deploys_1h": "many"}, "$.facts.deploys_1h"},
		{map[string]any{"deploys_1h": int64(2), "deploys_24h": int64(1), "attempts_24h": int64(2)}, "$.facts.deploys_1h"},
		{map[string]any{"deploys_1h": int64(1)}, "$.facts.deploys_1h"},
		{map[string]any{"deploys_24h": int64(2), "attempts_24h": int64(1)}, "$.facts.deploys_24h"},
		{map[string]any{"tested_at": "2026-03-28T12:00:00Z"}, "$.facts.tested_at"},
		{map[string]any{"tested_at": "2026-03-29T12:00:00.000000001Z"}, "$.facts.tested_at"},
		{map[string]any{"tested_1h_at": "2026-03-29T11:30:00Z"}, "$.facts.tested_1h_at"},
		{map[string]any{"tested_1h_at": "2026-03-29T11:30:00Z", "tested_at": "2026-03-29T11:20:00Z"}, "$.facts.tested_1h_at"},
		{map[string]any{"today_at": "2026-03-28T22:59:59Z"}, "$.facts.today_at"},
		{map[string]any{"deploys_2h": int64(1)}, "$.facts.deploys_2h"},
	} {
		_, err := p.Decide(factInput(c.facts))
		var e *kernel.Error
		if !errors.As(err, &e) || e.Code != kernel.Invalid || e.Path != c.path {
			t.Errorf("Decide with facts %v = %v, want invalid at %s", c.facts, err, c.path)
		}
	}
}

func TestFactsAreRefusedWhereNoneAreDeclared(t *testing.T) {
	p, b := program(t, inertBundle)
	in := inputOf(t, b.Tests[0])
	in.Facts = map[string]any{"n": int64(1)}
	var e *kernel.Error
	if _, err := p.Decide(in); !errors.As(err, &e) || e.Path != "$.facts.n" {
		t.Errorf("Decide with an unknown fact = %v, want invalid at $.facts.n", err)
	}
}
