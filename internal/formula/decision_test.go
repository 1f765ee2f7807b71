package formula_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/formula"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/smt"
)

const older = `pdl: v1
kind: schema
name: decisions
agents: any
strict: false
agent: {role: "enum(clerk, manager)", team: "string(..8)"}
resources:
  doc: {owner: "string(..8)", zone?: "enum(eu, us)"}
  box: {}
actions:
  act: {resource: [doc, box], params: {n: "int(0..9)", k?: "int(0..9)"}}
  tool.*: {resource: box}
constraints: {hosts: set.intersect, most: int.min, least: int.max, notify: flag, tags: set.union}
---
pdl: v1
kind: approval
name: board
quorum: 3
of: [{role: lead}]
---
pdl: v1
kind: policy
name: p
rules:
  - {id: own, match: {action: act, resource.type: doc}, when: agent.team == resource.owner, effect: ALLOW, constraints: {hosts: [a, b], most: 5, tags: [x]}}
  - {id: manager, match: {action: act, agent.role: manager}, effect: ALLOW, constraints: {hosts: [b], most: 3, least: 2}}
  - {id: erring, match: {action: act}, when: params.n == 7 && params.k > 1, effect: ALLOW, constraints: {least: 4, notify: true, tags: [y]}}
  - {id: denied, match: {action: act}, when: 'has(params.k) && params.k > 3', effect: DENY, risk: high}
  - {id: one, match: {action: act}, when: params.n == 5, effect: REQUIRE_APPROVAL, approvals: 1}
  - {id: board, match: {action: act}, when: params.n == 5 || params.n == 6, effect: REQUIRE_APPROVAL, approval: board, risk: critical}
  - {id: elsewhere, match: {action: act}, when: params.n == 3, effect: ALLOW, constraints: {hosts: [c]}}
  - {id: reading, match: {action: tool.*}, when: action.startsWith("tool.read"), effect: ALLOW}
  - {id: special, match: {action: tool.special}, effect: REQUIRE_APPROVAL, approvals: 2}
---
pdl: v1
kind: table
name: zones
match: {action: act, resource.type: box}
inputs: [agent.role]
outputs: [effect]
rows:
  - [manager, ALLOW]
  - ["*", DENY]
`

// TestDecisionsAreLikeTheEvaluators tries every input of a small domain on
// pairs of bundles: what formulas say of the decisions, one by one and compared,
// is what the evaluator decides. No solver is asked.
func TestDecisionsAreLikeTheEvaluators(t *testing.T) {
	points := 0
	for name, replace := range map[string][2]string{
		"the same":           {"name: decisions", "name: decisions"},
		"a bound":            {"{least: 4, notify", "{least: 3, notify"},
		"a smaller bound":    {"hosts: [b], most: 3", "hosts: [b], most: 4"},
		"a flag":             {"notify: true, ", ""},
		"a set":              {"tags: [y]", "tags: [x]"},
		"hosts":              {"hosts: [a, b], ", "hosts: [b, c], "},
		"a quorum":           {"quorum: 3", "quorum: 2"},
		"a risk":             {"effect: DENY, risk: high", "effect: DENY, risk: medium"},
		"a range":            {`n: "int(0..9)"`, `n: "int(0..6)"`},
		"a wider range":      {`n: "int(0..9)"`, `n: "int(0..20)"`},
		"an enum":            {"enum(clerk, manager)", "enum(clerk, manager, auditor)"},
		"what is optional":   {"zone?:", "zone:"},
		"a row":              {"  - [manager, ALLOW]\n", ""},
		"a rule of the type": {"agent.role: manager}", "agent.role: manager, resource.type: doc}"},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := parse(t, older), parse(t, replaced(t, older, replace[0], replace[1]))
			cells := formula.Cells(a.bundle, b.bundle)
			for _, cell := range cells {
				points += comparePair(t, cell, cells, a, b)
			}
		})
	}
	if points < 1000 {
		t.Errorf("%d inputs were compared, want 1,000 at least", points)
	}
}

// A parsed bundle, and the program that evaluates it.
type parsed struct {
	bundle  *pdl.Bundle
	source  *formula.Source
	program *eval.Program
}

func parse(t *testing.T, source string) parsed {
	t.Helper()
	b, diagnostics := pdl.Compile([]pdl.File{{Name: "test.yaml", Data: []byte(source)}})
	if b == nil {
		t.Fatal(diagnostics)
	}
	p, err := eval.New(b)
	if err != nil {
		t.Fatal(err)
	}
	return parsed{b, formula.Of(b), p}
}

func replaced(t *testing.T, text, old, with string) string {
	t.Helper()
	before, after, found := strings.Cut(text, old)
	if !found {
		t.Fatalf("there is no %q", old)
	}
	return before + with + after
}

