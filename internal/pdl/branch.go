package pdl

import (
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
)

// A Branch is an operand of a condition's && and ||, or an arm of its ?:, that
// is no such thing itself; or the whole condition when it is none. A variable
// is one branch, whatever it is short for.
type Branch struct {
	Expr   ast.Expr
	Text   string // as written, without parentheses around it
	Pos    Pos
	Guards []Guard // the tests of the ?: around it, from outside in
}

// A Guard is a test that decides whether an arm of ?: is looked at: it is when
// the test has this value.
type Guard struct {
	Test  ast.Expr
	Value bool
}

// Branches lists the branches of a condition in the order written. Literals
// are none.
func (c *Condition) Branches() []Branch {
	var list []Branch
	c.branches(c.AST.Expr(), nil, &list)
	texts := splitCondition([]rune(c.Source))
	whole := len(texts) == len(list)
	for i := range list {
		if whole {
			list[i].Text, list[i].Pos = string([]rune(c.Source)[texts[i].start:texts[i].end]), c.At(texts[i].start)
		} else {
			list[i].Text, list[i].Pos = c.Source, c.Pos
		}
	}
	return slices.DeleteFunc(list, func(b Branch) bool { return b.Expr.Kind() == ast.LiteralKind })
}

func (c *Condition) branches(e ast.Expr, guards []Guard, list *[]Branch) {
	if e.Kind() == ast.CallKind && !c.fromVariable(e) {
		args := e.AsCall().Args()
		switch e.AsCall().FunctionName() {
		case operators.LogicalAnd, operators.LogicalOr:
			c.branches(args[0], guards, list)
			c.branches(args[1], guards, list)
			return
		case operators.Conditional:
			c.branches(args[0], guards, list)
			c.branches(args[1], append(slices.Clone(guards), Guard{args[0], true}), list)
			c.branches(args[2], append(slices.Clone(guards), Guard{args[0], false}), list)
			return
		}
	}
	*list = append(*list, Branch{Expr: e, Guards: guards})
}

// fromVariable reports an expression that a variable stands for: it has the
// place of the variable's name.
func (c *Condition) fromVariable(e ast.Expr) bool {
	at, ok := c.AST.SourceInfo().GetOffsetRange(e.ID())
	source := []rune(c.Source)
	const root = "variables."
	return ok && int(at.Start) < len(source) && strings.HasPrefix(string(source[at.Start:min(len(source), int(at.Start)+len(root))]), root)
}

// At returns the place of a character of the source.
func (c *Condition) At(offset int) Pos {
	runes := []rune(c.Source)
	offset = min(max(offset, 0), len(runes))
	before := string(runes[:offset])
	line := strings.Count(before, "\n")
	col := offset - len([]rune(before[:strings.LastIndexByte(before, '\n')+1]))
	pos := Pos{File: c.Pos.File, Line: c.Pos.Line + line, Col: c.Pos.Col + col}
	if line < len(c.columns) {
		pos.Col = c.columns[line] + col
	}
	if c.quoted {
		pos.Col += strings.Count(before, "'") // each stands twice
	}
	return pos
}

// columnsOf returns the column at which each line of a passage begins.
func (p *passage) columnsOf() []int {
	columns, offset := []int{}, 0
	for line := range strings.SplitSeq(p.source, "\n") {
		columns = append(columns, p.span(offset, 0).col)
		offset += len([]rune(line)) + 1
	}
	return columns
}

// A stretch is a part of a text, in characters.
type stretch struct{ start, end int }

// splitCondition finds the branches in the text of a condition that parses.
func splitCondition(source []rune) []stretch {
	var list []stretch
	s := conditionText{source: source}
	s.marks()
	s.split(0, len(source), &list)
	return list
}

// A conditionText is a condition with the operators that stand in it.
type conditionText struct {
	source []rune
	signs  []sign
}

// A sign is an operator or a bracket outside texts and comments.
type sign struct {
	at    int
	text  string // && || ? : ( )
	depth int    // of the brackets around it
}

