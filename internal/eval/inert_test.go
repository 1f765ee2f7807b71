package eval_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

const inertBundle = `
pdl: v1
kind: schema
name: s
agents: any
agent: {role: "enum(junior, senior)"}
resources:
  service: {environment: "enum(staging, production)"}
actions:
  deploy: {resource: service}
  other: {resource: service}
constraints: {canary: flag}
---
pdl: v1
kind: approval
name: w
quorum: 3
of: [{role: approver}]
auto: [{when: resource.environment == "staging", as: release-bot}]
---
pdl: v1
kind: approval
name: x
quorum: 3
of: [{role: approver}]
---
pdl: v1
kind: policy
name: p
rules:
  - id: r
    match: {action: deploy, agent.role: junior}
    when: resource.environment == "staging"
    effect: REQUIRE_APPROVAL
    risk: medium
    approvals: 4
    approval: w
    constraints: {canary: true}
    reason: Ask first.
    advice: Ask the team.
    mode: enforce
---
pdl: v1
kind: test
name: t
base: {action: deploy, agent: {id: agent-001, role: junior}, resource: {type: service, id: svc/a, environment: staging}}
cases:
  - {name: one, expect: {decision: REQUIRE_APPROVAL}}
  - {name: two, set: {resource.environment: production}, expect: {decision: DENY}}
  - {name: three, set: {agent.role: senior}, expect: {decision: DENY}}
  - {name: four, set: {action: other}, expect: {decision: DENY}}
`

// TestNoFieldOfARuleIsInert changes every line of a rule, and finds another
// verdict or a refusal each time.
func TestNoFieldOfARuleIsInert(t *testing.T) {
	before := answers(t, inertBundle)
	for field, change := range map[string][2]string{
		"id":             {"id: r", "id: q"},
		"match.action":   {"action: deploy, agent.role: junior}", "action: other, agent.role: junior}"},
		"match.atom":     {"action: deploy, agent.role: junior}", "action: deploy, agent.role: senior}"},
		"match.no-atom":  {"action: deploy, agent.role: junior}", "action: deploy}"},
		"when":           {"when: resource.environment == \"staging\"\n    effect", "when: resource.environment == \"production\"\n    effect"},
		"when.none":      {"    when: resource.environment == \"staging\"\n", ""},
		"effect":         {"effect: REQUIRE_APPROVAL", "effect: ALLOW"},
		"risk":           {"risk: medium", "risk: high"},
		"risk.none":      {"    risk: medium\n", ""},
		"approvals":      {"approvals: 4", "approvals: 5"},
		"approvals.none": {"    approvals: 4\n", ""},
		"approval":       {"approval: w", "approval: x"},
		"approval.none":  {"    approval: w\n", ""},
		"quorum":         {"name: w\nquorum: 3", "name: w\nquorum: 5"},
		"constraints":    {"    constraints: {canary: true}\n", ""},
		"reason":         {"Ask first.", "Ask later."},
		"advice":         {"Ask the team.", "Ask the owner."},
		"mode":           {"mode: enforce", "mode: shadow"},
	} {
		changed := strings.Replace(inertBundle, change[0], change[1], 1)
		if changed == inertBundle {
			t.Fatalf("%s: nothing changed", field)
		}
		if after := answers(t, changed); slices.Equal(before, after) {
			t.Errorf("%s: the change from %q to %q changes no verdict and is not reported", field, change[0], change[1])
		}
	}
}

// answers returns the verdicts of the bundle's cases without the policy
// version, or what the compiler says.
func answers(t *testing.T, source string) []string {
	t.Helper()
	b, diagnostics := pdl.Compile([]pdl.File{{Name: "b.yaml", Data: []byte(source)}})
	if diagnostics.HasErrors() {
		return []string{diagnostics[0].String()}
	}
	p := lower(t, b)
	var list []string
	for _, c := range b.Tests {
		v, err := p.Decide(inputOf(t, c))
		if err != nil {
			t.Fatal(err)
		}
		v.PolicyVersion = ""
		list = append(list, text(t, v))
	}
	return list
}

// TestEveryFieldOfALoweredRuleIsRead changes each field of the compiled rule,
// table rows included, so that a field added to it cannot be forgotten here.
func TestEveryFieldOfALoweredRuleIsRead(t *testing.T) {
	changes := map[string]func(*pdl.Rule){
		"Name":        func(r *pdl.Rule) { r.Name = "p/q" },
		"Actions":     func(r *pdl.Rule) { r.Actions = []string{"other"} },
		"Match":       func(r *pdl.Rule) { r.Match = nil },
		"Beats":       func(r *pdl.Rule) { r.Beats = []pdl.Atoms{{{Path: "agent.role", Values: []string{"junior"}}}} },
		"When":        func(r *pdl.Rule) { r.When = nil },
		"Effect":      func(r *pdl.Rule) { r.Effect, r.Approvals, r.Approval = 2, 0, "" },
		"Risk":        func(r *pdl.Rule) { r.Risk = 3 },
		"Approvals":   func(r *pdl.Rule) { r.Approvals = 9 },
		"Approval":    func(r *pdl.Rule) { r.Approval = "x" },
		"Votes":       func(r *pdl.Rule) { r.Votes = nil },
		"Constraints": func(r *pdl.Rule) { r.Constraints = nil },
		"Reason":      func(r *pdl.Rule) { r.Reason = "" },
		"Advice":      func(r *pdl.Rule) { r.Advice = "" },
		"Shadow":      func(r *pdl.Rule) { r.Shadow = true },
		"Pos":         nil, // for diagnostics alone
		"Row":         nil, // for coverage alone
	}
	verdicts := func(change func(*pdl.Rule)) (list []string) {
		b := compile(t, pdl.File{Name: "b.yaml", Data: []byte(inertBundle)})
		change(b.Rules[0])
		p := lower(t, b)
		for _, c := range b.Tests {
			e := p.NewEvaluator(eval.Config{})
			v, err := e.Decide(eval.Input{Request: c.Request, Now: noon()})
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, text(t, v)+fmt.Sprint(e.Asked()))
		}
		return list
	}
	before := verdicts(func(*pdl.Rule) {})
	fields := reflect.TypeFor[pdl.Rule]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		change, known := changes[name]
		if !known {
			t.Errorf("pdl.Rule.%s is not covered: say how a change of it shows", name)
		} else if change != nil && slices.Equal(before, verdicts(change)) {
			t.Errorf("a change of pdl.Rule.%s changes no verdict", name)
		}
	}
}
