package pdl

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
)

// compileTest makes one Test of every case: the base with what the case sets.
func (c *compiler) compileTest(d *document) {
	f := c.fields(d.root, "a test", testForm.names(), nil)
	base := tree{}
	if n := f.got["base"]; n != nil {
		base = c.baseTree(n)
	}
	cases := f.need("cases")
	if cases == nil {
		return
	}
	items := c.items(cases, "cases")
	if cases.kind == sequence && len(items) == 0 {
		c.errorf(cases.span(), "", "a test has at least one case")
	}
	names := map[string]int{}
	for _, n := range items {
		c.testCase(d, n, base, names)
	}
}

func (c *compiler) testCase(d *document, n *node, base tree, names map[string]int) {
	f := c.fields(n, "a case", caseForm.names(), nil)
	if f == nil {
		return
	}
	name, expect := f.need("name"), f.need("expect")
	if name == nil || expect == nil {
		return
	}
	text, ok := c.text(name, "the name of a case", 1_000)
	if !ok {
		return
	}
	if names[text] > 0 {
		c.errorf(name.span(), "", "the case %q is already on line %d", clip(text), names[text])
	}
	names[text] = name.line
	input := maps.Clone(base)
	if set := f.got["set"]; set != nil {
		c.setPaths(input, set)
	}
	if unset := f.got["unset"]; unset != nil {
		c.unset(input, unset)
	}
	t := &Test{Name: d.name + "/" + text, Pos: name.span().pos(), Expect: c.expectation(expect)}
	c.request(t, input, name.span())
	c.bundle.Tests = append(c.bundle.Tests, t)
}

// baseTree flattens `{action: …, agent: {id: …}}`.
func (c *compiler) baseTree(n *node) tree {
	t := tree{}
	f := c.fields(n, "base", baseForm.names(), nil)
	if f == nil {
		return t
	}
	if a := f.got["action"]; a != nil {
		t["action"] = a
	}
	for _, root := range readRoots {
		if f.got[root] == nil {
			continue
		}
		pairs := c.pairs(f.got[root], root)
		if len(pairs) > maxAttributes {
			c.errorf(f.keys[root].span(), "", "%s has more than %d members", root, maxAttributes)
			return t
		}
		for _, p := range pairs {
			t[root+"."+p.key.text] = p.value
		}
	}
	return t
}

// setPaths puts values in; a whole section such as `params: {…}` replaces the
// one of the base, and single paths go on top of it.
func (c *compiler) setPaths(t tree, n *node) {
	pairs := c.pairs(n, "set")
	for _, p := range pairs {
		if slices.Contains(readRoots, p.key.text) {
			for _, name := range t.members(p.key.text) {
				delete(t, p.key.text+"."+name)
			}
			for _, m := range c.pairs(p.value, p.key.text) {
				t[p.key.text+"."+m.key.text] = m.value
			}
		}
	}
	// What is inside a record goes on top of the record.
	depth := func(p pair) int { return strings.Count(p.key.text, ".") }
	for _, p := range slices.SortedStableFunc(slices.Values(pairs), func(a, b pair) int { return depth(a) - depth(b) }) {
		if !slices.Contains(readRoots, p.key.text) && c.requestPath(t, p.key.span(), p.key.text) {
			c.put(t, p.key.span(), p.key.text, p.value)
		}
	}
}

// unset removes optional attributes, or what a request then lacks.
func (c *compiler) unset(t tree, n *node) {
	for _, item := range c.oneOrMore(n, "unset") {
		path, ok := c.text(item, "unset", 512)
		switch {
		case !ok || !c.requestPath(t, item.span(), path):
		case t.find(path) == nil:
			c.errorf(item.span(), c.near(path, kernel.SortedKeys(t), "the request has "), "%s is not set", clip(path))
		default:
			c.put(t, item.span(), path, nil)
		}
	}
}

// requestPath accepts `action` and `root.name`.
func (c *compiler) requestPath(t tree, at span, path string) bool {
	root, name, ok := strings.Cut(path, ".")
	if path == "action" || ok && name != "" && slices.Contains(readRoots, root) {
		return true
	}
	if i := slices.IndexFunc(laterRoots, func(l later) bool { return l.word == root }); i >= 0 {
		c.errorf(at, "", "%s", laterRoots[i].sentence)
		return false
	}
	hint := "paths are action, agent.role, resource.environment and the like"
	if known := startingWith("", slices.DeleteFunc(kernel.SortedKeys(t), func(p string) bool { return !strings.HasSuffix(p, "."+path) })); known != "" {
		hint = fmt.Sprintf("did you mean %q?", known)
	}
	c.errorf(at, hint, "%q is no path of a request", clip(path))
	return false
}
