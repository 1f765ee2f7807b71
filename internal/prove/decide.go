package prove

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel/internal/formula"
	"github.com/strixlabs/execution-kernel/internal/smt"
	"github.com/strixlabs/execution-kernel/internal/solver"
)

// A question is whether some input of a cell is such that a formula holds.
// Holds says it of one input, as the evaluator sees it: both have to say the
// same, and where they do not the evaluator is right.
type question struct {
	words    string
	formula  *smt.Term
	holds    func(*situation) (bool, error)
	policies []*Policy
	silent   bool // nobody is shown the example: it need not be small
}

// search answers a question: Counterexample when there is such an input, with
// it; Proved when there is none.
func (d *desk) search(ctx context.Context, q question) (Result, error) {
	before := d.asked
	r, err := d.find(ctx, q)
	r.Name, r.Asked = q.words, d.asked-before
	return r, err
}

func (d *desk) find(ctx context.Context, q question) (Result, error) {
	if q.formula.IsFalse() {
		return d.none(q, nil), nil
	}
	for i := range d.found {
		ok, err := q.holds(&d.found[i])
		if err != nil {
			return Result{}, err
		}
		if ok {
			return d.known(q, d.found[i])
		}
	}
	return d.solve(ctx, q)
}

// maxAttempts is how many models are tried where formulas allow more than
// there is.
const maxAttempts = 6

// solve asks solvers until the evaluator agrees with a model.
func (d *desk) solve(ctx context.Context, q question) (Result, error) {
	formula, by := q.formula, []string(nil)
	for attempt := range maxAttempts {
		a, err := d.ask(ctx, formula, q.words)
		switch {
		case err != nil:
			return Result{}, err
		case a.Outcome == solver.Unsatisfiable && attempt == 0:
			return d.none(q, a.by), nil
		case a.Outcome == solver.Unknown && attempt == 0:
			return Result{Verdict: Unknown, Why: a.Why}, nil
		case a.Outcome != solver.Satisfiable:
			return d.unconfirmed(by), nil
		}
		by = a.by
		s, err := d.situation(q, a.Model)
		if err != nil {
			return Result{}, err
		}
		ok, err := q.holds(&s)
		if err != nil {
			return Result{}, err
		}
		if ok {
			return d.keep(q, s, by)
		}
		formula = d.e.And(formula, d.e.Characters(), d.otherThan(a.Model))
	}
	return d.unconfirmed(by), nil
}

// situation reads a model.
func (d *desk) situation(q question, m formula.Model) (situation, error) {
	inputs := make([]formula.Input, len(q.policies))
	for i := range inputs {
		inputs[i] = d.e.Input(i, m)
	}
	return look(q.policies, inputs)
}

// keep remembers a situation that the evaluator has confirmed, as small as it
// gets.
func (d *desk) keep(q question, s situation, by []string) (Result, error) {
	if !q.silent {
		var err error
		if s, err = minimise(q, s); err != nil {
			return Result{}, err
		}
	}
	const most = 64
	if len(d.found) < most {
		d.found = append(d.found, s)
	}
	return d.there(&s, by), nil
}

// known answers with a situation that was found before, made small where
// somebody is shown it.
func (d *desk) known(q question, s situation) (Result, error) {
	if !q.silent {
		var err error
		if s, err = minimise(q, s); err != nil {
			return Result{}, err
		}
	}
	return d.there(&s, nil), nil
}

func (d *desk) there(s *situation, by []string) Result {
	return Result{Verdict: Counterexample, Example: s.example(), Solvers: by}
}

// none is the answer when formulas exclude every input that they look at.
func (d *desk) none(_ question, by []string) Result {
	for _, g := range d.e.Gaps() {
		if g.Bounded {
			return Result{Verdict: Unsupported, Why: "not every input was looked at: " + g.What, Gaps: gapsOf(d.e, true), Solvers: by}
		}
	}
	return Result{Verdict: Proved, Solvers: by}
}

// unconfirmed is the answer when formulas allow what the evaluator does not
// show.
func (d *desk) unconfirmed(by []string) Result {
	gaps := gapsOf(d.e, false)
	r := Result{Verdict: Possible, Gaps: gaps, Solvers: by}
	var what []string
	for _, g := range d.e.Gaps() {
		if !g.Approximate && !g.Bounded {
			r.Verdict = Unsupported
		}
		if !slices.Contains(what, g.What) {
			what = append(what, g.What)
		}
	}
	if len(gaps) == 0 {
		return Result{Verdict: Unknown, Why: "the evaluator does not confirm what the solver found: this is a fault of the prover, please report it", Solvers: by}
	}
	r.Why = fmt.Sprintf("there may be such a request, and the evaluator did not confirm one: %s", strings.Join(what, "; "))
	return r
}

func gapsOf(e *formula.Encoding, bounded bool) []Gap {
	var list []Gap
	for _, g := range e.Gaps() {
		if g.Bounded == bounded {
			list = append(list, Gap{g.Rule, g.What, g.Pos})
		}
	}
	return list
}

// otherThan excludes what a model says of what is not encoded as it is; where
// everything is, the values of all texts and numbers.
func (d *desk) otherThan(m formula.Model) *smt.Term {
	var free, all []*smt.Term
	for _, v := range d.e.Variables() {
		value := m[v]
		var is *smt.Term
		switch v.Sort() {
		case smt.Bool:
			is = d.e.Equal(v, d.e.Bool(value.Bool))
		case smt.Int:
			is = d.e.Equal(v, d.e.Big(value.Int))
		default:
			is = d.e.Equal(v, d.e.Text(value.Text))
		}
		all = append(all, is)
		if strings.HasPrefix(v.Name(), "? ") {
			free = append(free, is)
		}
	}
	if len(free) == 0 {
		return d.e.Not(d.e.And(all...))
	}
	return d.e.Not(d.e.And(free...))
}
