package lsp

import (
	"strings"
	"unicode/utf16"
)

// A text is the content of a file with its lines.
type text struct {
	content string
	lines   [][]rune // without their ends
	mark    int      // 1 when the first line begins with a byte order mark, which positions of ours do not count
}

func newText(content string) *text {
	t := &text{content: content}
	for _, line := range strings.Split(content, "\n") {
		t.lines = append(t.lines, []rune(strings.TrimSuffix(line, "\r")))
	}
	if len(t.lines[0]) > 0 && t.lines[0][0] == '\ufeff' {
		t.mark = 1
	}
	return t
}

func (t *text) line(n int) []rune {
	if n < 0 || n >= len(t.lines) {
		return nil
	}
	return t.lines[n]
}

// at converts a line and a column of characters, both counted from 0 and
// without a byte order mark, to a position.
func (t *text) at(line, col int) position {
	if line == 0 {
		col += t.mark
	}
	runes := t.line(line)
	col = min(max(col, 0), len(runes))
	units := 0
	for _, r := range runes[:col] {
		units += max(1, utf16.RuneLen(r))
	}
	return position{line, units}
}

// column converts a position to a column of characters on its line, byte order
// mark included. A position inside a pair of surrogates is before it.
func (t *text) column(p position) int {
	units := 0
	for i, r := range t.line(p.Line) {
		if units += max(1, utf16.RuneLen(r)); units > p.Character {
			return i
		}
	}
	return len(t.line(p.Line))
}

// inside moves a position that is nowhere to the nearest that is.
func (t *text) inside(p position) position {
	switch {
	case p.Line < 0:
		return position{}
	case p.Line >= len(t.lines):
		return t.whole().End
	}
	return p
}

// offset converts a position to a byte offset.
func (t *text) offset(p position) int {
	p = t.inside(p)
	offset := 0
	for range p.Line {
		offset += strings.IndexByte(t.content[offset:], '\n') + 1
	}
	return offset + len(string(t.line(p.Line)[:t.column(p)]))
}

// edited applies a change.
func (t *text) edited(c contentChange) *text {
	if c.Range == nil {
		return newText(c.Text)
	}
	start, end := t.offset(c.Range.Start), t.offset(c.Range.End)
	if end < start {
		start, end = end, start
	}
	return newText(t.content[:start] + c.Text + t.content[end:])
}

// whole is the range of all of it.
func (t *text) whole() textRange {
	last := len(t.lines) - 1
	return textRange{position{0, 0}, position{last, t.at(last, len(t.lines[last])).Character}}
}
