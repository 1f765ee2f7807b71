package lsp

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A completer collects what can stand at a place.
type completer struct {
	p       place
	text    *text
	symbols []pdl.Symbol
	line    int
	column  int // of the cursor
	start   int // where what is replaced begins
	items   []completionItem
	seen    map[string]bool
}

func (s *server) completion(d documentParams) any {
	list := completionList{Items: []completionItem{}}
	b := s.buffers[d.TextDocument.URI]
	if b == nil {
		return list
	}
	at := b.text.inside(d.Position)
	column := b.text.column(at)
	c := &completer{
		p: placeAt(b.text, at.Line, column), text: b.text, symbols: s.symbols(b),
		line: at.Line, column: column, seen: map[string]bool{},
	}
	c.start = min(c.p.start, column)
	switch {
	case c.p.condition != "" || c.p.form != nil && c.p.form.Text != nil && c.p.form.Text.Condition && !c.p.inKey:
		c.conditionNames()
	case c.p.inKey:
		c.keys()
	default:
		c.values()
	}
	if c.items != nil {
		list.Items = c.items
	}
	return list
}

// add offers a word once.
func (c *completer) add(label, newText string, kind int, detail, about string) {
	if c.seen[label] {
		return
	}
	c.seen[label] = true
	c.items = append(c.items, completionItem{
		Label: label, Kind: kind, Detail: detail, Documentation: about,
		SortText: fmt.Sprintf("%04d", len(c.items)), FilterText: label,
		TextEdit: textEdit{c.replaced(), newText},
	})
}

// replaced is the range between the begin of the word and the cursor. A byte
// order mark is a character of the line here.
func (c *completer) replaced() textRange {
	mark := 0
	if c.line == 0 {
		mark = c.text.mark
	}
	return textRange{c.text.at(c.line, c.start-mark), c.text.at(c.line, c.column-mark)}
}

// keys offers the keys that the mapping does not have yet.
func (c *completer) keys() {
	form := c.p.form
	if form == nil {
		return
	}
	for _, k := range form.Keys {
		if !slices.Contains(c.p.keys, k.Name) {
			detail := "optional"
			if k.Required {
				detail = "required"
			}
			c.add(k.Name, c.keyText(k.Name), kindProperty, detail, k.About)
		}
	}
	if form.Other == nil {
		return
	}
	switch form.Other.Names.Refers {
	case pdl.AttributePath:
		if root := c.section(); root != "" {
			c.attributes(root+".", func(pdl.Symbol) bool { return true })
		} else {
			c.attributes("", matchable)
		}
	case pdl.ConstraintName:
		c.named(pdl.ConstraintSymbol, kindField)
	case pdl.RequestPath:
		for _, name := range []string{"action", "agent", "resource", "params", "context"} {
			c.add(name, c.keyText(name), kindProperty, "", "")
		}
		c.attributes("", func(pdl.Symbol) bool { return true })
	default: // names that are given here
	}
}

// section is the section of a request that the keys belong to: in the base of
// a test, and in what a case sets.
func (c *completer) section() string {
	if c.p.kind != "test" || len(c.p.path) == 0 {
		return ""
	}
	if last := c.p.path[len(c.p.path)-1]; slices.Contains([]string{"agent", "resource", "params", "context", "facts"}, last) {
		return last
	}
	return ""
}

// keyText is a key with its colon, unless that stands there.
func (c *completer) keyText(name string) string {
	rest := strings.TrimLeft(string(c.text.line(c.line)[c.column:]), `"' `)
	if c.p.quote != 0 || strings.HasPrefix(rest, ":") {
		return name
	}
	if c.p.flow && strings.HasSuffix(name, "?") {
		name = `"` + name + `"`
	}
	return name + ": "
}

func matchable(s pdl.Symbol) bool {
	return s.Kind == pdl.AttributeSymbol && !s.Optional && slices.Contains([]pdl.Kind{pdl.Enum, pdl.String, pdl.Bool}, s.Type.Kind)
}

