package registry

import (
	"slices"
	"strings"
)

// A pattern is a text, or a prefix that ends in *; * alone matches everything.

// matches reports whether a text is one that the pattern means.
func matches(pattern, text string) bool {
	prefix, open := strings.CutSuffix(pattern, "*")
	return pattern == text || open && strings.HasPrefix(text, prefix)
}

// within reports whether every text that inner means, outer means too. The
// alphabet has more letters than a pattern list has room for, so that a prefix
// is inside a list only when it is inside one of its patterns.
func within(inner, outer string) bool {
	prefix, open := strings.CutSuffix(inner, "*")
	bound, wide := strings.CutSuffix(outer, "*")
	if open && !wide {
		return false
	}
	return inner == outer || wide && strings.HasPrefix(prefix, bound)
}

// MatchesAny reports whether a pattern means one of some names.
func MatchesAny(pattern string, names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return matches(pattern, n) })
}

// covers reports whether the capability speaks of an action on a resource.
func (c *Capability) covers(action, resourceType, resourceID string) bool {
	for _, a := range c.Actions {
		if matches(a, action) {
			return c.reaches(resourceType, resourceID)
		}
	}
	return false
}

func (c *Capability) reaches(resourceType, resourceID string) bool {
	for _, t := range c.Resources {
		if matches(t.Type, resourceType) && matches(t.ID, resourceID) {
			return true
		}
	}
	return false
}

// Within reports what of the capability is not part of another, or "" when it
// is narrower or equal: every request that it covers, at every instant, the
// other covers too.
func (c Capability) Within(other Capability) string {
	for _, a := range c.Actions {
		if !anyOf(other.Actions, func(o string) bool { return within(a, o) }) {
			return "the action " + a
		}
	}
	for _, t := range c.Resources {
		if !anyOf(other.Resources, func(o Target) bool { return within(t.Type, o.Type) && within(t.ID, o.ID) }) {
			return "the resource " + t.Type + " " + t.ID
		}
	}
	if wider := widerLimit(c.Limits, other.Limits); wider != "" {
		return wider
	}
	if !other.Expires.IsZero() && (c.Expires.IsZero() || c.Expires.After(other.Expires)) {
		return "its end"
	}
	if c.Lend >= other.Lend {
		return "how often it may be lent on"
	}
	return ""
}

func anyOf[T any](list []T, holds func(T) bool) bool {
	for _, v := range list {
		if holds(v) {
			return true
		}
	}
	return false
}
