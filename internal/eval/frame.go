package eval

import (
	"fmt"
	"time"

	"cel.dev/cel-go/common/types"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A frame holds the values of one request, flat: one bank for each scalar
// type, and a bit for each attribute that says whether it is there.
type frame struct {
	present []uint64
	words   map[string]uint32 // of the layout: what ids are made of
	ids     []uint32          // of watched slots, by slot.id: the interned value, 0 when absent or no value of an atom
	bools   bank[bool]
	ints    bank[int64]
	strings bank[string]
	times   bank[instant]
	work    int                 // steps left for the condition that is evaluated
	spans   bank[time.Duration] // variables of comprehensions only
}

type bank[T any] struct {
	values []T
	lists  [][]T
}

func (f *frame) has(bit int) bool { return f.present[bit>>6]&(1<<(bit&63)) != 0 }
func (f *frame) mark(bit int)     { f.present[bit>>6] |= 1 << (bit & 63) }
func (f *frame) unmark(bit int)   { f.present[bit>>6] &^= 1 << (bit & 63) }

// reset forgets which attributes are there. Their values stay behind: nothing
// reads one that is absent.
func (f *frame) reset() {
	clear(f.present)
	clear(f.ids)
}

// A slot is where an attribute lives.
type slot struct {
	kind types.Kind // of the value, or of the elements of a list
	list bool
	at   int // index into the bank
	bit  int // presence
	id   int // index into the frame's ids; 0 for what no atom can compare: lists, ints, times
}

type slotKey struct {
	path string
	kind types.Kind
	list bool
}

type bankKey struct {
	kind types.Kind
	list bool
}

// A layout assigns slots. It covers every action and resource type, so that a
// rule over several of them reads one slot: equal paths share their presence
// bit, and share their value when the types agree.
type layout struct {
	slots map[slotKey]slot
	bits  map[string]int
	sizes map[bankKey]int
	ids   []slot            // that atoms can compare, by slot.id; the first is none
	words map[string]uint32 // the values of atoms, interned: from 1, in the order they were met
	watch map[int]bool      // the ids that some atom compares
	sets  [][]uint32        // that checks look in

	always       []*field // what every request has, named by path, in the order of alwaysAction and so on
	names        [alwaysNow + 1]member
	sections     map[[2]string]*section
	vocabularies map[string]*vocabulary // by the values, joined
	spellings    map[string]string      // of members' names
}

// Places in layout.always.
const (
	alwaysAction = iota
	alwaysAgentID
	alwaysResourceID
	alwaysResourceType
	alwaysNow
)

func newLayout() *layout {
	l := &layout{
		slots: map[slotKey]slot{}, bits: map[string]int{}, sizes: map[bankKey]int{},
		ids: make([]slot, 1), words: map[string]uint32{}, watch: map[int]bool{}, sections: map[[2]string]*section{}, vocabularies: map[string]*vocabulary{}, spellings: map[string]string{},
	}
	for _, path := range []string{pathAction, pathAgentID, pathResourceID, pathResourceType} {
		l.always = append(l.always, &field{Attribute: pdl.Attribute{Name: path}, slot: l.add(path, types.StringKind, false)})
	}
	l.always = append(l.always, &field{Attribute: pdl.Attribute{Name: pathNow}, slot: l.add(pathNow, types.TimestampKind, false)})
	return l
}

// Paths that every request has.
const (
	pathAction       = "action"
	pathAgentID      = "agent.id"
	pathResourceID   = "resource.id"
	pathResourceType = "resource.type"
	pathNow          = "context.now"
)

func (l *layout) add(path string, kind types.Kind, list bool) slot {
	key := slotKey{path, kind, list}
	if s, known := l.slots[key]; known {
		return s
	}
	if _, known := l.bits[path]; !known {
		l.bits[path] = len(l.bits)
	}
	bk := bankKey{kind, list}
	s := slot{kind: kind, list: list, at: l.sizes[bk], bit: l.bits[path]}
	if !list && (kind == types.StringKind || kind == types.BoolKind) {
		s.id = len(l.ids)
		l.ids = append(l.ids, s)
	}
	l.sizes[bk]++
	l.slots[key] = s
	return s
}

// addTyped assigns the slot of an attribute of a declared type.
func (l *layout) addTyped(path string, t pdl.Type) (slot, error) {
	kind, list, err := celKind(t)
	if err != nil {
		return slot{}, fmt.Errorf("attribute %s: %w", path, err)
	}
	return l.add(path, kind, list), nil
}

func celKind(t pdl.Type) (kind types.Kind, list bool, err error) {
	switch t.Kind {
	case pdl.Bool:
		return types.BoolKind, false, nil
	case pdl.Int:
		return types.IntKind, false, nil
	case pdl.String, pdl.Enum:
		return types.StringKind, false, nil
	case pdl.Timestamp:
		return types.TimestampKind, false, nil
	case pdl.Duration:
		return types.DurationKind, false, nil
	case pdl.List:
		if t.Elem == nil || t.Elem.Kind == pdl.List || t.Elem.Kind == pdl.Duration || t.Elem.Kind == pdl.JSON {
			return 0, false, fmt.Errorf("a list holds scalars")
		}
		kind, _, err := celKind(*t.Elem)
		return kind, true, err
	case pdl.Record:
		return types.StructKind, false, nil
	case pdl.JSON:
		return types.OpaqueKind, false, nil
	}
	return 0, false, fmt.Errorf("unknown kind %d", t.Kind)
}

func (l *layout) newFrame() *frame {
	return &frame{
		present: make([]uint64, (len(l.bits)+63)/64),
		words:   l.words,
		ids:     make([]uint32, len(l.ids)),
		bools:   newBank[bool](l, types.BoolKind),
		ints:    newBank[int64](l, types.IntKind),
		strings: newBank[string](l, types.StringKind),
		times:   newBank[instant](l, types.TimestampKind),
		spans:   newBank[time.Duration](l, types.DurationKind),
	}
}

// newBank makes room for the attributes, and behind them for the variables of
// comprehensions.
func newBank[T any](l *layout, kind types.Kind) bank[T] {
	return bank[T]{
		values: make([]T, l.sizes[bankKey{kind, false}]+maxNesting),
		lists:  make([][]T, l.sizes[bankKey{kind, true}]),
	}
}
