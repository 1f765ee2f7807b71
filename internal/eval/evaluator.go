package eval

import (
	"errors"
	"slices"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/tape"
)

// An Evaluator decides with one program, one request after the other, without
// allocating: what it needs it keeps, which includes texts of its last request.
// It is for one goroutine at a time; whoever has many keeps one for each.
//
// The slices and maps of its verdicts must not be changed: they are the
// program's, or remembered for the next request.
type Evaluator struct {
	program *Program
	config  Config
	frame   *frame
	shape   *shape // of the request in the frame; nil when it was decided before the rules
	outcome outcome
	memory  memory
	tape    tape.Tape
	soon    int32 // of [shape.ahead]

	conditions []cond // of rules, by place; for scans, nil until the first
}

// Config is what is rare in an evaluator. The zero Config works.
type Config struct {
	// Paranoid evaluates every rule of the action beside those the index finds
	// and merges again what is remembered. Where the two differ the request
	// has no verdict but an error of ours. It takes the time of a linear scan.
	Paranoid bool
}

// NewEvaluator returns an evaluator with room for the requests of p.
func (p *Program) NewEvaluator(c Config) *Evaluator {
	e := &Evaluator{program: p, config: c}
	if p.layout != nil {
		e.frame = p.layout.newFrame()
	}
	return e
}

// Program returns the program the evaluator decides with.
func (e *Evaluator) Program() *Program { return e.program }

// Decide returns the verdict that [Program.Decide] returns, but for its
// RequestDigest, which is the input's: an evaluator computes none.
func (e *Evaluator) Decide(in Input) (v kernel.Verdict, err error) {
	refusal, err := e.start(&in)
	switch {
	case err != nil:
		return kernel.Verdict{}, err
	case refusal != nil:
		v, v.PolicyVersion = *refusal, e.program.version
	default:
		err = e.decide(&in, &v)
	}
	v.RequestDigest = in.Digest
	return v, err
}

// decide judges the request in the frame.
func (e *Evaluator) decide(in *Input, v *kernel.Verdict) error {
	if refusal := e.exceeded(in); refusal != nil {
		*v, v.PolicyVersion, e.shape = *refusal, e.program.version, nil
		return nil
	}
	e.evaluate()
	e.verdict(in, v)
	if e.config.Paranoid {
		if err := e.doubt(in, *v); err != nil {
			*v = kernel.Verdict{}
			return err
		}
	}
	return nil
}

// evaluate runs the enforced rules that the index finds.
func (e *Evaluator) evaluate() {
	sh, o, sets := e.shape, &e.outcome, e.program.layout.sets
	o.erred, o.held = o.erred[:0], o.held[:0]
	for t := range sh.index.tuples {
		for _, at := range sh.index.run(e.frame, t) {
			last := at < 0
			if last {
				at = ^at
			}
			c := &sh.candidates[at]
			o.add(c.rule, sh.holds(c, e.frame, sets))
			if last {
				break
			}
		}
	}
	o.erred, o.held = inOrder(o.erred), inOrder(o.held)
}

// inOrder sorts by name, and drops what was found twice.
func inOrder(rules []*rule) []*rule {
	if len(rules) < 2 {
		return rules
	}
	slices.SortFunc(rules, byPlace)
	return slices.Compact(rules)
}

func byPlace(a, b *rule) int { return a.place - b.place }

// verdict merges the outcome, or finds it merged already.
func (e *Evaluator) verdict(in *Input, v *kernel.Verdict) {
	o := &e.outcome
	switch {
	case len(o.erred)+len(o.held) == 0 && !in.Phase1:
		*v = e.shape.silent
	case len(o.erred)+len(o.held) == 0:
		*v = e.program.merge(in, e.shape, *o)
	case len(o.erred) == 0 && len(o.held) == 1:
		*v = o.held[0].alone
		v.RiskLevel = max(v.RiskLevel, e.shape.risk)
	default:
		*v = *e.memory.verdict(e.program, e.shape, *o)
	}
}

// doubt decides again the plain way.
func (e *Evaluator) doubt(in *Input, v kernel.Verdict) error {
	plain := e.scan(enforced)
	if !slices.Equal(plain.erred, e.outcome.erred) || !slices.Equal(plain.held, e.outcome.held) {
		return errors.New("decide: the index and the scan of all rules find different rules; this is a fault of the kernel, please report it")
	}
	if !sameVerdict(v, e.program.merge(in, e.shape, plain)) {
		return errors.New("decide: a remembered verdict is not what its rules say; this is a fault of the kernel, please report it")
	}
	return nil
}
