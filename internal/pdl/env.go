package pdl

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/checker"

	"github.com/strixlabs/execution-kernel"
)

// attributeRoots are the roots whose members a schema declares.
var attributeRoots = []string{"agent", "context", "params", "resource"}

// readRoots are those, and what history says.
var readRoots = []string{"agent", "context", "facts", "params", "resource"}

// A member is an attribute as the pairs of (action, resource type) that a rule
// covers share it.
type member struct {
	typ      Type
	optional bool     // for one of the pairs at least; a record around it may be, too
	problem  string   // why it cannot be read, or ""
	everUsed []string // of enums: every value any pair of the schema gives it
}

// A typing is what conditions over a set of pairs may read: the intersection
// of the attributes of all of them.
type typing struct {
	names          []string                     // that the match names: actions and families
	actions, types []string                     // the declarations behind them, and the types that those take
	members        map[string]map[string]member // by root, by name; of nested records by path: payment.amount_cents
	elements       map[string]map[string]member // of lists of records, by the path of the list, by name
	open           bool                         // every action takes further parameters
	checker        *checker.Env
}

// typingOf returns the typing of the pairs that actions, which names of a match
// stand for, make with the resource types among types that they take. Equal
// sets share one.
func (c *compiler) typingOf(names, actions, types []string) *typing {
	key := strings.Join(names, "\x00") + "\x01" + strings.Join(actions, "\x00") + "\x01" + strings.Join(types, "\x00")
	if t := c.cel.typings[key]; t != nil {
		return t
	}
	t := &typing{names: names, actions: actions, types: c.takenBy(actions, types), members: map[string]map[string]member{}, elements: map[string]map[string]member{}, open: true}
	for _, a := range actions {
		t.open = t.open && c.actions[a].Open
	}
	t.members["agent"] = single(c.schema.Agent, "id")
	t.members["context"] = single(c.schema.Context, "")
	t.members["context"]["now"] = member{typ: Type{Kind: Timestamp}}
	params := c.paramsOf(t.actions)
	attributes := lists(t.types, func(r string) []Attribute { return c.types[r].Attributes })
	t.members["params"] = shared(params, t.actions, "action")
	t.members["resource"] = shared(attributes, t.types, "resource type")
	t.members["resource"]["id"] = member{typ: nameType}
	t.members["resource"]["type"] = member{typ: Type{Kind: Enum, Values: t.types}, everUsed: kernel.SortedKeys(c.types)}
	t.members["facts"] = map[string]member{}
	for _, f := range c.schema.Facts {
		t.members["facts"][f.Name] = member{typ: f.Type, optional: f.Optional}
	}
	c.everUsed(t)
	t.columns("agent", [][]Attribute{flat(c.schema.Agent)}, nil, "")
	t.columns("context", [][]Attribute{flat(c.schema.Context)}, nil, "")
	t.columns("params", params, t.actions, "action")
	t.columns("resource", attributes, t.types, "resource type")
	c.cel.typings[key] = t
	return t
}

// paramsOf returns the parameters of each action. What only some of them
// declare, the open ones take as JSON.
func (c *compiler) paramsOf(actions []string) [][]Attribute {
	params := lists(actions, func(a string) []Attribute { return c.actions[a].Params })
	var names []string
	for _, list := range params {
		for _, a := range list {
			if !strings.Contains(a.Name, ".") {
				names = append(names, a.Name)
			}
		}
	}
	slices.Sort(names)
	for i, a := range actions {
		if !c.actions[a].Open {
			continue
		}
		for _, name := range slices.Compact(slices.Clone(names)) {
			if !slices.ContainsFunc(params[i], func(a Attribute) bool { return a.Name == name }) {
				params[i] = append(params[i], Attribute{Name: name, Type: Type{Kind: JSON}, Optional: true})
			}
		}
	}
	return params
}

// columns types the members of the records in lists.
func (t *typing) columns(root string, owners [][]Attribute, names []string, kind string) {
	for _, name := range kernel.SortedKeys(t.members[root]) {
		m := t.members[root][name]
		if m.problem != "" || !m.typ.IsRecords() {
			continue
		}
		all := make([][]Attribute, len(owners))
		for i, attributes := range owners {
			for _, a := range attributes {
				if a.Name == name {
					all[i] = a.Type.Elem.Members
				}
			}
		}
		t.elements[root+"."+name] = shared(all, names, kind)
		for _, column := range kernel.SortedKeys(t.elements[root+"."+name]) {
			m := t.elements[root+"."+name][column]
			m.everUsed = enumValues(m.typ)
			t.elements[root+"."+name][column] = m
		}
	}
}

// nameType is the type of agent.id and resource.id.
var nameType = Type{Kind: String, MaxLen: kernel.MaxName}

// takenBy returns those of types that one of the actions takes.
func (c *compiler) takenBy(actions, types []string) []string {
	return slices.DeleteFunc(slices.Clone(types), func(r string) bool {
		return !slices.ContainsFunc(actions, func(a string) bool { return slices.Contains(c.actions[a].Resources, r) })
	})
}

func single(attributes []Attribute, id string) map[string]member {
	m := map[string]member{}
	for _, a := range flat(attributes) {
		m[a.Name] = member{typ: a.Type, optional: a.Optional, everUsed: enumValues(a.Type)}
	}
	if id != "" {
		m[id] = member{typ: nameType}
	}
	return m
}

// lists returns what each has, nested members included.
func lists(names []string, of func(string) []Attribute) [][]Attribute {
	var all [][]Attribute
	for _, n := range names {
		all = append(all, flat(of(n)))
	}
	return all
}

