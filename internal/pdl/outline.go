package pdl

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// A SymbolKind says what a symbol is.
type SymbolKind uint8

// The kinds of symbols.
const (
	AttributeSymbol SymbolKind = iota + 1 // of agent, resource, params or context
	FactSymbol
	ResourceTypeSymbol
	ActionSymbol
	EventSymbol
	ConstraintSymbol
	VariableSymbol
	ConstantSymbol // of a data document
	RuleSymbol     // of a policy, or a row of a table
	CalendarSymbol
	ApprovalSymbol
	ElementSymbol // a member of the records of a list: params.files[].path
)

// A Symbol is something that a document declares and others may name.
type Symbol struct {
	Kind     SymbolKind
	Name     string // as it is named: agent.role, deploy, data.limits.cents, changes/production
	Owner    string // of params: the action; of resource attributes: the type; of variables: the document
	Type     Type   // of attributes, elements, facts and constants; zero when it cannot be read
	Text     string // what stands behind the name: a type, an expression, how values merge
	Optional bool
	Pos      // of the name; without a file for what always exists
	EndCol   int
}

// A DocumentOutline is what one document declares.
type DocumentOutline struct {
	Kind, Name string // "" when they cannot be read
	File       string
	Line       int  // of its first line
	Broken     bool // it is not YAML; its symbols are those of what is left without the broken lines
	Symbols    []Symbol
}

// Outline lists what the documents of a file declare. It reads each document
// by itself and minds no mistake: what cannot be read is left out, so that it
// serves while somebody writes.
func Outline(f File) []DocumentOutline {
	var list []DocumentOutline
	for _, chunk := range chunksOf(strings.TrimPrefix(string(f.Data), "\ufeff")) {
		list = append(list, outlineOf(f.Name, chunk))
	}
	return list
}

// AlwaysThere lists the attributes that no schema declares and every request
// has.
func AlwaysThere() []Symbol {
	name := func(path string, t Type) Symbol {
		return Symbol{Kind: AttributeSymbol, Name: path, Type: t, Text: t.String()}
	}
	return []Symbol{
		name("agent.id", nameType), name("resource.id", nameType),
		name("resource.type", Type{Kind: Enum}), name("context.now", Type{Kind: Timestamp}),
	}
}

// A chunk is the text of one document.
type chunk struct {
	text string
	line int // of its first line
}

var separatorLine = regexp.MustCompile(`^---[ \t]*(\r?\n|$|#)`)

// chunksOf splits a file at its separators.
func chunksOf(text string) []chunk {
	var list []chunk
	current := chunk{line: 1}
	for i, line := range strings.SplitAfter(text, "\n") {
		if separatorLine.MatchString(line) {
			list, current = append(list, current), chunk{line: i + 2}
			continue
		}
		current.text += line
	}
	list = append(list, current)
	return slices.DeleteFunc(list, func(c chunk) bool { return strings.TrimSpace(c.text) == "" })
}

var headerLine = regexp.MustCompile(`(?m)^(kind|name):[ \t]*["']?([^"'#\r\n]*[^"'#\r\n \t])`)

func outlineOf(file string, k chunk) DocumentOutline {
	d := DocumentOutline{File: file, Line: k.line}
	for _, m := range headerLine.FindAllStringSubmatch(k.text, -1) {
		if m[1] == "kind" && d.Kind == "" {
			d.Kind = m[2]
		} else if m[1] == "name" && d.Name == "" {
			d.Name = m[2]
		}
	}
	root, broken := readMapping(file, k.text)
	d.Broken = broken != nil
	if d.Broken {
		root = salvaged(file, k.text, broken)
	}
	if root == nil {
		return d
	}
	if n := root.member("kind"); n != nil && n.kind == scalar {
		d.Kind = n.text
	}
	if n := root.member("name"); n != nil && n.kind == scalar {
		d.Name = n.text
	}
	for _, decl := range declarations {
		if decl.kind == d.Kind {
			decl.collect(&d, root, root, decl.path, "")
		}
	}
	for i := range d.Symbols {
		d.Symbols[i].Line += k.line - 1
	}
	return d
}

