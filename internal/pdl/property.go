package pdl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
)

// A Property is a sentence about all requests, for kernel prove. Evaluation
// does not look at it, and it is no part of the policy version.
type Property struct {
	Name     string   // document/id
	Actions  []string // the actions and families it is about, sorted; all of the schema where its scope names none
	Match    []Atom   // the rest of its scope; all must hold; sorted by Path
	Assume   *Condition
	When     *Condition // together with the scope and Assume: the requests it speaks of; never errs where they hold
	Claim    Claim
	Verdicts []Verdicts // any of them
	Then     *Condition // with Implies
	Pos      Pos
}

// Sentence is the property in words: all that it says, on one line. Whoever
// keeps what was proved compares it.
func (p *Property) Sentence() string {
	var verdicts []string
	for _, v := range p.Verdicts {
		verdicts = append(verdicts, v.String())
	}
	text := p.Claim.String() + " " + strings.Join(verdicts, " or ")
	if p.Then != nil {
		text = strings.Join(verdicts, " or ") + " implies " + onOneLine(p.Then.Source)
	}
	text += ", of " + strings.Join(p.Actions, ", ")
	for _, a := range p.Match {
		text += fmt.Sprintf(", %s %s", a.Path, strings.Join(a.Values, " or "))
	}
	if p.Assume != nil {
		text += ", assuming " + onOneLine(p.Assume.Source)
	}
	if p.When != nil {
		text += ", when " + onOneLine(p.When.Source)
	}
	return text
}

func onOneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// A Claim is what a property says of the verdicts on the requests it speaks of.
type Claim uint8

// The claims. Only Reachable is about one request; the others are about all.
const (
	Never     Claim = iota + 1 // none is among Verdicts
	Always                     // each is among Verdicts
	Implies                    // of those that are, Then is true
	Reachable                  // one is among Verdicts, at least
)

// claimNames are the claims as documents spell them, in the order of the constants.
var claimNames = []string{"never", "always", "implies", "reachable"}

// String is the claim as a document spells it.
func (c Claim) String() string {
	if c == 0 || int(c) > len(claimNames) {
		return "unknown"
	}
	return claimNames[c-1]
}

// Verdicts is a set of verdicts of a policy, before anybody approves.
type Verdicts struct {
	Effect    kernel.Effect
	AtLeast   bool // and every stricter one: DENY is stricter than REQUIRE_APPROVAL, which is stricter than ALLOW
	Approvals int  // of REQUIRE_APPROVAL: this many at least; 0 or 1 mean any
}

// Holds reports whether a verdict is in the set.
func (v Verdicts) Holds(decision kernel.Effect, approvals int) bool {
	if decision == v.Effect {
		return decision != kernel.RequireApproval || approvals >= v.Approvals
	}
	return v.AtLeast && decision == kernel.Deny
}

// String says which verdicts the set has.
func (v Verdicts) String() string {
	text := v.Effect.String()
	if v.AtLeast {
		text = "at least " + text
	}
	if v.Approvals > 1 {
		text += fmt.Sprintf(" with %d approvals", v.Approvals)
	}
	return text
}

// compileProperties reads the properties of one document.
func (c *compiler) compileProperties(d *document) {
	f := c.fields(d.root, "a property document", propertyForm.names(), nil)
	list := f.need("properties")
	if list == nil {
		return
	}
	items := c.items(list, "properties")
	if list.kind == sequence && len(items) == 0 {
		c.errorf(list.span(), "", "a property document has at least one property")
	}
	ids := map[string]int{}
	for _, n := range items {
		c.property(d, n, ids)
	}
}

func (c *compiler) property(d *document, n *node, ids map[string]int) {
	f := c.fields(n, "a property", propertyItemForm.names(), nil)
	if f == nil {
		return
	}
	p := &Property{Pos: n.span().pos()}
	if id := f.need("id"); id != nil {
		p.Pos = id.span().pos()
		p.Name = d.name + "/" + c.propertyID(id, ids)
	}
	covered := c.scope(f.got["scope"], p)
	claimed := c.claim(f, p)
	if covered != nil {
		c.propertyConditions(f, p, covered)
	}
	if claimed && covered != nil {
		c.bundle.Properties = append(c.bundle.Properties, p)
	}
}

func (c *compiler) propertyID(n *node, ids map[string]int) string {
	id, ok := c.name(n, "a property", documentName)
	if ok && ids[id] > 0 {
		c.errorf(n.span(), "", "the property id %q is already on line %d", id, ids[id])
	}
	ids[id] = n.line
	return id
}

// scope reads the equalities that say which requests a property is about, and
// returns the typing of what they leave. Without any it is about all.
func (c *compiler) scope(n *node, p *Property) *typing {
	switch {
	case n == nil:
		n = &node{kind: mapping}
	case len(c.pairs(n, "scope")) > 0:
	case n.kind == mapping:
		c.errorf(n.span(), "leave it out to speak of every request", "scope is empty")
		return nil
	default:
		return nil
	}
	declared := kernel.SortedKeys(c.actions)
	p.Actions = declared
	if action := n.member("action"); action != nil {
		p.Actions, declared = c.matchedActions(action)
	}
	types := c.matchedTypes(n.member("resource.type"), declared)
	if len(declared) == 0 || len(types) == 0 {
		return nil
	}
	covered, r := c.typingOf(p.Actions, declared, types), &Rule{}
	for _, pair := range n.pairs {
		if pair.key.text != "action" {
			c.atom(pair, covered, r)
		}
	}
	p.Match = r.Match
	slices.SortFunc(p.Match, func(a, b Atom) int { return cmp.Compare(a.Path, b.Path) })
	return covered
}