// said is what a bundle says of an input; one that it does not take it denies.
func (p parsed) said(t *testing.T, in formula.Input) (v kernel.Verdict, taken bool) {
	t.Helper()
	v, err := p.program.Decide(eval.Input{Request: in.Request, Facts: in.Facts, Now: in.Now})
	var problem *kernel.Error
	if errors.As(err, &problem) {
		return kernel.Verdict{Decision: kernel.Deny}, false
	}
	if err != nil {
		t.Fatal(err)
	}
	return v, true
}

// comparePair compares two bundles at all inputs of a cell that one of them
// takes.
func comparePair(t *testing.T, cell formula.Cell, cells []formula.Cell, a, b parsed) (points int) {
	t.Helper()
	e, reason := formula.New(cell, cells, formula.Config{}, a.source, b.source)
	if e == nil {
		t.Fatal(reason)
	}
	dec := [2]formula.Decision{}
	for i := range dec {
		dec[i] = e.Decide(i, e.Rules(i), e.Fits(i))
	}
	differ := e.Differ(e.View(0, dec[0], true, dec[1]), e.View(1, dec[1], true, dec[0]))
	for in := range small(cell) {
		if !e.Holds(in.Request) {
			continue
		}
		v, takenA := a.said(t, in)
		w, takenB := b.said(t, in)
		if !takenA && !takenB {
			continue
		}
		points++
		first, _ := e.Pin(0, in)
		second, _ := e.Pin(1, in)
		values := smt.NewEvaluator(smt.Fixed(e.And(first, second)))
		is := func(words string, f *smt.Term, want bool) {
			t.Helper()
			if got, known := values.Value(f); !known || got.Bool != want {
				t.Errorf("%v: %s is %v (known %v) in formulas, want %v, of %+v", cell, words, got.Bool, known, want, in.Request)
			}
		}
		for i, v := range []kernel.Verdict{v, w} {
			is("ALLOW", dec[i].Allow, v.Decision == kernel.Allow)
			is("REQUIRE_APPROVAL", dec[i].Ask, v.Decision == kernel.RequireApproval)
			is("DENY", dec[i].Deny, v.Decision == kernel.Deny)
			is("an error", dec[i].Errs, v.Code == kernel.CodeEvaluationError)
			is("the default", dec[i].Default, v.Code == kernel.CodeNoMatchingRule)
			for n := 1; n <= 3; n++ {
				is(fmt.Sprint("approvals ", n), e.AtLeast(dec[i], n), v.ApprovalsRequired >= n)
			}
			is("the board", e.Asks(dec[i], "board"), slices.Contains(v.Workflows, "board"))
		}
		is("it fits the first", e.Fits(0), takenA)
		is("it fits the second", e.Fits(1), takenB)
		if takenA && takenB {
			is("a difference", differ, !saysTheSame(v, w))
		}
	}
	return points
}

func saysTheSame(v, w kernel.Verdict) bool {
	return v.Decision == w.Decision && v.ApprovalsRequired == w.ApprovalsRequired && v.RiskLevel == w.RiskLevel && slices.Equal(v.Workflows, w.Workflows) &&
		(len(v.Constraints) == 0 && len(w.Constraints) == 0 || reflect.DeepEqual(v.Constraints, w.Constraints))
}

// small yields the inputs of a small domain.
func small(cell formula.Cell) func(yield func(formula.Input) bool) {
	return func(yield func(formula.Input) bool) {
		for _, action := range []string{"act", "tool.read", "tool.reading.all", "tool.special", "tool.write"} {
			for _, role := range []string{"clerk", "manager", "auditor"} {
				for _, zone := range []any{nil, "eu"} {
					for _, team := range []string{"a", "b"} {
						for n := range int64(12) {
							for _, k := range []any{nil, int64(2), int64(4)} {
								if in := smallInput(cell, action, role, team, zone, n, k); !yield(in) {
									return
								}
							}
						}
					}
				}
			}
		}
	}
}

func smallInput(cell formula.Cell, action, role, team string, zone any, n int64, k any) formula.Input {
	in := formula.Input{Now: time.Unix(1_800_000_000, 0).UTC(), Facts: map[string]any{}, Request: kernel.Request{
		Action:   action,
		Agent:    kernel.Agent{ID: "agent-001", Attributes: map[string]any{"role": role, "team": team}},
		Resource: kernel.Resource{Type: cell.ResourceType, ID: "r", Attributes: map[string]any{}},
		Params:   map[string]any{}, Context: map[string]any{},
	}}
	if cell.ResourceType == "doc" {
		in.Request.Resource.Attributes["owner"] = "a"
		if zone != nil {
			in.Request.Resource.Attributes["zone"] = zone
		}
	}
	if action == "act" {
		in.Request.Params["n"] = n
		if k != nil {
			in.Request.Params["k"] = k
		}
	}
	return in
}
