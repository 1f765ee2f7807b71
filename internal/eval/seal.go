package eval

import (
	"maps"
	"slices"

	"github.com/strixlabs/execution-kernel"
)

// seal prepares what decisions need once every rule is known.
func (p *Program) seal() {
	p.layout.seal()
	for _, name := range kernel.SortedKeys(p.actions) {
		a := p.actions[name]
		a.index = newIndex(a.keys())
		for _, t := range a.types {
			sh := a.shapes[t]
			sh.silent = p.merge(&Input{}, sh, outcome{})
		}
	}
	nowhere := &shape{action: &action{}}
	for _, r := range p.rules {
		r.hoisted = nil
		r.alone = p.merge(&Input{}, nowhere, outcome{held: []*rule{r}})
	}
}

// seal lets every field that an atom compares intern its values.
func (l *layout) seal() {
	fields := slices.Clone(l.always)
	for _, key := range slices.SortedFunc(maps.Keys(l.sections), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		fields = append(fields, l.sections[key].fields...)
	}
	for _, f := range fields {
		if f.slot.list || !l.watch[f.slot.id] {
			continue
		}
		f.words = l.words
		if f.enum != nil {
			f.enum.learn(l.words)
		}
	}
}

// keys returns what each rule of the action can be found by.
func (a *action) keys() [][]equality {
	keys := make([][]equality, len(a.rules))
	for i, r := range a.rules {
		keys[i] = append(equalities(r.atoms), r.hoisted...)
	}
	return keys
}
