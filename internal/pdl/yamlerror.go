package pdl

import (
	"errors"
	"fmt"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// yamlErrors translates what the YAML reader says: part of its message, ours,
// and what to do.
var yamlErrors = []struct{ theirs, ours, hint string }{
	{"mapping values are not allowed", `a ": " inside an unquoted text`, "quote the text, or write it as a | block"},
	{"did not find expected ',' or ']'", "a list [ ] is not closed, or lacks a comma", ""},
	{"did not find expected ',' or '}'", "a mapping { } is not closed, or lacks a comma", ""},
	{"could not find expected ':'", `a key without a ":"`, ""},
	{"tab character", "a tab cannot indent", "use spaces"},
	{"cannot start any token", "this character cannot start a text", "quote the text"},
	{"unknown anchor", "YAML aliases are not used here", `quote a text that starts with "*"`},
	{"unexpected end of stream", "a quote is not closed", ""},
	{"did not find expected key", "the indentation does not fit the lines above", ""},
	{"did not find expected '-' indicator", "the indentation does not fit the list above", ""},
	{"block sequence entries are not allowed", "a list item cannot stand here", "put it on a line of its own"},
	{"did not find expected <document start>", "text after the end of a document", "separate documents with ---"},
	{"unknown escape character", "an unknown escape in double quotes", `write \\ for a backslash, or use single quotes`},
	{"did not find expected node content", "a value is missing here", ""},
	{"depth", "too many levels of nesting", ""},
}

func (c *compiler) yamlError(src *source, err error) {
	at, theirs := span{src: src, line: 1, col: 1}, err.Error()
	var e *yaml.LoadError
	if errors.As(err, &e) {
		theirs = e.Message
		if e.Mark.Line > 0 {
			at.line, at.col = e.Mark.Line, max(1, e.Mark.Column)
		}
	}
	at = at.inside()
	if e != nil && c.layoutError(at, e, theirs) {
		return
	}
	for _, t := range yamlErrors {
		if !strings.Contains(theirs, t.theirs) {
			continue
		}
		ours := t.ours
		if e != nil && strings.Contains(ours, "not closed") && e.ContextMark.Line > 0 && e.ContextMark.Line != at.line {
			ours += fmt.Sprintf(" (it starts on line %d)", e.ContextMark.Line)
		}
		c.errorf(at, t.hint, "%s", ours)
		return
	}
	c.errorf(at, "", "this is not YAML: %s", theirs)
}

// layoutError tells apart what the reader calls by one name.
func (c *compiler) layoutError(at span, e *yaml.LoadError, theirs string) bool {
	line := at.src.line(at.line)
	before := strings.TrimSpace(string([]rune(line)[:min(at.col-1, len([]rune(line)))]))
	switch {
	case strings.Contains(theirs, "cannot start any token") && strings.HasPrefix(at.src.from(at.line, at.col), "\t"):
		c.errorf(at, "use spaces", "a tab cannot indent")
	case strings.Contains(theirs, "did not find expected key") && before != "":
		c.errorf(at, "quote all of it, or write it as a | block", "text after the end of a value")
	case strings.Contains(theirs, "mapping values are not allowed") && memberName.MatchString(before):
		c.errorf(at, "", "the line is indented further than the one above allows")
	case strings.Contains(e.ContextMsg, "scanning an alias") || strings.Contains(e.ContextMsg, "scanning an anchor"):
		at.line, at.col = e.ContextMark.Line, e.ContextMark.Column
		c.errorf(at, `quote a text that starts with "*" or "&"`, "YAML aliases and anchors are not used here")
	default:
		return false
	}
	return true
}

// inside moves a position behind the last line to the end of that line.
func (s span) inside() span {
	for s.line > 1 && s.line > len(s.src.lines) || s.line > 1 && s.src.line(s.line) == "" && s.line == len(s.src.lines) {
		s.line--
		s.col = len([]rune(s.src.line(s.line))) + 1
	}
	return s
}