// readMapping reads one document; broken is what keeps it from being YAML.
func readMapping(file, text string) (root *node, broken Diagnostics) {
	c := &compiler{seen: map[Diagnostic]bool{}}
	roots := c.read(File{Name: file, Data: []byte(text)})
	if c.failed {
		return nil, c.found
	}
	if len(roots) != 1 || roots[0].kind != mapping {
		return nil, nil
	}
	return roots[0], nil
}

// salvaged reads a broken document without the line that is broken, which is
// the one that is told or one shortly before it, or without its section.
func salvaged(file, text string, broken Diagnostics) *node {
	lines := strings.Split(text, "\n")
	told := min(broken[0].Line, len(lines)) - 1
	for _, back := range []int{0, 1, 2} {
		if at := told - back; at >= 0 {
			if root, broken := readMapping(file, without(lines, at, at+1)); broken == nil {
				return root
			}
		}
	}
	first, last := told, told+1
	inside := func(line string) bool { return line == "" || strings.ContainsAny(line[:1], " \t\r#-") }
	for first > 0 && inside(lines[first]) {
		first--
	}
	for last < len(lines) && inside(lines[last]) {
		last++
	}
	root, _ := readMapping(file, without(lines, first, last))
	return root
}

func without(lines []string, first, last int) string {
	rest := slices.Clone(lines)
	for i := first; i < last; i++ {
		rest[i] = ""
	}
	return strings.Join(rest, "\n")
}

// A declaration says where documents of a kind declare symbols: a path of
// keys, in which * is any key and [] any item.
type declaration struct {
	kind   string
	path   []string
	symbol SymbolKind
	prefix string // of the name
}

var declarations = []declaration{
	{"schema", []string{"agent", "*"}, AttributeSymbol, "agent."},
	{"schema", []string{"context", "*"}, AttributeSymbol, "context."},
	{"schema", []string{"resources", "*"}, ResourceTypeSymbol, ""},
	{"schema", []string{"resources", "*", "*"}, AttributeSymbol, "resource."},
	{"schema", []string{"actions", "*"}, ActionSymbol, ""},
	{"schema", []string{"actions", "*", "params", "*"}, AttributeSymbol, "params."},
	{"schema", []string{"facts", "*"}, FactSymbol, "facts."},
	{"schema", []string{"events", "*"}, EventSymbol, ""},
	{"schema", []string{"constraints", "*"}, ConstraintSymbol, ""},
	{"policy", []string{"variables", "*"}, VariableSymbol, "variables."},
	{"policy", []string{"rules", "[]", "id"}, RuleSymbol, ""},
	{"table", []string{"variables", "*"}, VariableSymbol, "variables."},
	{"table", []string{"rows", "[]"}, RuleSymbol, ""},
	{"data", []string{"types", "*"}, ConstantSymbol, "data."},
	{"calendar", []string{"name"}, CalendarSymbol, "calendar."},
	{"approval", []string{"name"}, ApprovalSymbol, ""},
}

// collect walks down the path; owner is the last free key on the way.
func (decl declaration) collect(d *DocumentOutline, root, n *node, path []string, owner string) {
	step, last := path[0], len(path) == 1
	if step == "[]" {
		for _, item := range n.items {
			if last {
				decl.row(d, root, item)
			} else {
				decl.collect(d, root, item, path[1:], owner)
			}
		}
		return
	}
	for _, p := range n.pairs {
		switch {
		case step != "*" && p.key.text != step:
		case !last && step == "*":
			decl.collect(d, root, p.value, path[1:], p.key.text)
		case !last:
			decl.collect(d, root, p.value, path[1:], owner)
		case step == "*":
			decl.attribute(d, p, owner)
		case p.value.kind == scalar && p.value.text != "":
			d.Symbols = append(d.Symbols, decl.named(d, p.value, p.value, owner))
		}
	}
}

// attribute collects what a key declares, and what is inside of that.
func (decl declaration) attribute(d *DocumentOutline, p pair, owner string) {
	s := decl.named(d, p.key, p.value, owner)
	d.Symbols = append(d.Symbols, s)
	if s.Kind == AttributeSymbol && s.Type.IsRecords() {
		d.Symbols = append(d.Symbols, elements(s, typeNode(p.value))...)
	}
	decl.nested(d, p, owner)
}

