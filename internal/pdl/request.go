package pdl

import (
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
)

// request types the input of a case by the schema and puts it into t. A case
// about an action or a resource type that the schema does not know is meant to
// be refused for that: its values are typed as YAML reads them.
func (c *compiler) request(t *Test, in tree, at span) {
	r := &t.Request
	r.Action = c.requestName(in, "action")
	r.Agent.ID = c.requestName(in, "agent.id")
	r.Resource.Type = c.requestName(in, "resource.type")
	r.Resource.ID = c.requestName(in, "resource.id")
	if now := in["context.now"]; now != nil {
		if text, ok := c.timestamp(now, "context.now"); ok {
			t.Now = text.(string)
		}
	}
	t.Facts = c.testFacts(t, in)
	defer c.lacking(in, r, at)
	action, resourceType := c.schema.ActionOf(r.Action), c.types[r.Resource.Type]
	if action == nil {
		r.Agent.Attributes = c.untyped(in, "agent", "id")
		r.Params, r.Context = c.untyped(in, "params"), c.untyped(in, "context", "now")
		r.Resource.Attributes = c.untyped(in, "resource", "id", "type")
		return
	}
	r.Agent.Attributes = c.typed(in, "agent", c.schema.Agent, "id")
	r.Params = c.typed(in, "params", c.taken(in, action))
	r.Context = c.typed(in, "context", c.schema.Context, "now")
	if resourceType == nil {
		r.Resource.Attributes = c.untyped(in, "resource", "id", "type")
		return
	}
	r.Resource.Attributes = c.typed(in, "resource", resourceType.Attributes, "id", "type")
}

func (c *compiler) requestName(in tree, path string) string {
	if in[path] == nil {
		return "" // told by lacking
	}
	s, _ := c.text(in[path], path, kernel.MaxName)
	return s
}

// lacking reports, in one sentence, what the request of a case needs.
func (c *compiler) lacking(in tree, r *kernel.Request, at span) {
	needed := []string{"action", "agent.id", "resource.id", "resource.type"}
	if action := c.schema.ActionOf(r.Action); action != nil {
		needed = append(needed, in.required("agent", c.schema.Agent)...)
		needed = append(needed, in.required("context", c.schema.Context)...)
		needed = append(needed, in.required("params", action.Params)...)
		if t := c.types[r.Resource.Type]; t != nil {
			needed = append(needed, in.required("resource", t.Attributes)...)
		}
	}
	needed = slices.DeleteFunc(needed, func(path string) bool { return in.find(path) != nil })
	if len(needed) > 0 {
		c.errorf(at, "put it into base or set", "the request of this case lacks %s", strings.Join(needed, ", "))
	}
}

// required lists the attributes that a request has to have: of a record those
// inside it, when it is there.
func (t tree) required(root string, attributes []Attribute) []string {
	var paths []string
	for _, a := range attributes {
		path := root + "." + a.Name
		if !a.Optional {
			paths = append(paths, path)
		}
		if n := t.find(path); n != nil && n.kind == mapping {
			paths = append(paths, t.required(path, a.Type.Members)...)
		}
	}
	return paths
}

// members lists the names that a request has under a root, but for the given.
func (t tree) members(root string, but ...string) []string {
	var names []string
	for _, path := range kernel.SortedKeys(t) {
		if name, ok := strings.CutPrefix(path, root+"."); ok && !slices.Contains(but, name) {
			names = append(names, name)
		}
	}
	return names
}

// taken lists the parameters of an action, and those of a case that it takes
// undeclared.
func (c *compiler) taken(in tree, action *Action) []Attribute {
	params := slices.Clone(action.Params)
	if !action.Open {
		return params
	}
	for _, name := range in.members("params") {
		if !slices.ContainsFunc(params, func(a Attribute) bool { return a.Name == name }) {
			params = append(params, Attribute{Name: name, Type: Type{Kind: JSON}, Optional: true})
		}
	}
	return params
}

func (c *compiler) typed(in tree, root string, declared []Attribute, but ...string) map[string]any {
	values := map[string]any{}
	var known []string
	for _, a := range declared {
		known = append(known, root+"."+a.Name)
		n := in[root+"."+a.Name]
		if n != nil && (a.Type.Kind == Enum || c.notNull(n, root+"."+a.Name)) {
			if v, ok := c.value(n, root+"."+a.Name, a.Type); ok {
				values[a.Name] = v
			}
		}
	}
	for _, name := range in.members(root, but...) {
		if path := root + "." + name; !slices.Contains(known, path) {
			c.errorf(in[path].span(), c.near(path, known, "the schema declares "), "unknown attribute %s", clip(path))
		}
	}
	return orNil(values)
}

// notNull refuses the null of YAML, which reads as a text and rarely means it.
func (c *compiler) notNull(n *node, what string) bool {
	if n.kind == scalar && n.style == plain && (n.text == "null" || n.text == "~") {
		c.errorf(n.span(), "leave the attribute out, or list it under unset", "%s cannot be null", what)
		return false
	}
	return true
}

func orNil(m map[string]any) map[string]any {
	if len(m) == 0 {
		return nil
	}
	return m
}

func (c *compiler) untyped(in tree, root string, but ...string) map[string]any {
	values := map[string]any{}
	for _, name := range in.members(root, but...) {
		values[name] = c.coreValue(in[root+"."+name], clip(root+"."+name))
	}
	return orNil(values)
}

// coreValue types a value as YAML's core schema does (YAML 1.2 §10.3.2), as
// far as a request can hold it.
func (c *compiler) coreValue(n *node, what string) any {
	switch n.kind {
	case sequence:
		list := make([]any, 0, len(n.items))
		for _, item := range n.items {
			list = append(list, c.coreValue(item, "an element of "+what))
		}
		return list
	case mapping:
		m := map[string]any{}
		for _, p := range n.pairs {
			m[p.key.text] = c.coreValue(p.value, clip(what+"."+p.key.text))
		}
		return m
	default:
		return c.coreScalar(n, what)
	}
}

func (c *compiler) coreScalar(n *node, what string) any {
	switch {
	case n.style != plain:
		return n.text
	case n.absent():
		c.errorf(n.span(), `write "" for the empty text`, "%s has no value", what)
	case !c.notNull(n, what):
	case n.text == "true" || n.text == "false":
		v, _ := c.boolean(n, what)
		return v
	case integerText.MatchString(n.text):
		v, _ := c.integer(n, what, -maxInteger, maxInteger)
		return v
	}
	return n.text
}
