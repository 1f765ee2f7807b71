package eval_test

import (
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A request may be a megabyte and a policy careless: neither together may hold
// the kernel up.
func TestAConditionThatTakesTooMuchWorkDenies(t *testing.T) {
	const schema = `
pdl: v1
kind: schema
name: s
agents: any
resources: {svc: {}}
actions:
  go: {resource: svc, params: {"labels": "list(string, ..60000)"}}
---
pdl: v1
kind: policy
name: p
rules:
  - {id: allow, match: {action: go}, effect: ALLOW}
  - id: slow
    match: {action: go}
    when: 'CONDITION'
    effect: DENY
`
	short := make([]any, 60000)
	for i := range short {
		short[i] = "a"
	}
	long := make([]any, 250)
	for i := range long {
		long[i] = strings.Repeat("x", 4000)
	}
	for _, c := range []struct {
		condition string
		labels    []any
	}{
		{`params.labels.exists(a, params.labels.exists(b, a == b && a != b))`, short},
		{`params.labels.all(a, params.labels.exists_one(b, b == "z") == false)`, short},
		{`params.labels.exists(a, a.matches("(x?){200}y"))`, long},
		{`params.labels.exists(a, a.matches("x.{400}y"))`, long},
		{`params.labels.exists(a, params.labels.exists(b, b.matches("(x|xx|xxx){60}y")))`, long},
		{`params.labels.exists(a, (a + "z") in params.labels)`, short},
		{`params.labels.exists(a, params.labels.exists(b, a.contains(b + "y")))`, long},
	} {
		bundle, diags := pdl.Compile([]pdl.File{{Name: "b.yaml", Data: []byte(strings.Replace(schema, "CONDITION", c.condition, 1))}})
		if bundle == nil {
			t.Errorf("%s: %v", c.condition, diags)
			continue
		}
		program, err := eval.New(bundle)
		if err != nil {
			t.Fatal(err)
		}
		v, err := program.Decide(eval.Input{Now: time.Unix(1_700_000_000, 0), Request: kernel.Request{
			Agent: kernel.Agent{ID: "agent-001"}, Action: "go", Resource: kernel.Resource{Type: "svc", ID: "x"},
			Params: map[string]any{"labels": c.labels},
		}})
		if err != nil || v.Code != kernel.CodeEvaluationError {
			t.Errorf("%s: %s %s, %v, want %s", c.condition, v.Decision, v.Code, err, kernel.CodeEvaluationError)
		}
	}
}

// TestTheWorkOfAConditionIsThatOfItsParts: taking checks out of a condition
// moves the point where its work is used up by not one step.
func TestTheWorkOfAConditionIsThatOfItsParts(t *testing.T) {
	const source = `
pdl: v1
kind: schema
name: s
agents: any
strict: false
resources: {svc: {}}
actions:
  go: {resource: svc, params: {a: "list(int, ..60000)", b: "list(int, ..60000)", c: "list(int, ..60000)", word: string, n: int}}
---
pdl: v1
kind: policy
name: p
rules:
  - id: slow
    match: {action: go}
    when: params.n < 9 && params.a.all(x, params.b.all(y, x == y)) && params.word in ["a", "b", "c"] && params.c.all(z, z == 0) && params.word != "z" && params.word in ["1", "2", "3", "4", "5", "6", "7", "8", "9", "a"]
    effect: ALLOW
`
	p, _ := program(t, strings.Replace(source, "when: ", "when: |\n      ", 1))
	e := p.NewEvaluator(eval.Config{Paranoid: true})
	zeros := func(n int) []any {
		list := make([]any, n)
		for i := range list {
			list[i] = int64(0)
		}
		return list
	}
	// 2048 × (1 + 2046) steps of the loops inside each other, 1 + 3 of the short
	// list, none of the long one, and as many of the last loop as it has elements.
	const left = 1<<22 - 2048*2047 - 4
	for n := left - 3; n <= left+3; n++ {
		v, err := e.Decide(eval.Input{Now: noon(), Request: kernel.Request{
			Agent: kernel.Agent{ID: "agent-001"}, Action: "go", Resource: kernel.Resource{Type: "svc", ID: "x"},
			Params: map[string]any{"a": zeros(2048), "b": zeros(2046), "c": zeros(n), "word": "a", "n": int64(1)},
		}})
		want := kernel.CodeRule
		if n > left {
			want = kernel.CodeEvaluationError
		}
		if err != nil || v.Code != want {
			t.Errorf("with %d steps left, %d are taken: %s, %v, want %s", left, n, v.Code, err, want)
		}
	}
}
