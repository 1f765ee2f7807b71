package eval

import "strings"

// A vocabulary is the values of an enum, found fast.
type vocabulary struct {
	values []string
	ids    []uint32       // the interned value of each; 0 when nothing compares it
	places map[string]int // of many values; nil: few are looked through
}

// vocabulary returns that of some values; enums of the same values share one.
func (l *layout) vocabulary(values []string) *vocabulary {
	key := strings.Join(values, "\x00")
	if v, known := l.vocabularies[key]; known {
		return v
	}
	const few = 8
	v := &vocabulary{values: values, ids: make([]uint32, len(values))}
	for i, value := range values {
		v.ids[i] = l.words[value]
	}
	if len(values) > few {
		v.places = make(map[string]int, len(values))
		for i, value := range values {
			v.places[value] = i
		}
	}
	l.vocabularies[key] = v
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
