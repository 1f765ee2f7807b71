package eval

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
)

// Bounds of a search for changes.
const (
	maxTrials  = 20_000 // requests decided
	maxNearest = 20     // changes reported
	maxAlike   = 3      // changes of one attribute that lead to one decision
)

// A Counterfactual says what else would have been answered: the smallest
// changes of the request that change the decision.
type Counterfactual struct {
	Changes  []Change `json:"changes"`  // fewest attributes first; never nil
	Tried    int      `json:"tried"`    // requests that were decided
	Complete bool     `json:"complete"` // nothing was left out for the bound on the work
}

// A Change is a set of edits of the request and the decision it leads to.
type Change struct {
	Edits             []Edit        `json:"edits"`
	Decision          kernel.Effect `json:"decision"`
	ApprovalsRequired int           `json:"approvals_required"`
	Code              kernel.Code   `json:"code"`
	Rules             []string      `json:"rules"`
}

// An Edit gives one attribute another value. From is nil when the attribute is
// absent, To when it would be; Other says that To stands for any value that no
// rule names.
type Edit struct {
	Path  string `json:"path"`
	From  any    `json:"from,omitzero"`
	To    any    `json:"to,omitzero"`
	Other bool   `json:"other,omitzero"`

	distance int64 // of numbers and instants
}

// Nearest looks for the changes of one attribute that change the decision:
// every value of an enum and both of a bool, the bounds that conditions
// compare integers and instants with, the texts that rules name, what is
// optional there and not there. Where one attribute is not enough it looks for
// two. The work is bounded; the same program and input give the same answer.
func Nearest(p *Program, in Input) (Counterfactual, error) {
	s := search{evaluator: p.NewEvaluator(Config{}), in: in, found: Counterfactual{Changes: []Change{}, Complete: true}}
	verdict, err := s.evaluator.own(in)
	if err != nil {
		return s.found, err
	}
	s.decision = verdict.Decision
	if s.evaluator.shape == nil {
		return s.found, nil // decided before the rules: no attribute is to blame
	}
	edits := editsOf(p, s.evaluator.shape, in)
	for _, e := range edits {
		s.try(e)
	}
	s.clock()
	if len(s.found.Changes) == 0 {
		s.pairs(edits)
	}
	s.order()
	return s.found, nil
}

// A search is one look for changes.
type search struct {
	evaluator *Evaluator
	in        Input
	decision  kernel.Effect
	found     Counterfactual
}

func (s *search) pairs(edits []Edit) {
	for i, a := range edits {
		for _, b := range edits[i+1:] {
			if a.Path != b.Path {
				s.try(a, b)
			}
		}
	}
}

// try decides the request with some edits, and keeps them when the decision is
// another.
func (s *search) try(edits ...Edit) {
	v, ok := s.decide(edits)
	if !ok || v.Decision == s.decision {
		return
	}
	s.found.Changes = append(s.found.Changes, Change{
		Edits: edits, Decision: v.Decision, ApprovalsRequired: v.ApprovalsRequired, Code: v.Code, Rules: append([]string{}, v.Rules...),
	})
}

func (s *search) decide(edits []Edit) (kernel.Verdict, bool) {
	if s.found.Tried >= maxTrials {
		s.found.Complete = false
		return kernel.Verdict{}, false
	}
	s.found.Tried++
	in := s.in
	in.Digest = "-" // nobody sees it
	for _, e := range edits {
		in = e.apply(in)
	}
	v, err := s.evaluator.Decide(in)
	return v, err == nil // an edit that does not fit the schema is none
}

// apply returns the input with the edit; the old one stays.
func (e Edit) apply(in Input) Input {
	root, name := splitPath(e.Path)
	switch {
	case e.Path == pathNow:
		if at, ok := instantIn(e.To); ok {
			in.Now = at.time()
		}
	case e.Path == pathResourceType:
		in.Request.Resource.Type, _ = e.To.(string)
	case root == "agent":
		in.Request.Agent.Attributes = edited(in.Request.Agent.Attributes, name, e.To)
	case root == "resource":
		in.Request.Resource.Attributes = edited(in.Request.Resource.Attributes, name, e.To)
	case root == "params":
		in.Request.Params = edited(in.Request.Params, name, e.To)
	case root == "context":
		in.Request.Context = edited(in.Request.Context, name, e.To)
	case root == "facts":
		in.Facts = edited(in.Facts, name, e.To)
	}
	return in
}

func edited(m map[string]any, name string, to any) map[string]any {
	m = maps.Clone(m)
	if record, rest, nested := strings.Cut(name, "."); nested {
		below, _ := m[record].(map[string]any)
		name, to = record, edited(below, rest, to)
	}
	if to == nil {
		delete(m, name)
		return m
	}
	if m == nil {
		m = map[string]any{}
	}
	m[name] = to
	return m
}

// order sorts what was found and drops what says little more.
func (s *search) order() {
	slices.SortStableFunc(s.found.Changes, func(a, b Change) int {
		return cmp.Or(
			cmp.Compare(len(a.Edits), len(b.Edits)),
			cmp.Compare(b.Decision, a.Decision), // what allows more, first
			cmp.Compare(a.paths(), b.paths()),
			cmp.Compare(a.distance(), b.distance()),
		)
	})
	type group struct {
		paths    string
		decision kernel.Effect
		measured bool // of these, the nearest is enough
	}
	alike := map[group]int{}
	s.found.Changes = slices.DeleteFunc(s.found.Changes, func(c Change) bool {
		g := group{c.paths(), c.Decision, c.distance() > 0}
		alike[g]++
		return alike[g] > maxAlike || alike[g] > 1 && g.measured
	})
	if len(s.found.Changes) > maxNearest {
		s.found.Changes, s.found.Complete = s.found.Changes[:maxNearest], false
	}
}

func (c Change) paths() string {
	paths := ""
	for _, e := range c.Edits {
		paths += e.Path + " "
	}
	return paths
}

func (c Change) distance() int64 {
	sum := int64(0)
	for _, e := range c.Edits {
		sum += min(e.distance, 1<<40)
	}
	return sum
}

// clock looks for the next instant at which the answer is another, where a
// condition reads the clock by calendars or parts of an instant: a quarter of
// an hour at a time for eight days, then to the second.
func (s *search) clock() {
	if !readsClock(s.evaluator.shape.action.rules) {
		return
	}
	const step, far = 15 * time.Minute, 8 * 24 * time.Hour
	start := s.in.Now.Truncate(time.Second)
	for d := step; d <= far; d += step {
		v, ok := s.decide([]Edit{nowEdit(s.in, start.Add(d))})
		if !ok {
			return
		}
		if v.Decision == s.decision {
			continue
		}
		low, high := start.Add(d-step), start.Add(d)
		for high.Sub(low) > time.Second {
			middle := low.Add(high.Sub(low) / 2).Truncate(time.Second)
			if v, ok := s.decide([]Edit{nowEdit(s.in, middle)}); ok && v.Decision != s.decision {
				high = middle
			} else {
				low = middle
			}
		}
		s.try(nowEdit(s.in, high))
		return
	}
}

func nowEdit(in Input, at time.Time) Edit {
	return Edit{
		Path: pathNow, From: in.Now.UTC().Format(time.RFC3339Nano), To: at.UTC().Format(time.RFC3339Nano),
		distance: max(1, int64(at.Sub(in.Now).Abs()/time.Second)),
	}
}
