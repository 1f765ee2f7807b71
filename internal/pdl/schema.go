package pdl

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
)

// Bounds of a schema.
const (
	maxAttributes = 1_000  // of one owner
	maxTypes      = 1_000  // resource types
	maxActions    = 10_000 // actions
)

var memberNameLower = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// celReserved are the words that CEL keeps for itself; none can be selected.
var celReserved = []string{
	"as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let",
	"loop", "namespace", "null", "package", "return", "true", "var", "void", "while",
}

func (c *compiler) compileSchema(d *document) {
	f := c.fields(d.root, "a schema", schemaForm.names(), nil)
	if f == nil {
		return
	}
	c.schema = &Schema{Name: d.name, Strict: true}
	c.actions, c.types, c.meets = map[string]*Action{}, map[string]*ResourceType{}, map[string]Meet{}
	c.events, c.factKeys, c.factsRead, c.claimed = map[string]*event{}, map[string]*node{}, map[string]bool{}, map[string]bool{}
	c.factTypes = map[string]Type{}
	c.agents(d, f)
	if n := f.got["strict"]; n != nil {
		c.schema.Strict, _ = c.boolean(n, "strict")
	}
	if n := f.got["agent"]; n != nil {
		c.schema.Agent = c.attributes(n, "agent", []string{"id"}, true)
	}
	if n := f.got["context"]; n != nil {
		c.schema.Context = c.attributes(n, "context", []string{"now"}, false)
	}
	if n := f.need("resources"); n != nil {
		c.resourceTypes(n)
	}
	if n := f.need("actions"); n != nil {
		c.declareActions(n)
	}
	if n := f.got["events"]; n != nil {
		c.declareEvents(n)
	}
	if n := f.got["facts"]; n != nil {
		c.facts(n)
	}
	if n := f.got["constraints"]; n != nil {
		c.constraints(n)
	}
}

// agents reads who may ask: registered agents, where nothing is said.
func (c *compiler) agents(d *document, f *fields) {
	n := f.got["agents"]
	if n == nil {
		c.schema.Registered = true
		c.need(NeedRegistry, d.at, "say agents: any", "agents: registered is the default, and needs the registry of agents")
		return
	}
	if who, _ := c.word(n, "agents", []string{"registered", "any"}); who != "any" {
		c.schema.Registered = true
		c.need(NeedRegistry, n.span(), "say agents: any", "agents: registered needs the registry of agents")
	}
}

func (c *compiler) attributes(n *node, root string, reserved []string, registry bool) []Attribute {
	return c.attributesOf(n, owner{path: root, reserved: reserved, registry: registry})
}

func (c *compiler) attributesOf(n *node, o owner) []Attribute {
	list := c.members(n, o)
	if len(flat(list)) > maxAttributes {
		c.errorf(n.span(), "", "%s has more than %d attributes", o.path, maxAttributes)
		return nil
	}
	return list
}

// An owner is where attributes are declared: a section of requests, or a
// record inside one.
type owner struct {
	path     string
	reserved []string // names that always exist
	registry bool     // values can come from the registry
	depth    int      // of records
	open     *bool    // set when further members are taken; nil where there are none
}

