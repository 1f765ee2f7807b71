package eval

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// names finds the action of a request. An action here is every name that the
// schema declares or a rule matches, families included: which rules cover a
// request depends on nothing but the most specific of them, so that families
// cost decisions about other actions nothing.
type names struct {
	all      []*action          // sorted by name
	exact    map[string]*action // without families
	families map[string]*action // by what their names begin with: mcp.github.
	lengths  []int              // of those beginnings, the longest first
	declared []string           // in the schema, sorted
	entrance                    // of exact actions
	wide     entrance           // of families
}

// of returns the action of a request: the exact one, else the longest family;
// nil where the policy declares none.
func (n *names) of(name string) *action {
	if a := n.exact[name]; a != nil {
		return a
	}
	for _, length := range n.lengths {
		if len(name) <= length || name[length-1] != '.' {
			continue
		}
		if a := n.families[name[:length]]; a != nil {
			if pdl.IsAction(name) {
				return a
			}
			return nil
		}
	}
	return nil
}

// find returns the shape of a request, or nil when no action covers the name,
// or the one that does takes no such type.
func (n *names) find(name, resourceType string) *shape {
	if sh := n.entrance.find(name, resourceType); sh != nil || len(n.lengths) == 0 {
		return sh
	}
	if a := n.of(name); a != nil && a.family {
		return n.wide.find(a.name, resourceType)
	}
	return nil // or an exact action that does not take the type, whatever families do
}

// under lists the actions that a match of name covers.
func (n *names) under(name string) []*action {
	prefix, isFamily := pdl.Family(name)
	if !isFamily {
		if a := n.exact[name]; a != nil {
			return []*action{a}
		}
		return nil
	}
	first, _ := slices.BinarySearchFunc(n.all, prefix, func(a *action, prefix string) int { return strings.Compare(a.name, prefix) })
	last := first
	for last < len(n.all) && strings.HasPrefix(n.all[last].name, prefix) {
		last++
	}
	return n.all[first:last]
}

// coveredBy lists the actions that a rule covers, each once.
func (n *names) coveredBy(r *pdl.Rule) []*action {
	if len(r.Actions) == 1 {
		return n.under(r.Actions[0])
	}
	var list []*action
	for _, name := range r.Actions {
		list = append(list, n.under(name)...)
	}
	slices.SortFunc(list, func(a, b *action) int { return cmp.Compare(a.name, b.name) })
	return slices.Compact(list)
}

// add files an action under its name.
func (n *names) add(a *action) {
	n.all = append(n.all, a)
	prefix, isFamily := pdl.Family(a.name)
	if !isFamily {
		n.exact[a.name] = a
		return
	}
	a.family = true
	n.families[prefix] = a
	if !slices.Contains(n.lengths, len(prefix)) {
		n.lengths = append(n.lengths, len(prefix))
		slices.SortFunc(n.lengths, func(a, b int) int { return b - a })
	}
}

// addActions lays out what the schema declares and what rules match.
func (p *Program) addActions(rules []*pdl.Rule) error {
	p.names = names{exact: map[string]*action{}, families: map[string]*action{}}
	declared := map[string]*action{}
	for _, a := range p.schema.Actions {
		act, err := p.declare(a)
		if err != nil {
			return fmt.Errorf("action %s: %w", a.Name, err)
		}
		declared[a.Name] = act
		p.declared = append(p.declared, a.Name)
	}
	slices.Sort(p.declared)
	all := slices.Clone(p.declared)
	for _, r := range rules {
		all = append(all, r.Actions...)
	}
	slices.Sort(all)
	for _, name := range slices.Compact(all) {
		if a := singledOut(declared, name); a != nil {
			p.add(a)
		}
	}
	return p.addFacts()
}

// declare makes the action of a declaration.
func (p *Program) declare(a pdl.Action) (*action, error) {
	if _, isFamily := pdl.Family(a.Name); strings.Contains(a.Name, "*") && !isFamily {
		return nil, fmt.Errorf("it is no family")
	}
	act := &action{name: a.Name, origin: a.Name, risk: a.Risk, types: a.Resources}
	for _, name := range a.Resources {
		i := slices.IndexFunc(p.schema.Resources, func(r pdl.ResourceType) bool { return r.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("resource type %q is not declared", name)
		}
		s, err := p.layout.shape(p.schema, act, a, p.schema.Resources[i])
		if err != nil {
			return nil, err
		}
		act.shapes = append(act.shapes, s)
	}
	return act, nil
}

// singledOut returns the action of a name: the declared one, or one like that
// of the longest declared family around it; nil where there is none.
func singledOut(declared map[string]*action, name string) *action {
	if a := declared[name]; a != nil {
		return a
	}
	if _, isFamily := pdl.Family(name); !isFamily && !pdl.IsAction(name) {
		return nil
	}
	for family := range pdl.Families(name) {
		if a := declared[family]; a != nil {
			return a.like(name)
		}
	}
	return nil
}

// like returns an action of another name that takes what a takes.
func (a *action) like(name string) *action {
	other := &action{name: name, origin: a.origin, risk: a.risk, types: a.types}
	for _, sh := range a.shapes {
		own := *sh
		own.action, own.actionName = other, name
		other.shapes = append(other.shapes, &own)
	}
	return other
}
