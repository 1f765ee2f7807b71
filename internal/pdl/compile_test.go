package pdl_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

const schemaText = `
pdl: v1
kind: schema
name: shipping
agents: any
agent:
  role: {type: "enum(junior, senior, sre)", from: request}
  team: string
  experience_level: int(0..10)
  groups: list(enum(dev, oncall), ..16)
  owner?: {type: string, from: registry?}
resources:
  service:
    environment: enum(development, staging, production)
    owner_team?: string
  database:
    environment: enum(production, archive)
    size_gb: int
actions:
  deploy:
    resource: service
    params: {"version?": string, strategy: "enum(rolling, canary)", at: timestamp, dry_run: bool}
    risk: medium
  migrate:
    resource: [database, service]
    params:
      args: list(string, ..8)
      strategy: enum(rolling, big_bang)
  inspect: {resource: any}
context:
  source_ip?: string
constraints:
  canary_only: flag
  log_full_io: {merge: flag, by: door}
  max_rows: int.min
  regions: set.intersect
`

const policyText = `
pdl: v1
kind: policy
name: change-windows
variables:
  foreign: has(resource.owner_team) && resource.owner_team != agent.team
rules:
  - id: junior-no-prod
    match: {action: deploy, agent.role: junior, resource.environment: production}
    when: agent.experience_level < 3
    effect: DENY
    risk: high
    reason: Junior agents below level 3 may not deploy to production.
    advice: Ask a senior agent to deploy, or deploy to staging.
  - id: outside-hours
    match: {action: [deploy, migrate], resource.type: service, resource.environment: production}
    when: |
      variables.foreign ||
        resource.id in data.ownership.critical
    effect: REQUIRE_APPROVAL
    approvals: 2
    constraints: {canary_only: true, max_rows: 10, regions: [eu, us]}
  - id: rest
    match: {action: [deploy, migrate, inspect]}
    effect: ALLOW
    mode: shadow
---
pdl: v1
kind: data
name: ownership
types: {critical: "list(string)", max_refund: int}
values: {critical: [svc/checkout, svc/identity], max_refund: 50000}
---
pdl: v1
kind: table
name: matrix
match: {action: migrate}
inputs: [resource.type, resource.environment]
outputs: [effect, risk, approvals, constraints]
rows:
  - [service,  production, REQUIRE_APPROVAL, high,     2, {canary_only: true}]
  - [database, archive,    ALLOW,            medium,   0, {}]
  - ["*",      "*",        DENY,             critical, 0, {}]
`

const testText = `
pdl: v1
kind: test
name: junior deploys
base:
  action: deploy
  agent: {id: agent-001, role: junior, team: a, experience_level: 2, groups: [dev]}
  resource: {type: service, id: svc/checkout, environment: production}
  params: {strategy: canary, at: 2026-11-23T20:00:00Z, dry_run: false}
  context: {now: 2026-11-23T20:00:00Z}
cases:
  - name: too junior
    expect: {decision: DENY, risk_level: high, rules: [change-windows/junior-no-prod, change-windows/outside-hours]}
  - name: level 3
    set: {agent.experience_level: 3, resource.owner_team: b}
    unset: [resource.owner_team]
    expect: {decision: REQUIRE_APPROVAL, approvals_required: 2, constraints: {regions: [us, eu]}}
  - name: unknown action
    set: {action: explode, params.n: 7, params.s: "7"}
    expect: {code: UNKNOWN_ACTION}
`

func mustCompile(t *testing.T, texts ...string) *pdl.Bundle {
	t.Helper()
	b, found := compile(texts...)
	for _, d := range found {
		if strings.HasSuffix(d.Message, " is not used") || strings.HasSuffix(d.Message, " is used") {
			continue // the rules of these bundles are few
		}
		t.Errorf("%v", d)
	}
	if b == nil {
		t.FailNow()
	}
	return b
}

func compile(texts ...string) (*pdl.Bundle, pdl.Diagnostics) {
	var files []pdl.File
	for i, text := range texts {
		files = append(files, pdl.File{Name: string(rune('a'+i)) + ".yaml", Data: []byte(text)})
	}
	return pdl.Compile(files)
}

func TestCompileReadsAWholeBundle(t *testing.T) {
	b := mustCompile(t, schemaText, policyText, testText)
	var names []string
	for _, r := range b.Rules {
		names = append(names, r.Name)
	}
	want := []string{
		"change-windows/junior-no-prod", "change-windows/outside-hours", "change-windows/rest",
		"matrix/*-*", "matrix/database-archive", "matrix/service-production",
	}
	if !slices.Equal(names, want) {
		t.Errorf("rules = %v, want %v", names, want)
	}
	junior := b.Rules[0]
	if junior.Effect != kernel.Deny || junior.Risk != kernel.High || junior.When == nil || junior.When.Source != "agent.experience_level < 3" {
		t.Errorf("junior-no-prod = %+v", junior)
	}
	if got := len(b.Rules[3].Beats); got != 2 {
		t.Errorf("matrix/*-* is beaten by %d rows, want 2", got)
	}
	if len(b.Tests) != 3 || b.Tests[2].Request.Params["n"] != int64(7) || b.Tests[2].Request.Params["s"] != "7" {
		t.Errorf("tests = %+v", b.Tests)
	}
	if !strings.HasPrefix(b.Version, "sha256:") {
		t.Errorf("version = %q", b.Version)
	}
}
