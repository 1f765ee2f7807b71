package eval

import (
	"fmt"
	"maps"
	"slices"

	"github.com/strixlabs/execution-kernel"
)

// Decide returns the verdict on a request. A request that does not fit the
// schema has none: the error is a *kernel.Error with code kernel.Invalid that
// names the member. Any other error is a fault of ours or of the clock.
//
// The verdict is the caller's own. Whoever decides often holds an [Evaluator],
// which does the same without allocating.
func (p *Program) Decide(in Input) (kernel.Verdict, error) {
	return p.NewEvaluator(Config{}).own(in)
}

// own decides, and makes the verdict the caller's own.
func (e *Evaluator) own(in Input) (kernel.Verdict, error) {
	v, err := e.Decide(in)
	if err != nil {
		return kernel.Verdict{}, err
	}
	v.Rules, v.Constraints = slices.Clone(v.Rules), maps.Clone(v.Constraints)
	v.Workflows = slices.Clone(v.Workflows)
	for _, name := range kernel.SortedKeys(v.Constraints) {
		v.Constraints[name] = copyValue(v.Constraints[name])
	}
	return in.stamp(v)
}

// stamp adds what the verdict is about, unless the caller knew it.
func (in *Input) stamp(v kernel.Verdict) (kernel.Verdict, error) {
	v.RequestDigest = in.Digest
	if in.Digest != "" {
		return v, nil
	}
	var err error
	if v.RequestDigest, err = in.Request.Digest(); err != nil {
		return kernel.Verdict{}, kernel.Errorf(kernel.Invalid, "the request cannot be written as JSON: %v", err).At("$")
	}
	return v, nil
}

// start does what comes before the rules, in the order of the specification:
// kill switch, unknown and suspended agent, unknown action, unknown resource,
// shape, trusted attributes, capability. It returns the verdict that is
// reached there, or leaves the request in the frame.
func (e *Evaluator) start(in *Input) (*kernel.Verdict, error) {
	e.shape = nil
	now := instantOf(in.Now)
	if !inRange(now) {
		return nil, fmt.Errorf("decide: the instant %s is outside 1900-01-01..2190-01-01", in.Now.UTC().Format("2006-01-02T15:04:05Z"))
	}
	if in.Standing != nil {
		if refusal := e.program.refuseStanding(in); refusal != nil {
			return refusal, nil
		}
	}
	if !in.Phase1 {
		e.shape = e.program.find(in.Request.Action, in.Request.Resource.Type)
	}
	if e.shape == nil {
		action := e.program.of(in.Request.Action)
		if refusal := e.program.refuse(in, action); refusal != nil {
			return refusal, nil
		}
		e.shape = action.shape(in.Request.Resource.Type)
	}
	e.soon = e.shape.ahead()
	e.frame.reset()
	if in.Standing == nil {
		if err := e.program.layout.bind(e.frame, e.shape, &in.Request, now); err != nil {
			return nil, err
		}
	} else if refusal, err := e.bindStanding(in, now); refusal != nil || err != nil {
		e.shape = nil
		return refusal, err
	}
	return nil, e.bindFacts(in)
}

// An outcome is what the rules say: X and M of the specification. Both are
// sorted by name, so that nothing after it can depend on an order of rules.
type outcome struct {
	erred []*rule // X: the condition has no value
	held  []*rule // M
}

func (o outcome) of(e kernel.Effect) []*rule {
	var list []*rule
	for _, r := range o.held {
		if r.Effect == e {
			list = append(list, r)
		}
	}
	return list
}

// add files a rule by what it came to.
func (o *outcome) add(r *rule, result tri) {
	switch result {
	case no:
	case yes:
		o.held = append(o.held, r)
	default:
		o.erred = append(o.erred, r)
	}
}

// scan evaluates every rule of the action that takes part, in the plain way:
// atom by atom, and the whole condition as one. What decisions do faster is
// held against it.
func (e *Evaluator) scan(takesPart func(*rule) bool) outcome {
	var o outcome
	for _, r := range e.shape.action.rules {
		if takesPart(r) {
			o.add(r, e.plainly(r))
		}
	}
	return o
}

// plainly evaluates one rule: no, yes, or the fault of its condition.
func (e *Evaluator) plainly(r *rule) tri {
	if failedAtom(r.atoms, e.frame) != nil || r.beaten(e.frame) != nil {
		return no
	}
	if r.When == nil {
		return yes
	}
	return e.condition(r)(e.frame)
}

// again unpacks and lowers a condition that was lowered before, which cannot
// fail; if it did, the condition would have no value.
func (p *Program) again(r *rule) cond {
	when, err := r.packed.condition()
	if err == nil {
		var c cond
		if c, err = p.condition(r, when); err == nil {
			return c
		}
	}
	return func(*frame) tri { return failed(faultAbsent) }
}

// condition returns the condition of a rule, lowered when it is first needed.
func (e *Evaluator) condition(r *rule) cond {
	if e.conditions == nil {
		e.conditions = make([]cond, len(e.program.rules))
	}
	if e.conditions[r.place] == nil {
		e.conditions[r.place] = e.program.again(r)
	}
	return e.conditions[r.place]
}

func enforced(r *rule) bool { return !r.Shadow }
func everyRule(*rule) bool  { return true }
