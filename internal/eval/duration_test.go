package eval_test

import (
	"errors"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
)

const durationBundle = `
pdl: v1
kind: schema
name: s
agents: any
resources: {lease: {term: duration}}
actions: {extend: {resource: lease}}
---
pdl: v1
kind: policy
name: p
rules:
  - {id: short, match: {action: extend}, when: resource.term <= duration("1h"), effect: ALLOW}
---
pdl: v1
kind: test
name: t
base: {action: extend, agent: {id: agent-001}, resource: {type: lease, id: l, term: 1h}}
cases: [{name: an hour, expect: {decision: ALLOW}}]
`

func TestDurationsOfRequests(t *testing.T) {
	p, b := program(t, durationBundle)
	for _, c := range []struct {
		term    any
		want    kernel.Effect
		invalid bool
	}{
		{term: "1h", want: kernel.Allow}, {term: "60m0.0s", want: kernel.Allow}, {term: "0", want: kernel.Allow}, {term: "-876000h", want: kernel.Allow},
		{term: "1h0.000000001s", want: kernel.Deny}, {term: "876000h", want: kernel.Deny},
		{term: "876000h1ns", invalid: true}, {term: "-876000h1ns", invalid: true}, {term: "1d", invalid: true}, {term: "", invalid: true},
		{term: "1h ", invalid: true}, {term: int64(3600), invalid: true}, {term: nil, invalid: true}, {term: []any{"1h"}, invalid: true},
	} {
		in := inputOf(t, b.Tests[0])
		in.Request.Resource.Attributes = map[string]any{"term": c.term}
		v, err := p.Decide(in)
		var e *kernel.Error
		switch refused := errors.As(err, &e) && e.Code == kernel.Invalid && e.Path == "$.resource.term"; {
		case refused != c.invalid || !refused && err != nil:
			t.Errorf("Decide with the term %v = %v, want invalid %v", c.term, err, c.invalid)
		case !c.invalid && v.Decision != c.want:
			t.Errorf("Decide with the term %v = %v, want %v", c.term, v.Decision, c.want)
		}
	}
}

func TestDurationsAreDecidedWithoutAllocating(t *testing.T) {
	p, b := program(t, durationBundle)
	e := p.NewEvaluator(eval.Config{})
	in := inputOf(t, b.Tests[0])
	if n := testing.AllocsPerRun(100, func() {
		if _, err := e.Decide(in); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("Decide allocates %v times, want 0", n)
	}
}
