package pdl_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

const costSchema = `pdl: v1
kind: schema
name: s
agents: any
strict: false
resources: {svc: {}}
actions:
  plain: {resource: svc}
  mcp.*: {resource: svc, params: {text: string(..100), long: string, words: "list(string(..8), ..16)", all: "list(string, ..65536)"}}
---
pdl: v1
kind: policy
name: p
rules:
`

func costs(t *testing.T, rules string) []pdl.Cost {
	t.Helper()
	b, found := pdl.Compile([]pdl.File{{Name: "s.yaml", Data: []byte(costSchema + rules)}})
	if b == nil {
		t.Fatalf("Compile: %v", found)
	}
	return b.Costs()
}

func TestCostsAddUpWhatCanMatchAnAction(t *testing.T) {
	have := costs(t, `
  - {id: family, match: {action: mcp.*}, effect: DENY, when: params.text.contains("x")}
  - {id: single, match: {action: mcp.a.b}, effect: DENY, when: params.long.contains("x")}
  - {id: silent, match: {action: mcp.c}, effect: DENY}
  - {id: other, match: {action: plain}, effect: DENY}
`)
	if len(have) != 2 || have[0].Action != "mcp.a.b" || have[1].Action != "mcp.*" {
		t.Fatalf("Costs() = %+v, want those of mcp.a.b and of mcp.*, and none of rules without conditions", have)
	}
	single, family := have[0], have[1]
	if single.Rules != 2 || family.Rules != 1 || single.Dearest != "p/single" || family.Dearest != "p/family" {
		t.Errorf("Costs() = %+v, want 2 rules with p/single and 1 with p/family", have)
	}
	if single.Steps != family.Steps+single.DearestSteps {
		t.Errorf("Costs() = %+v, want the sum of both rules for mcp.a.b", have)
	}
}

func TestCostsGrowWithDeclaredLengths(t *testing.T) {
	tests := []struct {
		condition   string
		least, most int64
	}{
		{`params.text.contains("x")`, 400 / 32, 100},
		{`params.long.contains("x")`, 4 * 4096 / 32, 1_000},
		{`params.text.matches("a{10}b")`, 400 * 10, 400 * 40},
		{`params.words.exists(w, w == "x")`, 16 * 2, 16 * 40},
		{`params.words.exists(w, params.words.exists(v, v == w))`, 16 * 16 * 2, 16 * 16 * 40},
		{`params.all.exists(a, a.contains("x"))`, 65536, 65536 * 40},
	}
	for _, test := range tests {
		have := costs(t, fmt.Sprintf("\n  - id: r\n    match: {action: mcp.*}\n    effect: DENY\n    when: |\n      %s\n", test.condition))
		if steps := have[0].Steps; steps < test.least || steps > test.most {
			t.Errorf("Costs() of %s = %d steps, want %d to %d", test.condition, steps, test.least, test.most)
		}
	}
}

func TestTheTimeOfACostDoesNotOverflow(t *testing.T) {
	for _, test := range []struct {
		steps int64
		want  time.Duration
	}{{0, 0}, {1_000_000, 3 * time.Millisecond}, {math.MaxInt64, math.MaxInt64 / 3 * 3}} {
		if have := (pdl.Cost{Steps: test.steps}).Time(); have != test.want {
			t.Errorf("Time() of %d steps = %v, want %v", test.steps, have, test.want)
		}
	}
}
