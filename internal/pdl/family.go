package pdl

import (
	"iter"
	"slices"
	"strings"
)

// Bounds of what rules cover.
const (
	maxCovered = 500_000 // actions of all rules, each with everything it covers
	maxShapes  = 100_000 // resource types of all actions together
)

// IsAction reports whether a request can name s as its action: dotted
// segments, none of them empty, of letters, digits, single spaces inside and
// _ - / : @ +, at most 256 bytes. Nothing else belongs to a family.
func IsAction(s string) bool {
	before := '.'
	for _, r := range s {
		switch gap := before == '.' || before == ' '; {
		case gap && (r == '.' || r == ' '), !isWordRune(r):
			return false
		}
		before = r
	}
	return len(s) <= maxWord && before != '.' && before != ' '
}

// Family returns what the names of a family begin with: mcp.github. of
// mcp.github.*; false for the name of a single action.
func Family(name string) (prefix string, ok bool) {
	prefix, ok = strings.CutSuffix(name, "*")
	return prefix, ok && strings.HasSuffix(prefix, ".") && IsAction(prefix[:len(prefix)-1])
}

// Families yields the families that hold an action, or a family, from the
// longest: mcp.github.* and mcp.* hold mcp.github.create_issue. A family
// holds itself.
func Families(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := strings.LastIndexByte(name, '.'); i > 0; i = strings.LastIndexByte(name[:i], '.') {
			if !yield(name[:i+1] + "*") {
				return
			}
		}
	}
}

// Covers reports whether the action or family that a match names covers
// another: names are compared as text.
func Covers(name, other string) bool {
	prefix, isFamily := Family(name)
	return name == other || isFamily && strings.HasPrefix(other, prefix) && len(other) > len(prefix)
}

// ActionOf returns the declaration that types requests for an action: the
// exact one, else that of the longest family; nil where none covers it.
func (s *Schema) ActionOf(name string) *Action {
	if !IsAction(name) {
		return nil
	}
	return s.typing(name)
}

// typing returns the declaration of an action or a family, or that of the
// longest family around it.
func (s *Schema) typing(name string) *Action {
	if a := s.declared(name); a != nil {
		return a
	}
	for family := range Families(name) {
		if a := s.declared(family); a != nil {
			return a
		}
	}
	return nil
}

func (s *Schema) declared(name string) *Action {
	i, ok := slices.BinarySearchFunc(s.Actions, name, func(a Action, name string) int { return strings.Compare(a.Name, name) })
	if !ok {
		return nil
	}
	return &s.Actions[i]
}

// under returns the declarations that a match of name covers wholly or in
// part: those below it, and the one that types what none of them does.
func (s *Schema) under(name string) []string {
	var list []string
	prefix, isFamily := Family(name)
	if !isFamily && !IsAction(name) {
		return nil
	}
	if isFamily {
		first, _ := slices.BinarySearchFunc(s.Actions, prefix, func(a Action, prefix string) int { return strings.Compare(a.Name, prefix) })
		for _, a := range s.Actions[first:] {
			if !strings.HasPrefix(a.Name, prefix) {
				break
			}
			list = append(list, a.Name)
		}
	}
	if a := s.typing(name); a != nil && !slices.Contains(list, a.Name) {
		list = append(list, a.Name)
	}
	return list
}

// familyProblem says what keeps a text with a * from being a family, or "".
func familyProblem(name string) (problem, hint string) {
	switch _, ok := Family(name); {
	case ok:
		return "", ""
	case name == "*":
		return "* alone is no family", "name its first segment: mcp.*"
	default:
		return "\"" + clip(name) + "\" is no family of actions", "write mcp.github.*: the * is the last segment and stands for one or more"
	}
}

// covering counts what rules cover, and refuses a bundle where that is more
// than it could be worth.
func (c *compiler) covering(at span, actions int) bool {
	within := c.covered <= maxCovered
	if c.covered += actions; c.covered > maxCovered && within {
		c.errorf(at, "match fewer actions, or split the bundle", "the rules cover more than %d actions, each counted with every rule", maxCovered)
	}
	return c.covered <= maxCovered
}

// finishFamilies counts again what rules cover, now that every name that one
// of them singles out is known: it is an action of its own to all others.
func (c *compiler) finishFamilies(at span) {
	if c.failed {
		return
	}
	var names []string
	for _, a := range c.schema.Actions {
		names = append(names, a.Name)
	}
	for _, r := range c.bundle.Rules {
		names = append(names, r.Actions...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	shapes := 0
	for _, name := range names {
		if a := c.schema.typing(name); a != nil {
			shapes += len(a.Resources)
		}
	}
	if shapes > maxShapes {
		c.errorf(at, "name the resource types that each action takes", "the actions take more than %d resource types, all of them together", maxShapes)
	}
	c.covered = 0
	for _, r := range c.bundle.Rules {
		for _, name := range r.Actions {
			if !c.covering(at, len(within(names, name))) {
				return
			}
		}
	}
}

// within returns those of sorted names that one of them covers.
func within(names []string, name string) []string {
	first, found := slices.BinarySearch(names, name)
	prefix, isFamily := Family(name)
	if !isFamily {
		if !found {
			return nil
		}
		return names[first : first+1]
	}
	first, _ = slices.BinarySearch(names, prefix)
	last := first
	for last < len(names) && strings.HasPrefix(names[last], prefix) {
		last++
	}
	return names[first:last]
}
