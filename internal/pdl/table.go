package pdl

import (
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
)

// Bounds of tables.
const (
	maxInputs = 8       // input columns
	maxRows   = 10_000  // rows of one table
	maxCells  = 100_000 // combinations of input values

	maxAllCells = 1_000_000 // combinations of all tables of a bundle
)

var tableOutputs = []string{"effect", "risk", "approvals", "approval", "constraints", "reason", "advice"}

// A table is a decision table while it is being compiled.
type table struct {
	name    string
	at      span
	match   []Atom
	actions []string
	typing  *typing
	vars    *variables
	derived uint // bit i: input i is a variable
	inputs  []input
	outputs []string
	rows    []*row
}

// An input is a column that a row is chosen by.
type input struct {
	path   string
	values []string // that some covered pair has and the match leaves
}

// A row is a rule in the making.
type row struct {
	at     *node
	values []string // of the inputs; "*" is any
	cells  []*node
	mask   uint // bit i: input i is explicit
	rule   *Rule
	meets  int  // the cells it matches
	wins   bool // one of them at least
}

// label is the row's part of its rule's name.
func (r *row) label() string { return strings.Join(r.values, "-") }

func (c *compiler) compileTable(d *document) {
	f := c.fields(d.root, "a table", tableForm.names(), nil)
	head := &Rule{}
	t := &table{name: d.name, at: d.at, typing: c.match(f, head), vars: &variables{uncertain: true}}
	t.match, t.actions = head.Match, head.Actions
	if n := f.got["variables"]; n != nil {
		t.vars = c.variables(n)
		defer func() { c.unused(t.vars) }()
		t.vars.uncertain = true // until every input could be read
	}
	inputs, outputs, rows := f.need("inputs"), f.need("outputs"), f.need("rows")
	if t.typing == nil || inputs == nil || outputs == nil || rows == nil {
		return
	}
	if !c.tableInputs(t, inputs) || !c.tableOutputs(t, outputs) {
		return
	}
	t.vars.uncertain = false
	t.at = f.keys["rows"].span()
	c.tableRows(t, rows)
	if len(t.rows) != len(rows.items) || len(t.rows) == 0 {
		return // some row was refused: what is missing would be noise
	}
	index, ok := c.indexRows(t)
	if !ok {
		return
	}
	c.tableRules(t)
	c.complete(t, index)
}

func (c *compiler) tableInputs(t *table, n *node) bool {
	items := c.items(n, "inputs")
	if n.kind == sequence && (len(items) == 0 || len(items) > maxInputs) {
		c.errorf(n.span(), "", "a table has 1 to %d inputs", maxInputs)
		return false
	}
	for _, item := range items {
		path, ok := c.text(item, "an input", 256)
		if !ok {
			continue
		}
		if slices.ContainsFunc(t.inputs, func(i input) bool { return i.path == path }) {
			c.errorf(item.span(), "", "the input %s is listed twice", path)
			continue
		}
		name, derived := strings.CutPrefix(path, "variables.")
		var values []string
		if derived {
			values, ok = c.variableInput(t, item, name)
			t.derived |= 1 << len(t.inputs)
		} else {
			values, ok = c.tableInput(t, item, path)
		}
		if ok {
			t.inputs = append(t.inputs, input{path, values})
		}
	}
	return len(t.inputs) == len(items) && len(items) > 0
}

func (c *compiler) tableInput(t *table, item *node, path string) ([]string, bool) {
	m, ok := c.matchable(item, path, t.typing)
	if !ok {
		return nil, false
	}
	if m.typ.Kind != Enum {
		c.errorf(item.span(), "use a policy for it", "%s is %s; inputs are enums, resource.type, and variables that are made of texts", path, m.typ.short())
		return nil, false
	}
	for _, a := range t.match {
		if a.Path == path {
			return a.Values, true
		}
	}
	return m.typ.Values, true
}

func (c *compiler) tableOutputs(t *table, n *node) bool {
	items := c.items(n, "outputs")
	for _, item := range items {
		w, ok := c.word(item, "outputs", tableOutputs)
		if ok && slices.Contains(t.outputs, w) {
			c.errorf(item.span(), "", "the output %s is listed twice", w)
			ok = false
		}
		if ok {
			t.outputs = append(t.outputs, w)
		}
	}
	if n.kind == sequence && len(t.outputs) == len(items) && !slices.Contains(t.outputs, "effect") {
		c.errorf(n.span(), "", "outputs need effect")
		return false
	}
	return n.kind == sequence && len(t.outputs) == len(items)
}

