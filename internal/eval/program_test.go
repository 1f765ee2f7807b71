package eval_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// small is a bundle that New takes; each test breaks one thing of it.
func small() *pdl.Bundle {
	text := pdl.Type{Kind: pdl.String, MaxLen: 10}
	return &pdl.Bundle{
		Version: "sha256:0",
		Schema: &pdl.Schema{
			Agent: []pdl.Attribute{
				{Name: "level", Type: pdl.Type{Kind: pdl.Int, Max: 9}}, {Name: "owner", Type: text, Optional: true},
				{Name: "team", Type: text}, {Name: "trusted", Type: pdl.Type{Kind: pdl.Bool}},
			},
			Resources: []pdl.ResourceType{
				{Name: "page"}, {Name: "service", Attributes: []pdl.Attribute{{Name: "zone", Type: text}}},
			},
			Actions: []pdl.Action{
				{Name: "deploy", Resources: []string{"service"}}, {Name: "look", Resources: []string{"page", "service"}},
			},
			Constraints: []pdl.Constraint{{Name: "canary", Meet: pdl.Flag}, {Name: "rows", Meet: pdl.IntMin}, {Name: "zones", Meet: pdl.SetUnion}},
		},
		Rules: []*pdl.Rule{{
			Name: "p/r", Actions: []string{"deploy"}, Effect: kernel.Allow,
			Match:       []pdl.Atom{{Path: "agent.team", Values: []string{"a"}}, {Path: "agent.trusted", Values: []string{"true"}}, {Path: "resource.zone", Values: []string{"a"}}},
			Constraints: []pdl.Obligation{{Name: "canary", Value: true}, {Name: "rows", Value: int64(1)}, {Name: "zones", Value: []string{"a", "b"}}},
		}},
	}
}

func TestNewRefusesABundleThatMeansNothing(t *testing.T) {
	if _, err := eval.New(small()); err != nil {
		t.Fatalf("New of the bundle to break: %v", err)
	}
	for _, c := range []struct {
		name   string
		broken func(*pdl.Bundle)
		says   string
	}{
		{"no schema", func(b *pdl.Bundle) { b.Schema = nil }, "needs a schema and a version"},
		{"no version", func(b *pdl.Bundle) { b.Version = "" }, "needs a schema and a version"},
		{"an undeclared resource type", func(b *pdl.Bundle) { b.Schema.Actions[0].Resources = []string{"x"} }, `action deploy: resource type "x" is not declared`},
		{"an attribute without a type", func(b *pdl.Bundle) { b.Schema.Agent[0].Type = pdl.Type{} }, "attribute agent.level: unknown kind 0"},
		{"a list of nothing", func(b *pdl.Bundle) { b.Schema.Agent[0].Type = pdl.Type{Kind: pdl.List} }, "attribute agent.level: a list holds scalars"},
		{"an attribute that is always there", func(b *pdl.Bundle) { b.Schema.Agent[0].Name = "id" }, "agent.id is declared twice or always there"},
		{"a meet that is none", func(b *pdl.Bundle) { b.Schema.Constraints[0].Meet = 0 }, "constraint canary: unknown meet 0"},
		{"an undeclared action", func(b *pdl.Bundle) { b.Rules[0].Actions = []string{"x"} }, `rule p/r: action "x" is not declared`},
		{"no action", func(b *pdl.Bundle) { b.Rules[0].Actions = nil }, "rule p/r: it covers no action"},
		{"an action twice", func(b *pdl.Bundle) { b.Rules[0].Actions = []string{"deploy", "deploy"} }, "listed twice"},
		{"two rules of one name", func(b *pdl.Bundle) { b.Rules = append(b.Rules, b.Rules[0]) }, "rule p/r: another rule has the same name"},
		{"an effect that is none", func(b *pdl.Bundle) { b.Rules[0].Effect = 9 }, "unknown effect Effect(9)"},
		{"a risk that is none", func(b *pdl.Bundle) { b.Rules[0].Risk = 9 }, "unknown risk Risk(9)"},
		{"an approval by nobody", func(b *pdl.Bundle) { b.Rules[0].Effect = kernel.RequireApproval }, "REQUIRE_APPROVAL with 0 approvals"},
		{"approvals of an allowance", func(b *pdl.Bundle) { b.Rules[0].Approvals = 2 }, "ALLOW with 2 approvals"},
		{"an approval by an unknown workflow", func(b *pdl.Bundle) {
			b.Rules[0].Effect, b.Rules[0].Approvals, b.Rules[0].Approval = kernel.RequireApproval, 1, "x"
		}, `REQUIRE_APPROVAL with the approval workflow "x" of 0 votes`},
		{"a workflow of an allowance", func(b *pdl.Bundle) { b.Rules[0].Approval = "x" }, "ALLOW with the approval workflow"},
		{"an undeclared constraint", func(b *pdl.Bundle) { b.Rules[0].Constraints[0].Name = "x" }, `constraint "x" is not declared`},
		{"a flag that is off", func(b *pdl.Bundle) { b.Rules[0].Constraints[0].Value = false }, "constraint canary cannot be false"},
		{"a bound that is text", func(b *pdl.Bundle) { b.Rules[0].Constraints[1].Value = "1" }, "constraint rows cannot be 1"},
		{"a set that is not sorted", func(b *pdl.Bundle) { b.Rules[0].Constraints[2].Value = []string{"b", "a"} }, "constraint zones cannot be [b a]"},
		{"a match of an undeclared attribute", func(b *pdl.Bundle) { b.Rules[0].Match[0].Path = "agent.x" }, "rule p/r: match agent.x: agent.x is no attribute of this type"},
		{"a match of an optional attribute", func(b *pdl.Bundle) { b.Rules[0].Match[0].Path = "agent.owner" }, "match agent.owner: it is optional for deploy on service"},
		{"a match of an int", func(b *pdl.Bundle) { b.Rules[0].Match[0].Path = "agent.level" }, "match agent.level: agent.level is no attribute of this type"},
		{"a match of nothing", func(b *pdl.Bundle) { b.Rules[0].Match[0].Values = nil }, "match agent.team: no value can hold"},
		{"a bool that is neither", func(b *pdl.Bundle) { b.Rules[0].Match[1].Values = []string{"yes"} }, `match agent.trusted: "yes" is neither true nor false`},
		{"a match that only one resource type has", func(b *pdl.Bundle) { b.Rules[0].Actions = []string{"look"} },
			"match resource.zone: resource.zone is not declared for look on page"},
		{"a resource type that no action takes", func(b *pdl.Bundle) {
			b.Rules[0].Match = []pdl.Atom{{Path: "resource.type", Values: []string{"page"}}}
		}, "no action it covers takes the resource types it matches"},
		{"a row that loses to an unknown one", func(b *pdl.Bundle) { b.Rules[0].Beats = []pdl.Atoms{{{Path: "agent.x", Values: []string{"a"}}}} }, "match agent.x"},
		{"a condition without an expression", func(b *pdl.Bundle) { b.Rules[0].When = &pdl.Condition{Source: "true"} }, "no checked expression"},
	} {
		b := small()
		c.broken(b)
		if p, err := eval.New(b); err == nil || p != nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("New with %s = %v, %v, want an error that says %q", c.name, p, err, c.says)
		}
	}
	if _, err := eval.New(nil); err == nil {
		t.Error("New(nil) = nil, want an error")
	}
}

