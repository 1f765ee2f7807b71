package eval

import (
	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// addFacts lays out what rules read of the history. To rules a count or a sum
// is always there: where an input says nothing of it, it is 0.
func (p *Program) addFacts() error {
	if len(p.schema.Facts) == 0 {
		return nil
	}
	attributes := make([]pdl.Attribute, len(p.schema.Facts))
	for i, f := range p.schema.Facts {
		attributes[i] = pdl.Attribute{Name: f.Name, Type: f.Type, Optional: true}
	}
	sec, err := p.layout.section("facts", "", attributes)
	if err != nil {
		return err
	}
	p.facts = sec
	for _, a := range p.all {
		for _, sh := range a.shapes {
			for i, f := range sec.fields {
				declared := *f
				declared.Optional = p.schema.Facts[i].Optional
				sh.fields["facts."+f.Name] = &declared
			}
		}
	}
	return nil
}

// maxTotal is the greatest count or sum, the largest integer every JSON reader
// agrees on (RFC 7493).
const maxTotal = 1<<53 - 1

// exceeded refuses a request in the frame that would carry a count or a sum
// beyond the largest integer: the next request could not be given its facts.
func (e *Evaluator) exceeded(in *Input) *kernel.Verdict {
	if len(in.Facts) == 0 {
		return nil
	}
	for i := range e.program.schema.Facts {
		f := &e.program.schema.Facts[i]
		total, _ := in.Facts[f.Name].(int64)
		if total <= maxTotal/2 || f.Event != e.frame.strings.values[e.program.layout.names[alwaysAction].at] {
			continue
		}
		amount := int64(1)
		if f.Measure == pdl.Sum {
			amount = e.amount(f.Of)
		}
		if amount > maxTotal-total {
			return refusal(kernel.CodeEvaluationError, "", "with this request facts.%s would exceed %d, so it is denied", f.Name, int64(maxTotal))
		}
	}
	return nil
}

// amount is the int at a path of the request in the frame, or 0.
func (e *Evaluator) amount(path string) int64 {
	f := e.shape.fields[path]
	if f == nil || !e.frame.has(f.slot.bit) || f.slot.list || f.Type.Kind != pdl.Int {
		return 0
	}
	return e.frame.ints.values[f.slot.at]
}

// bindFacts fills the frame with the facts of an input. Facts that no history
// has are refused as invalid.
func (e *Evaluator) bindFacts(in *Input) error {
	sec := e.program.facts
	if sec == nil {
		if len(in.Facts) > 0 {
			return (&section{name: "facts"}).problem(in.Facts)
		}
		return nil
	}
	known := 0
	for i := range sec.members {
		m := &sec.members[i]
		v, given := in.Facts[m.name]
		switch {
		case !given && m.kind == pdl.Int:
			m.fillInt(e.frame, 0)
		case !given:
		case m.fill(e.frame, v):
			known++
		default:
			return sec.problem(in.Facts)
		}
	}
	if known < len(in.Facts) {
		return sec.problem(in.Facts)
	}
	if known == 0 {
		return nil
	}
	if name, problem := e.program.schema.FactsProblem(in.Facts, in.Now); name != "" {
		return kernel.Errorf(kernel.Invalid, "no history has this: %s", problem).At(sec.path(name))
	}
	return nil
}