// attributes offers the attributes whose names begin with a root, without it:
// those that the rule, as far as it is written, can read.
func (c *completer) attributes(root string, wanted func(pdl.Symbol) bool) {
	actions, types := c.covered()
	for _, s := range c.symbols {
		name, ok := strings.CutPrefix(s.Name, root)
		if !ok || s.Kind != pdl.AttributeSymbol && s.Kind != pdl.FactSymbol || !wanted(s) || !reads(s, actions, types) {
			continue
		}
		text := name
		if c.p.inKey {
			if slices.Contains(c.p.keys, name) || root != "" && strings.Contains(name, ".") { // inside of a record
				continue
			}
			text = c.keyText(name)
		}
		c.add(name, text, kindField, typeText(s), "")
	}
}

// reads reports whether a rule over some actions and types may read an
// attribute; no actions and no types are all of them.
func reads(s pdl.Symbol, actions, types []string) bool {
	switch {
	case strings.HasPrefix(s.Name, "params.") && s.Owner != "":
		return len(actions) == 0 || slices.ContainsFunc(actions, func(name string) bool { return touches(name, s.Owner) })
	case strings.HasPrefix(s.Name, "resource.") && s.Owner != "":
		return len(types) == 0 || slices.Contains(types, s.Owner)
	}
	return true
}

// touches reports whether what a rule names and what the schema declares are,
// or may be, of one request.
func touches(named, declared string) bool {
	return pdl.Covers(named, declared) || pdl.Covers(declared, named)
}

func typeText(s pdl.Symbol) string {
	text := s.Text
	if s.Optional {
		text += ", optional"
	}
	return text
}

var (
	actionText = regexp.MustCompile(`\baction["']?:\s*(\[[^\]\n]*\]?|"[^"\n]*"|'[^'\n]*'|[^\s,}\]]+)`)
	typeValue  = regexp.MustCompile(`\bresource\.type["']?:\s*(\[[^\]\n]*\]?|"[^"\n]*"|'[^'\n]*'|[^\s,}\]]+)`)
	typeOfBase = regexp.MustCompile(`\bresource:\s*\{[^}\n]*\btype:\s*([^\s,}]+)`)
)

// covered reads which actions and resource types the rule around the cursor is
// about, from its text; so is a property;
// a table and a test are about one thing as a whole.
func (c *completer) covered() (actions, types []string) {
	first, last := c.p.first, c.p.last
	if (c.p.kind == "policy" || c.p.kind == "property") && c.p.from > c.p.first {
		first, last = c.p.from, c.p.from
		indent := indentOf(c.text.line(first))
		for n := first + 1; n <= c.p.last; n++ {
			if line := c.text.line(n); strings.TrimSpace(string(line)) != "" && indentOf(line) <= indent {
				break
			}
			last = n
		}
	}
	var body strings.Builder
	for n := first; n <= last; n++ {
		body.WriteString(string(c.text.line(n)) + "\n")
	}
	actions = wordsOf(actionText, body.String())
	if types = wordsOf(typeValue, body.String()); types == nil {
		types = wordsOf(typeOfBase, body.String())
	}
	if types == nil {
		types = c.taken(actions)
	}
	return actions, types
}

func indentOf(line []rune) int {
	return len(line) - len([]rune(strings.TrimLeft(string(line), " ")))
}

func wordsOf(pattern *regexp.Regexp, body string) []string {
	var list []string
	for _, m := range pattern.FindAllStringSubmatch(body, -1) {
		for _, word := range strings.FieldsFunc(m[1], func(r rune) bool { return strings.ContainsRune(`[],"'`, r) }) {
			if word = strings.TrimSpace(word); word != "" {
				list = append(list, word)
			}
		}
	}
	return list
}

