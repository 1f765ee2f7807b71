package pdl

import (
	"fmt"
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

// IsRecords reports a list of records.
func (t Type) IsRecords() bool { return t.Kind == List && t.Elem != nil && t.Elem.Kind == Record }

// parseRecord reads `{path: string, "mode?": enum(a, b)}`, as the type of a
// list names the members of its elements.
func parseRecord(text string) (t Type, problem, hint string) {
	const usage = `write list({path: string, "mode?": enum(a, b)}, ..64)`
	inside, closed := strings.CutSuffix(text[1:], "}")
	if !closed {
		return t, "the record in this list lacks its closing }", usage
	}
	for _, part := range splitMembers(inside) {
		key, typeText, ok := strings.Cut(part, ":")
		name, optional := strings.CutSuffix(strings.Trim(strings.TrimSpace(key), `"'`), "?")
		typ, problem, hint := parseType(strings.TrimSpace(typeText))
		switch {
		case !ok:
			return t, fmt.Sprintf("%q is no member of a record", clip(strings.TrimSpace(part))), usage
		case slices.Contains(celReserved, name):
			return t, fmt.Sprintf("%q is a word of CEL and cannot be an attribute", name), "choose another name"
		case len(name) > 128 || !memberName.MatchString(name):
			return t, fmt.Sprintf("%q is no name for an attribute", clip(name)), "use letters, digits and _"
		case slices.ContainsFunc(t.Members, func(a Attribute) bool { return a.Name == name }):
			return t, fmt.Sprintf("the attribute %q is declared twice", name), "keep one of the two"
		case problem != "":
			return t, problem, hint
		case typ.Kind == List || typ.Kind == JSON:
			return t, fmt.Sprintf("the records of a list hold single values, and %s is %s", name, typ.short()), "declare it further up"
		}
		if t.Members = append(t.Members, Attribute{Name: name, Type: typ, Optional: optional}); len(t.Members) > maxColumns {
			return t, fmt.Sprintf("the records of a list have at most %d members", maxColumns), ""
		}
	}
	slices.SortFunc(t.Members, func(a, b Attribute) int { return strings.Compare(a.Name, b.Name) })
	t.Kind = Record
	return t, "", ""
}

// maxColumns bounds the members of the records of a list.
const maxColumns = 64

// splitMembers splits at the commas that stand in no brackets.
func splitMembers(text string) []string {
	var parts []string
	depth, from := 0, 0
	for i, c := range text {
		switch c {
		case '(', '{', '[':
			depth++
		case ')', '}', ']':
			depth--
		case ',':
			if depth == 0 {
				parts, from = append(parts, text[from:i]), i+1
			}
		}
	}
	return append(parts, text[from:])
}
