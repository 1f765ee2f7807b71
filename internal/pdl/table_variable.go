package pdl

import (
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// variableInput returns the values of a variable that a table looks at: those
// its text can have, whatever the request.
func (c *compiler) variableInput(t *table, item *node, name string) ([]string, bool) {
	v := t.vars.find(name)
	if v == nil {
		var names []string
		for _, v := range t.vars.list {
			names = append(names, v.name)
		}
		c.errorf(item.span(), c.near(name, names, "declare it under variables: the table has "), "unknown variable %q", clip(name))
		return nil, false
	}
	p := c.rowPassage(item, "variables."+name)
	if p == nil || v.passage == nil {
		return nil, false
	}
	t.vars.use(p.parsed.Expr())
	tree := c.check(p, t.typing, t.vars, false)
	if tree == nil {
		return nil, false
	}
	at := v.passage.span(0, len(v.passage.runes))
	if tree.GetType(tree.Expr().ID()) != types.StringType {
		c.errorf(at, `write condition ? "yes" : "no"`, "an input of a table is a text, and variables.%s is none", name)
		return nil, false
	}
	values, ok := c.textValues(tree.Expr(), t.typing, nil)
	switch {
	case !ok:
		c.errorf(at, `make it of "texts", attributes of type enum and ? :`, "nobody can tell which values variables.%s has", name)
		return nil, false
	case len(values) > maxValues:
		c.errorf(at, "", "variables.%s has more than %d values", name, maxValues)
		return nil, false
	}
	for _, s := range values {
		if !isWord(s) {
			c.errorf(at, "use letters, digits and _ - . / : @ +", "variables.%s may be %q, which cannot stand in a table", name, clip(s))
			return nil, false
		}
	}
	return values, true
}

// textValues lists the texts that an expression can be, in the order written;
// false when they are not bounded.
func (c *compiler) textValues(e ast.Expr, covered *typing, list []string) ([]string, bool) {
	add := func(values ...string) ([]string, bool) {
		for _, v := range values {
			if !slices.Contains(list, v) {
				list = append(list, v)
			}
		}
		return list, true
	}
	switch e.Kind() {
	case ast.LiteralKind:
		s, ok := e.AsLiteral().Value().(string)
		if !ok {
			return nil, false
		}
		return add(s)
	case ast.CallKind:
		if e.AsCall().FunctionName() != operators.Conditional {
			return nil, false
		}
		list, ok := c.textValues(e.AsCall().Args()[1], covered, list)
		if !ok {
			return nil, false
		}
		return c.textValues(e.AsCall().Args()[2], covered, list)
	case ast.SelectKind:
		root, name, _ := strings.Cut(PathOf(e), ".")
		if m := covered.members[root][name]; m.typ.Kind == Enum {
			return add(m.typ.Values...)
		}
		for _, d := range c.bundle.Data {
			if s, ok := d.Value.(string); ok && d.Path == PathOf(e) {
				return add(s)
			}
		}
	default: // nothing else is a text by itself
	}
	return nil, false
}

// rowPassage parses an expression that stands for what is written at a node.
func (c *compiler) rowPassage(at *node, source string) *passage {
	p := &passage{source: source, runes: []rune(source), at: &node{kind: scalar, style: plain, src: at.src, line: at.line, col: at.col}}
	tree, errs := c.cel.parseBy(c.cel.rows, source)
	if len(errs.GetErrors()) > 0 {
		c.errorf(at.span(), "split the table", "what decides that this row wins is too long")
		return nil
	}
	p.parsed = tree
	return p
}

// rowCondition gives a row the condition that its variables make: they have its
// values, and not those of a row that goes first, which the row's atoms and
// beats cannot tell. A variable that errs makes every row err that could win.
func (c *compiler) rowCondition(t *table, r *row, rivals []*row) bool {
	var parts []string
	for i, in := range t.inputs {
		if r.mask&t.derived&(1<<i) != 0 {
			parts = append(parts, equals(in.path, r.values[i]))
		}
	}
	for _, rival := range t.rivalTexts(r, rivals) {
		parts = append(parts, "!("+rival+")")
	}
	if len(parts) == 0 {
		return true
	}
	p := c.rowPassage(r.at, strings.Join(parts, " && "))
	if p == nil {
		return false
	}
	tree := c.check(p, t.typing, t.vars, true)
	if tree == nil {
		return false
	}
	r.rule.When = &Condition{Source: p.source, AST: tree, Variables: t.vars.sources, Pos: r.at.span().pos(), columns: []int{r.at.col}, steps: p.steps}
	return true
}

func equals(path, value string) string { return path + ` == "` + value + `"` }

// rivalTexts writes when a row that goes first matches, given that r does.
// Rivals that differ in the value of one variable share a text.
func (t *table) rivalTexts(r *row, rivals []*row) []string {
	type group struct {
		text, path string
		values     []string
	}
	var groups []group
	for _, s := range rivals {
		var parts []string
		var last input
		var value string
		for i, in := range t.inputs {
			switch {
			case s.mask&^r.mask&(1<<i) == 0:
				continue
			case t.derived&(1<<i) == 0:
				parts = append(parts, equals(in.path, s.values[i]))
				continue
			case last.path != "":
				parts = append(parts, equals(last.path, value))
			}
			last, value = in, s.values[i]
		}
		text := strings.Join(append(parts, ""), " && ")
		i := slices.IndexFunc(groups, func(g group) bool { return g.text == text && g.path == last.path })
		if i < 0 {
			i, groups = len(groups), append(groups, group{text: text, path: last.path})
		}
		groups[i].values = append(groups[i].values, value)
	}
	var texts []string
	for _, g := range groups {
		if len(g.values) == 1 {
			texts = append(texts, g.text+equals(g.path, g.values[0]))
			continue
		}
		texts = append(texts, g.text+g.path+` in ["`+strings.Join(g.values, `", "`)+`"]`)
	}
	return texts
}
