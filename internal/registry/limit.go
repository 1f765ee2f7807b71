package registry

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/strixlabs/execution-kernel"
)

// A Limit bounds one value of the requests that a capability covers: by Min,
// Max or both, or by In, or by Prefix. A value that is not there is beyond
// every limit, as is one of another type and an empty list; of a list each
// element must be within it. The zero Limit is within nothing.
type Limit struct {
	Path     string // params.NAME, or resource.NAME of what is registered, and members inside
	Min, Max *int64 // nil: none
	In       []any  // texts, or integers, or true and false
	Prefix   string // of a text
}

// value returns what a request has at the path of the limit. Of the resource
// the registry alone is asked: what a request claims of it limits nothing.
func (l *Limit) value(params, resource map[string]any) (v any, there bool) {
	first, rest, _ := strings.Cut(l.Path, ".")
	m := params
	if first == "resource" {
		m = resource
	}
	for more := true; more; m, _ = v.(map[string]any) {
		first, rest, more = strings.Cut(rest, ".")
		if v, there = m[first]; !there {
			return nil, false
		}
	}
	return v, true
}

// allows reports whether a value is within the limit.
func (l *Limit) allows(v any) bool {
	list, many := v.([]any)
	if !many {
		return l.allowsOne(v)
	}
	return len(list) > 0 && !anyOf(list, func(e any) bool { return !l.allowsOne(e) })
}

func (l *Limit) allowsOne(v any) bool {
	switch v := v.(type) {
	case int64:
		return l.ranges() && (l.Min == nil || *l.Min <= v) && (l.Max == nil || v <= *l.Max) || slices.Contains(l.In, any(v))
	case string:
		return l.Prefix != "" && strings.HasPrefix(v, l.Prefix) || slices.Contains(l.In, any(v))
	case bool:
		return slices.Contains(l.In, any(v))
	}
	return false
}

func (l *Limit) ranges() bool { return l.Min != nil || l.Max != nil }

// within reports whether every value that the limit allows, another allows too.
func (l *Limit) within(o *Limit) bool {
	switch {
	case len(l.In) > 0:
		return !anyOf(l.In, func(v any) bool { return !o.allowsOne(v) })
	case l.ranges():
		return o.ranges() && (o.Min == nil || l.Min != nil && *l.Min >= *o.Min) && (o.Max == nil || l.Max != nil && *l.Max <= *o.Max)
	}
	return l.Prefix != "" && o.Prefix != "" && strings.HasPrefix(l.Prefix, o.Prefix)
}

// kindOf says of what type a listed value is; empty: of none that can be.
func kindOf(v any) string {
	switch v.(type) {
	case int64:
		return "an integer"
	case string:
		return "a text"
	case bool:
		return "true or false"
	}
	return ""
}

// beyond returns the first limit of the capability that a request is not
// within, in words, or "". The id is that of the capability or delegation.
func (c *Capability) beyond(id string, params, resource map[string]any) string {
	for i := range c.Limits {
		l := &c.Limits[i]
		if v, there := l.value(params, resource); !there || !l.allows(v) {
			return "by " + id + ", " + l.words(there)
		}
	}
	return ""
}

// words says what the limit asks for.
func (l *Limit) words(there bool) string {
	text := l.Path + " is "
	switch {
	case !there && strings.HasPrefix(l.Path, "resource."):
		text += "registered, and "
	case !there:
		text += "there, and "
	}
	switch {
	case len(l.In) > 0:
		return text + oneOf(l.In)
	case l.Min != nil && l.Max != nil:
		return text + fmt.Sprintf("%d to %d", *l.Min, *l.Max)
	case l.Min != nil:
		return text + fmt.Sprintf("at least %d", *l.Min)
	case l.Max != nil:
		return text + fmt.Sprintf("at most %d", *l.Max)
	}
	return text + "a text that begins with " + strconv.Quote(clip(l.Prefix))
}

// oneOf lists values, of many the first ones.
func oneOf(values []any) string {
	const shown = 8
	var words []string
	for i, v := range values {
		if i == shown {
			words = append(words, "…")
			break
		}
		if s, text := v.(string); text {
			v = strconv.Quote(clip(s))
		}
		words = append(words, fmt.Sprint(v))
	}
	return strings.Join(words, " or ")
}

