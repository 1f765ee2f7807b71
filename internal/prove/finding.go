package prove

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
)

// A merged answer is what all cells together say of one question.
type merged struct {
	yes  *Result // some cell has an example
	open *Result // else, some cell was not decided
	none Result  // else, it was proved of all of them
}

func merge(results []Result) merged {
	m := merged{none: Result{Verdict: Proved}}
	for i := range results {
		r := &results[i]
		switch {
		case r.Verdict == Counterexample && m.yes == nil:
			m.yes = r
		case r.Verdict != Proved && r.Verdict != Counterexample && m.open == nil:
			m.open = r
		}
		m.none.Asked += r.Asked
		m.none.Solvers = append(m.none.Solvers, r.Solvers...)
	}
	slices.Sort(m.none.Solvers)
	m.none.Solvers = slices.Compact(m.none.Solvers)
	return m
}

func (m merged) never() bool { return m.yes == nil && m.open == nil }

// ruleFindings puts together what the cells say of each rule.
func ruleFindings(policy *Policy, reports []report) []Finding {
	byRule := map[string][]*ruleReport{}
	for i := range reports {
		for j := range reports[i].rules {
			r := &reports[i].rules[j]
			byRule[r.rule.Name] = append(byRule[r.rule.Name], r)
		}
	}
	var list []Finding
	for _, r := range policy.bundle.Rules {
		if own := byRule[r.Name]; len(own) > 0 {
			list = append(list, findingsOf(own)...)
		}
	}
	slices.SortStableFunc(list, func(a, b Finding) int { return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Kind, b.Kind)) })
	return list
}

func findingsOf(own []*ruleReport) []Finding {
	rule := own[0].rule
	about := func(of func(*ruleReport) Result) merged {
		results := make([]Result, len(own))
		for i, r := range own {
			results[i] = of(r)
		}
		return merge(results)
	}
	errs, matches := about(func(r *ruleReport) Result { return r.errs }), about(func(r *ruleReport) Result { return r.matches })
	decides, matters := about(func(r *ruleReport) Result { return r.decides }), about(func(r *ruleReport) Result { return r.matters })
	finding := func(k Kind, r Result, format string, args ...any) Finding {
		return Finding{Kind: k, Rule: rule.Name, Effect: rule.Effect.String(), Pos: rule.Pos, Message: fmt.Sprintf(format, args...), Result: r}
	}
	var list []Finding
	if errs.yes != nil {
		list = append(list, finding(CanErr, *errs.yes, "the condition has no value for some requests, and they are denied"))
	}
	by := coverOf(own)
	with := func(f Finding) Finding { f.By = by; return f }
	switch {
	case matches.never():
		list = append(list, finding(NeverMatches, matches.none, "no request satisfies it"))
	case matches.yes == nil: // not decided: see below
	case decides.never() && rule.Effect != kernel.Deny:
		list = append(list, with(finding(Overridden, decides.none, "whenever it holds, the decision is stricter%s", because(by))))
	case matters.never():
		list = append(list, with(finding(Redundant, matters.none, "without it every verdict is the same%s", because(by))))
	}
	for _, q := range []struct {
		m    merged
		what string
	}{{errs, "whether its condition always has a value"}, {matches, "whether it can match"}, {decides, "whether it can decide"}, {matters, "whether it changes any verdict"}} {
		if q.m.yes == nil && q.m.open != nil {
			list = append(list, finding(Undecided, *q.m.open, "%s was not decided: %s", q.what, q.m.open.Why))
		}
	}
	return list
}

// because names the rules that cover one.
func because(by []string) string {
	if len(by) == 0 {
		return ""
	}
	return ": one of " + strings.Join(by, ", ") + " holds then"
}

// coverOf joins the rules that cover one in every cell; nil where in one of
// them they are not known.
func coverOf(own []*ruleReport) []string {
	var by []string
	for _, r := range own {
		if r.matches.Verdict == Proved {
			continue
		}
		if len(r.by) == 0 {
			return nil
		}
		by = append(by, r.by...)
	}
	slices.Sort(by)
	if by = slices.Compact(by); len(by) > maxCover {
		return nil
	}
	return by
}

// actionFindings puts together what the cells say of each action.
func actionFindings(reports []report) []Finding {
	var list []Finding
	for from := 0; from < len(reports); {
		to := from
		for to < len(reports) && reports[to].cell.Action == reports[from].cell.Action {
			to++
		}
		list = append(list, findingsOfAction(reports[from:to])...)
		from = to
	}
	return list
}

func findingsOfAction(cells []report) []Finding {
	action := cells[0].cell.Action
	var allowed, byDefault []Result
	conflicts := map[string][]Result{}
	for _, c := range cells {
		allowed, byDefault = append(allowed, c.allowed), append(byDefault, c.byDefault)
		for _, k := range c.conflicts {
			conflicts[k.constraint] = append(conflicts[k.constraint], k.result)
		}
	}
	finding := func(k Kind, r Result, format string, args ...any) Finding {
		return Finding{Kind: k, Action: action, Message: fmt.Sprintf(format, args...), Result: r}
	}
	var list []Finding
	undecided := func(m merged, what string) {
		if m.yes == nil && m.open != nil {
			list = append(list, finding(Undecided, *m.open, "%s was not decided: %s", what, m.open.Why))
		}
	}
	for _, name := range kernel.SortedKeys(conflicts) {
		m := merge(conflicts[name])
		if m.yes != nil {
			f := finding(Conflict, *m.yes, "rules that hold together leave no value of %s, and the request is denied", name)
			f.By = []string{name}
			list = append(list, f)
		}
		undecided(m, "whether a value of "+name+" is always left")
	}
	can := merge(allowed)
	if can.never() {
		list = append(list, finding(NeverAllowed, can.none, "nobody can be allowed it, not even with approvals"))
	}
	undecided(can, "whether anybody can be allowed it")
	only := merge(byDefault)
	if only.yes != nil && !can.never() {
		list = append(list, finding(OnlyDefault, *only.yes, "some requests are denied because no rule matches"))
	}
	undecided(only, "whether a rule always matches")
	return list
}
