package eval

import (
	"cel.dev/cel-go/common/types"

	"github.com/strixlabs/execution-kernel/internal/tape"
)

// fillRecords takes the records of a list apart: each is filled as if it stood
// alone, and then put behind the others, member by member.
func (m *member) fillRecords(fr *frame, list []any) bool {
	inside := m.field.inside
	inside.empty(fr)
	for _, x := range list {
		record, ok := x.(map[string]any)
		if !ok || !fill(fr, inside, inside.members, record) {
			return false
		}
		inside.push(fr)
	}
	fr.ints.values[m.field.count.at] = int64(len(list))
	fr.mark(int(m.bit))
	return true
}

// fillRecordTokens is fillRecords for the array at a place on a tape.
func (m *member) fillRecordTokens(fr *frame, tokens []tape.Token, list int32) bool {
	inside, n := m.field.inside, int64(0)
	inside.empty(fr)
	for at := list + 1; at < tokens[list].Next; at = tokens[at].Next {
		if n++; n > m.max || tokens[at].Kind != tape.Object || !fillObject(fr, tokens, inside, inside.members, at) {
			return false
		}
		inside.push(fr)
	}
	fr.ints.values[m.field.count.at] = n
	fr.mark(int(m.bit))
	return true
}

// empty forgets the records of a list, and keeps their room.
func (sec *section) empty(fr *frame) {
	for _, f := range sec.fields {
		switch at := f.column.at; f.column.kind {
		case types.BoolKind:
			fr.bools.clear(at)
		case types.IntKind:
			fr.ints.clear(at)
		case types.TimestampKind:
			fr.times.clear(at)
		case types.DurationKind:
			fr.spans.clear(at)
		default:
			fr.strings.clear(at)
		}
		fr.bools.clear(f.there.at)
	}
}

// push moves the record that was filled to the end of the list.
func (sec *section) push(fr *frame) {
	for _, f := range sec.fields {
		has := fr.has(f.slot.bit)
		switch f.column.kind {
		case types.BoolKind:
			fr.bools.push(f, has)
		case types.IntKind:
			fr.ints.push(f, has)
		case types.TimestampKind:
			fr.times.push(f, has)
		case types.DurationKind:
			fr.spans.push(f, has)
		default:
			fr.strings.push(f, has)
		}
		fr.bools.lists[f.there.at] = append(fr.bools.lists[f.there.at], has)
		fr.unmark(f.slot.bit)
	}
}

func (b *bank[T]) clear(list int) { b.lists[list] = b.lists[list][:0] }

func (b *bank[T]) push(f *field, has bool) {
	var v T
	if has {
		v = b.values[f.slot.at]
	}
	b.lists[f.column.at] = append(b.lists[f.column.at], v)
}
