package eval_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/formula"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/smt"
	"github.com/strixlabs/execution-kernel/internal/solver"
)

var (
	points     = flag.Int("points", 0, "how many points TestLongRunOfFormulas compares with the evaluator")
	solverName = flag.String("solver", "", "the solver that TestLongRunOfFormulas asks: cvc5 or z3")
	manyInputs = flag.Int("inputs", 12, "how many inputs of each bundle TestLongRunOfFormulas looks at")
	askEvery   = flag.Int("ask-every", 1, "of which inputs TestLongRunOfFormulas asks a solver: 1 of all, 10 of every tenth")
)

// A tally counts what formulas were held against.
type tally struct {
	inputs, points, wrong, decided int
	results                        map[eval.Result]int
	short, unknown                 int
	computed, asked                int // points, by who said what the formulas are
	open                           int // formulas leave the result open, as what they over-approximate may
}

// pointSession returns a session with a solver.
func pointSession(t *testing.T, name string) *solver.Session {
	t.Helper()
	list, err := solver.Find(context.Background(), name)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skipf("LEFT OUT: %v", err)
	}
	s := solver.New(list[0], solver.Limits{Timeout: time.Second}) // what it does not answer by then is computed all the same
	t.Cleanup(s.Close)
	return s
}

// TestFormulasLikeTheEvaluator holds random bundles at random inputs: every
// rule is true, false or without a value in formulas as it is to the evaluator.
func TestFormulasLikeTheEvaluator(t *testing.T) {
	s := pointSession(t, "")
	var sum tally
	for seed := range uint64(rounds(40)) {
		formulasLikeTheEvaluator(t, s, seed, 12, 3, &sum)
	}
	sum.log(t)
	if sum.points < rounds(1600) {
		t.Errorf("%d points: the generator does not reach them", sum.points)
	}
}

// TestLongRunOfFormulas is that for as long as one likes.
func TestLongRunOfFormulas(t *testing.T) {
	if *points == 0 {
		t.Skip("a long run is asked for with -points N")
	}
	s := pointSession(t, *solverName)
	var sum tally
	seed := *firstSeed
	for ; sum.points < *points; seed++ {
		formulasLikeTheEvaluator(t, s, seed, *manyInputs, *askEvery, &sum)
		if seed%50 == 0 {
			sum.log(t)
		}
	}
	t.Logf("seeds %d to %d", *firstSeed, seed-1)
	sum.log(t)
}

func (y *tally) log(t *testing.T) {
	t.Helper()
	t.Logf("%d points (%v) of %d inputs, %d computed, %d asked of the solver; %d verdicts, %d wrong; %d left open by over-approximation, %d inputs with longer lists, %d unknown",
		y.points, y.results, y.inputs, y.computed, y.asked, y.decided, y.wrong, y.open, y.short, y.unknown)
}

// formulasLikeTheEvaluator makes a bundle and inputs from a seed. What formulas
// are at an input is computed, and of every so many inputs asked of the solver,
// too.
func formulasLikeTheEvaluator(t *testing.T, s *solver.Session, seed uint64, inputs, every int, sum *tally) {
	t.Helper()
	source := (&gen{data: randomBytes(seed, 600)}).bundle()
	b, diagnostics := pdl.Compile([]pdl.File{{Name: "fuzz.yaml", Data: []byte(source)}})
	if diagnostics.HasErrors() {
		return
	}
	p, err := eval.New(b)
	if err != nil {
		t.Fatal(err)
	}
	g := &gen{data: randomBytes(seed+1_000_000, 40*inputs)}
	cells, src := formula.Cells(b), formula.Of(b)
	grouped := map[formula.Cell][]eval.Input{}
	for range inputs {
		in := g.input()
		if trace, err := p.Explain(in); err == nil && trace.Verdict.Code != kernel.CodeUnknownAction {
			if cell, ok := cellOf(cells, in.Request); ok {
				grouped[cell] = append(grouped[cell], in)
			}
		}
	}
	for _, cell := range cells {
		if len(grouped[cell]) > 0 {
			h := newHeld(t, src, p, cell, cells, seed, sum)
			h.against(t, s, grouped[cell], every)
		}
	}
}

