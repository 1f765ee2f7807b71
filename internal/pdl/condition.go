package pdl

import (
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/common/ast"
)

// A passage is a condition or a variable as written, and where.
type passage struct {
	source string // trimmed
	runes  []rune // of source
	at     *node
	lead   []rune // of the value, what was trimmed off its head
	parsed *ast.AST
	rule   *Rule   // whose condition it is; nil for other expressions
	about  *scoped // the property whose condition it is; nil for other expressions
	steps  int64   // that it can take, where it is a condition that was checked
}

// condition compiles the `when` of a rule whose match has been read; covered is
// nil when it was refused.
func (c *compiler) condition(n *node, r *Rule, covered *typing, vars *variables) *Condition {
	p := c.passage(n, "when")
	if p == nil || !c.parse(p) {
		vars.uncertain = true
		return nil
	}
	vars.use(p.parsed.Expr())
	if covered == nil {
		return nil
	}
	p.rule = r
	checked := c.check(p, covered, vars, true)
	if checked == nil {
		return nil
	}
	return &Condition{Source: p.source, AST: checked, Variables: vars.sources, Pos: p.span(0, 0).pos(),
		columns: p.columnsOf(), quoted: n.style == singleQuoted, steps: p.steps}
}

// passage reads the text of a condition. Folded and double-quoted texts are
// refused: their characters do not stand in the file as they will be read.
func (c *compiler) passage(n *node, what string) *passage {
	const hint = "write it as a | block or in single quotes"
	switch {
	case n.kind != scalar:
		c.errorf(n.span(), hint, "%s is a CEL condition, not %s", what, n.is())
	case n.style == foldedBlock:
		c.errorf(n.span(), "write | instead of >", "a condition is not folded")
	case n.style == doubleQuoted:
		c.errorf(n.span(), hint, "a condition is not written in double quotes")
	case strings.TrimSpace(n.text) == "":
		c.errorf(n.span(), "leave it out, or write a condition", "%s has no value", what)
	case n.style != literalBlock && !n.onOneLine():
		c.errorf(n.span(), "write it as a | block", "a condition of several lines that is no | block")
	case utf8.RuneCountInString(n.text) > maxCondition:
		c.errorf(n.span(), "split it, or use variables", "a condition has at most %d characters", maxCondition)
	default:
		source := strings.TrimSpace(n.text)
		n.typed = source
		lead, _, _ := strings.Cut(n.text, source)
		return &passage{source: source, runes: []rune(source), at: n, lead: []rune(lead)}
	}
	return nil
}

// onOneLine reports whether a scalar stands in the file as it reads.
func (n *node) onOneLine() bool {
	rest := n.src.from(n.line, n.col)
	if n.style == singleQuoted {
		return strings.HasPrefix(rest, "'"+strings.ReplaceAll(n.text, "'", "''")+"'")
	}
	return strings.HasPrefix(rest, n.text)
}

// span maps characters of the trimmed source to the file.
func (p *passage) span(offset, width int) span {
	value := []rune(p.at.text)
	offset = min(len(p.lead)+offset, len(value))
	s := span{src: p.at.src, line: p.at.line, col: p.at.col, width: width}
	switch p.at.style {
	case plain:
		s.col += offset
	case singleQuoted:
		s.col += 1 + offset + strings.Count(string(value[:offset]), "'")
	default:
		line, col := positionOf(p.at.text, len(string(value[:offset])))
		s.line += line
		text := strings.Split(p.at.text, "\n")[line-1]
		s.col = col + max(0, utf8.RuneCountInString(p.at.src.line(s.line))-utf8.RuneCountInString(text))
	}
	return s
}

// parse makes the syntax tree of a passage, once.
func (c *compiler) parse(p *passage) bool {
	tree, errs := c.cel.parse(p.source)
	if found := errs.GetErrors(); len(found) > 0 {
		c.syntaxError(p, found[0])
		return false
	}
	p.parsed = tree
	return true
}