// claim reads the one claim of a property.
func (c *compiler) claim(f *fields, p *Property) bool {
	var found []string
	for i, name := range claimNames {
		if f.got[name] != nil {
			found = append(found, name)
			p.Claim = Claim(i + 1)
		}
	}
	switch {
	case len(found) == 0 && len(f.guessed) == 0:
		c.errorf(f.of.span(), "write never: ALLOW, or reachable: ALLOW", "a property says one of %s", strings.Join(claimNames, ", "))
		return false
	case len(found) > 1:
		c.errorf(f.keys[found[1]].span(), "write two properties", "a property says one thing, not %s", strings.Join(found, " and "))
		return false
	case len(found) == 0:
		return false
	}
	n := f.got[found[0]]
	if p.Claim == Implies {
		g := c.fields(n, "implies", impliesForm.names(), nil)
		if g == nil || g.need("then") == nil {
			return false
		}
		if n = g.need("decision"); n == nil {
			return false
		}
	}
	p.Verdicts = c.verdicts(n, found[0])
	return len(p.Verdicts) > 0
}

// verdicts reads one set of verdicts or a list of them, and refuses those that
// leave nothing to say.
func (c *compiler) verdicts(n *node, what string) (list []Verdicts) {
	for _, item := range c.oneOrMore(n, what) {
		v, ok := c.verdictSet(item, what)
		switch {
		case !ok:
		case slices.Contains(list, v):
			c.errorf(item.span(), "", "%s lists the same twice", what)
		default:
			list = append(list, v)
		}
	}
	if everyVerdict(list) {
		c.errorf(n.span(), "leave one of them out", "every verdict is one of these: the property says nothing")
		return nil
	}
	return list
}

func everyVerdict(list []Verdicts) bool {
	holds := func(e kernel.Effect, approvals int) bool {
		return slices.ContainsFunc(list, func(v Verdicts) bool { return v.Holds(e, approvals) })
	}
	return holds(kernel.Deny, 0) && holds(kernel.RequireApproval, 1) && holds(kernel.Allow, 0)
}

func (c *compiler) verdictSet(n *node, what string) (v Verdicts, ok bool) {
	if n.kind != mapping {
		w, ok := c.word(n, what, kernel.EffectNames())
		if ok {
			_ = v.Effect.UnmarshalText([]byte(w))
		}
		return v, ok
	}
	f := c.fields(n, what, verdictForm.names(), nil)
	least := f.need("at_least")
	if least == nil {
		return v, false
	}
	if least.kind == scalar && least.text == kernel.Allow.String() {
		c.errorf(least.span(), "say REQUIRE_APPROVAL, or DENY", "every verdict is at least ALLOW: the property says nothing")
		return v, false
	}
	w, ok := c.word(least, "at_least", leastWords)
	if !ok {
		return v, false
	}
	_ = v.Effect.UnmarshalText([]byte(w))
	v.AtLeast = true
	if n := f.got["approvals"]; n != nil {
		i, read := c.integer(n, "approvals", 1, maxApprovals)
		if read && v.Effect != kernel.RequireApproval {
			c.errorf(n.span(), "leave it out, or say at_least: REQUIRE_APPROVAL", "a DENY with approvals")
			read = false
		}
		v.Approvals, ok = int(i), read
	}
	return v, ok
}

// propertyConditions checks the conditions of a property, each where those
// before it hold. They never err, whatever the schema says of rules: a property
// that errs would speak of fewer requests than it says.
func (c *compiler) propertyConditions(f *fields, p *Property, covered *typing) {
	about := &scoped{match: p.Match}
	p.Assume = c.propertyCondition(f.got["assume"], "assume", about, covered)
	p.When = c.propertyCondition(f.got["when"], "when", about, covered)
	if n := f.got["implies"]; n != nil && n.kind == mapping {
		about.last = true
		p.Then = c.propertyCondition(n.member("then"), "then", about, covered)
	}
}

func (c *compiler) propertyCondition(n *node, what string, about *scoped, covered *typing) *Condition {
	if n == nil {
		return nil
	}
	p := c.passage(n, what)
	if p == nil || !c.parse(p) {
		return nil
	}
	if len(uses(p.parsed.Expr())) > 0 {
		c.errorf(p.span(0, 0), "write the condition out", "variables belong to a policy or a table, and properties have none")
		return nil
	}
	p.about = about
	checked := c.check(p, covered, &variables{}, true)
	if checked == nil {
		return nil
	}
	return &Condition{Source: p.source, AST: checked, Variables: map[string]string{}, Pos: p.span(0, 0).pos(),
		columns: p.columnsOf(), quoted: n.style == singleQuoted, steps: p.steps}
}

// A scoped says what is known where a condition of a property is looked at.
type scoped struct {
	match []Atom
	known *knowledge // once the conditions before it are true
	last  bool       // it is what the property claims, and narrows nothing
}

// hold keeps what is known once a condition is true, and refuses a property
// that speaks of no request. Loop variables are named by places of one
// condition alone.
func (s *scoped) hold(a *analyst, t *knowledge) {
	if s.last {
		return
	}
	root := a.weaver.root
	if t.impossible {
		a.weaver.c.errorf(root.span(0, len(root.runes)), "change the condition", "the property speaks of no request: its condition is never true here")
		a.good = false
		return
	}
	s.known = &knowledge{facts: slices.DeleteFunc(slices.Clone(t.facts), func(f fact) bool { return strings.Contains(f.key, "#") })}
}
