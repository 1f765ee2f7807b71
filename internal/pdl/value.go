package pdl

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// The first and the last instant of a timestamp. The difference of any two
// fits into 64 bits of nanoseconds.
var (
	firstInstant = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	lastInstant  = time.Date(2190, 1, 1, 0, 0, 0, 0, time.UTC)
)

// value reads a value of a type: bool, int64, string (also for enums, timestamps
// and durations), a list of those, or a record of any of them.
func (c *compiler) value(n *node, what string, t Type) (any, bool) {
	if n.absent() {
		c.errorf(n.span(), `write "" for the empty text`, "%s has no value", what)
		return nil, false
	}
	switch t.Kind {
	case Bool:
		return c.boolean(n, what)
	case Int:
		return c.integer(n, what, t.Min, t.Max)
	case Enum:
		return c.word(n, what, t.Values)
	case Timestamp:
		return c.timestamp(n, what)
	case Duration:
		return c.duration(n, what)
	case List:
		return c.list(n, what, t)
	case String:
		return c.stringValue(n, what, t.MaxLen)
	case Record:
		return c.recordValue(n, what, t)
	case JSON:
		return c.jsonValue(n, what)
	default: // a type that was refused where it was declared
		return nil, false
	}
}

func (c *compiler) stringValue(n *node, what string, limit int) (any, bool) {
	switch {
	case n.kind != scalar:
		c.errorf(n.span(), "", "%s is text, not %s", what, n.is())
	case utf8.RuneCountInString(n.text) > limit:
		c.errorf(n.span(), "", "%s is longer than %d characters", what, limit)
	case strings.ContainsRune(n.text, 0):
		c.errorf(n.span(), "", "%s contains U+0000", what)
	default:
		return n.text, true
	}
	return nil, false
}

func (c *compiler) timestamp(n *node, what string) (any, bool) {
	if n.kind != scalar {
		c.errorf(n.span(), "", "%s is a timestamp, not %s", what, n.is())
		return nil, false
	}
	if problem := timestampProblem(n.text); problem != "" {
		c.errorf(n.span(), "write it as 2026-11-23T10:00:00Z", "%s %s", what, problem)
		return nil, false
	}
	return n.text, true
}

// timestampProblem says what keeps a text from being a timestamp (RFC 3339,
// 1900-01-01 to 2190-01-01), or "".
func timestampProblem(s string) string {
	var at time.Time
	switch err := at.UnmarshalText([]byte(s)); {
	case err != nil:
		return "is a timestamp with date, time and zone (RFC 3339)"
	case at.Before(firstInstant) || at.After(lastInstant):
		return "is a timestamp between 1900-01-01 and 2190-01-01"
	}
	return ""
}

func (c *compiler) duration(n *node, what string) (any, bool) {
	if n.kind != scalar {
		c.errorf(n.span(), "", "%s is a duration, not %s", what, n.is())
		return nil, false
	}
	if _, ok := ParseDuration(n.text); !ok {
		c.errorf(n.span(), "write it as 36h or 1h30m", "%s is a duration of at most 100 years", what)
		return nil, false
	}
	return n.text, true
}

// ParseDuration reads a duration as requests and policies write it, such as
// 1h30m: decimal numbers, each with a unit of h, m, s, ms, us or ns, within
// ±100 years of 365 days.
func ParseDuration(s string) (time.Duration, bool) {
	d, err := time.ParseDuration(s)
	return d, err == nil && d <= maxDuration && d >= -maxDuration
}

func (c *compiler) list(n *node, what string, t Type) (any, bool) {
	items := c.items(n, what)
	if n.kind != sequence {
		return nil, false
	}
	if len(items) > t.MaxLen {
		c.errorf(n.span(), "", "%s has more than %d elements", what, t.MaxLen)
		return nil, false
	}
	list, good := make([]any, 0, len(items)), true
	for i, item := range items {
		name := "an element of " + what
		if t.IsRecords() {
			name = fmt.Sprintf("%s[%d]", what, i)
			c.lackingIn(item, name, t.Elem.Members)
		}
		v, ok := c.value(item, name, *t.Elem)
		good = good && ok
		list = append(list, v)
	}
	return slices.Clip(list), good
}

// recordValue reads the members of a record. What it lacks is told with the
// rest of what its request lacks.
func (c *compiler) recordValue(n *node, what string, t Type) (any, bool) {
	values, good := map[string]any{}, n.kind == mapping
	for _, p := range c.pairs(n, what) {
		name := p.key.text
		i := slices.IndexFunc(t.Members, func(a Attribute) bool { return a.Name == name })
		if i < 0 {
			c.errorf(p.value.span(), c.near(name, memberNames(t.Members), "the schema declares "), "unknown attribute %s.%s", what, clip(name))
			good = false
			continue
		}
		member, m := what+"."+name, t.Members[i]
		if m.Type.Kind != Enum && !c.notNull(p.value, member) {
			good = false
			continue
		}
		v, ok := c.value(p.value, member, m.Type)
		values[name] = v
		good = good && ok
	}
	return values, good
}

// lackingIn reports what an element of a list of records needs.
func (c *compiler) lackingIn(n *node, what string, members []Attribute) {
	for _, m := range members {
		if !m.Optional && n.kind == mapping && n.member(m.Name) == nil {
			c.errorf(n.span(), "", "%s lacks %s", what, m.Name)
		}
	}
}

func memberNames(members []Attribute) []string {
	names := make([]string, len(members))
	for i, m := range members {
		names[i] = m.Name
	}
	return names
}

// jsonValue reads a value of any kind as the core schema of YAML types it. It
// holds no null: what a request can hold, a test leaves out.
func (c *compiler) jsonValue(n *node, what string) (any, bool) {
	found := len(c.found)
	v := c.coreValue(n, what)
	return v, len(c.found) == found
}
