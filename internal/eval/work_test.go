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