// cellOf finds the cell of a request.
func cellOf(cells []formula.Cell, r kernel.Request) (formula.Cell, bool) {
	var best formula.Cell
	for _, c := range cells {
		if c.ResourceType == r.Resource.Type && pdl.Covers(c.Action, r.Action) && pdl.IsAction(r.Action) && (len(c.Action) > len(best.Action) || c.Action == r.Action) {
			if best.Action != r.Action {
				best = c
			}
		}
	}
	return best, best.Action != ""
}

// A held is a cell whose formulas are held against the evaluator.
type held struct {
	e           *formula.Encoding
	program     *eval.Program
	cell        formula.Cell
	seed        uint64
	sum         *tally
	rules       []formula.Rule
	decision    formula.Decision
	holds, errs []*smt.Term // variables that are what rules are
	ask, allow  *smt.Term
	facts       []*smt.Term
}

func newHeld(t *testing.T, src *formula.Source, p *eval.Program, cell formula.Cell, cells []formula.Cell, seed uint64, sum *tally) *held {
	t.Helper()
	e, reason := formula.New(cell, cells, formula.Config{Slack: 8}, src)
	if e == nil {
		t.Fatal(reason)
	}
	h := &held{e: e, program: p, cell: cell, seed: seed, sum: sum, rules: e.Rules(0)}
	h.decision = e.Decide(0, h.rules, e.Fits(0))
	name := func(words string, value *smt.Term) *smt.Term {
		v := e.Variable(smt.Bool, words)
		h.facts = append(h.facts, e.Equal(v, value))
		return v
	}
	for _, r := range h.rules {
		h.holds, h.errs = append(h.holds, name(r.Name+" holds", r.Holds)), append(h.errs, name(r.Name+" errs", r.Errs))
	}
	h.ask, h.allow = name("ask", h.decision.Ask), name("allow", h.decision.Allow)
	if sum.results == nil {
		sum.results = map[eval.Result]int{}
	}
	return h
}

