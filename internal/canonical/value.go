package canonical

import (
	"maps"
	"slices"
	"strconv"
)

// maxDepth bounds nesting: a tree built in Go may contain itself.
const maxDepth = 64

// A Raw is JSON that is in canonical form already.
type Raw []byte

// MarshalJSON returns r, for encoders that do not know it.
func (r Raw) MarshalJSON() ([]byte, error) { return r, nil }

// AppendValue appends a tree of nil, bool, int64, string, Raw, []any and
// map[string]any. It reports false, and dst may hold part of v, when v holds
// anything else, a nil list or map, or what [AppendString] and [AppendInt]
// refuse, or is nested too deep.
func AppendValue(dst []byte, v any) ([]byte, bool) { return appendValue(dst, v, 0) }

func appendValue(dst []byte, v any, depth int) ([]byte, bool) {
	if depth > maxDepth {
		return dst, false
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), true
	case bool:
		return strconv.AppendBool(dst, v), true
	case int64:
		return AppendInt(dst, v)
	case string:
		return AppendString(dst, v)
	case Raw:
		return append(dst, v...), true
	case []any:
		return appendList(dst, v, depth)
	case map[string]any:
		dst, ok := appendObject(dst, v, nil, depth)
		return dst, ok && v != nil
	}
	return dst, false
}

func appendList(dst []byte, list []any, depth int) ([]byte, bool) {
	dst, ok := append(dst, '['), list != nil
	for i, e := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, ok = appendValue(dst, e, depth+1); !ok {
			return dst, false
		}
	}
	return append(dst, ']'), ok
}

// A Member is a member of an object whose value is a text.
type Member struct{ Name, Text string }

// AppendObject appends an object of the members of m, as AppendValue would,
// and of some constant ones, which win over those of the same name. A nil map
// has none.
func AppendObject(dst []byte, m map[string]any, constants ...Member) ([]byte, bool) {
	return appendObject(dst, m, constants, 0)
}

func appendObject(dst []byte, m map[string]any, constants []Member, depth int) ([]byte, bool) {
	var few [16]string // most objects have no more
	names := slices.AppendSeq(few[:0], maps.Keys(m))
	for _, c := range constants {
		if _, both := m[c.Name]; !both {
			names = append(names, c.Name)
		}
	}
	slices.SortFunc(names, CompareNames)
	dst = append(dst, '{')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		ok := false
		if dst, ok = AppendString(dst, name); !ok {
			return dst, false
		}
		dst = append(dst, ':')
		if c := slices.IndexFunc(constants, func(c Member) bool { return c.Name == name }); c >= 0 {
			dst, ok = AppendString(dst, constants[c].Text)
		} else {
			dst, ok = appendValue(dst, m[name], depth+1)
		}
		if !ok {
			return dst, false
		}
	}
	return append(dst, '}'), true
}
