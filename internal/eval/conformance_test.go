package eval_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	testpb "cel.dev/expr/conformance/test"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// The tests of cel-spec v0.25.1, and what becomes of them. A change of these
// numbers is a change of the language, or of the suite.
var conformance = map[outcomeOfTest]int{
	computed: 361,
	lowered:  48,
	refused:  24,
	excluded: 1911,
}

// liftedTests is how many of the computed ones are computed again with their
// literals in the request.
const liftedTests = 300

type outcomeOfTest string

const (
	// computed: the compiler takes the expression, and the evaluator gets the
	// value or the error that the test expects.
	computed outcomeOfTest = "computed"
	// lowered: the evaluator gets it, although the compiler refuses the
	// expression for what it would do at run time, or for how it is written.
	lowered outcomeOfTest = "computed where the compiler would refuse"
	// refused: the test expects an error, and the compiler finds it.
	refused outcomeOfTest = "the expected error found when compiled"
	// excluded: the expression is no part of the language; the compiler
	// refuses it.
	excluded outcomeOfTest = "outside the language"
)

// TestConformance runs the simple tests of cel-spec: each is computed by our
// evaluator, or listed in the table of exclusions with its reason, and refused
// by our compiler. None is left out. With -short, literals stay where they are.
func TestConformance(t *testing.T) {
	c, table := newConformer(t), readExclusions(t)
	have, lifts := map[outcomeOfTest]int{}, 0
	for _, s := range specTests(t) {
		outcome, message := c.judge(t, s)
		have[outcome]++
		row := table.of(s.path)
		switch {
		case (outcome == excluded || outcome == refused) && row == nil:
			t.Errorf("%s: %s: %s; it is not listed in %s", s.path, s.GetExpr(), message, exclusionsFile)
		case (outcome == computed || outcome == lowered) && row != nil:
			t.Errorf("%s is computed, and listed as excluded because of %s", s.path, row.reason)
		case row != nil && (row.reason == foundWhenCompiled) != (outcome == refused):
			t.Errorf("%s: %s, and listed under %s", s.path, outcome, row.reason)
		}
		if outcome == computed && !testing.Short() && c.lift(t, s) {
			lifts++
		}
	}
	table.check(t)
	if !maps.Equal(have, conformance) || lifts != liftedTests && !testing.Short() {
		t.Errorf("outcomes are %v and %d lifted, want %v and %d", have, lifts, conformance, liftedTests)
	}
	t.Logf("%v; %d with their literals in the request", have, lifts)
}

// A conformer decides tests of cel-spec.
type conformer struct {
	*typist
	plain *oracle // of which only the evaluators are used
}

func newConformer(t *testing.T) *conformer { return &conformer{newTypist(t), &oracle{}} }

// A question is a test as a condition.
type question struct {
	source string // the condition
	list   []specAttribute
	want   kernel.Code
}

// judge runs a test; the message says why it is none of the language.
func (c *conformer) judge(t *testing.T, s specTest) (o outcomeOfTest, message string) {
	t.Helper()
	q, problem := c.ask(t, s)
	_, expectsError := s.GetResultMatcher().(*testpb.SimpleTest_EvalError)
	if problem == "" {
		if b, found := pdl.Compile(q.bundle(q.source)); !found.HasErrors() {
			c.decide(t, s, q, lower(t, b))
			return computed, ""
		}
		if p := c.lowerAlone(q); p != nil {
			c.decide(t, s, q, p)
			return lowered, ""
		}
	}
	list, attributeProblem := s.attributes()
	if attributeProblem != "" {
		return excluded, attributeProblem
	}
	source, err := renamed(c.env, s.GetExpr(), list)
	if err != nil {
		return excluded, err.Error()
	}
	_, found := pdl.Compile(question{list: list}.bundle(source))
	switch {
	case !found.HasErrors():
		t.Errorf("%s: the compiler takes %s, and the test was not run: %s", s.path, source, problem)
	case expectsError && isFinding(found[0].Message):
		return refused, found[0].Message
	}
	return excluded, found[0].Message
}

// isFinding reports messages of the compiler about what is an error in CEL,
// rather than about what the language has not.
func isFinding(message string) bool {
	for _, m := range []string{"cannot be compared with", "is no condition", "cannot be negated", "unknown name", "unknown function f_", "has no members",
		"this is not a duration", "this is a timestamp"} {
		if strings.Contains(message, m) {
			return true
		}
	}
	return false
}

