package pdl

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// A comment is one comment of a file.
type comment struct {
	text  string // from the # on, without spaces behind
	start int
	col   int   // counted from 1
	own   bool  // nothing but spaces stands before it on its line
	after *node // the last thing before it: a scalar, or a bracket's collection
	dash  bool  // a dash or --- stands between
}

// A mark is a scalar of a file, or the opening bracket of a collection.
type mark struct {
	n      *node
	start  int
	indent int // of the collection around it, from 0; -1: none
}

// A scanner reads a file between its scalars, whose places the YAML reader
// tells: brackets, comments and separators are all that is left.
type scanner struct {
	p     *page
	at    int
	last  *node
	dash  bool
	open  []*node
	marks map[int]*node // collections by their first offset
}

// scan finds the comments, the separators, and where everything ends.
func (p *page) scan() {
	s := &scanner{p: p, marks: map[int]*node{}}
	var scalars []mark
	for _, root := range p.roots {
		s.collect(root, -1, &scalars)
	}
	for _, m := range scalars {
		s.gap(m.start)
		p.ends[m.n] = p.scalarEnd(m)
		s.last, s.dash = m.n, false
		if m.n.style == literalBlock || m.n.style == foldedBlock {
			s.header(m)
		}
		s.at = p.ends[m.n]
	}
	s.gap(len(p.text))
	slices.SortFunc(p.comments, func(a, b *comment) int { return a.start - b.start })
}

// collect lists the scalars that stand in the text, in its order.
func (s *scanner) collect(n *node, indent int, list *[]mark) {
	start := s.p.offset(n.line, n.col)
	if n.kind == scalar {
		if !n.absent() {
			*list = append(*list, mark{n, start, indent})
		}
		return
	}
	if start < len(s.p.text) && (s.p.text[start] == '{' || s.p.text[start] == '[') {
		s.marks[start] = n
	} else {
		indent = n.col - 1
	}
	for _, pair := range n.pairs {
		s.collect(pair.key, indent, list)
		s.collect(pair.value, indent, list)
	}
	for _, item := range n.items {
		s.collect(item, indent, list)
	}
}

// gap reads up to an offset what is no scalar.
func (s *scanner) gap(to int) {
	text := s.p.text
	for s.at < to {
		switch c := text[s.at]; {
		case c == '#':
			s.comment()
			continue
		case s.separator():
			s.p.breaks = append(s.p.breaks, s.at)
			s.at, s.dash = s.at+3, true
			continue
		case c == '-':
			s.dash = true
		case c == '{' || c == '[':
			n := s.marks[s.at]
			s.open, s.last, s.dash = append(s.open, n), n, false
		case (c == '}' || c == ']') && len(s.open) > 0:
			n := s.open[len(s.open)-1]
			s.open, s.last, s.dash = s.open[:len(s.open)-1], n, false
			if n != nil {
				s.p.ends[n] = s.at + 1
			}
		}
		s.at++
	}
}

func (s *scanner) separator() bool {
	rest := s.p.text[s.at:]
	if s.at > 0 && s.p.text[s.at-1] != '\n' || !strings.HasPrefix(rest, "---") && !strings.HasPrefix(rest, "...") {
		return false
	}
	return len(rest) == 3 || strings.ContainsRune(" \t\n", rune(rest[3]))
}

func (s *scanner) comment() {
	text, _, _ := strings.Cut(s.p.text[s.at:], "\n")
	start := s.p.starts[s.p.lineOf(s.at)]
	before := s.p.text[start:s.at]
	s.p.comments = append(s.p.comments, &comment{
		text: strings.TrimRight(text, " \t"), start: s.at, col: utf8.RuneCountInString(before) + 1,
		own: strings.TrimSpace(before) == "", after: s.last, dash: s.dash,
	})
	s.at += len(text)
}

// header reads the comment behind | or >.
func (s *scanner) header(m mark) {
	line, _, _ := strings.Cut(s.p.text[m.start:], "\n")
	if i := strings.IndexByte(line, '#'); i >= 0 {
		s.at = m.start + i
		s.comment()
	}
}

// scalarEnd returns the offset just after a scalar.
func (p *page) scalarEnd(m mark) int {
	switch m.n.style {
	case singleQuoted:
		return quoteEnd(p.text, m.start, func(rest string) int {
			if strings.HasPrefix(rest, "''") {
				return 2
			}
			return 0
		})
	case doubleQuoted:
		return quoteEnd(p.text, m.start, func(rest string) int {
			if strings.HasPrefix(rest, `\`) {
				return 2
			}
			return 0
		})
	case literalBlock, foldedBlock:
		return p.blockEnd(m)
	default:
		return plainEnd(p.text, m.start, m.n.text)
	}
}

// quoteEnd finds the closing quote; escape returns how many bytes an escape
// takes, or 0.
func quoteEnd(text string, start int, escape func(rest string) int) int {
	quote := text[start]
	for i := start + 1; i < len(text); {
		if n := escape(text[i:]); n > 0 {
			i += n
			continue
		}
		if text[i] == quote {
			return i + 1
		}
		i++
	}
	return len(text)
}

// plainEnd finds the end of a plain scalar, whose lines the reader has joined:
// its characters stand in the text, with other spaces between them.
func plainEnd(text string, start int, value string) int {
	i := start
	for _, c := range []byte(value) {
		if isSpace(c) {
			continue
		}
		for i < len(text) && isSpace(text[i]) {
			i++
		}
		i++
	}
	return min(i, len(text))
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' }

// blockEnd finds the end of the last line of a | or > block that holds text.
func (p *page) blockEnd(m mark) int {
	first := p.lineOf(m.start)
	end := p.starts[first] + len(p.line(first))
	least := p.blockIndent(m)
	p.indents[m.n] = max(least, 0)
	for i := first + 1; i < len(p.starts); i++ {
		line := p.line(i)
		if strings.Trim(line, " ") == "" {
			continue
		}
		if least < 0 || indentOf(line) < least {
			break
		}
		end = p.starts[i] + len(line)
	}
	return end
}

// blockIndent returns the indentation of a block's text, or -1 when it has
// none.
func (p *page) blockIndent(m mark) int {
	first := p.lineOf(m.start)
	header := strings.TrimLeft(p.text[m.start:p.starts[first]+len(p.line(first))], "|>+-")
	if header != "" && header[0] >= '1' && header[0] <= '9' {
		return max(m.indent, 0) + int(header[0]-'0')
	}
	for i := first + 1; i < len(p.starts); i++ {
		if line := p.line(i); strings.Trim(line, " ") != "" {
			if n := indentOf(line); n > m.indent {
				return n
			}
			return -1
		}
	}
	return -1
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }
