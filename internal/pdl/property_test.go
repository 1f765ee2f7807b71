package pdl_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

const propertyText = `
pdl: v1
kind: property
name: changes
properties:
  - id: two-for-production
    scope: {action: [deploy, migrate], resource.type: service, resource.environment: production}
    assume: has(resource.owner_team)
    always: {at_least: REQUIRE_APPROVAL, approvals: 2}
    when: resource.owner_team != agent.team
  - {id: anybody, never: [ALLOW, DENY]}
  - {id: said, scope: {action: deploy}, implies: {decision: ALLOW, then: params.dry_run}, when: agent.experience_level > 3}
  - {id: inspect, scope: {action: inspect}, reachable: ALLOW}
`

func TestPropertiesAreRead(t *testing.T) {
	b := mustCompile(t, schemaText, policyText, propertyText)
	got := ""
	for _, p := range b.Properties {
		got += fmt.Sprintln(p.Name, p.Actions, p.Match, source(p.Assume), p.Claim, p.Verdicts, source(p.When), source(p.Then), p.Pos.Line)
	}
	want := `changes/anybody [deploy inspect migrate] []  never [ALLOW DENY]   11
changes/inspect [inspect] []  reachable [ALLOW]   13
changes/said [deploy] []  implies [ALLOW] agent.experience_level > 3 params.dry_run 12
changes/two-for-production [deploy migrate] [{resource.environment [production]} {resource.type [service]}] has(resource.owner_team) always [at least REQUIRE_APPROVAL with 2 approvals] resource.owner_team != agent.team  6
`
	if got != want {
		t.Errorf("properties =\n%swant\n%s", got, want)
	}
}

func source(c *pdl.Condition) string {
	if c == nil {
		return ""
	}
	return c.Source
}

// TestPropertiesAreNoPartOfTheVersion: asking changes nothing, not even where a
// property alone names a time zone.
func TestPropertiesAreNoPartOfTheVersion(t *testing.T) {
	with := func(property string) *pdl.Bundle { return mustCompile(t, schemaText, policyText, property) }
	want := mustCompile(t, schemaText, policyText)
	zoned := with(strings.Replace(propertyText, "agent.experience_level > 3", `context.now.getHours("Europe/Berlin") < 6`, 1))
	for name, b := range map[string]*pdl.Bundle{"properties": with(propertyText), "a zone": zoned} {
		if b.Version != want.Version {
			t.Errorf("%s: the version is %s, want %s", name, b.Version, want.Version)
		}
	}
	if len(want.Zones) != 0 || len(zoned.Zones) != 1 {
		t.Errorf("zones = %v and %v, want none and that of the property", want.Zones, zoned.Zones)
	}
}

func TestVerdictsHold(t *testing.T) {
	atLeast := func(e kernel.Effect, n int) pdl.Verdicts { return pdl.Verdicts{Effect: e, AtLeast: true, Approvals: n} }
	for _, c := range []struct {
		set       pdl.Verdicts
		decision  kernel.Effect
		approvals int
		want      bool
	}{
		{pdl.Verdicts{}, kernel.Deny, 0, true},
		{pdl.Verdicts{Effect: kernel.Allow}, kernel.Deny, 0, false},
		{pdl.Verdicts{Effect: kernel.RequireApproval}, kernel.RequireApproval, 1, true},
		{pdl.Verdicts{Effect: kernel.RequireApproval}, kernel.Deny, 0, false},
		{atLeast(kernel.RequireApproval, 2), kernel.RequireApproval, 1, false},
		{atLeast(kernel.RequireApproval, 2), kernel.RequireApproval, 2, true},
		{atLeast(kernel.RequireApproval, 2), kernel.Deny, 0, true},
		{atLeast(kernel.RequireApproval, 2), kernel.Allow, 0, false},
		{atLeast(kernel.RequireApproval, 0), kernel.RequireApproval, 1, true},
		{atLeast(kernel.Deny, 0), kernel.RequireApproval, 9, false},
	} {
		if got := c.set.Holds(c.decision, c.approvals); got != c.want {
			t.Errorf("%+v.Holds(%v, %d) = %v, want %v", c.set, c.decision, c.approvals, got, c.want)
		}
	}
}

// TestPropertiesKnowWhatTheyAssume: what assume says need not be tested again
// in when, nor what both say in then; but loops of one say nothing of loops of
// another.
func TestPropertiesKnowWhatTheyAssume(t *testing.T) {
	for _, c := range []struct {
		property string
		want     string // part of the error, or ""
	}{
		{`assume: has(params.version), never: ALLOW, when: params.version == "1"`, ""},
		{`when: has(params.version), implies: {decision: ALLOW, then: params.version != "0"}`, ""},
		{`implies: {decision: ALLOW, then: has(params.version)}`, ""},
		{`implies: {decision: ALLOW, then: agent.experience_level > 10}`, ""},
		{`assume: '!has(params.version)', never: ALLOW, when: params.version == "1"`, "without a test"},
		{`assume: 'agent.groups.exists(g, g == "dev")', never: ALLOW, when: 'agent.groups.exists(g, g == "oncall")'`, ""},
		{`assume: 'agent.groups.all(g, g == "dev")', never: ALLOW, when: 'agent.groups.all(g, g == "oncall")'`, ""},
	} {
		text := "pdl: v1\nkind: property\nname: p\nproperties: [{id: a, scope: {action: deploy}, " + c.property + "}]\n"
		_, found := compile(schemaText, policyText, text)
		said := ""
		for _, d := range found {
			if d.Severity == pdl.Error {
				said += d.Message
			}
		}
		if c.want == "" && said != "" || !strings.Contains(said, c.want) {
			t.Errorf("%s: the compiler says %q, want %q", c.property, said, c.want)
		}
	}
}