// taken lists the resource types that actions take; nil when one takes any.
func (c *completer) taken(actions []string) []string {
	var types []string
	for _, s := range c.symbols {
		if s.Kind == pdl.ActionSymbol && slices.ContainsFunc(actions, func(name string) bool { return touches(name, s.Name) }) {
			if s.Text == "any" {
				return nil
			}
			types = append(types, strings.Split(s.Text, ", ")...)
		}
	}
	return types
}

// named offers the names of symbols of a kind.
func (c *completer) named(kind pdl.SymbolKind, shown int) {
	for _, s := range c.symbols {
		if s.Kind != kind {
			continue
		}
		if c.p.inKey {
			if !slices.Contains(c.p.keys, s.Name) {
				c.add(s.Name, c.keyText(s.Name), shown, s.Text, "")
			}
			continue
		}
		c.value(s.Name, shown, s.Text, "")
	}
}

// actions offers what one request can name: no families.
func (c *completer) actions() {
	for _, s := range c.symbols {
		if s.Kind == pdl.ActionSymbol && pdl.IsAction(s.Name) {
			c.value(s.Name, kindValue, s.Text, "")
		}
	}
}

// families offers the families around the actions that the schema declares.
func (c *completer) families() {
	for _, s := range c.symbols {
		if s.Kind != pdl.ActionSymbol {
			continue
		}
		for family := range pdl.Families(s.Name) {
			c.value(family, kindValue, "every action under it", "")
		}
	}
}

var plainWord = regexp.MustCompile(`^[\pL\pN_][\pL\pN_./+@* -]*$`)

