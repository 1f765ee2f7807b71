package pdl

import (
	"slices"
	"strings"
)

// maxRecords is how deep records nest. The deepest documents that policies are
// written about, such as the pod templates of Kubernetes, have no more levels;
// a path of that many names still fits into a message, and what walks types
// walks no deeper.
const maxRecords = 8

var sources = []string{"request", "registry", "registry?"}

// isLongForm tells `{type: T, from: request}`, where from may be misspelt, from
// a record that has a member of the name type.
func isLongForm(n *node) bool {
	return n.member("type") != nil && !slices.ContainsFunc(n.pairs, func(p pair) bool {
		return p.key.text != "type" && p.key.text != "from" && (p.value.kind != scalar || !slices.Contains(sources, p.value.text))
	})
}

// record reads the members of a nested record.
func (c *compiler) record(n *node, o owner, name string) (Type, bool) {
	path := o.path + "." + name
	if o.depth == maxRecords {
		c.errorf(n.span(), "declare its members further up", "records are nested at most %d deep", maxRecords)
		return Type{}, false
	}
	if len(n.pairs) == 0 {
		c.errorf(n.span(), "declare one at least", "the record %s has no members", path)
		return Type{}, false
	}
	t := Type{Kind: Record, Members: c.members(n, owner{path: path, depth: o.depth + 1})}
	return t, len(t.Members) == len(n.pairs)
}

// recordText writes the members of a record as a list's type names them.
func recordText(members []Attribute) string {
	parts := make([]string, len(members))
	for i, a := range members {
		name := a.Name
		if a.Optional {
			name = `"` + name + `?"`
		}
		parts[i] = name + ": " + a.Type.String()
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// flat lists attributes and, behind each record, the members in it by path:
// payment, payment.amount_cents. Optional is what each says of itself.
func flat(attributes []Attribute) []Attribute {
	var list []Attribute
	for _, a := range attributes {
		list = append(list, a)
		for _, m := range flat(a.Type.Members) {
			m.Name = a.Name + "." + m.Name
			list = append(list, m)
		}
	}
	return list
}
