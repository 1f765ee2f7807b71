package pdl

import (
	"slices"
	"strings"
)

// A tree is a request as a test writes it: nodes by path, such as `action` and
// `agent.role`. What is inside records is in the nodes of these.
type tree map[string]*node

// splitPath cuts a path such as params.payment.amount_cents into that of the
// attribute and the members inside it.
func splitPath(path string) (attribute string, inside []string) {
	parts := strings.Split(path, ".")
	if len(parts) <= 2 {
		return path, nil
	}
	return parts[0] + "." + parts[1], parts[2:]
}

// find returns the value at a path, or nil.
func (t tree) find(path string) *node {
	attribute, inside := splitPath(path)
	n := t[attribute]
	for _, name := range inside {
		if n == nil {
			return nil
		}
		n = n.member(name)
	}
	return n
}

// put sets the value at a path, or removes it when it is nil. Nodes that other
// cases share are copied; records that are not there yet are made.
func (c *compiler) put(t tree, at span, path string, value *node) {
	attribute, inside := splitPath(path)
	if len(inside) == 0 && value == nil {
		delete(t, attribute)
		return
	}
	n, ok := t[attribute].with(at, inside, value)
	if !ok {
		c.errorf(at, "set the record as a whole", "%s is inside of what is no record", clip(path))
		return
	}
	t[attribute] = n
}

// with returns a copy of a record in which a member has another value, or is
// not there when that is nil.
func (n *node) with(at span, inside []string, value *node) (*node, bool) {
	if len(inside) == 0 {
		return value, true
	}
	record := node{kind: mapping, src: at.src, line: at.line, col: at.col}
	switch {
	case n != nil && n.kind != mapping:
		return n, false
	case n != nil:
		record = *n
		record.pairs = slices.Clone(n.pairs)
	}
	i := slices.IndexFunc(record.pairs, func(p pair) bool { return p.key.text == inside[0] })
	if i < 0 {
		key := &node{kind: scalar, text: inside[0], src: at.src, line: at.line, col: at.col}
		record.pairs, i = append(record.pairs, pair{key: key}), len(record.pairs)
	}
	below, ok := record.pairs[i].value.with(at, inside[1:], value)
	if record.pairs[i].value = below; below == nil {
		record.pairs = slices.Delete(record.pairs, i, i+1)
	}
	return &record, ok
}
