package pdl

import (
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
)

// compileData reads typed constants: every name has a type and a value.
func (c *compiler) compileData(d *document) {
	f := c.fields(d.root, "a data document", dataForm.names(), nil)
	types, values := f.need("types"), f.need("values")
	if types == nil || values == nil {
		return
	}
	declared := map[string]Type{}
	for _, p := range c.pairs(types, "types") {
		name, ok := c.name(p.key, "a constant", memberNameLower)
		if ok && slices.Contains(celReserved, name) {
			c.errorf(p.key.span(), "choose another name", "%q is a word of CEL and cannot be a constant", name)
			continue
		}
		c.reads.constants = append(c.reads.constants, constant{d.name, p.key})
		if t, typeOK := c.typeOf(p.value); ok && typeOK && (t.IsRecords() || t.Kind == JSON) {
			c.errorf(p.value.span(), "use a scalar or a list of scalars", "a constant is no %s", t)
		} else if ok && typeOK {
			declared[name] = t
			c.data[d.name+"."+name] = t
		}
	}
	c.dataValues(d, types, values, declared)
}

func (c *compiler) dataValues(d *document, types, values *node, declared map[string]Type) {
	given := map[string]bool{}
	for _, p := range c.pairs(values, "values") {
		given[p.key.text] = true
		t, ok := declared[p.key.text]
		if !ok {
			if types.member(p.key.text) == nil {
				c.errorf(p.key.span(), c.near(p.key.text, kernel.SortedKeys(declared), "types has "), "the constant %q has no type", clip(p.key.text))
			}
			continue
		}
		path := "data." + d.name + "." + p.key.text
		if v, ok := c.value(p.value, path, t); ok {
			c.bundle.Data = append(c.bundle.Data, Datum{Path: path, Type: t, Value: v})
		}
	}
	for _, name := range kernel.SortedKeys(declared) {
		if !given[name] {
			c.errorf(values.span(), "", "the constant %q has no value", name)
		}
	}
}

// constants lists the constants of a data document.
func (c *compiler) constants(document string) []string {
	var names []string
	for _, path := range kernel.SortedKeys(c.data) {
		if d, name, _ := strings.Cut(path, "."); d == document {
			names = append(names, name)
		}
	}
	return names
}
