package formula

import (
	"fmt"
	"slices"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/smt"
)

// A View is everything that a verdict says but its words, as facts that hold
// or not: two verdicts say the same when the same facts hold.
type View struct {
	names []string
	facts map[string]*smt.Term
}

func (v *View) add(name string, t *smt.Term) {
	if v.facts[name] == nil {
		v.names = append(v.names, name)
	}
	v.facts[name] = t
}

// View lists the facts of a decision: what it is, whom and how many it asks,
// what it obliges to; with risk, also the risk. Others are decisions that it is
// compared with.
func (e *Encoding) View(side int, d Decision, risk bool, others ...Decision) View {
	v := View{facts: map[string]*smt.Term{}}
	v.add("DENY", d.Deny)
	v.add("ALLOW", d.Allow)
	all := append([]Decision{d}, others...)
	for _, n := range Levels(all...) {
		v.add(fmt.Sprintf("approvals %d", n), e.AtLeast(d, n))
	}
	for _, w := range Workflows(all...) {
		v.add("workflow "+w, e.Asks(d, w))
	}
	var rules []Rule
	for _, o := range all {
		rules = append(rules, o.Rules...)
	}
	for _, k := range e.sides[side].bundle.Schema.Constraints {
		e.viewConstraint(&v, k, d, rules)
	}
	if risk {
		e.viewRisk(&v, side, d)
	}
	return v
}

// viewConstraint lists what a decision says of a constraint.
func (e *Encoding) viewConstraint(v *View, k pdl.Constraint, d Decision, all []Rule) {
	counts := e.Not(d.Deny)
	when := func(suits func(any) bool) *smt.Term {
		var any []*smt.Term
		for _, r := range d.Rules {
			if o, names := obligation(r.Rule, k.Name); names && suits(o) {
				any = append(any, r.Holds)
			}
		}
		return e.Or(any...)
	}
	set := when(func(any) bool { return true })
	kind := map[pdl.Meet]string{pdl.IntMin: "int", pdl.IntMax: "int", pdl.SetUnion: "set", pdl.SetIntersect: "set"}[k.Meet]
	v.add("constraint "+k.Name+" "+kind, e.And(counts, set))
	switch k.Meet {
	case pdl.IntMin, pdl.IntMax:
		for _, n := range bounds(k.Name, all) {
			atMost := when(func(o any) bool { return o.(int64) <= n })
			if k.Meet == pdl.IntMax {
				atMost = e.And(set, e.Not(when(func(o any) bool { return o.(int64) > n })))
			}
			v.add(fmt.Sprintf("constraint %s <= %d", k.Name, n), e.And(counts, atMost))
		}
	case pdl.SetUnion:
		for _, x := range valuesOf(k.Name, all) {
			v.add("constraint "+k.Name+" has "+x, e.And(counts, when(func(o any) bool { return slices.Contains(o.([]string), x) })))
		}
	case pdl.SetIntersect:
		for _, x := range valuesOf(k.Name, all) {
			v.add("constraint "+k.Name+" has "+x, e.And(counts, set, e.Not(when(func(o any) bool { return !slices.Contains(o.([]string), x) }))))
		}
	default: // a flag is set or not
	}
}

func bounds(constraint string, rules []Rule) []int64 {
	var list []int64
	for _, r := range rules {
		if o, names := obligation(r.Rule, constraint); names {
			if n, isInt := o.(int64); isInt {
				list = append(list, n)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// viewRisk lists the levels of risk that a decision reaches.
func (e *Encoding) viewRisk(v *View, side int, d Decision) {
	own := kernel.Low
	if a := e.sides[side].action; a != nil {
		own = a.Risk
	}
	for level := kernel.Low; level <= kernel.Critical; level++ {
		any := []*smt.Term{d.Errs, e.Bool(own >= level)}
		for _, r := range d.Rules {
			if r.Risk >= level {
				any = append(any, r.Holds)
			}
		}
		v.add("risk "+level.String(), e.Or(any...))
	}
}

// Differ holds when two views differ. What one does not speak of is false in
// it.
func (e *Encoding) Differ(a, b View) *smt.Term {
	at := func(v View, name string) *smt.Term {
		if t := v.facts[name]; t != nil {
			return t
		}
		return e.False()
	}
	var any []*smt.Term
	for _, name := range append(slices.Clone(a.names), b.names...) {
		any = append(any, e.Not(e.Equal(at(a, name), at(b, name))))
	}
	return e.Or(any...)
}
