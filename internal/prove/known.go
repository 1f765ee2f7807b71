package prove

import (
	"slices"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/formula"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// What a bundle's own tests show need not be looked for: their inputs, by cell,
// and what they show of each rule.
type known struct {
	inputs map[formula.Cell][]situation
	rules  map[string]*shown
}

// What some input shows of a rule; nil where none does.
type shown struct{ matches, decides, matters *situation }

// knownOf decides the tests of a policy. Those with a history that cannot have
// happened are left out.
func knownOf(policy *Policy, cells []formula.Cell) (known, error) {
	k := known{inputs: map[formula.Cell][]situation{}, rules: map[string]*shown{}}
	for _, cell := range cells {
		list, err := testsOf(policy, cell, cells)
		if err != nil {
			return k, err
		}
		k.inputs[cell] = list
		if len(list) > 0 {
			if err := k.show(policy, cell, list); err != nil {
				return k, err
			}
		}
	}
	return k, nil
}

// testsOf lists what the tests of a policy decide about in a cell.
func testsOf(policy *Policy, cell formula.Cell, cells []formula.Cell) ([]situation, error) {
	if !slices.ContainsFunc(policy.bundle.Tests, func(t *pdl.Test) bool {
		return t.Request.Resource.Type == cell.ResourceType && pdl.Covers(cell.Action, t.Request.Action)
	}) {
		return nil, nil
	}
	e, _ := formula.New(cell, cells, formula.Config{}, policy.source) // one bundle can always be encoded
	return admitted(policy, e)
}

// admitted lists what the tests of a policy decide about in the cell of an
// encoding.
func admitted(policy *Policy, e *formula.Encoding) ([]situation, error) {
	var list []situation
	for _, t := range policy.bundle.Tests {
		in, err := eval.InputOf(t)
		if err != nil || !e.Holds(in.Request) {
			continue
		}
		s, err := look([]*Policy{policy}, []formula.Input{{Request: in.Request, Facts: in.Facts, Now: in.Now}})
		if err != nil {
			return nil, err
		}
		if s.taken() && e.Admits(0, s.inputs[0]) {
			list = append(list, s)
		}
	}
	return list, nil
}

// show notes what the inputs of a cell show of the rules that cover it.
func (k *known) show(policy *Policy, cell formula.Cell, list []situation) error {
	var rules []*pdl.Rule
	for _, r := range policy.bundle.Rules {
		if !r.Shadow && slices.ContainsFunc(r.Actions, func(name string) bool { return pdl.Covers(name, cell.Action) }) {
			rules = append(rules, r)
		}
	}
	for _, r := range rules {
		if k.rules[r.Name] == nil {
			k.rules[r.Name] = &shown{}
		}
		if err := k.rules[r.Name].by(policy, r, rules, list); err != nil {
			return err
		}
	}
	return nil
}

// by notes what inputs show of a rule, beside the rules that it stands among.
func (w *shown) by(policy *Policy, r *pdl.Rule, rules []*pdl.Rule, list []situation) error {
	var reduced *eval.Program
	for i := range list {
		s := &list[i]
		result := s.candidate(r.Name)
		if result != eval.ResultTrue && result != eval.ResultError {
			continue
		}
		v := s.seen[0].Verdict
		if result == eval.ResultTrue {
			w.matches = s
			if v.Decision == r.Effect && v.Code == kernel.CodeRule {
				w.decides = s
			}
		}
		if w.matters != nil {
			continue
		}
		var err error
		if reduced == nil {
			if reduced, err = programWithout(policy.bundle, rules, r.Name); err != nil {
				return err
			}
		}
		without, err := reduced.Decide(evalInput(s.inputs[0]))
		if err == nil && !sameSaying(without, v) {
			w.matters = s
		}
	}
	return nil
}

// programWithout is the program of some rules of a bundle but for one.
func programWithout(b *pdl.Bundle, rules []*pdl.Rule, name string) (*eval.Program, error) {
	reduced := *b
	reduced.Rules = nil
	for _, r := range rules {
		if r.Name != name {
			reduced.Rules = append(reduced.Rules, r)
		}
	}
	return eval.New(&reduced)
}
