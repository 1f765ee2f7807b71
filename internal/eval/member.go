package eval

import (
	"strings"
	"unicode/utf8"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A member is a field as requests fill it: what that needs, and no more than a
// line of memory.
type member struct {
	name     string
	field    *field
	enum     *vocabulary // of an enum, or of a list of them
	min, max int64       // Int: the bounds; String, List: max is the greatest length
	at       int32       // of the slot
	bit      int32
	id       int32
	kind     pdl.Kind
	optional bool
	watched  bool // some atom or check compares it
}

func (l *layout) member(f *field) member {
	m := member{
		name: l.shared(f.Name), field: f, at: int32(f.slot.at), bit: int32(f.slot.bit), id: int32(f.slot.id),
		kind: f.Type.Kind, optional: f.Optional, watched: l.watch[f.slot.id],
	}
	switch f.Type.Kind {
	case pdl.Int:
		m.min, m.max = f.Type.Min, f.Type.Max
	case pdl.String:
		m.max = int64(f.Type.MaxLen)
	case pdl.Enum:
		m.enum = l.vocabulary(f.Type.Values)
	case pdl.List:
		m.max = int64(f.Type.MaxLen)
		if f.Type.Elem.Kind == pdl.Enum {
			m.enum = l.vocabulary(f.Type.Elem.Values)
		}
	case pdl.Bool, pdl.Timestamp, pdl.Duration, pdl.Record, pdl.JSON: // their bounds are not declared
	}
	return m
}

// shared returns one string for equal names, so that those of many sections
// lie in one place.
func (l *layout) shared(name string) string {
	have, known := l.spellings[name]
	if !known {
		l.spellings[name], have = name, name
	}
	return have
}

// fill stores a value in its slot when it fits the declared type. Where it
// reports false, misfit says why; what it accepts, misfit finds nothing wrong
// with.
func (m *member) fill(fr *frame, v any) bool {
	if m.kind == pdl.JSON {
		return m.fillJSON(fr, v)
	}
	switch v := v.(type) {
	case string:
		return (m.kind != pdl.String || isText(v)) && m.fillText(fr, v)
	case int64:
		return m.fillInt(fr, v)
	case bool:
		return m.fillBool(fr, v)
	case []any:
		return m.fillList(fr, v)
	case map[string]any:
		return m.fillRecord(fr, v)
	}
	return false
}

func (m *member) fillRecord(fr *frame, v map[string]any) bool {
	if m.kind != pdl.Record || !fill(fr, m.field.inside, m.field.inside.members, v) {
		return false
	}
	fr.mark(int(m.bit))
	return true
}

// fillText stores a text without U+0000: a string, an enum, a timestamp or a duration.
func (m *member) fillText(fr *frame, text string) bool {
	switch m.kind {
	case pdl.String:
		if !within(text, m.max) {
			return false
		}
		fr.strings.values[m.at] = text
		if m.watched {
			fr.ids[m.id] = fr.words[text]
		}
	case pdl.Enum:
		place := m.enum.find(text)
		if place < 0 {
			return false
		}
		// The declared text, so that the frame does not keep the caller's.
		fr.strings.values[m.at], fr.ids[m.id] = m.enum.values[place], m.enum.ids[place]
	case pdl.Timestamp:
		at, ok := instantIn(text)
		if !ok || !inRange(at) {
			return false
		}
		fr.times.values[m.at] = at
	case pdl.Duration:
		d, ok := pdl.ParseDuration(text)
		if !ok {
			return false
		}
		fr.spans.values[m.at] = d
	default:
		return false
	}
	fr.mark(int(m.bit))
	return true
}

func (m *member) fillInt(fr *frame, n int64) bool {
	if m.kind != pdl.Int || n < m.min || n > m.max {
		return false
	}
	fr.ints.values[m.at] = n
	fr.mark(int(m.bit))
	return true
}

func (m *member) fillBool(fr *frame, b bool) bool {
	if m.kind != pdl.Bool {
		return false
	}
	fr.bools.values[m.at], fr.ids[m.id] = b, idOfBool(b)
	fr.mark(int(m.bit))
	return true
}

// isText reports whether s is valid UTF-8 without U+0000. Most texts are short
// and ASCII.
func isText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c == 0 || c >= utf8.RuneSelf {
			return utf8.ValidString(s[i:]) && strings.IndexByte(s[i:], 0) < 0
		}
	}
	return true
}

// within reports whether a text has at most limit code points.
func within(text string, limit int64) bool {
	return int64(len(text)) <= limit || int64(utf8.RuneCountInString(text)) <= limit
}
