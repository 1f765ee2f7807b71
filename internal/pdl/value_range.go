package pdl

import (
	"math"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/common/types"
)

// A reach is what an expression can evaluate to, as far as it is known: never
// less than it can. The zero reach is of no type.
type reach struct {
	kind types.Kind

	span    interval // of ints; of durations, in nanoseconds; of timestamps, in seconds, both ends within
	nonzero bool     // of ints

	words  []string // of texts, sorted: the only ones, or those it is not
	closed bool     // only the words
	fold   fold     // of texts: what made them

	length interval // of texts in code points, of lists in elements
	elem   *reach   // of lists

	yes, no bool // of bools: it can be true; it can be false

	fixed bool // it rests on constants of data documents, which somebody will change
}

// A fold is a function that leaves some letters out of a text.
type fold uint8

const (
	lowered fold = 1 + iota
	uppered
)

// The instants that CEL computes with: years 1 to 9999, in seconds.
var everyInstant = interval{-62135596800, 253402300799}

// maxWords bounds the words that are followed.
const maxWords = 1_000

// reachOf returns the reach of a type of CEL about which nothing is declared.
func reachOf(t *types.Type) reach {
	switch t.Kind() {
	case types.BoolKind:
		return reach{kind: types.BoolKind, yes: true, no: true}
	case types.TimestampKind:
		return reach{kind: types.TimestampKind, span: everyInstant}
	case types.ListKind:
		r := reach{kind: types.ListKind, length: interval{0, math.MaxInt64}}
		if len(t.Parameters()) == 1 {
			elem := reachOf(t.Parameters()[0])
			r.elem = &elem
		}
		return r
	case types.StringKind, types.OpaqueKind: // json has a size, too
		return reach{kind: t.Kind(), length: interval{0, math.MaxInt64}}
	default:
		return reach{kind: t.Kind(), span: anyInteger}
	}
}

// declaredReach returns the reach of a type of the schema.
func declaredReach(t Type) reach {
	switch t.Kind {
	case Int:
		return reach{kind: types.IntKind, span: interval{t.Min, t.Max}}
	case Timestamp:
		return reach{kind: types.TimestampKind, span: interval{firstInstant.Unix(), lastInstant.Unix()}}
	case String:
		return reach{kind: types.StringKind, length: interval{0, int64(t.MaxLen)}}
	case Enum:
		return ofWords(t.Values...)
	case List:
		elem := declaredReach(*t.Elem)
		return reach{kind: types.ListKind, length: interval{0, int64(t.MaxLen)}, elem: &elem}
	default:
		return reachOf(celType(t))
	}
}

// ofWords is the reach of a text that is one of few.
func ofWords(words ...string) reach {
	r := reach{kind: types.StringKind, length: interval{math.MaxInt64, 0}}
	for _, w := range words {
		r.length = r.length.hull(single64(int64(runes(w))))
	}
	if len(words) <= maxWords {
		r.words, r.closed = slices.Compact(slices.Sorted(slices.Values(words))), true
	}
	return r
}

func ofBool(yes, no bool) reach { return reach{kind: types.BoolKind, yes: yes, no: no} }

func ofSpan(kind types.Kind, span interval) reach { return reach{kind: kind, span: span} }

// valueReach returns the reach of a constant of a data document, which is that
// of its value and rests on it.
func valueReach(t Type, v any) reach {
	r := declaredReach(t)
	switch v := v.(type) {
	case bool:
		r.yes, r.no = v, !v
	case int64:
		r.span = single64(v)
	case string:
		switch t.Kind {
		case Timestamp:
			r.span = secondsOf(v)
		case Duration:
			if d, err := time.ParseDuration(v); err == nil {
				r.span = single64(int64(d))
			}
		default:
			r = ofWords(v)
		}
	case []any:
		r = listReach(t, v)
	}
	r.fixed = true
	return r
}

