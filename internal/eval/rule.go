package eval

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A rule is a policy rule or table row, lowered.
type rule struct {
	*pdl.Rule
	atoms []atom
	beats [][]atom
	when  cond // nil: always
}

// An atom is one equality the index will use: the slot's value is in values.
type atom struct {
	pdl.Atom
	holds func(*frame) bool
	value expr[any]
}

// addRule lowers r and files it under every action it covers. The checks
// repeat what pdl.Compile promises: a bundle may have been built otherwise,
// and a rule that means something else than it says is the worst failure.
func (p *Program) addRule(r *pdl.Rule) error {
	if err := p.checkRule(r); err != nil {
		return err
	}
	l := &lowerer{layout: p.layout, data: p.data, shapes: p.shapesOf(r)}
	if len(l.shapes) == 0 {
		return errors.New("no action it covers takes the resource types it matches")
	}
	lowered := &rule{Rule: r, atoms: l.atoms(r.Match)}
	for _, b := range r.Beats {
		lowered.beats = append(lowered.beats, l.atoms(b))
	}
	if r.When != nil {
		if r.When.AST == nil {
			return errors.New("its condition has no checked expression")
		}
		l.ast = r.When.AST
		lowered.when = l.bools(r.When.AST.Expr())
	}
	if l.err != nil {
		return l.err
	}
	at, taken := slices.BinarySearchFunc(p.rules, r.Name, func(x *rule, name string) int { return cmp.Compare(x.Name, name) })
	if taken {
		return errors.New("another rule has the same name")
	}
	p.rules = slices.Insert(p.rules, at, lowered)
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

// beaten returns the atoms of the row that goes first, or nil.
func (r *rule) beaten(fr *frame) []atom {
	for _, b := range r.beats {
		if failedAtom(b, fr) == nil {
			return b
		}
	}
	return nil
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
