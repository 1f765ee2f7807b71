package prove

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/formula"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/smt"
)

// An inquiry is one property on one cell.
type inquiry struct {
	property int
	cell     formula.Cell
}

func (p *Prover) properties(ctx context.Context, policy *Policy, properties []Property) ([]Result, error) {
	var names []string
	for i := range properties {
		names = append(names, properties[i].Actions...)
	}
	cells := formula.CellsWith(names, policy.bundle)
	var parts []inquiry
	for i := range properties {
		for _, cell := range cells {
			if properties[i].reaches(cell) {
				parts = append(parts, inquiry{i, cell})
			}
		}
	}
	results := make([]Result, len(parts))
	err := p.parallel(ctx, len(parts), func(ctx context.Context, d *desk, part int) (err error) {
		results[part], err = d.inquire(ctx, policy, &properties[parts[part].property], parts[part].cell, cells)
		return err
	})
	if err != nil {
		return nil, err
	}
	answers := make([]Result, len(properties))
	for i := range properties {
		var own []Result
		for j, part := range parts {
			if part.property == i {
				own = append(own, results[j])
			}
		}
		answers[i] = properties[i].conclude(own)
	}
	return answers, nil
}

// reaches reports whether requests of a cell can be in the scope.
func (p *Property) reaches(c formula.Cell) bool {
	for _, a := range p.Scope {
		if a.Path == "resource.type" && !slices.Contains(a.Values, c.ResourceType) {
			return false
		}
	}
	return len(p.Actions) == 0 || slices.ContainsFunc(p.Actions, func(name string) bool { return pdl.Covers(name, c.Action) })
}

// conclude makes one answer of those of the cells.
func (p *Property) conclude(cells []Result) Result {
	r := Result{Name: p.Name, Verdict: Proved}
	verdicts := make([]Verdict, len(cells))
	for i, c := range cells {
		verdicts[i] = c.Verdict
		r.Asked += c.Asked
		r.Solvers = append(r.Solvers, c.Solvers...)
	}
	slices.Sort(r.Solvers)
	r.Solvers = slices.Compact(r.Solvers)
	if len(cells) == 0 {
		r.Verdict, r.Why = Counterexample, "no request is in its scope: it says nothing"
		return r
	}
	if p.Claim == Reachable {
		return p.reached(r, cells)
	}
	r.Verdict = Worst(verdicts...)
	for _, c := range cells {
		if c.Verdict == r.Verdict {
			r.Why, r.Example = c.Why, c.Example
			break
		}
	}
	for _, c := range cells {
		if c.Verdict == r.Verdict {
			r.Gaps = append(r.Gaps, c.Gaps...)
		}
	}
	if r.Verdict == Counterexample {
		r.Why = fmt.Sprintf("the decision can be %v", r.Example.Verdict.Decision)
	}
	return r
}

// reached is conclude for what some request has to reach.
func (p *Property) reached(r Result, cells []Result) Result {
	undecided := Proved
	for _, c := range cells {
		switch c.Verdict {
		case Counterexample: // the example that was looked for
			r.Example, r.Gaps, r.Why = c.Example, nil, ""
			return r
		case Proved: // not here
		default:
			if undecided == Proved {
				undecided, r.Why = c.Verdict, c.Why
			}
			r.Gaps = append(r.Gaps, c.Gaps...)
		}
	}
	if undecided != Proved {
		r.Verdict = undecided
		return r
	}
	r.Verdict, r.Why = Counterexample, "no request is decided so"
	return r
}

// inquire looks for an input of a cell that contradicts a property; of one that
// is to be reached, for one that shows it.
func (d *desk) inquire(ctx context.Context, policy *Policy, p *Property, cell formula.Cell, cells []formula.Cell) (Result, error) {
	extras := []formula.Extra{{Name: p.Name, When: p.Assume}, {Name: p.Name, When: p.When}, {Name: p.Name, When: p.Then}}
	e, reason := formula.New(cell, cells, formula.Config{Extras: extras}, policy.source)
	if e == nil {
		return Result{Verdict: Unsupported, Why: reason}, nil
	}
	w, err := newWitness(policy, p, cell)
	if err != nil {
		return Result{Verdict: Unsupported, Why: fmt.Sprintf("it cannot be asked of %v: %v", cell, err), Gaps: []Gap{{p.Name, "its condition on " + cell.String(), p.Pos}}}, nil
	}
	dec := e.Decide(0, e.Rules(0), e.Fits(0))
	assume, when, then := e.Condition(0, p.Name, p.Assume), e.Condition(0, p.Name, p.When), e.Condition(0, p.Name, p.Then)
	scope := e.And(e.Atoms(0, p.Scope), assume.True, when.True)
	said := p.says(e, dec)
	wanted := said
	switch p.Claim {
	case Always:
		wanted = e.Not(said)
	case Implies:
		wanted = e.And(said, e.Not(then.True))
	default: // Never and Reachable look for it as it is
	}
	d.sit(e)
	return d.search(ctx, question{
		words: fmt.Sprintf("%s on %v", p.Name, cell), formula: e.And(scope, wanted), policies: []*Policy{policy},
		holds: func(s *situation) (bool, error) { return w.shows(p, s) },
	})
}

