package prove

import (
	"context"
	"fmt"
	"slices"

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
	k, err := knownOf(policy, cells)
	if err != nil {
		return nil, err
	}
	err = p.parallel(ctx, len(cells), func(ctx context.Context, d *desk, part int) (err error) {
		reports[part], err = d.lint(ctx, policy, k, cells[part], cells)
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
	known  known
	cell   formula.Cell
	all    formula.Decision
}

func (d *desk) lint(ctx context.Context, policy *Policy, k known, cell formula.Cell, cells []formula.Cell) (report, error) {
	e, _ := formula.New(cell, cells, formula.Config{}, policy.source) // one bundle can always be encoded
	l := &linter{desk: d, policy: policy, known: k, cell: cell}
	l.all = e.Decide(0, e.Rules(0), e.Fits(0))
	d.sit(e)
	d.found = slices.Clone(k.inputs[cell])
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
	shown := l.known.rules[r.Name]
	var err error
	if someErrs.Verdict != Proved {
		if rep.errs, err = l.ask1(ctx, r.Name+" has no value", l.e.And(l.e.Fits(0), r.Errs), func(s *situation) bool { return s.candidate(r.Name) == eval.ResultError }); err != nil {
			return rep, err
		}
	}
	if rep.decides, rep.matches, err = l.decidesOrMatches(ctx, r, shown); err != nil {
		return rep, err
	}
	if rep.matches.Verdict == Proved {
		rep.matters = rep.matches
		return rep, nil
	}
	if shown != nil && shown.matters != nil {
		rep.matters = l.there(shown.matters, nil)
	} else if rep.matters, err = l.matters(ctx, i); err != nil {
		return rep, err
	}
	if rep.matches.Verdict == Counterexample && (rep.decides.Verdict == Proved || rep.matters.Verdict == Proved) {
		rep.by, err = l.cover(ctx, i)
	}
	return rep, err
}

// decidesOrMatches asks whether a rule can decide, and if it cannot, whether it
// can hold at all. What some input shows in one cell is not asked in others.
func (l *linter) decidesOrMatches(ctx context.Context, r *formula.Rule, by *shown) (decides, matches Result, err error) {
	if by != nil && by.decides != nil {
		decides = l.there(by.decides, nil)
		return decides, decides, nil
	}
	holds := func(s *situation) bool { return s.candidate(r.Name) == eval.ResultTrue }
	decides, err = l.whether(ctx, r.Name+" decides", l.decides(r), func(s *situation) bool {
		v := s.seen[0].Verdict
		return holds(s) && v.Decision == r.Effect && v.Code == kernel.CodeRule
	})
	switch {
	case err != nil || decides.Verdict == Counterexample:
		return decides, decides, err
	case by != nil && by.matches != nil:
		return decides, l.there(by.matches, nil), nil
	}
	matches, err = l.whether(ctx, r.Name+" matches", l.e.And(l.e.Fits(0), r.Holds), holds)
	return decides, matches, err
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
				if reduced, err = programWithout(l.policy.bundle, l.declared(), r.Name); err != nil {
					return false, err
				}
			}
			v, err := reduced.Decide(evalInput(s.inputs[0]))
			return err == nil && !sameSaying(v, s.seen[0].Verdict), err
		},
	})
}

// declared lists the rules of the cell as they are written.
func (l *linter) declared() []*pdl.Rule {
	list := make([]*pdl.Rule, len(l.all.Rules))
	for i := range l.all.Rules {
		list[i] = l.all.Rules[i].Rule
	}
	return list
}

// sameSaying compares all that verdicts say but their words.
func sameSaying(a, b kernel.Verdict) bool {
	return a.Decision == b.Decision && a.ApprovalsRequired == b.ApprovalsRequired && a.RiskLevel == b.RiskLevel &&
		fmt.Sprint(a.Workflows) == fmt.Sprint(b.Workflows) && sameConstraints(a.Constraints, b.Constraints)
}
