package eval

import "github.com/strixlabs/execution-kernel/internal/pdl"

func (m *member) fillList(fr *frame, list []any) bool {
	if m.kind != pdl.List || int64(len(list)) > m.max {
		return false
	}
	if m.field.inside != nil {
		return m.fillRecords(fr, list)
	}
	m.emptyList(fr)
	for _, x := range list {
		if !m.add(fr, x) {
			return false
		}
	}
	fr.mark(int(m.bit))
	return true
}

// emptyList makes the list of the slot empty and keeps its room.
func (m *member) emptyList(fr *frame) {
	switch m.field.Type.Elem.Kind {
	case pdl.Bool:
		fr.bools.lists[m.at] = fr.bools.lists[m.at][:0]
	case pdl.Int:
		fr.ints.lists[m.at] = fr.ints.lists[m.at][:0]
	case pdl.Timestamp:
		fr.times.lists[m.at] = fr.times.lists[m.at][:0]
	default:
		fr.strings.lists[m.at] = fr.strings.lists[m.at][:0]
	}
}

// add appends one element to the list of the slot, when it fits.
func (m *member) add(fr *frame, v any) bool {
	switch v := v.(type) {
	case string:
		return isText(v) && m.addText(fr, v)
	case int64:
		return m.addInt(fr, v)
	case bool:
		return m.addBool(fr, v)
	}
	return false
}

func (m *member) addText(fr *frame, text string) bool {
	elem := m.field.Type.Elem
	switch elem.Kind {
	case pdl.String:
		if !within(text, int64(elem.MaxLen)) {
			return false
		}
		fr.strings.lists[m.at] = append(fr.strings.lists[m.at], text)
	case pdl.Enum:
		place := m.enum.find(text)
		if place < 0 {
			return false
		}
		fr.strings.lists[m.at] = append(fr.strings.lists[m.at], m.enum.values[place])
	case pdl.Timestamp:
		i, ok := instantIn(text)
		if !ok || !inRange(i) {
			return false
		}
		fr.times.lists[m.at] = append(fr.times.lists[m.at], i)
	default:
		return false
	}
	return true
}

func (m *member) addInt(fr *frame, n int64) bool {
	if elem := m.field.Type.Elem; elem.Kind != pdl.Int || n < elem.Min || n > elem.Max {
		return false
	}
	fr.ints.lists[m.at] = append(fr.ints.lists[m.at], n)
	return true
}

func (m *member) addBool(fr *frame, b bool) bool {
	if m.field.Type.Elem.Kind != pdl.Bool {
		return false
	}
	fr.bools.lists[m.at] = append(fr.bools.lists[m.at], b)
	return true
}