// widerLimit returns the first limit of a capability that another is not
// within, in words, or "".
func widerLimit(inner, outer []Limit) string {
	for i := range outer {
		o := &outer[i]
		if !anyOf(inner, func(l Limit) bool { return l.Path == o.Path && l.within(o) }) {
			return "the limit " + o.words(true)
		}
	}
	return ""
}

func limitsTree(limits []Limit) map[string]any {
	tree := map[string]any{}
	for _, l := range limits {
		m := map[string]any{}
		if l.Min != nil {
			m["min"] = *l.Min
		}
		if l.Max != nil {
			m["max"] = *l.Max
		}
		if l.In != nil {
			m["in"] = l.In
		}
		if l.Prefix != "" {
			m["prefix"] = l.Prefix
		}
		tree[l.Path] = m
	}
	return tree
}

// limits reads what bounds the values of requests; they come out sorted.
func (rd *reader) limits(at string, v any) (list []Limit) {
	m, ok := v.(map[string]any)
	switch {
	case !ok || len(m) == 0:
		rd.fail(at, "write {params.amount_cents: {max: 100000}}", "limits are an object, by the path of what they bound")
	case len(m) > MaxLimits:
		rd.fail(at, "", "more than %d limits", MaxLimits)
	}
	for _, path := range kernel.SortedKeys(m) {
		list = append(list, rd.limit(kernel.JoinPath(at, path), path, m[path]))
	}
	return list
}

func (rd *reader) limit(at, path string, v any) Limit {
	if len(path) > MaxID || !limited.MatchString(path) {
		rd.fail(at, "name it as rules do: params.amount_cents, or resource.environment of what is registered", "%q is nothing to limit", clip(path))
	}
	m := rd.object(at, v, "min", "max", "in", "prefix")
	l := Limit{Path: path, Min: rd.bound(at+".min", m, "min"), Max: rd.bound(at+".max", m, "max")}
	if v, there := m["in"]; there {
		l.In = rd.values(at+".in", v)
	}
	if v, there := m["prefix"]; there {
		l.Prefix = rd.text(at+".prefix", v)
		if l.Prefix == "" || len(l.Prefix) > MaxText || !plain(l.Prefix) {
			rd.fail(at+".prefix", "leave the limit out where every text will do", "a prefix has 1 to %d bytes", MaxText)
		}
	}
	kinds := 0
	for _, said := range []bool{l.ranges(), l.In != nil, l.Prefix != ""} {
		if said {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		rd.fail(at, "write {min: 1, max: 100}, {in: [EUR, USD]} or {prefix: /srv/}", "a limit has min, max or both, or in, or prefix")
	case l.Min != nil && l.Max != nil && *l.Min > *l.Max:
		rd.fail(at, "", "min is greater than max: nothing is within it")
	}
	return l
}

func (rd *reader) bound(at string, m map[string]any, name string) *int64 {
	v, there := m[name]
	if !there {
		return nil
	}
	n, ok := v.(int64)
	if !ok {
		rd.fail(at, "a text is limited by in or by prefix", "it is an integer")
	}
	return &n
}

// values reads what a value may be; all are of one type.
func (rd *reader) values(at string, v any) []any {
	list := rd.list(at, v, MaxValues)
	if len(list) == 0 {
		rd.fail(at, "write [EUR, USD]", "it lists what a value may be")
		return []any{}
	}
	for i, e := range list {
		s, text := e.(string)
		switch kind := kindOf(e); {
		case kind == "" || text && (len(s) > MaxText || !plain(s)):
			rd.fail(place(at, i), "", "a value is a text of at most %d bytes, an integer, or true or false", MaxText)
		case kind != kindOf(list[0]):
			rd.fail(place(at, i), "", "all values are of one type: the first is %s", kindOf(list[0]))
		case slices.Contains(list[:i], e):
			rd.fail(place(at, i), "", "it is there twice")
		}
	}
	return list
}
