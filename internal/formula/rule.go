package formula

import (
	"slices"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/smt"
)

// A Rule is an enforced rule in formulas.
type Rule struct {
	*pdl.Rule
	Holds  *smt.Term
	Errs   *smt.Term // its condition has no value
	Needed int       // approvals
}

// Rules encodes the enforced rules of a side that cover the cell, by name.
func (e *Encoding) Rules(side int) []Rule {
	s := e.sides[side]
	if s.action == nil {
		return nil
	}
	quorums := map[string]int{}
	for _, a := range s.bundle.Approvals {
		quorums[a.Name] = a.Quorum
	}
	var list []Rule
	for _, r := range s.bundle.Rules {
		if r.Shadow || !covers(r, e.Cell) {
			continue
		}
		matches := e.Atoms(side, r.Match)
		for _, first := range r.Beats {
			matches = e.And(matches, e.Not(e.Atoms(side, first)))
		}
		t := Truth{e.False(), e.True()}
		if !matches.IsFalse() {
			t = e.Condition(side, r.Name, r.When)
		}
		list = append(list, Rule{r, e.And(matches, t.True), e.And(matches, e.Error(t)), max(r.Approvals, quorums[r.Approval])})
	}
	slices.SortFunc(list, func(a, b Rule) int { return compare(a.Name, b.Name) })
	return list
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Atoms encodes equality atoms. One about an attribute that is absent, or that
// the cell does not have, does not hold.
func (e *Encoding) Atoms(side int, atoms []pdl.Atom) *smt.Term {
	facts := make([]*smt.Term, len(atoms))
	for i, a := range atoms {
		facts[i] = e.atom(e.sides[side], a)
	}
	return e.And(facts...)
}

func (e *Encoding) atom(s *side, a pdl.Atom) *smt.Term {
	if a.Path == pathType {
		return e.Bool(contains(a.Values, e.Cell.ResourceType))
	}
	m := s.members[a.Path]
	switch {
	case m == nil:
		return e.False()
	case m.typ.Kind == pdl.Bool:
		v := e.variable(a.Path, smt.Bool, nil)
		yes := e.Or(e.And(e.Bool(contains(a.Values, "true")), v), e.And(e.Bool(contains(a.Values, "false")), e.Not(v)))
		return e.And(e.there(s, a.Path), yes)
	case m.typ.Kind != pdl.String && m.typ.Kind != pdl.Enum:
		return e.False()
	}
	t := e.textAt(a.Path, a.Path, m.typ)
	c := coder{e: e, s: s}
	var any []*smt.Term
	for _, v := range a.Values {
		if c.possible(t, v) {
			any = append(any, e.equalText(t, v))
		}
	}
	return e.And(e.there(s, a.Path), e.Or(any...))
}

// A Decision is what rules come to, in formulas: exactly one of Deny, Ask and
// Allow holds of every input.
type Decision struct {
	Rules []Rule

	Deny, Ask, Allow *smt.Term

	Errs     *smt.Term // some condition has no value
	Denied   *smt.Term // some rule that denies holds
	Conflict *smt.Term // constraints contradict each other
	Default  *smt.Term // no rule holds that says anything
}

// Decide merges rules as the evaluator does. A bundle that does not take an
// input denies it: fits holds of those that it takes.
func (e *Encoding) Decide(side int, rules []Rule, fits *smt.Term) Decision {
	d := Decision{Rules: rules}
	var errs, deny, ask, allow []*smt.Term
	for _, r := range rules {
		errs = append(errs, r.Errs)
		switch r.Effect {
		case kernel.Deny:
			deny = append(deny, r.Holds)
		case kernel.RequireApproval:
			ask = append(ask, r.Holds)
		case kernel.Allow:
			allow = append(allow, r.Holds)
		}
	}
	d.Errs, d.Denied, d.Conflict = e.And(fits, e.Or(errs...)), e.And(fits, e.Or(deny...)), e.And(fits, e.conflict(side, rules))
	open := e.And(fits, e.Not(d.Errs), e.Not(d.Denied), e.Not(d.Conflict))
	asked := e.Or(ask...)
	d.Ask = e.And(open, asked)
	d.Allow = e.And(open, e.Not(asked), e.Or(allow...))
	d.Deny = e.And(e.Not(d.Ask), e.Not(d.Allow))
	d.Default = e.And(open, e.Not(asked), e.Not(e.Or(allow...)))
	return d
}

// conflict holds when the sets that rules name for one constraint have nothing
// in common.
func (e *Encoding) conflict(side int, rules []Rule) *smt.Term {
	var any []*smt.Term
	for _, k := range e.sides[side].bundle.Schema.Constraints {
		if k.Meet == pdl.SetIntersect {
			any = append(any, e.Conflict(k.Name, rules))
		}
	}
	return e.Or(any...)
}

// Conflict holds when the sets that rules name for a constraint have nothing
// in common.
func (e *Encoding) Conflict(constraint string, rules []Rule) *smt.Term {
	var set []*smt.Term
	values := valuesOf(constraint, rules)
	excluded := make([][]*smt.Term, len(values))
	for _, r := range rules {
		v, names := obligation(r.Rule, constraint)
		if !names {
			continue
		}
		set = append(set, r.Holds)
		for i, x := range values {
			if !slices.Contains(v.([]string), x) {
				excluded[i] = append(excluded[i], r.Holds)
			}
		}
	}
	facts := []*smt.Term{e.Or(set...)}
	for _, x := range excluded {
		facts = append(facts, e.Or(x...))
	}
	return e.And(facts...)
}

func obligation(r *pdl.Rule, constraint string) (any, bool) {
	for _, o := range r.Constraints {
		if o.Name == constraint {
			return o.Value, true
		}
	}
	return nil, false
}

// valuesOf lists the elements of the sets that rules name for a constraint.
func valuesOf(constraint string, rules []Rule) []string {
	var list []string
	for _, r := range rules {
		if v, names := obligation(r.Rule, constraint); names {
			if set, isSet := v.([]string); isSet {
				list = merge(list, set)
			}
		}
	}
	slices.Sort(list)
	return list
}

// AtLeast holds when so many approvals are asked for, or more.
func (e *Encoding) AtLeast(d Decision, n int) *smt.Term {
	var any []*smt.Term
	for _, r := range d.Rules {
		if r.Effect == kernel.RequireApproval && r.Needed >= n {
			any = append(any, r.Holds)
		}
	}
	return e.And(d.Ask, e.Or(any...))
}

// Asks holds when a workflow is asked.
func (e *Encoding) Asks(d Decision, workflow string) *smt.Term {
	var any []*smt.Term
	for _, r := range d.Rules {
		if r.Effect == kernel.RequireApproval && r.Approval == workflow {
			any = append(any, r.Holds)
		}
	}
	return e.And(d.Ask, e.Or(any...))
}

// Levels lists the numbers of approvals that rules ask for, sorted.
func Levels(decisions ...Decision) []int {
	var list []int
	for _, d := range decisions {
		for _, r := range d.Rules {
			if r.Effect == kernel.RequireApproval {
				list = append(list, r.Needed)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Workflows lists the workflows that rules name, sorted.
func Workflows(decisions ...Decision) []string {
	var list []string
	for _, d := range decisions {
		for _, r := range d.Rules {
			if r.Approval != "" {
				list = append(list, r.Approval)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
