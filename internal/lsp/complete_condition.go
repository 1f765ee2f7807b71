package lsp

import (
	"regexp"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

var (
	chainAtEnd = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]*)*$`)
	comparedTo = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)\s*(?:==|!=)\s*$`)
	listedIn   = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)\s+in\s*\[[^\]]*$`)
	memberOf   = regexp.MustCompile(`^\s*(?:in)\s+([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+)`)
)

// conditionNames offers what can stand in a condition: texts in quotes that are
// compared with an attribute, members behind a dot, and names.
func (c *completer) conditionNames() {
	before := c.p.condition
	if at, inside := openText(before); inside {
		c.start = c.column - len([]rune(before[at+1:]))
		c.texts(before[:at])
		return
	}
	chain := chainAtEnd.FindString(before)
	root, part := "", chain
	if i := strings.LastIndexByte(chain, '.'); i >= 0 {
		root, part = chain[:i+1], chain[i+1:]
	}
	c.start = c.column - len([]rune(part))
	loops := readLoops(strings.TrimSuffix(before, chain))
	switch {
	case root == "" && strings.HasSuffix(strings.TrimSuffix(before, part), "."):
		c.members(loops.resolved(loops.path) + ".") // behind an index, a call or a text
	case root == "":
		for _, name := range loops.names() {
			c.add(name, name, kindVariable, "an element of the list", "")
		}
		c.roots()
	default:
		c.members(loops.resolved(root))
	}
}

// openText finds the quote of a text that is not closed.
func openText(before string) (at int, inside bool) {
	quote := byte(0)
	for i := 0; i < len(before); i++ {
		switch ch := before[i]; {
		case quote == 0 && (ch == '"' || ch == '\''):
			quote, at = ch, i
		case quote == 0 && strings.HasPrefix(before[i:], "//"):
			for i < len(before) && before[i] != '\n' {
				i++
			}
		case quote != 0 && ch == '\\':
			i++
		case ch == quote:
			quote = 0
		}
	}
	return at, quote != 0
}

// texts offers the values of what a text is compared with.
func (c *completer) texts(before string) {
	path := ""
	if m := comparedTo.FindStringSubmatch(before); m != nil {
		path = m[1]
	} else if m := listedIn.FindStringSubmatch(before); m != nil {
		path = m[1]
	} else if m := memberOf.FindStringSubmatch(c.behind()); m != nil {
		path = m[1]
	}
	c.p.quote = '"' // nothing offered needs quotes of its own
	switch path {
	case "":
	case "action":
		c.actions()
	default:
		c.valuesOf(readLoops(before).resolved(path))
	}
}

// behind is the rest of the line, behind the quote.
func (c *completer) behind() string {
	rest := string(c.text.line(c.line)[c.column:])
	if i := strings.IndexAny(rest, `"'`); i >= 0 {
		return rest[i+1:]
	}
	return ""
}

func (c *completer) roots() {
	about := map[string]string{
		"action": "the action, a text", "agent": "whoever acts", "resource": "what it acts on", "params": "the parameters of the action",
		"context": "the circumstances, and context.now", "facts": "what is read of the history", "data": "constants of data documents",
		"variables": "variables of this document", "calendar": "calendars",
	}
	for _, root := range pdl.Roots() {
		text := root
		if root != "action" {
			text += "."
		}
		c.add(root, text, kindModule, about[root], "")
	}
	c.functions(false)
	for _, word := range []string{"true", "false"} {
		c.add(word, word, kindValue, "", "")
	}
}

func (c *completer) functions(methods bool) {
	for _, f := range pdl.Functions() {
		if f.Method == methods {
			c.add(f.Name, f.Name+"(", kindFunction, f.Usage, "")
		}
	}
}

func (c *completer) isRecord(path string) bool {
	return slices.ContainsFunc(c.symbols, func(s pdl.Symbol) bool { return s.Name == path && s.Type.Kind == pdl.Record })
}

// members offers what stands behind a path and its dot.
func (c *completer) members(root string) {
	first, _, _ := strings.Cut(root, ".")
	switch path := strings.TrimSuffix(root, "."); {
	case strings.HasSuffix(path, "[]"):
		if !c.elements(root) {
			c.functions(true) // of a value
		}
	case slices.Contains([]string{"agent", "resource", "params", "context", "facts"}, first) && (path == first || c.isRecord(path)):
		c.attributes(root, func(pdl.Symbol) bool { return true })
	case path == "variables":
		for _, s := range c.symbols {
			if s.Kind == pdl.VariableSymbol && s.Owner == c.document() {
				c.add(strings.TrimPrefix(s.Name, root), strings.TrimPrefix(s.Name, root), kindVariable, oneLine(s.Text), "")
			}
		}
	case path == "data" || path == "calendar":
		for _, s := range c.symbols {
			if name, ok := strings.CutPrefix(s.Name, root); ok && (s.Kind == pdl.ConstantSymbol || s.Kind == pdl.CalendarSymbol) {
				document, _, _ := strings.Cut(name, ".")
				c.add(document, document, kindModule, "", "")
			}
		}
	case strings.HasPrefix(path, "data.") && strings.Count(path, ".") == 1:
		for _, s := range c.symbols {
			if name, ok := strings.CutPrefix(s.Name, root); ok && s.Kind == pdl.ConstantSymbol {
				c.add(name, name, kindConstant, s.Text, "")
			}
		}
	default:
		c.functions(true)
	}
}

var nameLine = regexp.MustCompile(`^name:\s*["']?([^"'#]*[^"'# ])`)

// document is the name of the document around the cursor.
func (c *completer) document() string {
	for n := c.p.first; n <= c.p.last; n++ {
		if m := nameLine.FindStringSubmatch(string(c.text.line(n))); m != nil {
			return m[1]
		}
	}
	return ""
}

func oneLine(text string) string {
	const most = 120
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}
