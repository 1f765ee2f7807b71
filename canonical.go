package kernel

import (
	"maps"
	"slices"
	"strconv"

	"github.com/strixlabs/execution-kernel/internal/canonical"
)

// The functions of this file write requests in the form of RFC 8785. They know
// the values that attributes have; at any other they report false, for the
// generic encoder to write it or to say what is wrong.

// A constantMember is a member that is there whatever the attributes say.
type constantMember struct{ name, value string }

func appendRequest(dst []byte, r *Request) ([]byte, bool) {
	dst, ok := canonical.AppendString(append(dst, `{"action":`...), r.Action)
	if ok {
		dst, ok = appendObject(append(dst, `,"agent":`...), r.Agent.Attributes, 1, constantMember{"id", r.Agent.ID})
	}
	if ok {
		dst, ok = appendObject(append(dst, `,"context":`...), r.Context, 1)
	}
	if ok {
		dst, ok = appendObject(append(dst, `,"params":`...), r.Params, 1)
	}
	if ok {
		dst, ok = appendObject(append(dst, `,"resource":`...), r.Resource.Attributes, 1,
			constantMember{"id", r.Resource.ID}, constantMember{"type", r.Resource.Type})
	}
	return append(dst, '}'), ok
}

// appendObject writes the members of m and the constant ones, which win over
// an attribute of the same name.
func appendObject(dst []byte, m map[string]any, depth int, constants ...constantMember) ([]byte, bool) {
	var few [16]string // most objects have no more
	names := slices.AppendSeq(few[:0], maps.Keys(m))
	for _, c := range constants {
		if _, both := m[c.name]; !both {
			names = append(names, c.name)
		}
	}
	slices.SortFunc(names, canonical.CompareNames)
	dst = append(dst, '{')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		ok := false
		if dst, ok = canonical.AppendString(dst, name); !ok {
			return dst, false
		}
		dst = append(dst, ':')
		if c := slices.IndexFunc(constants, func(c constantMember) bool { return c.name == name }); c >= 0 {
			dst, ok = canonical.AppendString(dst, constants[c].value)
		} else {
			dst, ok = appendValue(dst, m[name], depth)
		}
		if !ok {
			return dst, false
		}
	}
	return append(dst, '}'), true
}

func appendValue(dst []byte, v any, depth int) ([]byte, bool) {
	if depth > MaxDepth { // a value built in Go may contain itself
		return dst, false
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), true
	case bool:
		return strconv.AppendBool(dst, v), true
	case int64:
		return canonical.AppendInt(dst, v)
	case string:
		return canonical.AppendString(dst, v)
	case []any:
		return appendList(dst, v, depth)
	case map[string]any:
		dst, ok := appendObject(dst, v, depth+1)
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
