package pdl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// A Severity says whether a finding keeps a bundle from being used. The zero
// value does.
type Severity uint8

// The severities.
const (
	Error Severity = iota
	Warning
)

func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// A Diagnostic is a finding about a source file.
type Diagnostic struct {
	Pos
	EndLine, EndCol int // just after the last character
	Severity        Severity
	Message         string // a sentence, lower case, no full stop
	Suggestion      string // what to do about it, or ""
	Source          string // the line at Pos, or ""
}

// Diagnostics are findings sorted by file, line and column.
type Diagnostics []Diagnostic

// HasErrors reports whether one of the findings is an error.
func (ds Diagnostics) HasErrors() bool {
	return slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Severity == Error })
}

// String writes `file:line:col: sentence; suggestion`, then the source line
// and a caret below the place.
func (d Diagnostic) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", d.File, d.Line, d.Col)
	if d.Severity == Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(d.Message)
	if d.Suggestion != "" {
		b.WriteString("; " + d.Suggestion)
	}
	if d.Source != "" {
		line, caret := d.excerpt()
		b.WriteString("\n    " + line + "\n    " + caret)
	}
	return b.String()
}

// excerpt returns the source line, cut to what a terminal shows, and the line
// below it that holds the caret.
func (d Diagnostic) excerpt() (line, caret string) {
	const before, width = 60, 120
	runes, at := printable(d.Source), max(0, d.Col-1)
	at = min(at, len(runes))
	from, head, tail := 0, "", ""
	if at > before && len(runes) > width {
		from, head = at-before, "…"
	}
	to := min(len(runes), from+width)
	if to < len(runes) {
		tail = "…"
	}
	blank := []rune(head + string(runes[from:at]))
	for i, r := range blank {
		if r != '\t' {
			blank[i] = ' '
		}
	}
	return head + string(runes[from:to]) + tail, string(blank) + "^"
}

// printable shows a control character as one that cannot move a cursor.
func printable(line string) []rune {
	runes := []rune(line)
	for i, r := range runes {
		if r != '\t' && !unicode.IsPrint(r) {
			runes[i] = '\ufffd'
		}
	}
	return runes
}

func compareDiagnostics(a, b Diagnostic) int {
	return cmp.Or(
		cmp.Compare(a.File, b.File),
		cmp.Compare(a.Line, b.Line),
		cmp.Compare(a.Col, b.Col),
		cmp.Compare(a.Severity, b.Severity),
		cmp.Compare(a.Message, b.Message),
	)
}