// shared intersects the attributes of several owners. An attribute that only
// some have, or that they declare differently, is kept with the problem.
func shared(owners [][]Attribute, names []string, kind string) map[string]member {
	merged, count, first := map[string]member{}, map[string]int{}, map[string]int{}
	for i, attributes := range owners {
		for _, a := range attributes {
			m, known := merged[a.Name]
			if !known {
				m, first[a.Name] = member{typ: a.Type, optional: a.Optional}, i
			} else if t, ok := join(m.typ, a.Type); ok {
				m.typ, m.optional = t, m.optional || a.Optional
			} else if m.problem == "" {
				m.problem = fmt.Sprintf("has different types: %s for the %s %s, %s for %s",
					m.typ.short(), kind, names[first[a.Name]], a.Type.short(), names[i])
			}
			merged[a.Name] = m
			count[a.Name]++
		}
	}
	for _, name := range kernel.SortedKeys(merged) {
		if m := merged[name]; m.problem == "" && count[name] < len(owners) {
			lacking := slices.IndexFunc(owners, func(as []Attribute) bool {
				return !slices.ContainsFunc(as, func(a Attribute) bool { return a.Name == name })
			})
			m.problem = fmt.Sprintf("is not an attribute of the %s %s, which the match covers", kind, names[lacking])
			merged[name] = m
		}
	}
	return merged
}

// join returns the least type that holds the values of both, which have to be
// of one kind: bounds widen, enums unite.
func join(a, b Type) (Type, bool) {
	if a.Kind != b.Kind {
		return Type{}, false
	}
	t := Type{Kind: a.Kind, Min: min(a.Min, b.Min), Max: max(a.Max, b.Max), MaxLen: max(a.MaxLen, b.MaxLen), Values: a.Values}
	for _, v := range b.Values {
		if !slices.Contains(t.Values, v) {
			t.Values = append(slices.Clip(t.Values), v)
		}
	}
	if a.Kind == List {
		elem, ok := join(*a.Elem, *b.Elem)
		t.Elem = &elem
		return t, ok
	}
	return t, true
}

// everUsed notes for enums the values that any pair of the schema gives them:
// a variable that several rules share may name a value only some of them see.
func (c *compiler) everUsed(t *typing) {
	for _, root := range []string{"params", "resource"} {
		for _, name := range kernel.SortedKeys(t.members[root]) {
			if m := t.members[root][name]; m.everUsed == nil {
				m.everUsed = c.cel.everUsed[root][name]
				t.members[root][name] = m
			}
		}
	}
}

// enumsOf collects those values of a schema by root and name.
func enumsOf(s *Schema) map[string]map[string][]string {
	params, resource := map[string][]string{}, map[string][]string{}
	for _, a := range s.Actions {
		collectValues(params, a.Params)
	}
	for _, r := range s.Resources {
		collectValues(resource, r.Attributes)
	}
	return map[string]map[string][]string{"params": params, "resource": resource}
}

func collectValues(into map[string][]string, attributes []Attribute) {
	for _, a := range flat(attributes) {
		for _, v := range enumValues(a.Type) {
			if !slices.Contains(into[a.Name], v) {
				into[a.Name] = append(into[a.Name], v)
			}
		}
	}
}

// enumValues returns the values of an enum, or of a list of enums.
func enumValues(t Type) []string {
	if t.Kind == List {
		return t.Elem.Values
	}
	return t.Values
}

// member returns what a path such as params.payment.amount_cents names.
func (t *typing) member(path string) (member, bool) {
	root, name, _ := strings.Cut(path, ".")
	m, known := t.members[root][name]
	if !known && root == "params" && t.open && !strings.Contains(name, ".") {
		return member{typ: Type{Kind: JSON}, optional: true}, true
	}
	return m, known
}

// lacks returns the path of what is optional of an attribute and the records
// around it, from outside in, or "".
func (t *typing) lacks(root, name string) string {
	for i := range len(name) + 1 {
		if (i == len(name) || name[i] == '.') && t.members[root][name[:i]].optional {
			return root + "." + name[:i]
		}
	}
	return ""
}

// attribute looks up root.name, reporting why it cannot be read.
func (c *compiler) attribute(at placed, root, name string, t *typing) (member, bool) {
	m, known := t.member(root + "." + name)
	switch {
	case !known:
		c.errorf(at.span(), c.nearAttribute(root, name, t), "unknown attribute %s.%s", root, clip(name))
		return member{}, false
	case m.problem != "" && c.scoping:
		c.errorf(at.span(), "split the property, or name fewer of them in its scope", "%s.%s cannot be read: it %s", root, name, strings.Replace(m.problem, "which the match", "which the scope", 1))
		return member{}, false
	case m.problem != "":
		c.errorf(at.span(), "split the rule, or match fewer of them", "%s.%s cannot be read: it %s", root, name, m.problem)
		return member{}, false
	}
	return m, true
}

func (c *compiler) nearAttribute(root, name string, t *typing) string {
	names := readable(t.members[root])
	if guess := c.near(name, names, ""); guess != "" {
		return strings.Replace(guess, `"`, `"`+root+".", 1)
	}
	for _, other := range readRoots {
		if slices.Contains(readable(t.members[other]), name) {
			return fmt.Sprintf("did you mean %q?", other+"."+name)
		}
	}
	return c.near(name, names, root+" has ")
}

func readable(members map[string]member) []string {
	return slices.DeleteFunc(kernel.SortedKeys(members), func(n string) bool { return members[n].problem != "" })
}
