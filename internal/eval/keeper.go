package eval

import (
	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// KeptBy says which of the constraints of a verdict the door need not keep; nil
// where it has to keep all of them.
func (p *Program) KeptBy(constraints map[string]any) kernel.KeptBy {
	if len(constraints) == 0 || p.schema == nil {
		return nil
	}
	var kept kernel.KeptBy
	for _, c := range p.schema.Constraints {
		if _, demanded := constraints[c.Name]; !demanded || c.By == pdl.Door {
			continue
		}
		if kept == nil {
			kept = kernel.KeptBy{}
		}
		kept[c.Name] = c.By.String()
	}
	return kept
}
