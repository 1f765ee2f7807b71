package pdl

import (
	"cmp"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"

	"github.com/strixlabs/execution-kernel"
)

// Claims says which ALLOW rules rest on what the caller says and nobody proves.
type Claims struct {
	AnyAgent bool // agents: any: what the registry does not hold of an agent is whatever the caller says
	Allow    int  // enforced rules with the effect ALLOW
	Inputs   int  // of those, how many read params or context (but context.now), which are always claimed
	Rules    []RuleClaims
}

// RuleClaims is an enforced ALLOW rule that rests on claimed attributes of the
// agent or the resource. That includes what the facts count by that it reads,
// and what its condition only asks for with has(). agent.id, resource.id and
// resource.type are not among them: they say what is asked.
type RuleClaims struct {
	Rule       *Rule
	Attributes []Claimed // one at least; sorted by Path
}

// A Claimed attribute has the weakest source among the resource types that the
// rule covers: FromRequest, or FromEither.
type Claimed struct {
	Path string // agent.role; of a member of a record that of the whole
	From Source
}

// Claims lists the claimed attributes that ALLOW rules rest on; rules without
// any are counted alone. Rules are in the order of Bundle.Rules.
func (b *Bundle) Claims() Claims {
	all := Claims{AnyAgent: !b.Schema.Registered}
	for _, r := range b.Rules {
		if r.Shadow || r.Effect != kernel.Allow {
			continue
		}
		all.Allow++
		read := b.reads(r)
		if slices.ContainsFunc(read, isInput) {
			all.Inputs++
		}
		if claimed := b.claimed(r, read); len(claimed) > 0 {
			all.Rules = append(all.Rules, RuleClaims{r, claimed})
		}
	}
	return all
}

func isInput(path string) bool {
	return strings.HasPrefix(path, "params.") || strings.HasPrefix(path, "context.") && path != "context.now"
}

// reads lists the attributes that decide whether a rule holds, each once,
// sorted; of a member of a record the whole.
func (b *Bundle) reads(r *Rule) []string {
	var read []string
	for _, atoms := range append([]Atoms{r.Match}, r.Beats...) {
		for _, a := range atoms {
			read = append(read, a.Path)
		}
	}
	if r.When != nil {
		read = append(read, b.readsOf(r.When.AST.Expr())...)
	}
	for i, path := range read {
		if parts := strings.SplitN(path, ".", 3); len(parts) > 2 {
			read[i] = parts[0] + "." + parts[1]
		}
	}
	slices.Sort(read)
	return slices.Compact(read)
}

// readsOf lists the paths of an expression, and of the facts that it reads;
// beside a longer path stand its beginnings.
func (b *Bundle) readsOf(e ast.Expr) (read []string) {
	ast.PostOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.SelectKind {
			return
		}
		root, name := PathOf(e.AsSelect().Operand()), e.AsSelect().FieldName()
		switch {
		case root == "facts":
			read = append(read, b.readsOfFact(name)...)
		case root != "":
			read = append(read, root+"."+name)
		}
	}))
	return read
}

// readsOfFact lists what a fact counts by, and what it measures where that is
// of the requests themselves.
func (b *Bundle) readsOfFact(name string) []string {
	i := slices.IndexFunc(b.Schema.Facts, func(f Fact) bool { return f.Name == name })
	f := &b.Schema.Facts[i]
	if f.Of == "" || b.Schema.ActionOf(f.Event) == nil {
		return f.By
	}
	return append(slices.Clone(f.By), f.Of)
}

// claimed lists those of the paths that name an attribute, of the agent or of
// a resource that the rule covers, that is not the registry's alone.
func (b *Bundle) claimed(r *Rule, read []string) (list []Claimed) {
	var types []*ResourceType
	for _, path := range read {
		root, name, _ := strings.Cut(path, ".")
		from := FromRegistry
		switch root {
		case "agent":
			from = weaker(from, b.Schema.Agent, name)
		case "resource":
			if types == nil {
				types = b.typesOf(r)
			}
			for _, t := range types {
				from = weaker(from, t.Attributes, name)
			}
		}
		if from != FromRegistry {
			list = append(list, Claimed{path, from})
		}
	}
	return list
}

// weaker is the source of an attribute where that is weaker than from. The
// weakest is FromRequest, which comes first.
func weaker(from Source, list []Attribute, name string) Source {
	i, ok := slices.BinarySearchFunc(list, name, func(a Attribute, name string) int { return cmp.Compare(a.Name, name) })
	if !ok {
		return from
	}
	return min(from, list[i].From)
}

// typesOf lists the resource types that a rule covers.
func (b *Bundle) typesOf(r *Rule) (types []*ResourceType) {
	taken := map[string]bool{}
	for _, name := range r.Actions {
		for _, under := range b.Schema.under(name) {
			for _, t := range b.Schema.declared(under).Resources {
				taken[t] = true
			}
		}
	}
	for i := range b.Schema.Resources {
		t := &b.Schema.Resources[i]
		matches := func(a Atom) bool { return a.Path != "resource.type" || slices.Contains(a.Values, t.Name) }
		if taken[t.Name] && !slices.ContainsFunc(r.Match, func(a Atom) bool { return !matches(a) }) {
			types = append(types, t)
		}
	}
	return types
}

// String is the source as a schema spells it.
func (s Source) String() string {
	switch s {
	case FromRequest:
		return "request"
	case FromEither:
		return "registry?"
	case FromRegistry:
		return "registry"
	}
	return "unknown"
}
