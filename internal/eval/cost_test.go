package eval_test

import (
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// costly are conditions and what they read, as long as the schema takes it.
var costly = []struct{ name, condition string }{
	{"a loop", `params.words.all(w, w != "z")`},
	{"loops inside each other", `params.words.all(v, params.words.all(w, v == w))`},
	{"a search", `params.text.contains("zz")`},
	{"a search in a loop", `params.words.all(w, !w.contains("zz"))`},
	{"a search in what is built", `(params.text + params.text).contains("zz")`},
	{"a pattern", `params.text.matches("^(a|aa|aaa){1,20}z$")`},
	{"a pattern in a loop", `params.words.all(w, !w.matches("(x?){9}z"))`},
	{"a glob", `params.text.glob("*a*a*z")`},
	{"a member of a list", `params.text in params.words`},
	{"a member of a list in a loop", `params.words.all(w, w in params.words)`},
	{"an equal list", `params.words == params.words && params.words.all(w, true || w == "")`},
	{"records of a list", `params.files.all(f, !f.path.contains("zz"))`},
	{"a record by its place", `params.files.all(f, true || f.path == "") && size(params.files) > 0 && params.files[0].path.contains("a")`},
	{"a member of a record", `params.deep.note.contains("zz") || params.deep.note.contains("zy")`},
	{"a choice", `(params.on ? params.text : "a").matches("a*z")`},
	{"letters", `params.text.lowerAscii().contains("zz") || size(params.text) > 0`},
	{"what variables hold", `variables.both.contains("zz")`},
	{"a search in letters", `params.words.all(w, !(w + w).upperAscii().contains("zz"))`},
	{"an order in a loop", `params.words.all(v, params.words.all(w, v <= w && w.startsWith(v) && v.endsWith(w)))`},
	{"a long list of constants", `params.words.all(w, !(w in ["1", "2", "3", "4", "5", "6", "7", "8", "9"]) && size(w) > 0)`},
	{"addresses in a loop", `params.words.all(w, !isIP(w) && !isCIDR(w) && context.now.getHours() >= 0)`},
	{"json", `params.words.all(w, !has(params.any) || w == "")`},
}

func costlyProgram(t testing.TB, condition string) (*eval.Program, pdl.Cost) {
	t.Helper()
	const params = `
    resource: svc
    params:
      text: string(..2000)
      words: list(string(..300), ..200)
      files: "list({path: string(..900)}, ..90)"
      deep: {note: string(..500)}
      on: bool
      any?: json
`
	program, bundle := program(t, `pdl: v1
kind: schema
name: s
agents: any
strict: false
resources: {svc: {}}
actions:
  idle:`+params+`  mcp.*:`+params+`---
pdl: v1
kind: policy
name: p
variables:
  both: params.text + params.deep.note
  unused: variables.both == ""
rules:
  - {id: spare, match: {action: mcp.other}, effect: DENY, when: variables.unused}
  - id: r
    match: {action: mcp.*}
    effect: ALLOW
    when: |
      `+condition+"\n")
	for _, c := range bundle.Costs() {
		if c.Action == "mcp.*" {
			return program, c
		}
	}
	t.Fatalf("%s: Costs() = %v, want one of mcp.*", condition, bundle.Costs())
	return nil, pdl.Cost{}
}

// fullest is a request whose texts and lists are as long as the schema takes
// them; every letter is the given one.
func fullest(letter string) kernel.Request {
	words, files := make([]any, 200), make([]any, 90)
	for i := range words {
		words[i] = strings.Repeat(letter, 300)
	}
	for i := range files {
		files[i] = map[string]any{"path": strings.Repeat(letter, 900)}
	}
	return kernel.Request{
		Agent: kernel.Agent{ID: "agent-001"}, Action: "mcp.x", Resource: kernel.Resource{Type: "svc", ID: "x"},
		Params: map[string]any{"text": strings.Repeat(letter, 2000), "words": words, "files": files,
			"deep": map[string]any{"note": strings.Repeat(letter, 500)}, "on": true},
	}
}

func TestACostIsNeverLessThanTheWorkThatIsDone(t *testing.T) {
	for _, c := range costly {
		t.Run(c.name, func(t *testing.T) {
			p, cost := costlyProgram(t, c.condition)
			for _, letter := range []string{"a", "é", "語", "😀"} {
				e := p.NewEvaluator(eval.Config{})
				if _, err := e.Decide(eval.Input{Now: time.Unix(1_700_000_000, 0), Request: fullest(letter)}); err != nil {
					t.Fatal(err)
				}
				if worked := int64(e.Worked()); worked < 1 || worked > cost.Steps {
					t.Errorf("%s with %s: %d steps were taken, Costs() says at most %d", c.condition, letter, worked, cost.Steps)
				}
			}
		})
	}
}

// BenchmarkSteps measures what a step of the static bound takes: ns/step is
// what pdl.Cost.Time multiplies by. What the same request takes without any
// condition is subtracted, so that only conditions that take longer than it
// can be measured.
func BenchmarkSteps(b *testing.B) {
	const measurable = 20_000
	for _, c := range costly {
		p, cost := costlyProgram(b, c.condition)
		if cost.Steps < measurable {
			continue
		}
		b.Run(strings.ReplaceAll(c.name, " ", "_"), func(b *testing.B) {
			e := p.NewEvaluator(eval.Config{})
			in := eval.Input{Now: time.Unix(1_700_000_000, 0), Request: fullest("a")}
			idle := in
			idle.Request.Action = "idle"
			var with, without time.Duration
			for b.Loop() {
				without += timed(b, e, idle)
				with += timed(b, e, in)
			}
			b.ReportMetric(float64((with-without).Nanoseconds())/float64(b.N)/float64(cost.Steps), "ns/step")
			b.ReportMetric(float64(cost.Steps), "steps")
			b.ReportMetric(float64(e.Worked()), "worked")
		})
	}
}

func timed(b *testing.B, e *eval.Evaluator, in eval.Input) time.Duration {
	b.Helper()
	began := time.Now()
	if _, err := e.Decide(in); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}
