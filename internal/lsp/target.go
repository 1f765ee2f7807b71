package lsp

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A target is what stands at a place: a word, and what it names.
type target struct {
	word    string
	key     *pdl.Key     // a known key of the language
	symbols []pdl.Symbol // what it may be declared as
	rng     textRange
}

var pathUpToHere = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$`)

// targetAt finds what stands at a position, or nil.
func (s *server) targetAt(d documentParams) *target {
	b := s.buffers[d.TextDocument.URI]
	if b == nil {
		return nil
	}
	at := b.text.inside(d.Position)
	line, column := at.Line, b.text.column(at)
	runes := b.text.line(line)
	p := placeAt(b.text, line, column)
	end := column
	inCondition := !p.inKey && p.form != nil && p.form.Text != nil && p.form.Text.Condition
	for end < len(runes) && p.goesOn(runes, end, inCondition) {
		end++
	}
	p = placeAt(b.text, line, end)
	c := &completer{p: p, text: b.text, symbols: s.symbols(b), line: line, column: end, seen: map[string]bool{}}
	t := &target{}
	if inCondition {
		if _, inside := openText(p.condition); inside {
			return nil
		}
		t.word = pathUpToHere.FindString(p.condition)
		c.start = end - len([]rune(t.word))
		t.symbols = c.pathSymbols(readLoops(p.condition).resolved(t.word))
	} else {
		t.word = strings.TrimSpace(p.prefix)
		c.start = p.start
		t.key, t.symbols = c.nameSymbols(t.word)
	}
	if t.word == "" || t.key == nil && len(t.symbols) == 0 {
		return nil
	}
	t.rng = c.replaced()
	return t
}

// goesOn reports whether the word at a place includes the next character.
func (p place) goesOn(runes []rune, i int, inCondition bool) bool {
	c := runes[i]
	switch {
	case inCondition:
		return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	case p.quote != 0:
		return c != p.quote
	case p.flow && strings.ContainsRune(",[]{}", c), c == '#' && i > 0 && runes[i-1] == ' ':
		return false
	}
	return c != ':' || i+1 < len(runes) && runes[i+1] != ' '
}

// pathSymbols lists what a path in a condition may name.
func (c *completer) pathSymbols(path string) []pdl.Symbol {
	actions, types := c.covered()
	return c.find(func(s pdl.Symbol) bool {
		switch s.Kind {
		case pdl.AttributeSymbol, pdl.FactSymbol, pdl.ElementSymbol:
			return s.Name == path && reads(s, actions, types)
		case pdl.VariableSymbol:
			return s.Name == path && s.Owner == c.document()
		case pdl.ConstantSymbol, pdl.CalendarSymbol:
			return s.Name == path
		default:
			return false
		}
	})
}

func (c *completer) find(wanted func(pdl.Symbol) bool) []pdl.Symbol {
	return slices.DeleteFunc(slices.Clone(c.symbols), func(s pdl.Symbol) bool { return !wanted(s) })
}

// nameSymbols says what a key or a value names.
func (c *completer) nameSymbols(word string) (*pdl.Key, []pdl.Symbol) {
	form := c.p.form
	if form == nil {
		return nil, nil
	}
	if c.p.inKey {
		if k := form.Key(word); k != nil {
			return k, nil
		}
		if form.Other == nil {
			return nil, nil
		}
		if root := c.section(); root != "" && form.Other.Names.Refers == pdl.AttributePath {
			return nil, c.pathSymbols(root + "." + word)
		}
		return nil, c.refersTo(form.Other.Names.Refers, word)
	}
	if form.Text == nil {
		return nil, nil
	}
	return nil, c.refersTo(form.Text.Refers, word)
}

// kindsOf lists the kinds of symbols that a reference leads to.
var kindsOf = map[pdl.Reference][]pdl.SymbolKind{
	pdl.ActionName:       {pdl.ActionSymbol},
	pdl.EventName:        {pdl.ActionSymbol, pdl.EventSymbol},
	pdl.ResourceTypeName: {pdl.ResourceTypeSymbol},
	pdl.ConstraintName:   {pdl.ConstraintSymbol},
	pdl.RuleName:         {pdl.RuleSymbol},
	pdl.ApprovalName:     {pdl.ApprovalSymbol},
}

func (c *completer) refersTo(what pdl.Reference, word string) []pdl.Symbol {
	switch {
	case what == pdl.AttributePath || what == pdl.RequestPath:
		return c.pathSymbols(word)
	case what == pdl.AttributeValue && lastKey(c.p.path) == "resource.type":
		what = pdl.ResourceTypeName
	}
	named := func(name string) []pdl.Symbol {
		return c.find(func(s pdl.Symbol) bool { return s.Name == name && slices.Contains(kindsOf[what], s.Kind) })
	}
	found := named(word)
	if len(found) > 0 || what != pdl.ActionName && what != pdl.EventName {
		return found
	}
	for family := range pdl.Families(word) { // what types it
		if found = named(family); len(found) > 0 {
			break
		}
	}
	return found
}

func (s *server) definition(d documentParams) any {
	places := []location{}
	t := s.targetAt(d)
	if t == nil {
		return places
	}
	texts := map[string]*text{}
	for _, f := range s.bundleOf(s.buffers[d.TextDocument.URI]).files {
		texts[f.Name] = newText(string(f.Data))
	}
	for _, symbol := range t.symbols {
		if file := texts[symbol.File]; file != nil {
			places = append(places, location{s.spelling(symbol.File), textRange{
				file.at(symbol.Line-1, symbol.Col-1), file.at(symbol.Line-1, symbol.EndCol-1),
			}})
		}
	}
	return places
}

func (s *server) hover(d documentParams) any {
	t := s.targetAt(d)
	if t == nil {
		return nil
	}
	var parts []string
	if t.key != nil {
		need := "optional"
		if t.key.Required {
			need = "required"
		}
		parts = append(parts, fmt.Sprintf("**%s** (%s)\n\n%s", t.key.Name, need, t.key.About))
	}
	for _, symbol := range t.symbols {
		if part := describe(symbol, t.word); !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	return hover{markup{"markdown", strings.Join(parts, "\n\n---\n\n")}, t.rng}
}

// describe explains a symbol in Markdown. An element has the name that a loop
// gives it, which is how it is written.
func describe(s pdl.Symbol, word string) string {
	what := map[pdl.SymbolKind]string{
		pdl.AttributeSymbol: "attribute", pdl.FactSymbol: "fact", pdl.ResourceTypeSymbol: "resource type", pdl.ActionSymbol: "action",
		pdl.EventSymbol: "event", pdl.ConstraintSymbol: "constraint", pdl.VariableSymbol: "variable", pdl.ConstantSymbol: "constant",
		pdl.RuleSymbol: "rule", pdl.CalendarSymbol: "calendar", pdl.ApprovalSymbol: "approval workflow",
	}[s.Kind]
	if s.Kind == pdl.ElementSymbol {
		list, _, _ := strings.Cut(s.Name, "[]")
		s.Name, what = word, "member of the records in `"+list+"`"
	}
	text := fmt.Sprintf("**%s** — %s", s.Name, what)
	switch {
	case (s.Kind == pdl.AttributeSymbol || s.Kind == pdl.ElementSymbol) && s.Owner != "":
		text += " of `" + s.Owner + "`"
	case s.Kind == pdl.AttributeSymbol && s.File == "":
		text += " that always exists"
	}
	if s.Optional {
		text += ", optional: read it behind `has(" + s.Name + ")`"
	}
	switch s.Kind {
	case pdl.ActionSymbol, pdl.EventSymbol:
		if s.Text != "" {
			text += " on " + s.Text
		}
	case pdl.VariableSymbol:
		text += "\n\n```cel\n" + s.Text + "\n```"
	case pdl.ConstraintSymbol:
		text += ", merged by `" + s.Text + "`"
	default:
		if s.Text != "" {
			text += "\n\n```\n" + s.Text + "\n```"
		}
	}
	return text
}

func (s *server) formatting(d documentParams) any {
	edits := []textEdit{}
	b := s.buffers[d.TextDocument.URI]
	if b == nil {
		return edits
	}
	out, found := pdl.Format(pdl.File{Name: b.name(), Data: []byte(b.text.content)})
	if len(found) > 0 || string(out) == b.text.content {
		return edits // the findings are shown as diagnostics
	}
	return append(edits, textEdit{b.text.whole(), string(out)})
}
