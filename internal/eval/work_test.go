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
	// 2048 × (1 + 2046) steps of the loops inside each other, none of what is
	// compared with constants, and as many of the last loop as it has elements.
	const left = 1<<22 - 2048*2047
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

const growing = `
pdl: v1
kind: schema
name: s
agents: any
strict: false
resources: {svc: {}}
actions:
  go: {resource: svc, params: {a: string(..500000), b: string(..500000), l: "list(string(..400000), ..2048)", n: "list(int, ..2048)"}}
---
pdl: v1
kind: policy
name: p
rules:
  - id: r
    match: {action: go}
    effect: ALLOW
    when: |
      `

// TestWhatGrowsWithTheRequestIsWork: whatever reads or builds something as long
// as the request makes it ends after a bounded number of steps, the same on
// both ways of evaluation.
func TestWhatGrowsWithTheRequestIsWork(t *testing.T) {
	for _, name := range []string{
		`params.a == params.b`,
		`params.a == params.b || x == y`,
		`params.a != params.b`,
		`params.a <= params.b`,
		`params.a > params.b`,
		`params.a + params.b == y`,
		`params.a.lowerAscii() == y`,
		`params.a.upperAscii() == y`,
		`params.a.startsWith(params.b)`,
		`params.a.endsWith(params.b)`,
		`params.a.contains("z")`,
		`"z".contains(params.a + "y")`,
		`size(params.a) == 1`,
		`params.a.matches("y.*z")`,
		`params.a in [params.b]`,
		`params.a in [params.a, "b"]`,
		`params.l == params.l`,
		`params.n == params.n`,
		`isIP(params.a)`,
		`context.now.getHours("Europe/Berlin") == 24`,
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := program(t, growing+`params.l.all(x, params.l.all(y, (`+name+`) || true == (x == x)))`+"\n")
			exhausts(t, p)
		})
	}
}

// Outside of loops too, what is built is bounded: here each text is longer than
// the last.
func TestWhatIsBuiltOutsideOfLoopsIsWork(t *testing.T) {
	p, _ := program(t, growing+`params.a`+strings.Repeat(` + params.a`, 20)+` == ""`+"\n")
	exhausts(t, p)
}

func exhausts(t *testing.T, p *eval.Program) {
	t.Helper()
	const maxWork, oneOperation = 1 << 22, 1 << 20
	list, numbers := make([]any, 2048), make([]any, 2048)
	for i := range list {
		list[i], numbers[i] = "x", int64(i)
	}
	e := p.NewEvaluator(eval.Config{Paranoid: true})
	v, err := e.Decide(eval.Input{Now: noon(), Request: kernel.Request{
		Agent: kernel.Agent{ID: "agent-001"}, Action: "go", Resource: kernel.Resource{Type: "svc", ID: "x"},
		Params: map[string]any{"a": strings.Repeat("x", 400_000), "b": strings.Repeat("x", 400_000), "l": list, "n": numbers},
	}})
	if err != nil || v.Code != kernel.CodeEvaluationError {
		t.Errorf("%v %s, %v, want %s", v.Decision, v.Code, err, kernel.CodeEvaluationError)
	}
	if worked := e.Worked(); worked <= maxWork || worked > maxWork+oneOperation {
		t.Errorf("%d steps were taken, want one operation more than %d", worked, maxWork)
	}
}

// TestALoopIsAsMuchWorkAsItsTestIsLong: a long test is more work than a short
// one, though nothing in it grows.
func TestALoopIsAsMuchWorkAsItsTestIsLong(t *testing.T) {
	p, _ := program(t, growing+`params.n.all(x, !params.n.exists(y, x == 0 - 1`+strings.Repeat(` || x + y == 0 - 1`, 50)+"))\n")
	exhausts(t, p)
}

// TestComparingWithConstantsIsNoWork: outside of loops it is bounded by the
// length of the condition, and checks need not be counted.
func TestComparingWithConstantsIsNoWork(t *testing.T) {
	p, _ := program(t, growing+`params.a != "x" && (params.b >= "x" || params.b.startsWith("y") || params.a in ["a", "b"])`+"\n")
	e := p.NewEvaluator(eval.Config{Paranoid: true})
	v, err := e.Decide(eval.Input{Now: noon(), Request: kernel.Request{
		Agent: kernel.Agent{ID: "agent-001"}, Action: "go", Resource: kernel.Resource{Type: "svc", ID: "x"},
		Params: map[string]any{"a": "long", "b": strings.Repeat("x", 400_000), "l": []any{}, "n": []any{}},
	}})
	if err != nil || v.Decision != kernel.Allow || e.Worked() != 0 {
		t.Errorf("%v %s, %v after %d steps, want ALLOW after none", v.Decision, v.Code, err, e.Worked())
	}
}
