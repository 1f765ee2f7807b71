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
}

func newSource(name, text string) *source {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSuffix(l, "\r")
	}
	return &source{name: name, lines: lines}
}

// line returns line n, counted from 1.
func (s *source) line(n int) string {
	if n < 1 || n > len(s.lines) {
		return ""
	}
	return s.lines[n-1]
}

// from returns line n from column col on, both counted from 1.
func (s *source) from(n, col int) string {
	rest := s.line(n)
	for ; col > 1 && rest != ""; col-- {
		_, size := utf8.DecodeRuneInString(rest)
		rest = rest[size:]
	}
	return rest
}

// A span is a stretch of one line.
type span struct {
	src       *source
	line, col int
	width     int // characters; 0 means one
}

func (s span) pos() Pos { return Pos{File: s.src.name, Line: s.line, Col: s.col} }

// positionOf returns the line and column of a byte offset.
func positionOf(text string, offset int) (line, col int) {
	head := text[:offset]
	start := strings.LastIndexByte(head, '\n') + 1
	return strings.Count(head, "\n") + 1, utf8.RuneCountInString(head[start:]) + 1
}
