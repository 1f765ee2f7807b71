package pdl

import (
	"cmp"
	"fmt"
	"slices"
)

// A document is one YAML document of a bundle.
type document struct {
	root       *node
	kind, name string
	at         span // of the name, or of the document where it has none
}

// headers reads `pdl`, `kind` and `name` of every document and drops those
// that have no usable ones. Names are unique where something refers to them.
func (c *compiler) headers() {
	c.documents = slices.DeleteFunc(c.documents, func(d *document) bool { return !c.header(d) })
	slices.SortStableFunc(c.documents, func(a, b *document) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
	})
	owners := map[string]*document{}
	for _, d := range c.documents {
		space := d.kind
		if space == "table" {
			space = "policy"
		}
		if first := owners[space+"/"+d.name]; first != nil && d.kind != "schema" {
			c.errorf(d.at, "", "the name %q is taken by the %s at %s", d.name, first.kind, place(first.at))
			continue
		}
		owners[space+"/"+d.name] = d
	}
}

func place(s span) string { return fmt.Sprintf("%s:%d", s.src.name, s.line) }

func (c *compiler) header(d *document) bool {
	d.at = d.root.span()
	if d.root.kind != mapping {
		c.errorf(d.at, "it starts with pdl: v1, kind and name", "a document is a mapping, not %s", d.root.is())
		return false
	}
	f := &fields{c: c, of: d.root, what: "a document", got: map[string]*node{}}
	for _, p := range d.root.pairs {
		f.got[p.key.text] = p.value
	}
	version, kind, name := f.need("pdl"), f.need("kind"), f.need("name")
	if version == nil || kind == nil || name == nil {
		return false
	}
	if version.kind != scalar || version.text != "v1" {
		c.errorf(version.span(), "write pdl: v1", "this version reads PDL v1, not %s", version.is())
		return false
	}
	var ok bool
	if d.kind, ok = c.word(kind, "kind", Kinds()); !ok {
		return false
	}
	d.at = name.span()
	d.name, ok = c.documentName(d.kind, name)
	return ok
}

// documentName reads a name: free text for tests, an identifier for data and
// calendars (expressions use it), and the pattern of rule names for the rest.
func (c *compiler) documentName(kind string, n *node) (string, bool) {
	switch kind {
	case "test":
		return c.text(n, "the name of a test", 128)
	case "data":
		return c.name(n, "a data document", memberNameLower)
	case "calendar":
		return c.name(n, "a calendar", memberNameLower)
	}
	return c.name(n, "a "+kind, documentName)
}

// theSchema returns the one schema of the bundle.
func (c *compiler) theSchema() *document {
	var schemas []*document
	for _, d := range c.documents {
		if d.kind == "schema" {
			schemas = append(schemas, d)
		}
	}
	if len(schemas) == 1 {
		return schemas[0]
	}
	if len(schemas) == 0 {
		if !c.failed {
			first := c.documents[0]
			c.errorf(first.root.span(), "add a document of kind schema", "the bundle has no schema")
		}
		return nil
	}
	slices.SortStableFunc(schemas, func(a, b *document) int { return cmp.Compare(a.at.src.name, b.at.src.name) })
	for _, d := range schemas[1:] {
		c.errorf(d.at, "keep one", "a bundle has one schema; the first is at %s", place(schemas[0].at))
	}
	return nil
}