// against compares the rules and the verdict at some inputs.
func (h *held) against(t *testing.T, s *solver.Session, inputs []eval.Input, every int) {
	t.Helper()
	pins := make([]*smt.Term, len(inputs))
	for i, in := range inputs {
		pin, ok := h.e.Pin(0, formula.Input{Request: in.Request, Facts: in.Facts, Now: in.Now})
		if pins[i] = pin; !ok {
			pins[i] = nil
			h.sum.short++
		}
	}
	s.Begin(h.e.Variables(), append(h.facts, h.e.Facts()...))
	for i, in := range inputs {
		trace, err := h.program.Explain(in)
		var problem *kernel.Error
		if errors.As(err, &problem) || pins[i] == nil {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		h.sum.inputs++
		computed := h.compute(t, pins[i], in)
		if h.sum.inputs%every == 0 || h.left(computed) {
			h.compare(t, in, trace, h.askSolver(t, s, pins[i], in))
			h.sum.asked += len(h.rules)
		} else {
			h.sum.computed += len(h.rules)
		}
		h.compare(t, in, trace, computed)
		h.count(trace)
		if h.sum.wrong > 12 {
			t.Fatal("that is enough")
		}
	}
}

// A said is what formulas are at an input: a rule's result, or behind the
// rules the decision; the zero said is nothing.
type said struct {
	result   eval.Result
	decision kernel.Effect
	known    bool
}

// saidOf reads what formulas are, in the order of the rules.
func (h *held) saidOf(is func(variable, value *smt.Term) (bool, bool)) []said {
	list := make([]said, 0, len(h.rules)+1)
	for i, r := range h.rules {
		holds, known := is(h.holds[i], r.Holds)
		errs, knownErrs := is(h.errs[i], r.Errs)
		got := said{result: eval.ResultFalse, known: known && knownErrs}
		if holds {
			got.result = eval.ResultTrue
		} else if errs {
			got.result = eval.ResultError
		}
		list = append(list, got)
	}
	ask, known := is(h.ask, h.decision.Ask)
	allow, knownAllow := is(h.allow, h.decision.Allow)
	got := said{decision: kernel.Deny, known: known && knownAllow}
	switch {
	case ask:
		got.decision = kernel.RequireApproval
	case allow:
		got.decision = kernel.Allow
	}
	return append(list, got)
}

// compute says what formulas are by the definitions of SMT-LIB.
func (h *held) compute(t *testing.T, pin *smt.Term, in eval.Input) []said {
	t.Helper()
	values := smt.NewEvaluator(smt.Fixed(pin))
	for _, f := range h.e.Facts() {
		if v, known := values.Value(f); known && !v.Bool {
			h.sum.wrong++
			t.Errorf("seed %d, %v: formulas exclude the input %s %v", h.seed, h.cell, text(t, in.Request), in.Facts)
		}
	}
	list := h.saidOf(func(_, value *smt.Term) (bool, bool) {
		v, known := values.Value(value)
		return v.Bool, known
	})
	for i := range list {
		if !list[i].known {
			list[i] = said{}
		}
	}
	return list
}

// askSolver says what formulas are by what a solver makes of them; nil where
// it gives up.
func (h *held) askSolver(t *testing.T, s *solver.Session, pin *smt.Term, in eval.Input) []said {
	t.Helper()
	a, err := s.Check(context.Background(), pin)
	switch {
	case err != nil:
		t.Fatal(err)
	case a.Outcome == solver.Unknown:
		h.sum.unknown++
		return nil
	case a.Outcome == solver.Unsatisfiable:
		h.sum.wrong++
		t.Errorf("seed %d, %v: formulas exclude the input %s %v", h.seed, h.cell, text(t, in.Request), in.Facts)
		return nil
	}
	return h.saidOf(func(variable, _ *smt.Term) (bool, bool) { return a.Model[variable].Bool, true })
}

// left reports that a rule which formulas say exactly was not computed.
func (h *held) left(list []said) bool {
	for i, r := range h.rules {
		if !list[i].known && !approximate(h.e, r.Name) {
			return true
		}
	}
	return false
}

// compare holds what formulas say against the evaluator; what they leave open
// is compared where something else closed it.
func (h *held) compare(t *testing.T, in eval.Input, trace eval.Trace, list []said) {
	t.Helper()
	exact := true
	for i := range min(len(h.rules), len(list)) {
		r, got, want := h.rules[i], list[i], resultOf(trace, h.rules[i].Name)
		if got.known && got.result == want {
			continue
		}
		exact = false
		if !got.known {
			continue
		}
		if approximate(h.e, r.Name) {
			h.sum.open++
			continue
		}
		h.sum.wrong++
		t.Errorf("seed %d, %v, rule %s: formulas say %s, the evaluator %s of\n%s\nfor %s %v now %v", h.seed, h.cell, r.Name, got.result, want, conditionOf(r.Rule), text(t, in.Request), in.Facts, in.Now)
	}
	if len(list) == 0 || !list[len(h.rules)].known {
		return
	}
	if got, want := list[len(h.rules)].decision, trace.Verdict.Decision; exact && got != want {
		h.sum.wrong++
		t.Errorf("seed %d, %v: formulas decide %v, the evaluator %v: %s", h.seed, h.cell, got, want, text(t, in.Request))
	}
}

// count counts the points of one input.
func (h *held) count(trace eval.Trace) {
	for _, r := range h.rules {
		h.sum.points++
		h.sum.results[resultOf(trace, r.Name)]++
	}
	h.sum.decided++
}

func conditionOf(r *pdl.Rule) string {
	if r.When == nil {
		return "no condition"
	}
	text := r.When.Source
	for name, source := range r.When.Variables {
		if strings.Contains(text, "variables."+name) {
			text += "\n  " + name + ": " + source
		}
	}
	return text
}

func resultOf(trace eval.Trace, rule string) eval.Result {
	for _, c := range trace.Candidates {
		if c.Rule == rule {
			if !c.Match {
				return eval.ResultFalse
			}
			return c.Result
		}
	}
	return eval.ResultFalse
}

// approximate reports a rule that formulas do not say exactly.
func approximate(e *formula.Encoding, rule string) bool {
	for _, g := range e.Gaps() {
		if g.Rule == rule {
			return true
		}
	}
	return false
}
