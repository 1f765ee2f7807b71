package eval

import (
	"fmt"
	"slices"

	"github.com/strixlabs/execution-kernel"
)

// Decide returns the verdict on a request. A request that does not fit the
// schema has none: the error is a *kernel.Error with code kernel.Invalid that
// names the member. Any other error is a fault of ours or of the clock.
func (p *Program) Decide(in Input) (kernel.Verdict, error) {
	r, err := p.start(in)
	if err != nil {
		return kernel.Verdict{}, err
	}
	return p.stamp(in.Request, r.verdict(p, evaluate(r.candidates(), r.frame, enforced)))
}

// A run is one request on its way to a verdict: refused before the rules, or
// bound to a frame.
type run struct {
	input   Input
	refusal *kernel.Verdict
	action  *action
	frame   *frame
}

func (r *run) candidates() []*rule {
	if r.refusal != nil {
		return nil
	}
	return r.action.candidates(r.frame)
}

func (r *run) verdict(p *Program, o outcome) kernel.Verdict {
	if r.refusal != nil {
		return *r.refusal
	}
	return p.merge(r, o)
}

// start does what comes before the rules, in the order of the specification:
// unknown action, unknown resource, shape.
func (p *Program) start(in Input) (*run, error) {
	now := instantOf(in.Now)
	if !inRange(now) {
		return nil, fmt.Errorf("decide: the instant %s is outside 1900-01-01..2190-01-01", in.Now.UTC().Format("2006-01-02T15:04:05Z"))
	}
	r := &run{input: in, action: p.actions[in.Request.Action]}
	if r.refusal = p.refuse(in, r.action); r.refusal != nil {
		return r, nil
	}
	var err error
	r.frame, err = p.bind(r.action.shapes[in.Request.Resource.Type], in.Request, now)
	return r, err
}

// stamp adds what the verdict is about.
func (p *Program) stamp(req kernel.Request, v kernel.Verdict) (kernel.Verdict, error) {
	digest, err := req.Digest()
	if err != nil {
		return kernel.Verdict{}, kernel.Errorf(kernel.Invalid, "the request cannot be written as JSON: %v", err).At("$")
	}
	v.PolicyVersion, v.RequestDigest = p.version, digest
	return v, nil
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

// evaluate runs the candidates that take part.
func evaluate(candidates []*rule, fr *frame, takesPart func(*rule) bool) outcome {
	var o outcome
	for _, r := range candidates {
		if !takesPart(r) {
			continue
		}
		switch r.holds(fr) {
		case no:
		case yes:
			o.held = append(o.held, r)
		default:
			o.erred = append(o.erred, r)
		}
	}
	sortByName(o.erred)
	sortByName(o.held)
	return o
}

func enforced(r *rule) bool { return !r.Shadow }
func everyRule(*rule) bool  { return true }

func sortByName(rules []*rule) { slices.SortFunc(rules, byName) }