func (c *compiler) tableRows(t *table, n *node) {
	n.unordered = true
	items := c.items(n, "rows")
	if n.kind == sequence && (len(items) == 0 || len(items) > maxRows) {
		c.errorf(n.span(), "", "a table has 1 to %d rows", maxRows)
		return
	}
	columns := len(t.inputs) + len(t.outputs)
	for _, item := range items {
		cells := c.items(item, "a row")
		if item.kind != sequence {
			continue
		}
		if len(cells) != columns {
			c.errorf(item.span(), "", "the row has %d cells; the table has %d columns", len(cells), columns)
			continue
		}
		r := &row{at: item, cells: cells}
		if c.rowInputs(t, r) {
			t.rows = append(t.rows, r)
		}
	}
}

// rowInputs reads the values a row is chosen by.
func (c *compiler) rowInputs(t *table, r *row) bool {
	for i, in := range t.inputs {
		v, ok := c.text(r.cells[i], in.path, 256)
		if !ok {
			return false
		}
		if v != "*" {
			if !slices.Contains(in.values, v) {
				c.errorf(r.cells[i].span(), c.near(v, append(slices.Clone(in.values), "*"), "its values here are "), "%q is not a value of %s", clip(v), in.path)
				return false
			}
			r.mask |= 1 << i
		}
		r.values = append(r.values, v)
	}
	return true
}

// tableRules makes the rules of the rows.
func (c *compiler) tableRules(t *table) {
	names := map[string]int{}
	for _, r := range t.rows {
		name := t.name + "/" + r.label()
		if line := names[name]; line > 0 {
			c.errorf(r.at.span(), "", "this row and the one on line %d are both called %s", line, name)
		}
		names[name] = r.at.line
		r.rule = &Rule{Name: name, Actions: t.actions, Match: t.atoms(r, true), Pos: r.at.span().pos(), Row: true}
		c.rowOutputs(t, r)
		c.bundle.Rules = append(c.bundle.Rules, r.rule)
	}
}

// atoms returns the explicit columns of a row that are attributes, and the
// table's own atoms on other paths when all is set.
func (t *table) atoms(r *row, all bool) []Atom {
	var list []Atom
	for i, in := range t.inputs {
		if r.mask&^t.derived&(1<<i) != 0 {
			list = append(list, Atom{Path: in.path, Values: []string{r.values[i]}})
		}
	}
	for _, a := range t.match {
		if all && !slices.ContainsFunc(list, func(b Atom) bool { return b.Path == a.Path }) {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b Atom) int { return strings.Compare(a.Path, b.Path) })
	return list
}

// rowOutputs reads what a row says, as the members of a rule.
func (c *compiler) rowOutputs(t *table, r *row) {
	cells := map[string]*node{}
	for i, out := range t.outputs {
		cells[out] = r.cells[len(t.inputs)+i]
	}
	w, ok := c.word(cells["effect"], "effect", kernel.EffectNames())
	if !ok {
		return
	}
	_ = r.rule.Effect.UnmarshalText([]byte(w))
	if n := cells["risk"]; n != nil {
		r.rule.Risk = c.risk(n, "risk")
	}
	if n := cells["reason"]; n != nil && !isEmptyText(n) {
		r.rule.Reason, _ = c.text(n, "reason", maxSentence)
	}
	if n := cells["advice"]; n != nil && !isEmptyText(n) {
		r.rule.Advice, _ = c.text(n, "advice", maxSentence)
	}
	if n := cells["constraints"]; n != nil {
		r.rule.Constraints = c.ruleObligations(n, r.rule.Effect)
	}
	c.approvals(cells["approvals"], r.rule, true)
	workflow := cells["approval"]
	if workflow != nil && isEmptyText(workflow) {
		workflow = nil
	}
	c.workflowOf(workflow, r.rule, t.typing)
}

// isEmptyText reports "" in quotes: a row that explains nothing.
func isEmptyText(n *node) bool { return n.kind == scalar && n.text == "" && n.style != plain }
