package eval

import (
	"errors"
	"fmt"
	"slices"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A rule is a policy rule or table row, lowered.
type rule struct {
	beats  [][]atom
	rivals *index // of beats, where they are many
	rest   cond   // what its checks leave of it; nil: nothing
	alone  kernel.Verdict
	packed
	place  int // among all rules, by name
	needed int // approvals: its own, or the quorum of its workflow where that is more
	atoms  []atom
	votes  []vote // automatic ones of its workflow

	checks     []check    // until the candidates are made
	equalities []equality // without which it cannot hold; until the index is made
}

// addRule lowers the next rule by name and files it under every action it covers. The checks
// repeat what pdl.Compile promises: a bundle may have been built otherwise,
// and a rule that means something else than it says is the worst failure.
func (p *Program) addRule(r *pdl.Rule) error {
	if err := p.checkRule(r); err != nil {
		return err
	}
	if n := len(p.rules); n > 0 && p.rules[n-1].Name == r.Name {
		return errors.New("another rule has the same name")
	}
	kept, err := pack(r)
	if err != nil {
		return err
	}
	lowered := &rule{packed: kept, place: len(p.rules), needed: max(r.Approvals, p.workflows[r.Approval].Quorum)}
	if err := p.lower(lowered, r.When, r.Votes); err != nil {
		return err
	}
	p.noteFacts(r)
	p.rules = append(p.rules, lowered)
	for _, a := range p.coveredBy(r) {
		a.rules = append(a.rules, lowered)
	}
	return nil
}

func (p *Program) lowerer(r *pdl.Rule) *lowerer {
	return &lowerer{layout: p.layout, chronology: p.chronology, data: p.data, shapes: p.shapesOf(r)}
}

// lower makes of a rule what decisions look at.
func (p *Program) lower(r *rule, when *pdl.Condition, votes []pdl.AutomaticVote) error {
	l := p.lowerer(r.Rule)
	if len(l.shapes) == 0 {
		return errors.New("no action it covers takes the resource types it matches")
	}
	r.atoms = l.atoms(r.Match)
	for _, b := range r.Beats {
		r.beats = append(r.beats, l.atoms(b))
	}
	if l.err != nil {
		return l.err
	}
	r.rivals = rivals(r.beats)
	r.equalities = equalities(r.atoms)
	var rest []cond
	if r.When != nil {
		if _, err := p.condition(r, when); err != nil {
			return err
		}
		rest = l.parts(r, when)
	}
	// Behind the checks of the condition: the index found the rule by its
	// atoms, so that these hardly ever fail.
	for _, q := range equalities(r.atoms) {
		if c, ok := l.layout.check(q); ok {
			r.checks = append(r.checks, c)
		} else {
			rest = append(rest, func(fr *frame) tri { return truth(q.holds(fr)) })
		}
	}
	if len(rest) > 0 {
		r.rest = bounded(all(rest))
	}
	r.votes = l.automatic(votes)
	return l.err
}

// parts gives the checks of a condition to its rule, and returns what is left.
func (l *lowerer) parts(r *rule, when *pdl.Condition) (rest []cond) {
	l.ast = when.AST
	checks, equalities, operands := l.conjuncts(when.AST.Expr())
	r.checks = append(r.checks, checks...)
	r.equalities = append(r.equalities, equalities...)
	for _, x := range operands {
		rest = append(rest, l.bools(x))
	}
	return rest
}

// condition lowers the whole condition of a rule: what the checks and the rest
// are held against.
func (p *Program) condition(r *rule, when *pdl.Condition) (cond, error) {
	l := p.lowerer(r.Rule)
	l.ast = when.AST
	c := l.bools(when.AST.Expr())
	return bounded(c), l.err
}

func (p *Program) checkRule(r *pdl.Rule) error {
	if len(r.Actions) == 0 {
		return errors.New("it covers no action")
	}
	for i, name := range r.Actions {
		if len(p.under(name)) == 0 {
			return fmt.Errorf("action %q is not declared", name)
		}
		if slices.Contains(r.Actions[:i], name) {
			return fmt.Errorf("action %q is listed twice", name)
		}
	}
	switch {
	case r.Effect > kernel.Allow:
		return fmt.Errorf("unknown effect %v", r.Effect)
	case r.Risk > kernel.Critical:
		return fmt.Errorf("unknown risk %v", r.Risk)
	case (r.Effect == kernel.RequireApproval) != (r.Approvals >= 1):
		return fmt.Errorf("%v with %d approvals", r.Effect, r.Approvals)
	case r.Approval != "" && (r.Effect != kernel.RequireApproval || p.workflows[r.Approval].Quorum < 1):
		return fmt.Errorf("%v with the approval workflow %q of %d votes", r.Effect, r.Approval, p.workflows[r.Approval].Quorum)
	}
	for _, o := range r.Constraints {
		if err := checkObligation(p.meets, o); err != nil {
			return err
		}
	}
	return nil
}

// shapesOf lists the shapes a request has when the rule's own `resource.type`
// atom can hold: what its condition may read is declared in all of them.
func (p *Program) shapesOf(r *pdl.Rule) []*shape {
	var shapes []*shape
	seen := map[string]bool{}
	for _, a := range p.coveredBy(r) {
		if seen[a.origin] {
			continue // what is declared as one takes the same
		}
		seen[a.origin] = true
		for _, sh := range a.shapes {
			if mayBeType(r.Match, sh.resourceType) {
				shapes = append(shapes, sh)
			}
		}
	}
	return shapes
}

func mayBeType(match []pdl.Atom, resourceType string) bool {
	return !slices.ContainsFunc(match, func(a pdl.Atom) bool {
		return a.Path == "resource.type" && !slices.Contains(a.Values, resourceType)
	})
}

// failedAtom returns the first atom that does not hold, or nil.
func failedAtom(atoms []atom, fr *frame) *atom {
	for i := range atoms {
		if !atoms[i].holds(fr) {
			return &atoms[i]
		}
	}
	return nil
}

// rivals returns an index of the rows that go first, when it is worth one: a
// table's last row may lose to thousands.
func rivals(beats [][]atom) *index {
	const few = 4
	if len(beats) <= few {
		return nil
	}
	conjunctions := make([][]equality, len(beats))
	for i, row := range beats {
		conjunctions[i] = equalities(row)
	}
	x := newIndex(conjunctions)
	return &x
}

func equalities(atoms []atom) []equality {
	list := make([]equality, len(atoms))
	for i := range atoms {
		list[i] = atoms[i].equality
	}
	return list
}

// beaten returns the atoms of the first row that goes first, or nil.
func (r *rule) beaten(fr *frame) []atom {
	if r.rivals != nil {
		return r.beatenByIndex(fr)
	}
	for _, row := range r.beats {
		if failedAtom(row, fr) == nil {
			return row
		}
	}
	return nil
}

func (r *rule) beatenByIndex(fr *frame) []atom {
	first := len(r.beats)
	for t := range r.rivals.tuples {
		for _, at := range r.rivals.run(fr, t) {
			last := at < 0
			if last {
				at = ^at
			}
			if int(at) < first && failedAtom(r.beats[at], fr) == nil {
				first = int(at)
			}
			if last {
				break
			}
		}
	}
	if first == len(r.beats) {
		return nil
	}
	return r.beats[first]
}
