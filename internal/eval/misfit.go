package eval

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// misfit says why a JSON value is not of a type, and at which element of a
// list; the problem is empty when it fits. null is no value of any type. What
// is inside a record is looked at by [section.problem].
func misfit(t pdl.Type, v any) (problem, at string) {
	switch t.Kind {
	case pdl.Bool:
		if _, ok := v.(bool); !ok {
			return wrongType("a boolean", v), ""
		}
	case pdl.Int:
		return misfitInt(t, v), ""
	case pdl.String:
		return misfitString(t, v), ""
	case pdl.Enum:
		return misfitEnum(t, v), ""
	case pdl.Timestamp:
		return misfitTime(v), ""
	case pdl.Duration:
		return misfitSpan(v), ""
	case pdl.List:
		return misfitList(t, v)
	case pdl.Record:
		if _, ok := v.(map[string]any); !ok {
			return wrongType("an object", v), ""
		}
	case pdl.JSON:
		return misfitJSON(v, 0)
	default:
		return "its declared type is not known", ""
	}
	return "", ""
}

func misfitInt(t pdl.Type, v any) string {
	n, ok := v.(int64)
	switch {
	case !ok:
		return wrongType("an integer", v)
	case n < t.Min || n > t.Max:
		return fmt.Sprintf("%d is outside %d..%d", n, t.Min, t.Max)
	}
	return ""
}

func misfitString(t pdl.Type, v any) string {
	s, ok := v.(string)
	switch {
	case !ok:
		return wrongType("a string", v)
	case !utf8.ValidString(s):
		return "the string is not valid UTF-8"
	case strings.ContainsRune(s, 0):
		return "the string contains U+0000"
	}
	if n := utf8.RuneCountInString(s); n > t.MaxLen {
		return fmt.Sprintf("the string has %d characters, more than %d", n, t.MaxLen)
	}
	return ""
}

func misfitEnum(t pdl.Type, v any) string {
	s, ok := v.(string)
	switch {
	case !ok:
		return wrongType("a string", v)
	case !slices.Contains(t.Values, s):
		return fmt.Sprintf("%q is none of the declared values", clip(s))
	}
	return ""
}

func misfitTime(v any) string {
	s, ok := v.(string)
	if !ok {
		return wrongType("a timestamp", v)
	}
	at, ok := instantIn(s)
	switch {
	case !ok:
		return fmt.Sprintf("%q is no RFC 3339 timestamp", clip(s))
	case !inRange(at):
		return fmt.Sprintf("%s is outside 1900-01-01..2190-01-01", clip(s))
	}
	return ""
}

func misfitSpan(v any) string {
	s, ok := v.(string)
	if !ok {
		return wrongType("a duration", v)
	}
	if _, ok := pdl.ParseDuration(s); !ok {
		return fmt.Sprintf("%q is no duration within 100 years", clip(s))
	}
	return ""
}

func misfitList(t pdl.Type, v any) (problem, at string) {
	list, ok := v.([]any)
	switch {
	case !ok:
		return wrongType("a list", v), ""
	case len(list) > t.MaxLen:
		return fmt.Sprintf("the list has %d elements, more than %d", len(list), t.MaxLen), ""
	case t.Elem == nil:
		return "its declared type is not known", ""
	}
	for i, x := range list {
		if problem, at := misfit(*t.Elem, x); problem != "" {
			return problem, fmt.Sprintf("[%d]%s", i, at)
		}
	}
	return "", ""
}

func wrongType(want string, v any) string {
	return fmt.Sprintf("%s is wanted, not %s", want, typeName(v))
}

func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case int64:
		return "an integer"
	case kernel.Number:
		return "a number that is no integer within ±(2^53−1)"
	case string:
		return "a string"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return fmt.Sprintf("a Go %T", v)
}

// expects describes a type to somebody who has to send a value of it: "it is
// …".
func expects(t pdl.Type) string {
	switch t.Kind {
	case pdl.Bool:
		return "true or false"
	case pdl.Int:
		return fmt.Sprintf("an integer in %d..%d", t.Min, t.Max)
	case pdl.String:
		return fmt.Sprintf("a string of at most %d characters", t.MaxLen)
	case pdl.Enum:
		return "one of " + oneOf(t.Values)
	case pdl.Timestamp:
		return "a timestamp such as \"2026-11-23T20:00:00Z\""
	case pdl.Duration:
		return "a duration such as \"1h30m\""
	case pdl.List:
		return fmt.Sprintf("a list of at most %d elements", t.MaxLen)
	case pdl.Record:
		return "an object of " + oneOf(attributeNames(t.Members))
	case pdl.JSON:
		return "any JSON whose numbers are integers within ±(2^53−1)"
	}
	return "of no known type"
}

func attributeNames(attributes []pdl.Attribute) []string {
	names := make([]string, len(attributes))
	for i, a := range attributes {
		names[i] = a.Name
	}
	return names
}
