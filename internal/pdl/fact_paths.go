package pdl

import (
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
)

// factPaths reads what a fact counts by and what it measures.
func (c *compiler) factPaths(f *fields, from origin, fact *Fact) {
	if n := f.need("by"); n != nil {
		items := c.items(n, "by")
		n.unordered = true
		if n.kind == sequence && (len(items) == 0 || len(items) > maxKeys) {
			c.errorf(n.span(), "name agent.id at least", "a fact counts by 1 to %d attributes", maxKeys)
		}
		for _, item := range items {
			c.key(item, from, fact)
		}
		slices.Sort(fact.By)
	}
	if n := f.got["sum"]; n != nil && fact.Measure == Sum {
		path, t, ok := c.eventPath(n, "sum", from)
		if ok && (t.Kind != Int || t.Min < 0) {
			c.errorf(n.span(), "declare it as int(0..…)", "a sum is of an int that is never negative, and %s is %s", path, t)
		}
		fact.Of = path
	}
	if n := f.got["distinct"]; n != nil && fact.Measure == Distinct {
		fact.Of, _, _ = c.eventPath(n, "distinct", from)
	}
}

// key reads one attribute that a fact counts by.
func (c *compiler) key(n *node, from origin, fact *Fact) {
	path, typ, ok := c.eventPath(n, "by", from)
	switch {
	case !ok:
		return
	case slices.Contains(fact.By, path):
		c.errorf(n.span(), "", "%s is listed twice", path)
		return
	case fact.Measure != Last && c.isClaimed(path):
		c.warnf(n.span(), "count by agent.id or resource.id, or by what the registry knows",
			"whoever asks chooses %s, and with another value begins to count from 0", path)
	}
	fact.By = append(fact.By, path)
	c.factTypes[fact.Name+" by "+path] = typ
}

// isClaimed reports an attribute that is what the caller says.
func (c *compiler) isClaimed(path string) bool {
	root, rest, _ := strings.Cut(path, ".")
	name, _, _ := strings.Cut(rest, ".")
	return root == "params" || root == "context" || c.claimed[root+"."+name]
}

// eventPath reads the path of a scalar that every event has, or may have.
func (c *compiler) eventPath(n *node, what string, from origin) (string, Type, bool) {
	path, ok := c.text(n, what, 512)
	if !ok {
		return "", Type{}, false
	}
	members := c.eventMembers(from)
	m, known := members[path]
	switch {
	case !known:
		c.errorf(n.span(), c.near(path, kernel.SortedKeys(members), from.name+" has "), "unknown attribute %s of %s", clip(path), from.name)
		return "", Type{}, false
	case m.problem != "":
		c.errorf(n.span(), "", "%s cannot be used: it %s", path, strings.TrimSuffix(m.problem, ", which the match covers"))
		return "", Type{}, false
	case m.typ.Kind == List || m.typ.Kind == Record || m.typ.Kind == JSON:
		c.errorf(n.span(), "name a single value", "%s is %s", path, m.typ.short())
		return "", Type{}, false
	}
	return path, m.typ, true
}

// eventMembers lists what can be said of an event, by path.
func (c *compiler) eventMembers(from origin) map[string]member {
	sections := map[string]map[string]member{
		"agent":    single(c.schema.Agent, "id"),
		"params":   single(from.params, ""),
		"resource": shared(lists(from.resources, func(r string) []Attribute { return c.types[r].Attributes }), from.resources, "resource type"),
	}
	sections["resource"]["id"] = member{typ: nameType}
	sections["resource"]["type"] = member{typ: Type{Kind: Enum, Values: from.resources}}
	if !from.reported {
		sections["context"] = single(c.schema.Context, "")
	}
	members := map[string]member{}
	for _, root := range kernel.SortedKeys(sections) {
		for _, name := range kernel.SortedKeys(sections[root]) {
			members[root+"."+name] = sections[root][name]
		}
	}
	return members
}

// declareEvents reads what others may report, and who.
func (c *compiler) declareEvents(n *node) {
	pairs := c.pairs(n, "events")
	if len(pairs) > maxEvents {
		c.errorf(n.span(), "", "a schema declares at most %d events", maxEvents)
		return
	}
	for _, p := range pairs {
		name := p.key.text
		switch {
		case !isWord(name):
			c.errorf(p.key.span(), "use letters, digits and _ - . / : @ +", "%q is no name for an event", clip(name))
		case c.schema.ActionOf(name) != nil:
			c.errorf(p.key.span(), "name it otherwise", "%q is an action: the kernel's own decisions are its history", name)
		default:
			c.events[name] = c.event(name, p)
		}
	}
	for _, name := range kernel.SortedKeys(c.events) {
		c.schema.Events = append(c.schema.Events, c.events[name].Event)
	}
}

func (c *compiler) event(name string, p pair) *event {
	e := &event{Event: Event{Name: name}, key: p.key}
	f := c.fields(p.value, "the event "+name, eventForm.names(), nil)
	if f == nil {
		return e
	}
	if n := f.need("reporters"); n != nil {
		items := c.oneOrMore(n, "reporters")
		for _, item := range items {
			e.Reporters = append(e.Reporters, c.reporter(item))
		}
	}
	if n := f.need("resource"); n != nil {
		e.Resources = c.actionResources(n)
	}
	if n := f.got["params"]; n != nil {
		e.Params = c.attributes(n, "params", nil, false)
	}
	return e
}

// reporter reads `role:ci`.
func (c *compiler) reporter(n *node) Reporter {
	text, ok := c.text(n, "a reporter", 256)
	kind, name, cut := strings.Cut(text, ":")
	if ok && (!cut || !isWord(name) || !slices.Contains(reporterKinds, kind)) {
		c.errorf(n.span(), `write "role:ci"`, "%q is no reporter: it is a role:, a group: or a principal: with a name", clip(text))
	}
	return Reporter{kind, name}
}

var reporterKinds = []string{"role", "group", "principal"}

// unusedFacts warns of what no rule reads, and notes what rules do read.
func (c *compiler) unusedFacts() {
	if c.failed {
		return // some condition could not be read, so that nobody knows what it reads
	}
	for _, f := range c.schema.Facts {
		if !c.factsRead[f.Name] {
			c.warnf(c.factKeys[f.Name].span(), "read it as facts."+f.Name+", or remove it", "the fact %s is not used", f.Name)
			continue
		}
		c.need(NeedFacts, c.factKeys[f.Name].span(), "", "rules read facts."+f.Name)
		if c.events[f.Event] != nil {
			c.need(NeedReports, c.factKeys[f.Name].span(), "", "facts."+f.Name+" counts what others report")
		}
	}
	for _, name := range kernel.SortedKeys(c.events) {
		if e := c.events[name]; !e.used {
			c.warnf(e.key.span(), "count it in a fact, or remove it", "the event %s is not used", name)
		}
	}
}
