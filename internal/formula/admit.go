package formula

import (
	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/smt"
)

// Holds reports whether a request is one of the cell.
func (e *Encoding) Holds(r kernel.Request) bool {
	return r.Resource.Type == e.Cell.ResourceType && e.belongs(r.Action)
}

// Admits reports whether an input of the cell may be: whether its history is one
// that can have happened. What an evaluator refuses is not looked at.
func (e *Encoding) Admits(side int, in Input) bool {
	pin, ok := e.Pin(side, in)
	if !ok {
		return false
	}
	values := smt.NewEvaluator(smt.Fixed(pin))
	for _, f := range e.Facts() {
		if v, known := values.Value(f); known && !v.Bool {
			return false
		}
	}
	return true
}
