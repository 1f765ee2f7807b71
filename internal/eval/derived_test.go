package eval_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

const derivedHead = `pdl: v1
kind: schema
name: s
agents: any
strict: false
agent: {role: "enum(a, b)"}
resources: {r: {}}
actions: {act: {resource: r, params: {x: int, y: int}}}
---
pdl: v1
kind: table
name: t
match: {action: act}
variables:
  x: '10 / params.x == 1 ? "p" : 10 / params.x == 2 ? "q" : "s"'
  y: '10 / params.y == 1 ? "p" : 10 / params.y == 2 ? "q" : "s"'
inputs: [agent.role, variables.x, variables.y]
outputs: [effect]
rows:
`

// derivedValues are the values of the three inputs, and the parameters that
// give a variable each of them; 0 lets it err.
var (
	derivedValues = [][]string{{"a", "b"}, {"p", "q", "s"}, {"p", "q", "s"}}
	parameterFor  = map[string]int64{"p": 10, "q": 5, "s": 3, "error": 0}
)

// TestTablesOverVariablesLikeTheText decides every cell of random tables as
// the specification reads: of the rows that match a cell wins the one whose
// explicit columns hold those of all others.
func TestTablesOverVariablesLikeTheText(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	tables, erred := 0, 0
	for range 200 {
		rows := [][]string{{"*", "*", "*"}}
		for range 1 + random.IntN(6) {
			row := make([]string, 3)
			for i, values := range derivedValues {
				row[i] = append([]string{"*"}, values...)[random.IntN(len(values)+1)]
			}
			rows = append(rows, row)
		}
		text := derivedHead
		for i, row := range rows {
			text += fmt.Sprintf("  - [%q, %q, %q, %s]\n", row[0], row[1], row[2], kernel.EffectNames()[i%2])
		}
		b, found := pdl.Compile([]pdl.File{{Name: "t.yaml", Data: []byte(strings.ReplaceAll(text, "REQUIRE_APPROVAL", "DENY"))}})
		if found.HasErrors() {
			continue // two rows for one cell
		}
		tables++
		e := lower(t, b).NewEvaluator(eval.Config{Paranoid: true})
		for _, role := range derivedValues[0] {
			for x := range parameterFor {
				for y := range parameterFor {
					erred += derivedCell(t, e, rows, role, x, y)
				}
			}
		}
	}
	if tables < 40 || erred < 100 {
		t.Errorf("%d tables with %d errors were decided, want more than 40 and 100", tables, erred)
	}
}

// derivedCell decides a cell; it returns 1 where the verdict is an error.
func derivedCell(t *testing.T, e *eval.Evaluator, rows [][]string, role, x, y string) int {
	t.Helper()
	v, err := e.Decide(eval.Input{Now: noon(), Request: kernel.Request{
		Agent: kernel.Agent{ID: "agent-001", Attributes: map[string]any{"role": role}}, Action: "act", Resource: kernel.Resource{Type: "r", ID: "r"},
		Params: map[string]any{"x": parameterFor[x], "y": parameterFor[y]},
	}})
	if err != nil {
		t.Fatal(err)
	}
	winners := winnersOf(rows, role, x, y)
	if len(winners) == 1 && v.Code == kernel.CodeRule && slices.Equal(v.Rules, winners) {
		return 0
	}
	if v.Code != kernel.CodeEvaluationError || x != "error" && y != "error" {
		t.Fatalf("%v: %s %s %s = %s %v, want %v", rows, role, x, y, v.Code, v.Rules, winners)
	}
	for _, name := range winners {
		if !slices.Contains(v.Rules, name) {
			t.Fatalf("%v: %s %s %s errs in %v, and not in %s, which could win", rows, role, x, y, v.Rules, name)
		}
	}
	return 1
}

// winnersOf lists the rows that win for some values of the variables that err.
func winnersOf(rows [][]string, role, x, y string) []string {
	var names []string
	for _, px := range derivedValues[1] {
		for _, py := range derivedValues[2] {
			if x != "error" && x != px || y != "error" && y != py {
				continue
			}
			best := rows[0]
			for _, row := range rows {
				if fits(row, []string{role, px, py}) && strings.Count(strings.Join(row, ""), "*") < strings.Count(strings.Join(best, ""), "*") {
					best = row
				}
			}
			names = append(names, "t/"+strings.Join(best, "-"))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func fits(row, cell []string) bool {
	for i, v := range row {
		if v != "*" && v != cell[i] {
			return false
		}
	}
	return true
}
