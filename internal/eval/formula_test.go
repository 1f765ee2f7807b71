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
)

// A tally counts what formulas were held against.
type tally struct {
	points, wrong, decided int
	results                map[eval.Result]int
	short, unknown         int
	open                   int // formulas leave the result open, as what they over-approximate may
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
	s := solver.New(list[0], solver.Limits{Timeout: 10 * time.Second})
	t.Cleanup(s.Close)
	return s
}

// TestFormulasLikeTheEvaluator holds random bundles at random inputs: every
// rule is true, false or without a value in formulas as it is to the evaluator.
func TestFormulasLikeTheEvaluator(t *testing.T) {
	s := pointSession(t, "")
	var sum tally
	for seed := range uint64(rounds(40)) {
		formulasLikeTheEvaluator(t, s, seed, 12, &sum)
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
		formulasLikeTheEvaluator(t, s, seed, 12, &sum)
		if seed%50 == 0 {
			sum.log(t)
		}
	}
	t.Logf("seeds %d to %d", *firstSeed, seed-1)
	sum.log(t)
}

func (y *tally) log(t *testing.T) {
	t.Helper()
	t.Logf("%d points (%v), %d verdicts, %d wrong; %d left open by over-approximation, %d inputs with longer lists, %d unknown", y.points, y.results, y.decided, y.wrong, y.open, y.short, y.unknown)
}

func formulasLikeTheEvaluator(t *testing.T, s *solver.Session, seed uint64, inputs int, sum *tally) {
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
			holdAgainst(t, s, src, p, cell, cells, grouped[cell], sum, seed)
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

// holdAgainst compares the rules of one cell at some inputs.
func holdAgainst(t *testing.T, s *solver.Session, src *formula.Source, p *eval.Program, cell formula.Cell, cells []formula.Cell, inputs []eval.Input, sum *tally, seed uint64) {
	t.Helper()
	e, reason := formula.New(cell, cells, formula.Config{Slack: 8}, src)
	if e == nil {
		t.Fatal(reason)
	}
	rules := e.Rules(0)
	d := e.Decide(0, rules, e.Fits(0))
	facts := []*smt.Term{}
	name := func(words string, value *smt.Term) *smt.Term {
		v := e.Variable(smt.Bool, words)
		facts = append(facts, e.Equal(v, value))
		return v
	}
	var holds, errs []*smt.Term
	for _, r := range rules {
		holds, errs = append(holds, name(r.Name+" holds", r.Holds)), append(errs, name(r.Name+" errs", r.Errs))
	}
	ask, allow := name("ask", d.Ask), name("allow", d.Allow)
	pins := make([]*smt.Term, len(inputs))
	for i, in := range inputs {
		pin, ok := e.Pin(0, formula.Input{Request: in.Request, Facts: in.Facts, Now: in.Now})
		if pins[i] = pin; !ok {
			pins[i] = nil
			sum.short++
		}
	}
	s.Begin(e.Variables(), append(facts, e.Facts()...))
	if sum.results == nil {
		sum.results = map[eval.Result]int{}
	}
	for i, in := range inputs {
		trace, err := p.Explain(in)
		var problem *kernel.Error
		if errors.As(err, &problem) || pins[i] == nil {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		a, err := s.Check(context.Background(), pins[i])
		if err != nil {
			t.Fatal(err)
		}
		if a.Outcome == solver.Unknown {
			sum.unknown++
			continue
		}
		if a.Outcome == solver.Unsatisfiable {
			sum.wrong++
			t.Errorf("seed %d, %v: formulas exclude the input %s %v", seed, cell, text(t, in.Request), in.Facts)
			continue
		}
		exact := true
		for j, r := range rules {
			want := resultOf(trace, r.Name)
			got := eval.ResultFalse
			if a.Model[holds[j]].Bool {
				got = eval.ResultTrue
			} else if a.Model[errs[j]].Bool {
				got = eval.ResultError
			}
			sum.points++
			sum.results[want]++
			if got == want {
				continue
			}
			exact = false
			if approximate(e, r.Name) {
				sum.open++
				continue
			}
			sum.wrong++
			t.Errorf("seed %d, %v, rule %s: formulas say %s, the evaluator %s of\n%s\nfor %s %v now %v", seed, cell, r.Name, got, want, conditionOf(r.Rule), text(t, in.Request), in.Facts, in.Now)
		}
		want := trace.Verdict.Decision
		got := kernel.Deny
		switch {
		case a.Model[ask].Bool:
			got = kernel.RequireApproval
		case a.Model[allow].Bool:
			got = kernel.Allow
		}
		sum.decided++
		if exact && got != want {
			sum.wrong++
			t.Errorf("seed %d, %v: formulas decide %v, the evaluator %v: %s", seed, cell, got, want, text(t, in.Request))
		}
		if sum.wrong > 12 {
			t.Fatal("that is enough")
		}
	}
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
