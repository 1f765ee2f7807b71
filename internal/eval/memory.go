package eval

import (
	"slices"

	"github.com/strixlabs/execution-kernel"
)

// A memory keeps the verdicts of outcomes with several rules, because merging
// them makes sentences and maps. A verdict is a pure function of what it is
// kept under, so remembering can never change one.
type memory struct {
	verdicts map[uint64]*remembered
}

type remembered struct {
	outcome
	risk    kernel.Risk // of the action
	verdict kernel.Verdict
}

// maxRemembered bounds the room of a memory: some hundred bytes for each.
const maxRemembered = 1024

// verdict merges an outcome, or remembers that it did.
func (m *memory) verdict(p *Program, sh *shape, o outcome) *kernel.Verdict {
	key := o.hash(sh.action.risk)
	have, found := m.verdicts[key]
	if found && have.risk == sh.action.risk && slices.Equal(have.held, o.held) && slices.Equal(have.erred, o.erred) {
		return &have.verdict
	}
	v := p.merge(&Input{}, sh, o)
	if m.verdicts == nil || len(m.verdicts) >= maxRemembered {
		m.verdicts = map[uint64]*remembered{}
	}
	have = &remembered{outcome{slices.Clone(o.erred), slices.Clone(o.held)}, sh.action.risk, v}
	m.verdicts[key] = have
	return &have.verdict
}

func (o outcome) hash(risk kernel.Risk) uint64 {
	h := uint64(risk)<<32 + uint64(len(o.erred))
	for _, r := range o.erred {
		h = h*golden + uint64(r.place)
	}
	for _, r := range o.held {
		h = h*golden + uint64(r.place)
	}
	return h
}