// value offers a value, in quotes where it needs them.
func (c *completer) value(word string, kind int, detail, about string) {
	text := word
	if c.p.quote == 0 && !plainWord.MatchString(word) {
		text = `"` + strings.ReplaceAll(strings.ReplaceAll(word, `\`, `\\`), `"`, `\"`) + `"`
	}
	c.add(word, text, kind, detail, about)
}

// values offers what can stand as a value.
func (c *completer) values() {
	path := c.p.path
	if len(path) == 1 && path[0] == "kind" {
		for _, kind := range pdl.Kinds() {
			_, about := pdl.KindForm(kind)
			c.value(kind, kindValue, "", about)
		}
		return
	}
	if c.p.kind == "table" && len(path) == 3 && path[0] == "rows" {
		c.cell()
		return
	}
	form := c.p.form
	if form != nil && form.Items != nil && form.Text == nil && c.p.flow {
		form = form.Items
	}
	if form != nil && form.Any || c.section() != "" {
		c.requestValue(path)
		return
	}
	if form == nil || form.Text == nil {
		return
	}
	for _, w := range form.Text.Words {
		c.value(w, kindEnumMember, "", "")
	}
	if form.Text.Bool {
		c.value("true", kindValue, "", "")
		c.value("false", kindValue, "", "")
	}
	c.referred(form.Text.Refers, path)
}

func (c *completer) referred(what pdl.Reference, path []string) {
	switch what {
	case pdl.ActionName:
		if c.p.kind == "test" {
			c.actions()
			return
		}
		c.named(pdl.ActionSymbol, kindValue)
		c.families()
	case pdl.EventName:
		c.actions()
		c.named(pdl.EventSymbol, kindValue)
	case pdl.ResourceTypeName:
		c.named(pdl.ResourceTypeSymbol, kindValue)
		c.value("any", kindValue, "every resource type", "")
	case pdl.ApprovalName:
		c.named(pdl.ApprovalSymbol, kindValue)
	case pdl.RuleName:
		c.named(pdl.RuleSymbol, kindValue)
	case pdl.AttributePath:
		c.attributes("", func(s pdl.Symbol) bool {
			return s.Kind == pdl.AttributeSymbol && (c.p.kind != "table" || s.Type.Kind == pdl.Enum)
		})
		if c.p.kind == "table" {
			c.variables()
		}
	case pdl.RequestPath:
		c.attributes("", func(s pdl.Symbol) bool { return s.Kind == pdl.AttributeSymbol })
	case pdl.AttributeValue:
		c.valuesOf(lastKey(path))
	case pdl.TypeSyntax:
		for _, t := range pdl.TypeForms() {
			c.value(t, kindValue, "", "")
		}
	default: // free text, or a name that is given here
	}
}

// lastKey is the last key of a path.
func lastKey(path []string) string {
	for _, key := range slices.Backward(path) {
		if key != "[]" {
			return key
		}
	}
	return ""
}

// requestValue offers the values of an attribute in a test.
func (c *completer) requestValue(path []string) {
	key := lastKey(path)
	if len(path) >= 2 && !strings.Contains(key, ".") {
		key = path[len(path)-2] + "." + key
	}
	switch {
	case strings.HasSuffix(key, ".action"):
		c.actions()
	case key == "resource.type":
		c.named(pdl.ResourceTypeSymbol, kindValue)
	default:
		c.valuesOf(key)
	}
}

// valuesOf offers the values of an attribute, which several may declare.
func (c *completer) valuesOf(path string) {
	if path == "resource.type" {
		c.named(pdl.ResourceTypeSymbol, kindValue)
		return
	}
	actions, types := c.covered()
	named := strings.TrimSuffix(path, "[]") // the list says which values its elements have
	for _, s := range c.symbols {
		if s.Name != named || !reads(s, actions, types) {
			continue
		}
		for _, v := range closedValues(s.Type) {
			c.value(v, kindEnumMember, path, "")
		}
	}
}

// variables offers the variables of the document.
func (c *completer) variables() {
	for _, s := range c.symbols {
		if s.Kind == pdl.VariableSymbol && s.Owner == c.document() {
			c.value(s.Name, kindField, s.Text, "")
		}
	}
}

var armText = regexp.MustCompile(`[?:]\s*"([^"\\]+)"`)

// armsOf offers the texts that a variable of the document can be.
func (c *completer) armsOf(path string) {
	for _, s := range c.pathSymbols(path) {
		for _, m := range armText.FindAllStringSubmatch(s.Text, -1) {
			c.value(m[1], kindEnumMember, path, "")
		}
	}
}

// closedValues lists the values of an enum, a bool, or a list of them.
func closedValues(t pdl.Type) []string {
	switch {
	case t.Kind == pdl.Enum:
		return t.Values
	case t.Kind == pdl.Bool:
		return []string{"true", "false"}
	case t.Kind == pdl.List && t.Elem != nil:
		return closedValues(*t.Elem)
	}
	return nil
}

var (
	inputsLine  = regexp.MustCompile(`^inputs:\s*\[([^\]]*)`)
	outputsLine = regexp.MustCompile(`^outputs:\s*\[([^\]]*)`)
)

// cell offers what can stand in a column of a table.
func (c *completer) cell() {
	inputs, outputs := c.listLine(inputsLine), c.listLine(outputsLine)
	switch at := c.p.item; {
	case at < len(inputs):
		if strings.HasPrefix(inputs[at], "variables.") {
			c.armsOf(inputs[at])
		} else {
			c.valuesOf(inputs[at])
		}
		c.value("*", kindValue, "every value", "")
	case at-len(inputs) < len(outputs):
		form, _ := pdl.KindForm("policy")
		k := form.Under("rules").Items.Key(outputs[at-len(inputs)])
		if k != nil && k.Form.Text != nil {
			for _, w := range k.Form.Text.Words {
				c.value(w, kindEnumMember, k.Name, "")
			}
		}
	}
}

func (c *completer) listLine(pattern *regexp.Regexp) []string {
	for n := c.p.first; n <= c.p.last; n++ {
		if m := pattern.FindStringSubmatch(string(c.text.line(n))); m != nil {
			var list []string
			for _, word := range strings.Split(m[1], ",") {
				list = append(list, strings.Trim(word, ` "'`))
			}
			return list
		}
	}
	return nil
}