// says is when a decision is one that the property speaks of.
func (p *Property) says(e *formula.Encoding, d formula.Decision) *smt.Term {
	var any []*smt.Term
	for _, want := range p.decisions() {
		switch want {
		case kernel.Deny:
			any = append(any, d.Deny)
		case kernel.Allow:
			any = append(any, d.Allow)
		case kernel.RequireApproval:
			asks := []*smt.Term{d.Ask}
			if p.Approvals > 0 {
				asks = append(asks, e.AtLeast(d, p.Approvals))
			}
			for _, w := range p.Workflows {
				asks = append(asks, e.Asks(d, w))
			}
			any = append(any, e.And(asks...))
		}
	}
	return e.Or(any...)
}

// decisions are those that the property speaks of, with those that are
// stricter where they count as well.
func (p *Property) decisions() []kernel.Effect {
	list := slices.Clone(p.Decisions)
	if p.AtLeast && !slices.Contains(list, kernel.Deny) {
		list = append(list, kernel.Deny)
	}
	if p.AtLeast && slices.Contains(p.Decisions, kernel.Allow) && !slices.Contains(list, kernel.RequireApproval) {
		list = append(list, kernel.RequireApproval)
	}
	return list
}

// matches is says for a verdict.
func (p *Property) matches(v kernel.Verdict) bool {
	return slices.Contains(p.decisions(), v.Decision) &&
		(v.Decision != kernel.RequireApproval || v.ApprovalsRequired >= p.Approvals &&
			!slices.ContainsFunc(p.Workflows, func(w string) bool { return !slices.Contains(v.Workflows, w) }))
}

// A witness asks the evaluator about a property's own conditions: they are the
// rules of a policy of their own.
type witness struct{ program *eval.Program }

// The rules that stand for the conditions of a property.
const (
	ruleAssume = "property/assume"
	ruleThen   = "property/then"
	ruleWhen   = "property/when"
)

func newWitness(policy *Policy, p *Property, cell formula.Cell) (*witness, error) {
	b := *policy.bundle
	b.Rules = nil
	for _, r := range []struct {
		name string
		when *pdl.Condition
	}{{ruleAssume, p.Assume}, {ruleThen, p.Then}, {ruleWhen, p.When}} {
		b.Rules = append(b.Rules, &pdl.Rule{
			Name: r.name, Actions: []string{cell.Action}, When: r.when, Effect: kernel.Allow,
			Match: []pdl.Atom{{Path: "resource.type", Values: []string{cell.ResourceType}}},
		})
	}
	program, err := eval.New(&b)
	if err != nil {
		return nil, err
	}
	return &witness{program}, nil
}

// shows reports that a situation is one that the claim looks for.
func (w *witness) shows(p *Property, s *situation) (bool, error) {
	if !s.taken() || !inScope(p.Scope, s.inputs[0].Request) {
		return false, nil
	}
	trace, err := w.program.Explain(evalInput(s.inputs[0]))
	var problem *kernel.Error
	if errors.As(err, &problem) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	own := situation{seen: []eval.Trace{trace}}
	if own.candidate(ruleAssume) != eval.ResultTrue || own.candidate(ruleWhen) != eval.ResultTrue {
		return false, nil
	}
	said := p.matches(s.seen[0].Verdict)
	switch p.Claim {
	case Always:
		return !said, nil
	case Implies:
		return said && own.candidate(ruleThen) != eval.ResultTrue, nil
	default: // what never happens did, what is reachable was reached
		return said, nil
	}
}

// inScope reports that a request satisfies equalities.
func inScope(atoms []pdl.Atom, r kernel.Request) bool {
	for _, a := range atoms {
		v, ok := valueAt(r, a.Path)
		if !ok || !slices.Contains(a.Values, fmt.Sprint(v)) {
			return false
		}
	}
	return true
}