func TestNewRefusesConditionsOverOtherAttributesThanTheRuleHas(t *testing.T) {
	y := newTypist(t)
	for _, c := range []struct{ source, says string }{
		{`params.version == "1"`, "expression params.version: params.version is not declared for backup on database"},
		{`has(params.version)`, "expression has(params.version): params.version is not declared for backup on database"},
		{`resource.owner_team == "a"`, "resource.owner_team is not declared for backup on database"},
		{`has(resource.owner_team)`, "resource.owner_team is not declared for backup on database"},
		{`size(params.tags) == 1`, "params.tags is not declared for backup on database"},
	} {
		b, err := y.bundleOf(c.source)
		if err != nil {
			t.Fatal(err)
		}
		b.Rules[0].Actions = []string{"backup"}
		schema := *b.Schema
		schema.Actions = slices.Clone(schema.Actions)
		for i := range schema.Actions {
			schema.Actions[i].Open = false // an open one takes any name
		}
		b.Schema = &schema
		if _, err := eval.New(b); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("New(%s) = %v, want an error that says %q", c.source, err, c.says)
		}
		b.Rules[0].Match = []pdl.Atom{{Path: "resource.type", Values: []string{"service"}}}
		if _, err := eval.New(b); (err == nil) != strings.Contains(c.source, "resource") {
			t.Errorf("New(%s) of services = %v, want an error for params alone", c.source, err)
		}
	}
}

func TestAnAttributeMayHaveOtherTypesInOtherActions(t *testing.T) {
	p, _ := program(t, `
pdl: v1
kind: schema
name: s
agents: any
resources: {service: {}}
actions:
  one: {resource: service, params: {x: int}}
  two: {resource: service, params: {x: string}}
---
pdl: v1
kind: policy
name: p
rules:
  - {id: one, match: {action: one}, when: params.x == 1, effect: ALLOW}
  - {id: two, match: {action: two}, when: params.x == "1", effect: ALLOW}
`)
	for _, c := range []struct {
		action string
		x      any
	}{{"one", int64(1)}, {"two", "1"}} {
		v, err := p.Decide(eval.Input{Now: noon(), Request: kernel.Request{
			Agent: kernel.Agent{ID: "agent-001"}, Action: c.action, Resource: kernel.Resource{Type: "service", ID: "a"},
			Params: map[string]any{"x": c.x},
		}})
		if err != nil || v.Decision != kernel.Allow {
			t.Errorf("Decide(%s with %v) = %v, %v, want ALLOW", c.action, c.x, v, err)
		}
	}
}