// members reads declared attributes; the list is sorted by name.
func (c *compiler) members(n *node, o owner) []Attribute {
	var list []Attribute
	pairs := c.pairs(n, "the attributes of "+o.path)
	if len(pairs) > maxAttributes {
		c.errorf(n.span(), "", "%s has more than %d attributes", o.path, maxAttributes)
		return nil
	}
	for _, p := range pairs {
		name, optional := strings.CutSuffix(p.key.text, "?")
		switch {
		case name == "*" && o.open == nil:
			c.errorf(p.key.span(), "declare its members, or the whole as json", "%s takes no further members; the params of an action do", o.path)
		case name == "*":
			w, _ := c.word(p.value, "*", []string{"json"})
			*o.open = w == "json"
		case slices.Contains(o.reserved, name):
			c.errorf(p.key.span(), "leave it out", "%s.%s always exists", o.path, name)
		case slices.Contains(celReserved, name):
			c.errorf(p.key.span(), "choose another name", "%q is a word of CEL and cannot be an attribute", name)
		case len(name) > 128 || !memberName.MatchString(name):
			c.errorf(p.key.span(), "use letters, digits and _", "%q is no name for an attribute", clip(name))
		case slices.ContainsFunc(list, func(a Attribute) bool { return a.Name == name }):
			c.errorf(p.key.span(), "keep one of the two", "the attribute %q is declared twice", name)
		default:
			t, _ := c.attributeType(p.value, o, name)
			list = append(list, Attribute{Name: name, Type: t, Optional: optional, From: c.source(p.value, o)})
		}
	}
	slices.SortFunc(list, func(a, b Attribute) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// attributeType reads `T`, the members of a record, or `{type: T, from: request}`.
func (c *compiler) attributeType(n *node, o owner, name string) (Type, bool) {
	switch what := o.path + "." + name; {
	case n.kind != mapping:
		return c.typeOf(n)
	case !isLongForm(n):
		return c.record(n, o, name)
	default:
		f := c.fields(n, what, []string{"type", "from"}, nil)
		if from := f.got["from"]; from != nil && o.depth > 0 {
			c.errorf(f.keys["from"].span(), "say it of the whole record", "the members of a record come from where the record does")
		} else if from != nil {
			c.from(from, what, o.registry)
		}
		if f.got["type"].kind == mapping {
			return c.record(f.got["type"], o, name)
		}
		return c.typeOf(f.got["type"])
	}
}

// source is where an attribute comes from; that of a member of a record is
// where the record does.
func (c *compiler) source(n *node, o owner) Source {
	if o.depth > 0 || !o.registry {
		return FromRequest
	}
	if from := n.member("from"); n.kind == mapping && isLongForm(n) && from != nil {
		switch from.text {
		case "registry":
			return FromRegistry
		case "request":
			return FromRequest
		}
		return FromEither
	}
	if o.path == "agent" && c.schema.Registered {
		return FromRegistry
	}
	return FromEither
}

// from reads where a value comes from. `registry?` is the registry's value
// where there is one, so that it needs none.
func (c *compiler) from(n *node, what string, registry bool) {
	words := []string{"request"}
	if registry {
		words = []string{"request", "registry", "registry?"}
	}
	switch from, _ := c.word(n, "from", words); from {
	case "registry":
		c.need(NeedRegistry, n.span(), "say from: request", what+" comes from the registry")
	case "request":
		c.claimed[what] = true
	}
}

func (c *compiler) resourceTypes(n *node) {
	for _, p := range c.pairs(n, "resources") {
		name := p.key.text
		switch {
		case name == "any" || !isWord(name):
			c.errorf(p.key.span(), "use letters, digits and _ - . / : @ +", "%q is no name for a resource type", clip(name))
			continue
		case p.value.absent():
			c.errorf(p.key.span(), "write {} when it has none", "the resource type %s lists its attributes", name)
			continue
		}
		c.types[name] = nil
		c.schema.Resources = append(c.schema.Resources, ResourceType{
			Name: name, Attributes: c.attributes(p.value, "resource", []string{"id", "type"}, true),
		})
	}
	if n.kind == mapping && (len(n.pairs) == 0 || len(n.pairs) > maxTypes) {
		c.errorf(n.span(), "", "a schema declares 1 to %d resource types", maxTypes)
	}
	slices.SortFunc(c.schema.Resources, func(a, b ResourceType) int { return cmp.Compare(a.Name, b.Name) })
	c.typeNames = kernel.SortedKeys(c.types)
	for i := range c.schema.Resources {
		c.types[c.schema.Resources[i].Name] = &c.schema.Resources[i]
	}
}

func (c *compiler) declareActions(n *node) {
	for _, p := range c.pairs(n, "actions") {
		name := p.key.text
		switch {
		case strings.Contains(name, "*"):
			if problem, hint := familyProblem(name); problem != "" {
				c.errorf(p.key.span(), hint, "%s", problem)
				continue
			}
			c.schema.Actions = append(c.schema.Actions, c.action(name, p.value))
		case !isWord(name):
			c.errorf(p.key.span(), "use letters, digits and _ - . / : @ +", "%q is no name for an action", clip(name))
		case !IsAction(name):
			c.errorf(p.key.span(), "write mcp.github.create_issue", "%q has an empty segment: something stands between two dots, and around them", clip(name))
		default:
			c.schema.Actions = append(c.schema.Actions, c.action(name, p.value))
		}
	}
	if n.kind == mapping && (len(n.pairs) == 0 || len(n.pairs) > maxActions) {
		c.errorf(n.span(), "", "a schema declares 1 to %d actions", maxActions)
	}
	slices.SortFunc(c.schema.Actions, func(a, b Action) int { return cmp.Compare(a.Name, b.Name) })
	for i := range c.schema.Actions {
		c.actions[c.schema.Actions[i].Name] = &c.schema.Actions[i]
	}
}

func (c *compiler) action(name string, n *node) Action {
	a := Action{Name: name}
	f := c.fields(n, "the action "+name, actionForm.names(), nil)
	if f == nil {
		return a
	}
	if r := f.need("resource"); r != nil {
		a.Resources = c.actionResources(r)
	}
	if p := f.got["params"]; p != nil {
		a.Params = c.attributesOf(p, owner{path: "params", open: &a.Open})
	}
	if r := f.got["risk"]; r != nil {
		a.Risk = c.risk(r, "risk")
	}
	if g := f.got["grant"]; g != nil {
		if _, ok := c.word(g, "grant", []string{"required"}); ok {
			a.Grant = true
			c.need(NeedGrants, g.span(), "leave it out", "an ALLOW of "+name+" hands out a grant")
		}
	}
	return a
}

func (c *compiler) actionResources(n *node) []string {
	all := c.typeNames
	if n.kind == scalar && n.text == "any" {
		return all
	}
	var list []string
	for _, item := range c.oneOrMore(n, "resource") {
		name, ok := c.text(item, "a resource type", 256)
		switch {
		case !ok:
		case !slices.Contains(all, name):
			c.errorf(item.span(), c.near(name, append(slices.Clone(all), "any"), "types are "), "unknown resource type %q", clip(name))
		case slices.Contains(list, name):
			c.errorf(item.span(), "", "the resource type %q is listed twice", name)
		default:
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

func (c *compiler) risk(n *node, what string) kernel.Risk {
	var r kernel.Risk
	if w, ok := c.word(n, what, kernel.RiskNames()); ok {
		_ = r.UnmarshalText([]byte(w))
	}
	return r
}
