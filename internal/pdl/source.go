package pdl

import (
	"strings"
	"unicode/utf8"
)

// Limits of a bundle's sources.
const (
	MaxFile      = 1 << 20  // bytes of one file
	MaxSources   = 16 << 20 // bytes of all files
	MaxDocuments = 10_000   // documents of a bundle
	maxNesting   = 32       // levels of YAML collections in one document
	maxFindings  = 1_000    // diagnostics kept
)

// A source is a file split into lines, for positions and excerpts.
type source struct {
	name  string
	lines []string // without their ends
	marks [][]int  // of lines that are not ASCII: the byte offset of every stride-th character
}

const stride = 64

func newSource(name, text string) *source {
	s := &source{name: name, lines: strings.Split(text, "\n")}
	s.marks = make([][]int, len(s.lines))
	for i, l := range s.lines {
		s.lines[i] = strings.TrimSuffix(l, "\r")
		if utf8.RuneCountInString(l) == len(l) {
			continue
		}
		count := 0
		for offset := range l {
			if count%stride == 0 {
				s.marks[i] = append(s.marks[i], offset)
			}
			count++
		}
	}
	return s
}

// line returns line n, counted from 1.
func (s *source) line(n int) string {
	if n < 1 || n > len(s.lines) {
		return ""
	}
	return s.lines[n-1]
}

// from returns line n from column col on, both counted from 1. It looks at no
// more than a few characters: a file can be one long line.
func (s *source) from(n, col int) string {
	rest, skip := s.line(n), max(0, col-1)
	if rest == "" {
		return ""
	}
	marks := s.marks[n-1]
	if marks == nil {
		return rest[min(skip, len(rest)):]
	}
	mark := min(skip/stride, len(marks)-1)
	rest, skip = rest[marks[mark]:], skip-mark*stride
	for ; skip > 0 && rest != ""; skip-- {
		_, size := utf8.DecodeRuneInString(rest)
		rest = rest[size:]
	}
	return rest
}

// A span is a stretch of one line.
type span struct {
	src       *source
	line, col int
	width     int    // characters; 0 means one
	text      string // when it stands there as written: it gives the width
}

// A placed thing knows where it stands.
type placed interface{ span() span }

func (s span) pos() Pos { return Pos{File: s.src.name, Line: s.line, Col: s.col} }

// positionOf returns the line and column of a byte offset.
func positionOf(text string, offset int) (line, col int) {
	head := text[:offset]
	start := strings.LastIndexByte(head, '\n') + 1
	return strings.Count(head, "\n") + 1, utf8.RuneCountInString(head[start:]) + 1
}
