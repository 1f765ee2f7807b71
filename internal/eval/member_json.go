package eval

import (
	"fmt"
	"maps"
	"strings"
	"unicode/utf8"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/tape"
)

const maxInteger = 1<<53 - 1 // RFC 7493 §2.2

// fillJSON notes that a value is there, and its size.
func (m *member) fillJSON(fr *frame, v any) bool {
	if !isJSON(v, 0) {
		return false
	}
	fr.ints.values[m.field.count.at] = sizeOf(v)
	fr.mark(int(m.bit))
	return true
}

// sizeOf counts the elements of a list, the members of an object, the
// characters of a string. null has none; a boolean and a number count as one,
// so that only what is empty has the size 0.
func sizeOf(v any) int64 {
	switch v := v.(type) {
	case nil:
		return 0
	case string:
		return int64(utf8.RuneCountInString(v))
	case []any:
		return int64(len(v))
	case map[string]any:
		return int64(len(v))
	}
	return 1
}

// isJSON reports a value that a request can hold.
func isJSON(v any, depth int) bool {
	if depth > kernel.MaxDepth {
		return false
	}
	switch v := v.(type) {
	case nil, bool:
		return true
	case int64:
		return v >= -maxInteger && v <= maxInteger
	case string:
		return isText(v)
	case []any:
		for _, x := range v {
			if !isJSON(x, depth+1) {
				return false
			}
		}
		return true
	case map[string]any:
		for name, x := range maps.All(v) {
			if !isText(name) || !isJSON(x, depth+1) {
				return false
			}
		}
		return true
	}
	return false
}

// fillJSONToken is fillJSON for the value at a place on a tape, all of which
// is JSON.
func (m *member) fillJSONToken(fr *frame, tokens []tape.Token, place int32) bool {
	size, v := int64(0), &tokens[place]
	switch v.Kind {
	case tape.Null:
	case tape.String:
		size = int64(utf8.RuneCountInString(v.Text))
	case tape.Array:
		for at := place + 1; at < v.Next; at = tokens[at].Next {
			size++
		}
	case tape.Object:
		for at := place + 1; at < v.Next; at = tokens[at+1].Next {
			size++
		}
	case tape.Number:
		return false
	case tape.True, tape.False, tape.Int:
		size = 1
	}
	fr.ints.values[m.field.count.at] = size
	fr.mark(int(m.bit))
	return true
}

// misfitJSON says what keeps a value from being one that a request can hold,
// and where inside.
func misfitJSON(v any, depth int) (problem, at string) {
	if depth > kernel.MaxDepth {
		return fmt.Sprintf("it is nested more than %d deep", kernel.MaxDepth), ""
	}
	switch v := v.(type) {
	case nil, bool:
		return "", ""
	case int64:
		if v < -maxInteger || v > maxInteger {
			return fmt.Sprintf("%d is outside ±(2^53−1)", v), ""
		}
	case string:
		if !utf8.ValidString(v) {
			return "the string is not valid UTF-8", ""
		}
		if strings.ContainsRune(v, 0) {
			return "the string contains U+0000", ""
		}
	case []any:
		for i, x := range v {
			if problem, at := misfitJSON(x, depth+1); problem != "" {
				return problem, fmt.Sprintf("[%d]%s", i, at)
			}
		}
	case map[string]any:
		for _, name := range kernel.SortedKeys(v) {
			if !isText(name) {
				return "the name of a member is not valid UTF-8 or contains U+0000", ""
			}
			if problem, at := misfitJSON(v[name], depth+1); problem != "" {
				return problem, kernel.JoinPath("", name) + at
			}
		}
	default:
		return wrongType("JSON", v), ""
	}
	return "", ""
}
