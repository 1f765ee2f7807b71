package prove

import (
	"context"
	"fmt"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/formula"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/smt"
)

// A report is what lint found out about one cell.
type report struct {
	cell  formula.Cell
	rules []ruleReport

	allowed   Result // may anything be allowed, at once or after approvals?
	byDefault Result // may a request be denied because no rule matches?
	conflicts []conflictReport
}

// A ruleReport has, for each question about a rule, whether there is an input
// of which it is so.
type ruleReport struct {
	rule    *pdl.Rule
	errs    Result
	matches Result
	decides Result
	matters Result
	by      []string // rules one of which holds whenever this one does; nil: not known
}

type conflictReport struct {
	constraint string
	result     Result
}

func (p *Prover) lint(ctx context.Context, policy *Policy) ([]Finding, error) {
	cells := formula.Cells(policy.bundle)
	reports := make([]report, len(cells))
	err := p.parallel(ctx, len(cells), func(ctx context.Context, d *desk, part int) (err error) {
		reports[part], err = d.lint(ctx, policy, cells[part], cells)
		return err
	})
	if err != nil {
		return nil, err
	}
	return append(ruleFindings(policy, reports), actionFindings(reports)...), nil
}

// A linter works on one cell.
type linter struct {
	*desk
	policy *Policy
	cell   formula.Cell
	all    formula.Decision
}

func (d *desk) lint(ctx context.Context, policy *Policy, cell formula.Cell, cells []formula.Cell) (report, error) {
	e, _ := formula.New(cell, cells, formula.Config{}, policy.source) // one bundle can always be encoded
	l := &linter{desk: d, policy: policy, cell: cell}
	l.all = e.Decide(0, e.Rules(0), e.Fits(0))
	d.sit(e)
	rep := report{cell: cell}
	var err error
	if rep.rules, err = l.rules(ctx); err != nil {
		return rep, err
	}
	rep.allowed, err = l.whether(ctx, "something is allowed", e.Not(l.all.Deny), func(s *situation) bool { return s.seen[0].Verdict.Decision != kernel.Deny })
	if err != nil {
		return rep, err
	}
	rep.byDefault, err = l.ask1(ctx, "only the default denies", l.all.Default, func(s *situation) bool { return s.seen[0].Verdict.Code == kernel.CodeNoMatchingRule })
	if err != nil {
		return rep, err
	}
	for _, k := range policy.bundle.Schema.Constraints {
		if k.Meet != pdl.SetIntersect {
			continue
		}
		f := e.And(e.Fits(0), e.Not(l.all.Errs), e.Not(l.all.Denied), e.Conflict(k.Name, l.all.Rules))
		r, err := l.ask1(ctx, "no value of "+k.Name+" is left", f, func(s *situation) bool { return s.seen[0].Verdict.Code == kernel.CodeConstraintConflict })
		if err != nil {
			return rep, err
		}
		rep.conflicts = append(rep.conflicts, conflictReport{k.Name, r})
	}
	return rep, nil
}

func (l *linter) ask1(ctx context.Context, words string, f *smt.Term, holds func(*situation) bool) (Result, error) {
	return l.search(ctx, l.question(words, f, holds))
}

// whether is ask1 for what is only said to be so, without the example.
func (l *linter) whether(ctx context.Context, words string, f *smt.Term, holds func(*situation) bool) (Result, error) {
	q := l.question(words, f, holds)
	q.silent = true
	return l.search(ctx, q)
}

func (l *linter) question(words string, f *smt.Term, holds func(*situation) bool) question {
	return question{
		words: fmt.Sprintf("%s: %v", words, l.cell), formula: f, policies: []*Policy{l.policy},
		holds: func(s *situation) (bool, error) { return s.taken() && holds(s), nil },
	}
}

