package eval

import (
	"strings"
	"unicode/utf8"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A leaf is a JSON value that is neither list nor object nor null.
type leaf struct {
	kind leafKind
	flag bool
	n    int64
	text string // valid UTF-8 without U+0000
}

type leafKind uint8

// The zero leaf is no value of any type.
const (
	leafBool leafKind = iota + 1
	leafInt
	leafText
)

// leafOf returns the leaf that an attribute of a request holds.
func leafOf(v any) leaf {
	switch v := v.(type) {
	case bool:
		return leaf{kind: leafBool, flag: v}
	case int64:
		return leaf{kind: leafInt, n: v}
	case string:
		if utf8.ValidString(v) && strings.IndexByte(v, 0) < 0 {
			return leaf{kind: leafText, text: v}
		}
	}
	return leaf{}
}

// fill stores a value in its slot when it fits the declared type. Where it
// reports false, misfit says why; what it accepts, misfit finds nothing wrong
// with.
func (f *field) fill(fr *frame, v any) bool {
	switch f.Type.Kind {
	case pdl.Bool, pdl.Int, pdl.String, pdl.Enum, pdl.Timestamp:
		return f.fillLeaf(fr, leafOf(v))
	case pdl.List:
		list, ok := v.([]any)
		return ok && f.fillList(fr, list)
	}
	return false
}

func (f *field) fillLeaf(fr *frame, v leaf) bool {
	s := f.slot
	switch f.Type.Kind {
	case pdl.Bool:
		if v.kind != leafBool {
			return false
		}
		fr.bools.values[s.at], fr.ids[s.id] = v.flag, idOfBool(v.flag)
	case pdl.Int:
		if v.kind != leafInt || v.n < f.Type.Min || v.n > f.Type.Max {
			return false
		}
		fr.ints.values[s.at] = v.n
	case pdl.String:
		if v.kind != leafText || !within(v.text, f.Type.MaxLen) {
			return false
		}
		fr.strings.values[s.at], fr.ids[s.id] = v.text, f.words[v.text]
	case pdl.Enum:
		place := -1
		if v.kind == leafText {
			place = f.enum.find(v.text)
		}
		if place < 0 {
			return false
		}
		// The declared text, so that the frame does not keep the caller's.
		fr.strings.values[s.at], fr.ids[s.id] = f.enum.values[place], f.enum.ids[place]
	case pdl.Timestamp:
		at, ok := instantOfText(v)
		if !ok {
			return false
		}
		fr.times.values[s.at] = at
	}
	fr.mark(s.bit)
	return true
}

// within reports whether a text has at most limit code points.
func within(text string, limit int) bool {
	return len(text) <= limit || utf8.RuneCountInString(text) <= limit
}

func instantOfText(v leaf) (instant, bool) {
	if v.kind != leafText {
		return instant{}, false
	}
	at, ok := instantIn(v.text)
	return at, ok && inRange(at)
}

func (f *field) fillList(fr *frame, list []any) bool {
	if len(list) > f.Type.MaxLen {
		return false
	}
	f.emptyList(fr)
	for _, x := range list {
		if !f.fillElement(fr, leafOf(x)) {
			return false
		}
	}
	fr.mark(f.slot.bit)
	return true
}

// emptyList makes the list of a slot empty and keeps its room.
func (f *field) emptyList(fr *frame) {
	at := f.slot.at
	switch f.Type.Elem.Kind {
	case pdl.Bool:
		fr.bools.lists[at] = fr.bools.lists[at][:0]
	case pdl.Int:
		fr.ints.lists[at] = fr.ints.lists[at][:0]
	case pdl.Timestamp:
		fr.times.lists[at] = fr.times.lists[at][:0]
	default:
		fr.strings.lists[at] = fr.strings.lists[at][:0]
	}
}

// fillElement appends one element to the list of a slot.
func (f *field) fillElement(fr *frame, v leaf) bool {
	at, elem := f.slot.at, f.Type.Elem
	switch elem.Kind {
	case pdl.Bool:
		fr.bools.lists[at] = append(fr.bools.lists[at], v.flag)
		return v.kind == leafBool
	case pdl.Int:
		fr.ints.lists[at] = append(fr.ints.lists[at], v.n)
		return v.kind == leafInt && v.n >= elem.Min && v.n <= elem.Max
	case pdl.String:
		fr.strings.lists[at] = append(fr.strings.lists[at], v.text)
		return v.kind == leafText && within(v.text, elem.MaxLen)
	case pdl.Enum:
		fr.strings.lists[at] = append(fr.strings.lists[at], v.text)
		return v.kind == leafText && f.enum.find(v.text) >= 0
	case pdl.Timestamp:
		i, ok := instantOfText(v)
		fr.times.lists[at] = append(fr.times.lists[at], i)
		return ok
	}
	return false
}
