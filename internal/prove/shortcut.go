package prove

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/formula"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/smt"
)

// A shortcut is a part of a workflow that allows with fewer votes than it asks
// for. Every workflow that a request asks has to have it.
type shortcut struct {
	aspect Aspect
	has    func(w *pdl.Approval) bool
	within func(w, other *pdl.Approval) bool // both have it: w's lets nobody do what the other's does not
}

var shortcuts = []shortcut{
	{BreakingGlass, func(w *pdl.Approval) bool { return w.BreakGlass != nil }, glassWithin},
}

// glassWithin reports whether nobody may break the glass of a workflow who may
// not break that of another, for longer, with less of a reason, or with a
// review by others, or later. What says so otherwise is taken for more.
func glassWithin(w, other *pdl.Approval) bool {
	a, b := w.BreakGlass, other.BreakGlass
	return among(a.Of, b.Of) && among(a.Review.Of, b.Review.Of) && among(other.Apart, w.Apart) &&
		a.MinReason >= b.MinReason && breakable(w) <= breakable(other) && a.Review.Within <= b.Review.Within
}

func breakable(w *pdl.Approval) time.Duration {
	if w.BreakGlass.Expires > 0 {
		return w.BreakGlass.Expires
	}
	return w.Expires
}

func among[E comparable](list, all []E) bool {
	return !slices.ContainsFunc(list, func(e E) bool { return !slices.Contains(all, e) })
}

// glassChanges says how whom documents of one name let break the glass differs.
func glassChanges(older, newer *Policy) string {
	var list []string
	for _, now := range newer.bundle.Approvals {
		was := older.workflow(now.Name)
		switch {
		case was == nil || was.BreakGlass == nil && now.BreakGlass == nil:
		case was.BreakGlass == nil:
			list = append(list, now.Name+" gained break_glass")
		case now.BreakGlass == nil:
			list = append(list, now.Name+" lost break_glass")
		case !reflect.DeepEqual(was.BreakGlass, now.BreakGlass):
			list = append(list, glassDifferences(now.Name, was.BreakGlass, now.BreakGlass)...)
		}
	}
	return strings.Join(list, "; ")
}

func glassDifferences(name string, old, now *pdl.BreakGlass) (list []string) {
	for _, m := range []struct {
		what     string
		was, are any
	}{
		{"of", votersText(old.Of), votersText(now.Of)},
		{"min_reason", old.MinReason, now.MinReason},
		{"expires", glassTime(old), glassTime(now)},
		{"review.of", votersText(old.Review.Of), votersText(now.Review.Of)},
		{"review.within", old.Review.Within, now.Review.Within},
	} {
		if was, is := fmt.Sprint(m.was), fmt.Sprint(m.are); was != is {
			list = append(list, fmt.Sprintf("%s: break_glass.%s was %s and is %s", name, m.what, was, is))
		}
	}
	if len(list) == 0 {
		list = append(list, name+" has another break_glass")
	}
	return list
}

func glassTime(g *pdl.BreakGlass) string {
	if g.Expires == 0 {
		return "as long as the request waits"
	}
	return g.Expires.String()
}

// workflow returns the approval document of a rule, or nil.
func (p *Policy) workflow(name string) *pdl.Approval {
	i := slices.IndexFunc(p.bundle.Approvals, func(a pdl.Approval) bool { return a.Name == name })
	if i < 0 {
		return nil
	}
	return &p.bundle.Approvals[i]
}

// asked lists the workflows that a verdict asks; nil among them is that of
// rules that name none.
func (p *Policy) asked(v kernel.Verdict) (list []*pdl.Approval) {
	for _, name := range v.Rules {
		i, known := slices.BinarySearchFunc(p.bundle.Rules, name, func(r *pdl.Rule, name string) int { return strings.Compare(r.Name, name) })
		if known && p.bundle.Rules[i].Effect == kernel.RequireApproval {
			list = append(list, p.workflow(p.bundle.Rules[i].Approval))
		}
	}
	return list
}

// used lists the shortcuts that a workflow of one of the policies has.
func used(policies ...*Policy) (list []shortcut) {
	for _, k := range shortcuts {
		if slices.ContainsFunc(policies, func(p *Policy) bool {
			return slices.ContainsFunc(p.bundle.Approvals, func(a pdl.Approval) bool { return k.has(&a) })
		}) {
			list = append(list, k)
		}
	}
	return list
}

// open reports whether a workflow has the shortcut.
func (k *shortcut) open(w *pdl.Approval) bool { return w != nil && k.has(w) }

// covers reports whether whoever may take the shortcut of a workflow may take
// that of another.
func (k *shortcut) covers(w, other *pdl.Approval) bool {
	return k.open(w) && k.open(other) && k.within(w, other)
}

// beyond holds of what a shortcut allows by the policy of side a and not by that
// of side b, which does not allow it at once either.
func (p *pair) beyond(k *shortcut, a, b int) *smt.Term {
	e := p.e
	one, other := p.decision(a), p.decision(b)
	facts := []*smt.Term{one.Ask, e.Not(other.Allow)}
	for _, r := range asking(one) {
		if !k.open(p.policies[a].workflow(r.Approval)) {
			facts = append(facts, e.Not(r.Holds))
		}
	}
	covered := []*smt.Term{other.Ask}
	for _, r := range asking(other) {
		by := []*smt.Term{e.Not(r.Holds)}
		for _, s := range asking(one) {
			if k.covers(p.policies[a].workflow(s.Approval), p.policies[b].workflow(r.Approval)) {
				by = append(by, s.Holds)
			}
		}
		covered = append(covered, e.Or(by...))
	}
	return e.And(append(facts, e.Not(e.And(covered...)))...)
}

func (p *pair) decision(side int) formula.Decision { return []formula.Decision{p.a, p.b}[side] }

func asking(d formula.Decision) (list []formula.Rule) {
	for _, r := range d.Rules {
		if r.Effect == kernel.RequireApproval {
			list = append(list, r)
		}
	}
	return list
}

// isBeyond says the same of two verdicts.
func (p *pair) isBeyond(k *shortcut, a, b int, one, other kernel.Verdict) bool {
	if !is(one, kernel.RequireApproval) || is(other, kernel.Allow) {
		return false
	}
	mine, theirs := p.policies[a].asked(one), p.policies[b].asked(other)
	if slices.ContainsFunc(mine, func(w *pdl.Approval) bool { return !k.open(w) }) {
		return false
	}
	return is(other, kernel.Deny) || slices.ContainsFunc(theirs, func(w *pdl.Approval) bool {
		return !slices.ContainsFunc(mine, func(m *pdl.Approval) bool { return k.covers(m, w) })
	})
}

// shorter asks of each shortcut whether the newer policy, the second, lets more
// take it, and whether fewer.
func (p *pair) shorter() (list []difference) {
	for _, k := range used(p.policies...) {
		what := string(k.aspect)
		list = append(list,
			difference{what + " lets more than before", p.beyond(&k, 1, 0), func(o, n kernel.Verdict) bool { return p.isBeyond(&k, 1, 0, n, o) }},
			difference{what + " lets less than before", p.beyond(&k, 0, 1), func(o, n kernel.Verdict) bool { return p.isBeyond(&k, 0, 1, o, n) }})
	}
	return list
}