// rules asks about every rule. Whether any of them may err is one question:
// most often none can.
func (l *linter) rules(ctx context.Context) ([]ruleReport, error) {
	any, err := l.whether(ctx, "some condition has no value", l.all.Errs, func(s *situation) bool { return s.seen[0].Verdict.Code == kernel.CodeEvaluationError })
	if err != nil {
		return nil, err
	}
	list := make([]ruleReport, len(l.all.Rules))
	for i := range l.all.Rules {
		if list[i], err = l.rule(ctx, i, any); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (l *linter) rule(ctx context.Context, i int, someErrs Result) (ruleReport, error) {
	r := &l.all.Rules[i]
	rep := ruleReport{rule: r.Rule, errs: Result{Verdict: Proved, Solvers: someErrs.Solvers}}
	name := r.Name
	is := func(want eval.Result) func(*situation) bool {
		return func(s *situation) bool { return s.candidate(name) == want }
	}
	var err error
	if someErrs.Verdict != Proved {
		if rep.errs, err = l.ask1(ctx, name+" has no value", l.e.And(l.e.Fits(0), r.Errs), is(eval.ResultError)); err != nil {
			return rep, err
		}
	}
	if rep.decides, err = l.whether(ctx, name+" decides", l.decides(r), func(s *situation) bool {
		v := s.seen[0].Verdict
		return s.candidate(name) == eval.ResultTrue && v.Decision == r.Effect && v.Code == kernel.CodeRule
	}); err != nil {
		return rep, err
	}
	rep.matches = rep.decides
	if rep.decides.Verdict != Counterexample {
		if rep.matches, err = l.whether(ctx, name+" matches", l.e.And(l.e.Fits(0), r.Holds), is(eval.ResultTrue)); err != nil {
			return rep, err
		}
	}
	if rep.matches.Verdict == Proved {
		rep.matters = rep.matches
		return rep, nil
	}
	if rep.matters, err = l.matters(ctx, i); err != nil {
		return rep, err
	}
	if rep.matches.Verdict == Counterexample && (rep.decides.Verdict == Proved || rep.matters.Verdict == Proved) {
		rep.by, err = l.cover(ctx, i)
	}
	return rep, err
}

// decides holds when a rule holds and the decision is its effect.
func (l *linter) decides(r *formula.Rule) *smt.Term {
	switch r.Effect {
	case kernel.Allow:
		return l.e.And(r.Holds, l.all.Allow)
	case kernel.RequireApproval:
		return l.e.And(r.Holds, l.all.Ask)
	default:
		return l.e.And(l.e.Fits(0), r.Holds, l.e.Not(l.all.Errs))
	}
}

// matters asks whether some verdict is another one without a rule: decision,
// workflows, counts, risk or constraints.
func (l *linter) matters(ctx context.Context, i int) (Result, error) {
	r, e := &l.all.Rules[i], l.e
	others := append(append([]formula.Rule{}, l.all.Rules[:i]...), l.all.Rules[i+1:]...)
	without := e.Decide(0, others, e.Fits(0))
	differ := e.Differ(e.View(0, l.all, true, without), e.View(0, without, true, l.all))
	var reduced *eval.Program
	return l.search(ctx, question{
		words: fmt.Sprintf("%s matters: %v", r.Name, l.cell), formula: e.And(e.Fits(0), differ), policies: []*Policy{l.policy}, silent: true,
		holds: func(s *situation) (bool, error) {
			if !s.taken() || s.candidate(r.Name) == eval.ResultFalse {
				return false, nil
			}
			if reduced == nil {
				var err error
				if reduced, err = without1(l.policy.bundle, l.all.Rules, r.Name); err != nil {
					return false, err
				}
			}
			v, err := reduced.Decide(evalInput(s.inputs[0]))
			return err == nil && !sameSaying(v, s.seen[0].Verdict), err
		},
	})
}

// without1 is the program of the rules of a cell but for one.
func without1(b *pdl.Bundle, rules []formula.Rule, name string) (*eval.Program, error) {
	reduced := *b
	reduced.Rules = nil
	for _, r := range rules {
		if r.Name != name {
			reduced.Rules = append(reduced.Rules, r.Rule)
		}
	}
	return eval.New(&reduced)
}

// sameSaying compares all that verdicts say but their words.
func sameSaying(a, b kernel.Verdict) bool {
	return a.Decision == b.Decision && a.ApprovalsRequired == b.ApprovalsRequired && a.RiskLevel == b.RiskLevel &&
		fmt.Sprint(a.Workflows) == fmt.Sprint(b.Workflows) && sameConstraints(a.Constraints, b.Constraints)
}
