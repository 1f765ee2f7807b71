package eval

import (
	"fmt"
	"slices"

	"cel.dev/cel-go/common/types"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// atoms lowers equality atoms. Their attributes are required wherever the
// rule applies, so that an atom is either true or false.
func (l *lowerer) atoms(list []pdl.Atom) []atom {
	var lowered []atom
	for _, a := range list {
		s, err := l.atomSlot(a)
		if err != nil {
			if l.err == nil {
				l.err = fmt.Errorf("match %s: %w", a.Path, err)
			}
			return nil
		}
		f := familyOf(s.kind)
		lowered = append(lowered, atom{Atom: a, holds: f.holds(s, a.Values), value: f.load(s)})
	}
	return lowered
}

func (l *lowerer) atomSlot(a pdl.Atom) (slot, error) {
	if len(a.Values) == 0 {
		return slot{}, fmt.Errorf("no value can hold")
	}
	if s, _, err := l.attribute(a.Path, types.BoolKind, false); err == nil {
		for _, v := range a.Values {
			if v != "true" && v != "false" {
				return slot{}, fmt.Errorf("%q is neither true nor false", v)
			}
		}
		return s, l.required(a.Path)
	}
	s, _, err := l.attribute(a.Path, types.StringKind, false)
	if err != nil {
		return slot{}, err
	}
	return s, l.required(a.Path)
}

func (l *lowerer) required(path string) error {
	for _, s := range l.shapes {
		if s.fields[path].Optional {
			return fmt.Errorf("it is optional for %s", s.name)
		}
	}
	return nil
}

// holds reports whether a slot's value is spelt like one of values.
func (d domain[T]) holds(s slot, values []string) func(*frame) bool {
	var wanted []T
	for _, text := range values {
		if v, ok := d.constant(text); ok {
			wanted = append(wanted, v)
		} else if v, ok := d.constant(text == "true"); ok {
			wanted = append(wanted, v)
		}
	}
	return func(fr *frame) bool { return fr.has(s.bit) && slices.Contains(wanted, d.bank(fr).values[s.at]) }
}