// marks finds the signs.
func (s *conditionText) marks() {
	depth := 0
	for i := 0; i < len(s.source); {
		switch rest := s.source[i:]; {
		case rest[0] == '"' || rest[0] == '\'':
			i += textLength(rest, isRaw(s.source, i))
		case has(rest, "//"):
			for i < len(s.source) && s.source[i] != '\n' {
				i++
			}
		case has(rest, "&&"), has(rest, "||"):
			s.signs = append(s.signs, sign{i, string(rest[:2]), depth})
			i += 2
		case slices.Contains([]rune("([{"), rest[0]):
			s.signs = append(s.signs, sign{i, "(", depth})
			depth++
			i++
		case slices.Contains([]rune(")]}"), rest[0]):
			depth--
			s.signs = append(s.signs, sign{i, ")", depth})
			i++
		case rest[0] == '?' || rest[0] == ':':
			s.signs = append(s.signs, sign{i, string(rest[0]), depth})
			i++
		default:
			i++
		}
	}
}

func has(text []rune, prefix string) bool {
	return len(text) >= len(prefix) && string(text[:len(prefix)]) == prefix
}

// isRaw reports a quote behind an r that begins a raw text.
func isRaw(source []rune, i int) bool {
	for i--; i >= 0 && slices.Contains([]rune("rRbB"), source[i]); i-- {
		if source[i] == 'r' || source[i] == 'R' {
			return true
		}
	}
	return false
}

// textLength returns the length of the text in quotes that begins here.
func textLength(rest []rune, raw bool) int {
	quote := string(rest[:1])
	if has(rest, strings.Repeat(quote, 3)) {
		quote = strings.Repeat(quote, 3)
	}
	for i := len(quote); i < len(rest); i++ {
		switch {
		case rest[i] == '\\' && !raw:
			i++
		case has(rest[i:], quote):
			return i + len(quote)
		}
	}
	return len(rest)
}

// split lists the branches between two characters.
func (s *conditionText) split(start, end int, list *[]stretch) {
	start, end = s.trim(start, end)
	depth, signs := s.between(start, end)
	for _, operator := range []string{"?", "||", "&&"} {
		i := slices.IndexFunc(signs, func(x sign) bool { return x.text == operator && x.depth == depth })
		if i < 0 {
			continue
		}
		s.split(start, signs[i].at, list)
		rest := signs[i].at + len(operator)
		if operator != "?" {
			s.split(rest, end, list)
			return
		}
		open := 0
		for _, x := range signs[i+1:] {
			switch {
			case x.depth != depth:
			case x.text == "?":
				open++
			case x.text == ":" && open > 0:
				open--
			case x.text == ":":
				s.split(rest, x.at, list)
				s.split(x.at+1, end, list)
				return
			}
		}
	}
	if n := len(signs); n >= 2 && signs[0].text == "(" && s.source[start] == '(' && signs[0].at == start && s.closing(signs) == end-1 {
		s.split(start+1, end-1, list)
		return
	}
	*list = append(*list, stretch{start, end})
}

// closing returns where the bracket that the first sign opens is closed.
func (s *conditionText) closing(signs []sign) int {
	for _, x := range signs[1:] {
		if x.text == ")" && x.depth == signs[0].depth {
			return x.at
		}
	}
	return -1
}

// between returns the signs between two characters, and the depth there.
func (s *conditionText) between(start, end int) (depth int, signs []sign) {
	for _, x := range s.signs {
		if x.at >= start && x.at < end {
			signs = append(signs, x)
		}
	}
	if len(signs) > 0 {
		depth = signs[0].depth
	}
	return depth, signs
}

// trim leaves spaces out.
func (s *conditionText) trim(start, end int) (from, to int) {
	blank := func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' }
	for start < end && blank(s.source[start]) {
		start++
	}
	for end > start && blank(s.source[end-1]) {
		end--
	}
	return start, end
}
