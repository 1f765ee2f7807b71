package pdl

import (
	"cmp"
	"slices"

	"github.com/strixlabs/execution-kernel"
)

var meetNames = []string{"flag", "int.min", "int.max", "set.intersect", "set.union"}

// String writes the meet as a schema spells it.
func (m Meet) String() string {
	if m < Flag || m > SetUnion {
		return "no meet"
	}
	return meetNames[m-1]
}

var keeperNames = []string{"door", "kernel", "caller"}

// String writes the keeper as a schema spells it.
func (k Keeper) String() string {
	if k > Caller {
		return "nobody"
	}
	return keeperNames[k]
}

func (c *compiler) constraints(n *node) {
	for _, p := range c.pairs(n, "constraints") {
		name, ok := c.name(p.key, "a constraint", memberName)
		if !ok {
			continue
		}
		m, by := c.meet(p.value, name)
		c.meets[name] = m
		c.schema.Constraints = append(c.schema.Constraints, Constraint{Name: name, Meet: m, By: by})
	}
	slices.SortFunc(c.schema.Constraints, func(a, b Constraint) int { return cmp.Compare(a.Name, b.Name) })
}

// meet reads `flag` or `{merge: flag, by: door}`.
func (c *compiler) meet(n *node, name string) (m Meet, by Keeper) {
	if n.kind == mapping {
		f := c.fields(n, "the constraint "+name, constraintForm.names(), nil)
		if k := f.got["by"]; k != nil {
			if w, ok := c.word(k, "by", keeperNames); ok {
				by = Keeper(slices.Index(keeperNames, w))
			}
			if by == KernelItself {
				c.need(NeedKeeping, k.span(), "say by: door", "the kernel itself keeps the constraint "+name)
			}
		}
		if n = f.need("merge"); n == nil {
			return 0, by
		}
	}
	w, _ := c.word(n, "a constraint's merge", meetNames)
	return Meet(slices.Index(meetNames, w) + 1), by
}

// obligations reads `{canary_only: true, max_rows: 100, tags: [a, b]}`.
func (c *compiler) obligations(n *node) []Obligation {
	var list []Obligation
	for _, p := range c.pairs(n, "constraints") {
		meet, known := c.meets[p.key.text]
		if !known {
			c.errorf(p.key.span(), c.near(p.key.text, kernel.SortedKeys(c.meets), "the schema declares "), "unknown constraint %q", clip(p.key.text))
			continue
		}
		if v := c.obligation(p.value, p.key.text, meet); v != nil {
			list = append(list, Obligation{Name: p.key.text, Value: v})
		}
	}
	slices.SortFunc(list, func(a, b Obligation) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// obligation reads the value of a constraint; nil when it has none.
func (c *compiler) obligation(n *node, name string, meet Meet) any {
	switch meet {
	case Flag:
		on, ok := c.boolean(n, name)
		if ok && !on {
			c.errorf(n.span(), "leave it out", "the flag %s is true or absent: flags are merged by OR", name)
			return nil
		}
		if !ok {
			return nil
		}
		return true
	case IntMin, IntMax:
		if i, ok := c.integer(n, name, -maxInteger, maxInteger); ok {
			return i
		}
		return nil
	case SetIntersect, SetUnion:
		return c.set(n, name)
	default:
		return nil
	}
}

// set reads a list of distinct texts; nil, without a type, when it is none.
func (c *compiler) set(n *node, name string) any {
	items := c.items(n, name)
	n.unordered = true
	if n.kind == sequence && (len(items) == 0 || len(items) > DefaultItems) {
		c.errorf(n.span(), "leave it out where it says nothing", "the set %s has 1 to %d elements", name, DefaultItems)
		return nil
	}
	var set []string
	for _, item := range items {
		s, ok := c.text(item, "an element of "+name, DefaultLength)
		switch {
		case ok && slices.Contains(set, s):
			c.errorf(item.span(), "", "%q is listed twice", clip(s))
		case ok:
			set = append(set, s)
		}
	}
	if set == nil {
		return nil
	}
	slices.Sort(set)
	return set
}
