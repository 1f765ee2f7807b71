package eval

import "github.com/strixlabs/execution-kernel/internal/pdl"

// A vocabulary is the values of an enum, found fast.
type vocabulary struct {
	values []string
	ids    []uint32       // the interned value of each; 0 when no atom has it
	places map[string]int // of many values; nil: few are looked through
}

// vocabularyOf returns the vocabulary of an enum or of a list of them, or nil.
func vocabularyOf(t pdl.Type) *vocabulary {
	if t.Kind == pdl.List && t.Elem != nil {
		t = *t.Elem
	}
	if t.Kind != pdl.Enum {
		return nil
	}
	const few = 8
	v := &vocabulary{values: t.Values, ids: make([]uint32, len(t.Values))}
	if len(t.Values) > few {
		v.places = make(map[string]int, len(t.Values))
		for i, value := range t.Values {
			v.places[value] = i
		}
	}
	return v
}

// find returns the place of a value, or -1.
func (v *vocabulary) find(s string) int {
	if v.places != nil {
		if i, ok := v.places[s]; ok {
			return i
		}
		return -1
	}
	for i, value := range v.values {
		if value == s {
			return i
		}
	}
	return -1
}

// learn takes the numbers of the interned words.
func (v *vocabulary) learn(words map[string]uint32) {
	for i, value := range v.values {
		v.ids[i] = words[value]
	}
}