// ask makes a condition of a test, or says why there is none.
func (c *conformer) ask(t *testing.T, s specTest) (q question, problem string) {
	t.Helper()
	if q.list, problem = s.attributes(); problem != "" {
		return q, problem
	}
	b, found := pdl.Compile(q.bundle(zonesOfSuite))
	if found.HasErrors() {
		return q, found[0].Message
	}
	c.bundle, c.fields["params"] = b, map[string]*types.Type{}
	for _, p := range b.Schema.Actions[0].Params {
		c.fields["params"][p.Name] = celType(p.Type)
	}
	source, err := renamed(c.env, s.GetExpr(), q.list)
	if err != nil {
		return q, err.Error()
	}
	tree, issues := c.env.Compile(source)
	if issues.Err() != nil {
		return q, issues.Err().Error()
	}
	return q, q.expect(s, source, tree.OutputType())
}

// zonesOfSuite names the time zones that tests use, for bundles that are
// lowered without being compiled.
const zonesOfSuite = `context.now.getHours("America/St_Johns") + context.now.getHours("Asia/Kathmandu") +
      context.now.getHours("US/Central") + context.now.getHours("Australia/Sydney") >= 0`

// expect makes the condition say what the test expects.
func (q *question) expect(s specTest, source string, typ *types.Type) (problem string) {
	want := ""
	switch m := s.GetResultMatcher().(type) {
	case *testpb.SimpleTest_Value:
		want = literalOf(m.Value)
	case *testpb.SimpleTest_TypedResult:
		want = literalOf(m.TypedResult.GetResult())
		if deduced := m.TypedResult.GetDeducedType(); declaredType(deduced) != schemaType(typ) {
			return fmt.Sprintf("its type is %v, want %v", typ, deduced)
		}
	case *testpb.SimpleTest_EvalError, *testpb.SimpleTest_AnyEvalErrors:
		q.source, q.want = source, kernel.CodeEvaluationError
		if typ != cel.BoolType {
			q.source = fmt.Sprintf("(%s\n) == %s", source, zeroOf(typ))
		}
		return ""
	case nil: // true, as the suite says
		want = "true"
	}
	q.source, q.want = source, kernel.CodeRule
	switch {
	case want == "":
		return "it expects a value that the language has not"
	case typ == cel.BoolType && want == "false":
		q.want = kernel.CodeNoMatchingRule
	case typ != cel.BoolType:
		q.source = fmt.Sprintf("(%s\n) == %s", source, want)
	}
	return ""
}

// bundle writes a bundle whose one rule has the condition.
func (q question) bundle(condition string) []pdl.File {
	var b strings.Builder
	b.WriteString("pdl: v1\nkind: schema\nname: s\nagents: any\nstrict: false\nresources: {thing: {}}\nactions:\n  act:\n    resource: thing\n")
	for i, a := range q.list {
		if i == 0 {
			b.WriteString("    params:\n")
		}
		fmt.Fprintf(&b, "      %q: %q\n", a.name, a.typ)
	}
	fmt.Fprintf(&b, "---\npdl: v1\nkind: policy\nname: p\nrules:\n- id: r\n  match: {action: act}\n  effect: ALLOW\n  when: |2\n    %s\n",
		strings.ReplaceAll(condition, "\n", "\n    "))
	return []pdl.File{{Name: "s.yaml", Data: []byte(b.String())}}
}

// lowerAlone lowers the condition as cel-go checked it, or returns nil when
// that is not possible.
func (c *conformer) lowerAlone(q question) *eval.Program {
	b, err := c.bundleOf(q.source)
	if err != nil {
		return nil
	}
	b.Rules[0].Actions = []string{"act"}
	p, err := eval.New(b)
	if err != nil {
		return nil
	}
	return p
}

// decide compares the verdict, reached in every way, with the expectation.
func (c *conformer) decide(t *testing.T, s specTest, q question, p *eval.Program) {
	t.Helper()
	in := eval.Input{Now: noon(), Request: kernel.Request{
		Action: "act", Agent: kernel.Agent{ID: "agent-001"}, Resource: kernel.Resource{Type: "thing", ID: "thing-001"}, Params: map[string]any{},
	}}
	for _, a := range q.list {
		if a.value != nil {
			in.Request.Params[a.name] = a.value
		}
	}
	v, err := p.Decide(in)
	if err != nil || v.Code != q.want {
		t.Errorf("%s: %s decides %s, %v, want %s", s.path, q.source, v.Code, err, q.want)
		return
	}
	c.plain.everyWay(t, p, in, v)
}

// lift decides a test again with its literals in the request, and reports
// whether there are some and the compiler takes it.
func (c *conformer) lift(t *testing.T, s specTest) bool {
	t.Helper()
	q, problem := c.ask(t, s)
	if problem != "" {
		t.Fatalf("%s: %s", s.path, problem)
	}
	source, list := lifted(c.env, q.source)
	if len(list) == 0 {
		return false
	}
	q.source, q.list = source, append(q.list, list...)
	b, found := pdl.Compile(q.bundle(q.source))
	if found.HasErrors() {
		return false
	}
	c.decide(t, s, q, lower(t, b))
	return true
}
