package pdl

import (
	"cmp"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
)

// match reads the equality atoms of a rule or a table into r and returns the
// typing of the (action, resource type) pairs they leave, or nil when there
// is none to speak of.
func (c *compiler) match(f *fields, r *Rule) *typing {
	n := f.need("match")
	if n == nil || len(c.pairs(n, "match")) == 0 && n.kind == mapping {
		if n != nil {
			c.errorf(n.span(), "name the actions it is about", "match needs action")
		}
		return nil
	}
	if n.kind != mapping {
		return nil
	}
	action, resourceType := n.member("action"), n.member("resource.type")
	if action == nil {
		c.errorf(n.span(), "name the actions it is about", "match needs action")
		return nil
	}
	var actions []string
	r.Actions, actions = c.matchedActions(action)
	types := c.matchedTypes(resourceType, actions)
	if len(actions) == 0 || len(types) == 0 || !c.covering(action.span(), len(actions)) {
		return nil
	}
	covered := c.typingOf(r.Actions, actions, types)
	for _, p := range n.pairs {
		if p.key.text != "action" {
			c.atom(p, covered, r)
		}
	}
	slices.SortFunc(r.Match, func(a, b Atom) int { return cmp.Compare(a.Path, b.Path) })
	return covered
}

// matchedActions reads the actions and families that a match names, and
// returns with them the declarations that type what they cover.
func (c *compiler) matchedActions(n *node) (named, covered []string) {
	named = c.distinct(n, "action", func(item *node, name string) bool {
		if problem, hint := familyProblem(name); problem != "" && strings.Contains(name, "*") {
			c.errorf(item.span(), hint, "%s", problem)
			return false
		}
		under := c.schema.under(name)
		if len(under) == 0 {
			c.errorf(item.span(), c.near(name, kernel.SortedKeys(c.actions), "the schema declares "), "unknown action %q", clip(name))
		}
		covered = append(covered, under...)
		return len(under) > 0
	})
	for _, item := range c.oneOrMore(n, "action") {
		if i := slices.IndexFunc(named, func(name string) bool { return name != item.text && Covers(name, item.text) }); i >= 0 {
			c.warnf(item.span(), "leave it out", "%s is one of %s already", clip(item.text), named[i])
		}
	}
	slices.Sort(covered)
	return named, slices.Compact(covered)
}

// matchedTypes returns the resource types that the actions take and the match
// leaves.
func (c *compiler) matchedTypes(n *node, actions []string) []string {
	var taken []string
	for _, a := range actions {
		taken = append(taken, c.actions[a].Resources...)
	}
	slices.Sort(taken)
	taken = slices.Compact(taken)
	if n == nil {
		return taken
	}
	return c.distinct(n, "resource.type", func(item *node, name string) bool {
		if c.types[name] == nil {
			c.errorf(item.span(), c.near(name, kernel.SortedKeys(c.types), "the schema declares "), "unknown resource type %q", clip(name))
			return false
		}
		if len(actions) > 0 && !slices.Contains(taken, name) {
			c.errorf(item.span(), "they take "+strings.Join(taken, ", "), "no action of this match takes a resource of type %q", name)
			return false
		}
		return true
	})
}

// distinct reads a value or a list of values that pass keep, each once, sorted.
func (c *compiler) distinct(n *node, what string, keep func(*node, string) bool) []string {
	const maxListed = 1_000
	items := c.oneOrMore(n, what)
	if len(items) > maxListed {
		c.errorf(n.span(), "", "%s lists more than %d values", what, maxListed)
		return nil
	}
	var list []string
	for _, item := range items {
		s, ok := c.text(item, what, maxLength)
		switch {
		case !ok || !keep(item, s):
		case slices.Contains(list, s):
			c.errorf(item.span(), "", "%q is listed twice", clip(s))
		default:
			list = append(list, s)
		}
	}
	slices.Sort(list)
	return list
}

// atom reads one member of match but `action`.
func (c *compiler) atom(p pair, covered *typing, r *Rule) {
	path := p.key.text
	m, ok := c.matchable(p.key, path, covered)
	if !ok {
		return
	}
	values := c.distinct(p.value, path, func(item *node, _ string) bool { return c.atomValue(item, path, m.typ) })
	r.Match = append(r.Match, Atom{Path: path, Values: values})
}

func (c *compiler) atomValue(n *node, path string, t Type) bool {
	_, ok := c.value(n, path, t)
	return ok
}

// matchable returns what a match or a table may ask for equality: a required
// bool, string or enum that every covered pair has.
func (c *compiler) matchable(at placed, path string, covered *typing) (member, bool) {
	root, name, ok := strings.Cut(path, ".")
	if !ok || !slices.Contains(attributeRoots, root) {
		c.errorf(at.span(), "match has action and paths such as resource.environment", "%q is no attribute", clip(path))
		return member{}, false
	}
	m, ok := c.attribute(at, root, name, covered)
	switch {
	case !ok:
		return member{}, false
	case covered.lacks(root, name) != "":
		lacking := covered.lacks(root, name)
		c.errorf(at.span(), "test it in `when`, behind has("+lacking+")", "%s is optional and cannot be matched", lacking)
		return member{}, false
	case m.typ.Kind != Bool && m.typ.Kind != String && m.typ.Kind != Enum:
		c.errorf(at.span(), "compare it in `when`", "%s is %s; match takes enums, strings and bools", path, m.typ.short())
		return member{}, false
	}
	return m, true
}
