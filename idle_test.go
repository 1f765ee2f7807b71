package kernel_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

const idleRounds = 150

const idleSchema = `pdl: v1
kind: schema
name: s
agents: any
agent: {role: "enum(junior, senior)", level: int(0..3)}
resources:
  service: {environment: "enum(staging, production)"}
actions:
  deploy: {resource: service}
  restart: {resource: service, risk: medium}
constraints: {canary_only: flag, max_rows: int.min}
---
pdl: v1
kind: approval
name: owners
of: [{role: owner}]
---
pdl: v1
kind: policy
name: p
rules:
`

// TestIdleRulesChangeNoAnswer leaves out every rule that a warning calls idle,
// and compares all answers.
func TestIdleRulesChangeNoAnswer(t *testing.T) {
	warned := 0
	for seed := range uint64(idleRounds) {
		g := chooser{rand.New(rand.NewPCG(seed, 42))}
		var rules []string
		for i := range 6 {
			rules = append(rules, g.idleRule(i))
		}
		b, found := compileIdle(rules)
		if b == nil {
			t.Fatalf("%v: %v", rules, found)
		}
		first := strings.Count(idleSchema, "\n") + 1
		for _, d := range found {
			if !strings.HasPrefix(d.Message, "the rule repeats") && !strings.HasPrefix(d.Message, "the rule never matters") && !strings.HasPrefix(d.Message, "the rule adds nothing") {
				continue
			}
			warned++
			rest, _ := compileIdle(slices.Delete(slices.Clone(rules), d.Line-first, d.Line-first+1))
			sameAnswers(t, b, rest, rules, d)
		}
	}
	if warned < idleRounds/4 {
		t.Errorf("only %d rules were said to be idle", warned)
	}
}

// A chooser makes rules by chance.
type chooser struct{ *rand.Rand }

func (g chooser) one(words ...string) string { return words[g.IntN(len(words))] }

func (g chooser) idleRule(i int) string {
	match := "action: " + g.one("deploy", "deploy", "restart", "[deploy, restart]") +
		g.one("", "", ", agent.role: junior", ", agent.role: [junior, senior]") + g.one("", "", ", resource.environment: staging")
	rest := g.one("", "", ", when: agent.level > 1", ", when: agent.level > 2") + g.one("", "", ", risk: high") + g.one("", "", ", mode: shadow")
	switch g.IntN(4) {
	case 0:
		rest += ", effect: DENY"
	case 1:
		rest += ", effect: REQUIRE_APPROVAL" + g.one("", ", approvals: 2") + g.one("", ", approval: owners") + g.one("", ", constraints: {max_rows: 2}")
	default:
		rest += ", effect: ALLOW" + g.one("", ", constraints: {canary_only: true}", ", constraints: {max_rows: 2}", ", constraints: {max_rows: 3, canary_only: true}")
	}
	return fmt.Sprintf("  - {id: r%d, match: {%s}%s%s}\n", i, match, rest, g.one("", "", ", reason: a", ", reason: b", ", advice: c"))
}

func compileIdle(rules []string) (*pdl.Bundle, pdl.Diagnostics) {
	return pdl.Compile([]pdl.File{{Name: "idle.yaml", Data: []byte(idleSchema + strings.Join(rules, ""))}})
}

func sameAnswers(t *testing.T, with, without *pdl.Bundle, rules []string, d pdl.Diagnostic) {
	t.Helper()
	p, err := eval.New(with)
	q, err2 := eval.New(without)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	for i := range 64 {
		in := eval.Input{Now: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
		in.Request.Agent = kernel.Agent{ID: "agent-001", Attributes: map[string]any{"role": []string{"junior", "senior"}[i%2], "level": int64(i / 2 % 4)}}
		in.Request.Action = []string{"deploy", "restart"}[i/8%2]
		in.Request.Resource = kernel.Resource{Type: "service", ID: "a", Attributes: map[string]any{"environment": []string{"staging", "production"}[i/16%2]}}
		a, b := answer(t, p, in), answer(t, q, in)
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("%s\n%s\nwith it %+v, without %+v for %+v", strings.Join(rules, ""), d, a, b, in.Request)
		}
	}
}

// answer is a verdict without the names of rules.
func answer(t *testing.T, p *eval.Program, in eval.Input) kernel.Verdict {
	t.Helper()
	v, err := p.Decide(in)
	if err != nil {
		t.Fatal(err)
	}
	v.Rules, v.PolicyVersion = nil, ""
	if strings.Contains(v.Reason, "p/r") {
		v.Reason = "" // the sentence of the kernel, which names rules
	}
	return v
}
