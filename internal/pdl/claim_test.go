package pdl_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

const claimSchema = `pdl: v1
kind: schema
name: s
agents: %s
agent:
  role: {type: "enum(a, b)", from: registry}
  team: string
  tool: {type: string, from: request}
  home: {type: {city: string, zip: string}, from: request}
resources:
  service: {environment: {type: "enum(dev, prod)", from: registry}, "owner?": string}
  bucket: {environment: {type: "enum(dev, prod)", from: request}}
actions:
  deploy: {resource: service, params: {n: "int(0..9)", "deep?": {x: "int(0..9)"}}}
  touch: {resource: any}
  mcp.a.*: {resource: bucket}
context: {"ticket?": string}
facts:
  by_tool: {event: deploy, by: [agent.id, agent.tool], count: true, within: 1h}
  spent: {event: deploy, by: [agent.id], sum: params.n, within: 1h}
---
pdl: v1
kind: policy
name: p
variables:
  near: agent.home.city == "x"
rules:
  - %s
---
pdl: v1
kind: policy
name: q
rules:
  - {id: facts, match: {action: deploy}, effect: DENY, when: facts.by_tool > 0 || facts.spent > 0}
`

// claimsOf writes the claims of a bundle whose policy p has one rule.
func claimsOf(t *testing.T, agents, rule string) string {
	t.Helper()
	b, found := pdl.Compile([]pdl.File{{Name: "s.yaml", Data: fmt.Appendf(nil, claimSchema, agents, rule)}})
	if b == nil {
		t.Fatalf("Compile: %v", found)
	}
	claims := b.Claims()
	text := fmt.Sprintf("%d allow, %d inputs", claims.Allow, claims.Inputs)
	for _, r := range claims.Rules {
		text += ", " + r.Rule.Name + ":"
		for _, a := range r.Attributes {
			text += fmt.Sprintf(" %s=%s", a.Path, a.From)
		}
	}
	return text
}

func TestClaimsNameWhatTheCallerChooses(t *testing.T) {
	tests := []struct{ name, agents, rule, want string }{
		{"a match on the registry's", "registered", `{id: r, match: {action: deploy, agent.role: a, resource.environment: dev}, effect: ALLOW}`, "1 allow, 0 inputs"},
		{"ids and types say what is asked", "any", `{id: r, match: {action: touch, resource.type: service}, effect: ALLOW, when: agent.id == resource.id}`, "1 allow, 0 inputs"},
		{"a match", "registered", `{id: r, match: {action: deploy, agent.tool: x}, effect: ALLOW}`, "1 allow, 0 inputs, p/r: agent.tool=request"},
		{"a condition", "registered", `{id: r, match: {action: deploy}, effect: ALLOW, when: agent.tool == "x" && agent.role == "a"}`, "1 allow, 0 inputs, p/r: agent.tool=request"},
		{"presence alone", "registered", `{id: r, match: {action: deploy}, effect: ALLOW, when: has(resource.owner)}`, "1 allow, 0 inputs, p/r: resource.owner=registry?"},
		{"a variable, of a record", "registered", `{id: r, match: {action: deploy}, effect: ALLOW, when: variables.near}`, "1 allow, 0 inputs, p/r: agent.home=request"},
		{"the default of registered agents", "registered", `{id: r, match: {action: deploy, agent.team: x}, effect: ALLOW}`, "1 allow, 0 inputs"},
		{"the default of any agents", "any", `{id: r, match: {action: deploy, agent.team: x}, effect: ALLOW}`, "1 allow, 0 inputs, p/r: agent.team=registry?"},
		{"the key of a fact", "registered", `{id: r, match: {action: deploy}, effect: ALLOW, when: facts.by_tool < 3}`, "1 allow, 0 inputs, p/r: agent.tool=request"},
		{"what a fact sums", "registered", `{id: r, match: {action: deploy}, effect: ALLOW, when: facts.spent < 3}`, "1 allow, 1 inputs"},
		{"params", "registered", `{id: r, match: {action: deploy}, effect: ALLOW, when: params.n < 3}`, "1 allow, 1 inputs"},
		{"a record in params", "registered", `{id: r, match: {action: deploy}, effect: ALLOW, when: has(params.deep) && params.deep.x < 3}`, "1 allow, 1 inputs"},
		{"context", "registered", `{id: r, match: {action: deploy}, effect: ALLOW, when: has(context.ticket)}`, "1 allow, 1 inputs"},
		{"the kernel's clock", "registered", `{id: r, match: {action: deploy}, effect: ALLOW, when: context.now.getHours() > 3}`, "1 allow, 0 inputs"},
		{"the weakest of all types", "registered", `{id: r, match: {action: touch, resource.environment: dev}, effect: ALLOW}`, "1 allow, 0 inputs, p/r: resource.environment=request"},
		{"the type that is matched", "registered", `{id: r, match: {action: touch, resource.type: service, resource.environment: dev}, effect: ALLOW}`, "1 allow, 0 inputs"},
		{"a family", "registered", `{id: r, match: {action: mcp.a.b.*, resource.environment: dev}, effect: ALLOW}`, "1 allow, 0 inputs, p/r: resource.environment=request"},
		{"no ALLOW", "registered", `{id: r, match: {action: deploy, agent.tool: x}, effect: DENY}`, "0 allow, 0 inputs"},
		{"a shadow", "registered", `{id: r, match: {action: deploy, agent.tool: x}, effect: ALLOW, mode: shadow}`, "0 allow, 0 inputs"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if have := claimsOf(t, test.agents, test.rule); have != test.want {
				t.Errorf("Claims of %s = %q, want %q", test.rule, have, test.want)
			}
		})
	}
}

func TestClaimsOfARowHoldWhatTheRowsBeforeItAsk(t *testing.T) {
	bundle := fmt.Sprintf(claimSchema, "any", "{id: r, match: {action: deploy}, effect: DENY, when: variables.near}") + `---
pdl: v1
kind: table
name: t
match: {action: deploy}
inputs: [agent.role, resource.type]
outputs: [reason, effect]
rows:
  - [b, service, x, DENY]
  - ["*", service, x, ALLOW]
`
	b, found := pdl.Compile([]pdl.File{{Name: "s.yaml", Data: []byte(strings.Replace(bundle, "role: {type: \"enum(a, b)\", from: registry}", "role: {type: \"enum(a, b)\", from: request}", 1))}})
	if b == nil {
		t.Fatalf("Compile: %v", found)
	}
	claims := b.Claims()
	if !claims.AnyAgent || len(claims.Rules) != 1 || claims.Rules[0].Attributes[0] != (pdl.Claimed{Path: "agent.role", From: pdl.FromRequest}) {
		t.Errorf("Claims() = %+v, want one row that rests on agent.role of any agent", claims)
	}
}