// nested collects what is inside a record.
func (decl declaration) nested(d *DocumentOutline, p pair, owner string) {
	record := typeNode(p.value)
	if decl.symbol != AttributeSymbol || record.kind != mapping || strings.Count(decl.prefix, ".") > maxRecords {
		return
	}
	name, _ := strings.CutSuffix(p.key.text, "?")
	decl.prefix += name + "."
	for _, member := range record.pairs {
		decl.attribute(d, member, owner)
	}
}

// named makes a symbol whose name stands at a node, and what it means behind.
func (decl declaration) named(d *DocumentOutline, name, value *node, owner string) Symbol {
	text, optional := strings.CutSuffix(name.text, "?")
	s := Symbol{Kind: decl.symbol, Name: decl.prefix + text, Owner: owner, Optional: optional, Pos: name.span().pos()}
	s.EndCol = s.Col + name.width()
	switch decl.symbol {
	case AttributeSymbol:
		s.Text, s.Type = typeBehind(value)
	case FactSymbol:
		s.Type = Type{Kind: Int, Max: maxInteger}
		if value.member("last") != nil {
			s.Type = Type{Kind: Timestamp}
		}
		s.Text = s.Type.String()
	case ConstantSymbol:
		s.Text, s.Type = typeBehind(value)
		s.Name, s.Owner = decl.prefix+d.Name+"."+text, d.Name
	case VariableSymbol:
		s.Text, s.Owner = strings.TrimSpace(value.text), d.Name
	case RuleSymbol:
		s.Name = d.Name + "/" + text
	case ActionSymbol, EventSymbol:
		s.Text = strings.Join(textsOf(value.member("resource")), ", ")
	case ConstraintSymbol:
		if value.member("merge") != nil {
			value = value.member("merge")
		}
		s.Text = value.text
	case ResourceTypeSymbol, CalendarSymbol, ApprovalSymbol, ElementSymbol: // their name says it all
	}
	return s
}

// row makes the symbol of a row, which is called after its values.
func (decl declaration) row(d *DocumentOutline, root, row *node) {
	inputs := textsOf(root.member("inputs"))
	if len(inputs) == 0 || len(row.items) < len(inputs) {
		return
	}
	values := textsOf(row)[:len(inputs)]
	s := Symbol{Kind: RuleSymbol, Name: d.Name + "/" + strings.Join(values, "-"), Pos: row.span().pos()}
	s.EndCol = s.Col + 1
	d.Symbols = append(d.Symbols, s)
}

// width is how many characters a scalar takes in the file, as far as it stands
// there as it reads.
func (n *node) width() int {
	width := utf8.RuneCountInString(n.text)
	if n.style == singleQuoted || n.style == doubleQuoted {
		width += 2
	}
	return max(1, width)
}

// typeNode is where the type of an attribute stands.
func typeNode(value *node) *node {
	if value.kind == mapping && isLongForm(value) {
		return value.member("type")
	}
	return value
}

func typeBehind(value *node) (string, Type) {
	value = typeNode(value)
	if value.kind == mapping {
		c := &compiler{seen: map[Diagnostic]bool{}}
		t, _ := c.record(value, owner{}, "")
		return t.String(), t
	}
	t, problem, _ := parseType(value.text)
	if problem != "" {
		return value.text, Type{}
	}
	return value.text, t
}

func textsOf(n *node) []string {
	if n == nil {
		return nil
	}
	if n.kind == scalar {
		return []string{n.text}
	}
	var list []string
	for _, item := range n.items {
		list = append(list, item.text)
	}
	return list
}

// A Function is a function or macro of conditions.
type Function struct {
	Name   string
	Usage  string // an example
	Method bool   // it stands behind a value and a dot
}

// Functions lists the functions and macros of conditions.
func Functions() []Function {
	list := []Function{
		{"has", "has(resource.owner_team)", false},
		{"exists", `list.exists(x, x == "…")`, true},
		{"all", `list.all(x, x != "…")`, true},
		{"exists_one", `list.exists_one(x, x == "…")`, true},
	}
	for _, s := range signatures {
		if s.form != method {
			list = append(list, Function{s.name, s.usage, false})
		}
		if s.form != global {
			list = append(list, Function{s.name, s.usage, true})
		}
	}
	return list
}

// Roots lists the names that begin a path in conditions.
func Roots() []string { return slices.Clone(rootNames) }

// TypeForms lists how types are written.
func TypeForms() []string { return slices.Clone(typeForms) }
