package eval_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/eval"
)

const tested = `
pdl: v1
kind: schema
name: s
agents: any
resources:
  service: {}
actions:
  deploy: {resource: service, risk: medium, params: {on: list(string)}}
constraints: {canary: flag, zones: set.union}
---
pdl: v1
kind: policy
name: p
rules:
  - {id: allow, match: {action: deploy}, when: '"allow" in params.on', effect: ALLOW, constraints: {canary: true, zones: [b, a]}}
  - {id: ask, match: {action: deploy}, when: '"ask" in params.on', effect: REQUIRE_APPROVAL, reason: Ask first.}
  - {id: deny, match: {action: deploy}, when: '"deny" in params.on', effect: DENY, advice: Wait.}
  - {id: idle, match: {action: deploy}, when: '"idle" in params.on', effect: ALLOW}
  - {id: shade, match: {action: deploy}, when: '"shade" in params.on', effect: DENY, mode: shadow}
  - {id: dark, match: {action: deploy}, when: '"dark" in params.on', effect: DENY, mode: shadow}
---
pdl: v1
kind: test
name: t
base:
  action: deploy
  agent: {id: agent-001}
  resource: {type: service, id: svc/a}
  params: {"on": [allow, shade]}
cases:
`

func TestRunTestsSaysWhatDiffers(t *testing.T) {
	for _, c := range []struct {
		name, expect, on string
		diff             []string
	}{
		{"nothing", "{decision: ALLOW, risk_level: medium, approvals_required: 0, code: RULE, reason: allowed by p/allow, advice: '', " +
			"constraints: {zones: [a, b], canary: true}, rules: [p/allow], rules_include: [p/allow]}", "", nil},
		{"the order of rules", "{rules: [p/ask, p/deny]}", "[deny, ask]", nil},
		{"the decision", "{decision: DENY}", "", []string{`decision: want "DENY", have "ALLOW"`}},
		{"the risk", "{risk_level: low}", "", []string{`risk_level: want "low", have "medium"`}},
		{"the approvals", "{approvals_required: 2}", "[ask]", []string{`approvals_required: want 2, have 1`}},
		{"the code", "{code: NO_MATCHING_RULE}", "", []string{`code: want "NO_MATCHING_RULE", have "RULE"`}},
		{"the reason", "{reason: Because.}", "[ask]", []string{`reason: want "Because.", have "Ask first."`}},
		{"the advice", "{advice: Go.}", "[deny]", []string{`advice: want "Go.", have "Wait."`}},
		{"the constraints", "{constraints: {}}", "", []string{`constraints: want {}, have {"canary":true,"zones":["a","b"]}`}},
		{"the rules", "{rules: [p/deny]}", "[deny, allow]", []string{`rules: want ["p/deny"], have ["p/allow","p/deny"]`}},
		{"the rules to include", "{rules_include: [p/deny]}", "", []string{`rules: want at least ["p/deny"], have ["p/allow"]`}},
		{"several members", "{decision: DENY, code: RULE, risk_level: high}", "", []string{`decision: want "DENY", have "ALLOW"`, `risk_level: want "high", have "medium"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := ""
			if c.on != "" {
				set = ", set: {params.on: " + c.on + "}"
			}
			p, b := program(t, tested+"  - {name: c, expect: "+c.expect+set+"}\n")
			report := eval.RunTests(p, b.Tests)
			if got := fmt.Sprint(report.Cases[0].Diff); got != fmt.Sprint(c.diff) {
				t.Errorf("RunTests differs in %s, want %v", got, c.diff)
			}
			if report.OK() != (c.diff == nil) || report.Cases[0].Pass != report.OK() || report.Passed+report.Failed != 1 {
				t.Errorf("RunTests = %s", text(t, report))
			}
		})
	}
}

func TestRunTestsCounts(t *testing.T) {
	p, b := program(t, tested+`
  - {name: one, expect: {decision: ALLOW}}
  - {name: two, set: {params.on: [allow, deny]}, expect: {decision: DENY}}
  - {name: three, set: {params.on: [allow, ask]}, expect: {decision: ALLOW}}
`)
	report := eval.RunTests(p, b.Tests)
	if report.Passed != 2 || report.Failed != 1 || len(report.Cases) != 3 || report.OK() {
		t.Errorf("RunTests = %s, want 2 passed, 1 failed", text(t, report))
	}
	var names []string
	for _, c := range report.Cases {
		names = append(names, fmt.Sprintf("%s %v %v", c.Name, c.Pass, c.Pos.Line > 0))
	}
	if want := []string{"t/one true true", "t/two true true", "t/three false true"}; !slices.Equal(names, want) {
		t.Errorf("cases = %v, want %v", names, want)
	}
	if got := text(t, report.Coverage); got != `{"never_matched":["p/dark","p/idle"],"never_decisive":[]}` {
		t.Errorf("coverage = %s", got)
	}
}

func TestCoverageNamesRulesThatNeverDecide(t *testing.T) {
	p, b := program(t, tested+"  - {name: one, set: {params.on: [allow, deny, ask, shade, dark, idle]}, expect: {decision: DENY}}\n")
	got := text(t, eval.RunTests(p, b.Tests).Coverage)
	if want := `{"never_matched":[],"never_decisive":["p/allow","p/ask","p/idle"]}`; got != want {
		t.Errorf("coverage = %s, want %s", got, want)
	}
}

func TestATestWithoutAnInstantIsDecidedForTheFirstOf2026(t *testing.T) {
	p, b := program(t, strings.Replace(tested, `when: '"idle" in params.on'`, `when: 'context.now == timestamp("2026-01-01T00:00:00Z")'`, 1)+
		"  - {name: one, set: {params.on: []}, expect: {rules: [p/idle]}}\n"+
		"  - {name: two, set: {params.on: [], context.now: 2026-01-01T01:00:00+01:00}, expect: {rules: [p/idle]}}\n"+
		"  - {name: three, set: {params.on: [], context.now: 2026-01-02T00:00:00Z}, expect: {rules: []}}\n")
	if report := eval.RunTests(p, b.Tests); !report.OK() {
		t.Errorf("RunTests = %s", text(t, report))
	}
}

func TestATestThatHasNoVerdictFailsWithTheSentence(t *testing.T) {
	p, b := program(t, tested+"  - {name: one, expect: {decision: ALLOW}}\n")
	for _, c := range []struct {
		name   string
		change func()
		says   string
	}{
		{"a value of another type", func() { b.Tests[0].Request.Params["on"] = "x" }, "$.params.on: a list is wanted, not a string; it is a list of at most 256 elements"},
		{"an instant that is none", func() { b.Tests[0].Now = "today" }, `context.now "today" is no RFC 3339 timestamp`},
		{"an instant out of range", func() { b.Tests[0].Now = "2200-01-01T00:00:00Z" }, "outside 1900-01-01..2190-01-01"},
	} {
		c.change()
		report := eval.RunTests(p, b.Tests)
		if got := report.Cases[0]; got.Pass || got.Verdict != nil || !strings.Contains(got.Error, c.says) || report.OK() {
			t.Errorf("%s: RunTests = %s, want an error that says %q", c.name, text(t, report), c.says)
		}
	}
}

func TestATestThatExpectsNothingFails(t *testing.T) {
	p, b := program(t, tested+"  - {name: one, expect: {decision: ALLOW}}\n")
	b.Tests[0].Expect.Decision = nil
	if report := eval.RunTests(p, b.Tests); report.OK() || report.Cases[0].Error != "the case expects nothing" {
		t.Errorf("RunTests = %s, want a failure", text(t, report))
	}
}

func TestNoTestsAreAReportOfNothing(t *testing.T) {
	p, _ := program(t, tested+"  - {name: one, expect: {decision: ALLOW}}\n")
	report := eval.RunTests(p, nil)
	if got := text(t, report); !report.OK() || !strings.HasPrefix(got, `{"cases":[],"passed":0,"failed":0,`) {
		t.Errorf("RunTests = %s", got)
	}
}
