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
	*pdl.Rule
	place   int // among all rules, by name
	atoms   []atom
	beats   [][]atom
	rivals  *index     // of beats, where they are many
	when    cond       // nil: always
	hoisted []equality // without which when is false; for the index alone
	alone   kernel.Verdict
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
	l := &lowerer{layout: p.layout, data: p.data, shapes: p.shapesOf(r)}
	if len(l.shapes) == 0 {
		return errors.New("no action it covers takes the resource types it matches")
	}
	lowered := &rule{Rule: r, place: len(p.rules), atoms: l.atoms(r.Match)}
	for _, b := range r.Beats {
		lowered.beats = append(lowered.beats, l.atoms(b))
	}
	lowered.rivals = rivals(lowered.beats)
	if r.When != nil {
		if r.When.AST == nil {
			return errors.New("its condition has no checked expression")
		}
		l.ast = r.When.AST
		lowered.when = l.bools(r.When.AST.Expr())
		lowered.hoisted = l.hoist(r.When.AST.Expr())
	}
	if l.err != nil {
		return l.err
	}
	p.rules = append(p.rules, lowered)
	for _, name := range r.Actions {
		a := p.actions[name]
		a.rules = append(a.rules, lowered)
	}
	return nil
}

func (p *Program) checkRule(r *pdl.Rule) error {
	if len(r.Actions) == 0 {
		return errors.New("it covers no action")
	}
	for i, name := range r.Actions {
		if p.actions[name] == nil {
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
	for _, name := range r.Actions {
		a := p.actions[name]
		for _, t := range a.types {
			if mayBeType(r.Match, t) {
				shapes = append(shapes, a.shapes[t])
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
	return newIndex(conjunctions)
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
		for _, at := range r.rivals.run(fr, &r.rivals.tuples[t]) {
			if int(at) < first && failedAtom(r.beats[at], fr) == nil {
				first = int(at)
			}
		}
	}
	if first == len(r.beats) {
		return nil
	}
	return r.beats[first]
}

// holds evaluates the rule: no, yes, or the fault of its condition.
func (r *rule) holds(fr *frame) tri {
	if failedAtom(r.atoms, fr) != nil || r.beaten(fr) != nil {
		return no
	}
	if r.when == nil {
		return yes
	}
	return r.when(fr)
}