func listReach(t Type, list []any) reach {
	r := reach{kind: types.ListKind, length: single64(int64(len(list)))}
	elem := declaredReach(*t.Elem)
	for i, v := range list {
		if e := valueReach(*t.Elem, v); i == 0 {
			elem = e
		} else {
			elem = elem.or(e)
		}
	}
	elem.fixed = true
	r.elem = &elem
	return r
}

// and is what can be when both are right; empty reports that nothing can.
func (a reach) and(b reach) (both reach, empty bool) {
	both = a
	both.fixed = a.fixed || b.fixed
	switch a.kind {
	case types.BoolKind:
		both.yes, both.no = a.yes && b.yes, a.no && b.no
		return both, !both.yes && !both.no
	case types.StringKind:
		both.length = a.length.meet(b.length)
		both.words, both.closed = meetWords(a, b)
		return both, both.length.empty() || both.closed && len(both.words) == 0
	case types.ListKind:
		both.length = a.length.meet(b.length)
		return both, both.length.empty()
	default:
		both.span, both.nonzero = a.span.meet(b.span), a.nonzero || b.nonzero
		if both.nonzero && both.span.lo == 0 {
			both.span.lo = 1
		}
		if both.nonzero && both.span.hi == 0 {
			both.span.hi = -1
		}
		return both, both.span.empty()
	}
}

// or is what can be when one of the two is right.
func (a reach) or(b reach) reach {
	either := a
	either.fixed = a.fixed || b.fixed
	either.span, either.nonzero = a.span.hull(b.span), (a.nonzero || !a.span.has(0)) && (b.nonzero || !b.span.has(0))
	either.length = a.length.hull(b.length)
	either.yes, either.no = a.yes || b.yes, a.no || b.no
	either.words, either.closed = joinWords(a, b)
	if a.fold != b.fold {
		either.fold = 0
	}
	if a.elem != nil && b.elem != nil {
		elem := a.elem.or(*b.elem)
		either.elem = &elem
	}
	return either
}

func meetWords(a, b reach) (words []string, closed bool) {
	switch {
	case a.closed && b.closed:
		return slices.DeleteFunc(slices.Clone(a.words), func(w string) bool { return !contains(b.words, w) }), true
	case a.closed:
		return slices.DeleteFunc(slices.Clone(a.words), func(w string) bool { return contains(b.words, w) }), true
	case b.closed:
		return slices.DeleteFunc(slices.Clone(b.words), func(w string) bool { return contains(a.words, w) }), true
	}
	return unite(a.words, b.words), false
}

func joinWords(a, b reach) (words []string, closed bool) {
	switch {
	case a.closed && b.closed && len(a.words)+len(b.words) <= maxWords:
		return unite(a.words, b.words), true
	case a.closed && b.closed:
		return nil, false
	case a.closed:
		return slices.DeleteFunc(slices.Clone(b.words), func(w string) bool { return contains(a.words, w) }), false
	case b.closed:
		return slices.DeleteFunc(slices.Clone(a.words), func(w string) bool { return contains(b.words, w) }), false
	}
	return slices.DeleteFunc(slices.Clone(a.words), func(w string) bool { return !contains(b.words, w) }), false
}

func contains(sorted []string, word string) bool {
	_, ok := slices.BinarySearch(sorted, word)
	return ok
}

func unite(a, b []string) []string {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
}

// only keeps some of the words.
func (a reach) only(words []string) reach {
	r := ofWords(words...)
	r.fixed = a.fixed
	return r
}

// folded leaves out the words that lowerAscii() or upperAscii() never makes.
func (a reach) folded(f fold) reach {
	if !a.closed || f == 0 {
		return a
	}
	letters := "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	if f == uppered {
		letters = strings.ToLower(letters)
	}
	a.words = slices.DeleteFunc(slices.Clone(a.words), func(w string) bool { return strings.ContainsAny(w, letters) })
	return a
}
