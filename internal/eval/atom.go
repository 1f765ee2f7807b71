package eval

import (
	"fmt"

	"cel.dev/cel-go/common/types"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// An equality holds when the value of a slot is one of the interned ones.
type equality struct {
	id     int      // of the slot
	values []uint32 // none is 0
}

// holds is false for an attribute that is absent.
func (q *equality) holds(fr *frame) bool {
	have := fr.ids[q.id]
	for _, v := range q.values {
		if v == have {
			return true
		}
	}
	return false
}

// An atom is an equality of a rule's `match`.
type atom struct {
	*pdl.Atom
	equality
}

// atoms lowers equality atoms. Their attributes are required wherever the
// rule applies, so that an atom is either true or false.
func (l *lowerer) atoms(list []pdl.Atom) []atom {
	lowered := make([]atom, 0, len(list))
	for i := range list {
		s, err := l.atomSlot(list[i])
		if err != nil {
			if l.err == nil {
				l.err = fmt.Errorf("match %s: %w", list[i].Path, err)
			}
			return nil
		}
		lowered = append(lowered, l.layout.atom(&list[i], s))
	}
	return lowered
}

func (l *layout) atom(a *pdl.Atom, s slot) atom { return atom{a, l.equality(s, a.Values)} }

// equality interns the values, spelt as in JSON, and has requests intern theirs.
func (l *layout) equality(s slot, values []string) equality {
	l.watch[s.id] = true
	q := equality{id: s.id, values: make([]uint32, 0, len(values))}
	for _, v := range values {
		if s.kind == types.BoolKind {
			q.values = append(q.values, idOfBool(v == "true"))
		} else {
			q.values = append(q.values, l.intern(v))
		}
	}
	return q
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
		if s.fields[path].mayLack() {
			return fmt.Errorf("it is optional for %s", s.name)
		}
	}
	return nil
}
