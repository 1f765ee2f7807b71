package eval_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/eval"
)

const measured = `
pdl: v1
kind: schema
name: s
agents: any
agent: {role: "enum(junior, senior)", level: int, "note?": string, on: bool}
resources: {service: {tier: "enum(gold, silver)"}}
actions: {deploy: {resource: service}, restart: {resource: service}}
---
pdl: v1
kind: policy
name: p
variables:
  loud: has(agent.note) || agent.on
rules:
  - id: chain
    match: {action: deploy}
    when: |
      agent.level > 3 &&
        (agent.role == "junior" || agent.on)
    effect: ALLOW
  - id: arms
    match: {action: deploy}
    when: 'agent.on ? agent.level > 5 : agent.level > 7'
    effect: ALLOW
  - id: named
    match: {action: deploy}
    when: variables.loud || agent.level > 9
    effect: DENY
    mode: shadow
  - id: absent
    match: {action: deploy}
    when: has(agent.note) && agent.note == "x"
    effect: DENY
---
pdl: v1
kind: table
name: t
match: {action: restart}
inputs: [resource.tier]
outputs: [effect]
rows:
  - [gold, DENY]
  - [silver, ALLOW]
---
pdl: v1
kind: test
name: cases
base:
  action: deploy
  agent: {id: agent-001, role: junior, level: 4, on: false}
  resource: {type: service, id: a, tier: silver}
cases:
`

func TestCoverFully(t *testing.T) {
	for _, c := range []struct {
		name, cases     string
		points, covered int
		matched, won    []string
		branches        []string
	}{
		{"one case", "  - {name: a, expect: {decision: ALLOW}}\n", 31, 10, []string{"p/absent", "p/arms", "p/named"}, []string{"t/gold", "t/silver"}, []string{
			`p/absent: has(agent.note) true`, `p/absent: agent.note == "x" true false`,
			`p/arms: agent.on true`, `p/arms: agent.level > 5 true false`, `p/arms: agent.level > 7 true`,
			`p/chain: agent.level > 3 false`, `p/chain: agent.role == "junior" false`, `p/chain: agent.on true`,
			`p/named: variables.loud true`, `p/named: agent.level > 9 true`,
		}},
		{"all of it", `
  - {name: a, expect: {decision: ALLOW}}
  - {name: b, set: {agent.level: 10, agent.role: senior}, expect: {decision: ALLOW}}
  - {name: c, set: {agent.level: 1, agent.on: true}, expect: {decision: DENY}}
  - {name: d, set: {agent.level: 6, agent.on: true, agent.note: x}, expect: {decision: DENY}}
  - {name: e, set: {agent.note: y}, expect: {decision: ALLOW}}
  - {name: f, set: {action: restart}, expect: {decision: ALLOW}}
  - {name: g, set: {action: restart, resource.tier: gold}, expect: {decision: DENY}}
`, 31, 31, nil, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, b := program(t, measured+c.cases)
			got := eval.CoverFully(p, b.Tests)
			var branches []string
			for _, x := range got.Branches {
				line := fmt.Sprintf("%s: %s", x.Rule, x.Source)
				if x.NeverTrue {
					line += " true"
				}
				if x.NeverFalse {
					line += " false"
				}
				if x.File == "" || x.Line == 0 || x.Col == 0 {
					t.Errorf("%s has no place", line)
				}
				branches = append(branches, line)
			}
			if got.Points != c.points || got.Covered != c.covered || !slices.Equal(got.NeverMatched, c.matched) && len(got.NeverMatched)+len(c.matched) > 0 ||
				!slices.Equal(got.NeverWon, c.won) && len(got.NeverWon)+len(c.won) > 0 {
				t.Errorf("CoverFully = %s, want %d of %d, never matched %v, never won %v", text(t, got), c.covered, c.points, c.matched, c.won)
			}
			if !slices.Equal(branches, c.branches) {
				t.Errorf("branches:\n%s\nwant\n%s", strings.Join(branches, "\n"), strings.Join(c.branches, "\n"))
			}
			if want := float64(1000*c.covered/c.points) / 10; got.Percent != want {
				t.Errorf("percent = %v, want %v", got.Percent, want)
			}
		})
	}
}

// TestCoverFullyOfTheCorpus: what the corpus measures of itself holds together.
func TestCoverFullyOfTheCorpus(t *testing.T) {
	for _, path := range corpusFiles(t) {
		p, b := program(t, string(read(t, path)))
		got := eval.CoverFully(p, b.Tests)
		brief := eval.RunTests(p, b.Tests).Coverage
		if n := len(got.NeverMatched) + len(got.NeverWon); n != len(brief.NeverMatched) {
			t.Errorf("%s: %d rules never matched, the brief coverage says %d", path, n, len(brief.NeverMatched))
		}
		if got.Covered > got.Points || got.Percent < 30 {
			t.Errorf("%s: %d of %d points, %v%%", path, got.Covered, got.Points, got.Percent)
		}
		for _, x := range got.Branches {
			if !x.NeverTrue && !x.NeverFalse {
				t.Errorf("%s: %s was both and is listed", path, x.Source)
			}
		}
	}
	if got := eval.CoverFully(mustProgram(t, tested), nil); got.Points == 0 || got.Covered != 0 || got.Percent != 0 {
		t.Errorf("without a case %s is covered", text(t, got))
	}
}

func mustProgram(t *testing.T, text string) *eval.Program {
	t.Helper()
	p, _ := program(t, strings.TrimSuffix(text, "cases:\n")+"cases: [{name: a, expect: {decision: ALLOW}}]\n")
	return p
}
