package smt

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Value is what a solver says a variable is.
type Value struct {
	Bool bool
	Int  *big.Int
	Text string
}

// An Expr is an S-expression of an answer: an atom, or a list.
type Expr struct {
	Atom string // "" for a list
	List []Expr
}

// maxNesting bounds how deep an answer may nest.
const maxNesting = 1000

// A Scanner finds the end of an S-expression in text that comes piece by piece.
type Scanner struct {
	depth       int
	quoted, bar bool
	begun       bool
}

// Complete reads on, and reports whether the expression that the text began
// has ended: what is behind its end is not looked at.
func (s *Scanner) Complete(piece string) bool {
	for i := range len(piece) {
		switch c := piece[i]; {
		case s.quoted:
			s.quoted = c != '"' // a doubled quote closes and opens again
		case s.bar:
			s.bar = c != '|'
		case c == '"':
			s.quoted, s.begun = true, true
		case c == '|':
			s.bar, s.begun = true, true
		case c == '(':
			s.depth++
			s.begun = true
		case c == ')':
			if s.depth--; s.depth <= 0 {
				return true
			}
		case c == '\n':
			if s.begun && s.depth == 0 {
				return true
			}
		case c != ' ' && c != '\t' && c != '\r':
			s.begun = true
		}
	}
	return false
}

// ParseExpr reads one S-expression that is all of s.
func ParseExpr(s string) (Expr, error) {
	r := reader{text: s}
	e, err := r.expr(0)
	if err != nil {
		return Expr{}, err
	}
	if r.space(); r.at < len(s) {
		return Expr{}, fmt.Errorf("the answer goes on behind its end: %q", clip(s[r.at:]))
	}
	return e, nil
}

type reader struct {
	text string
	at   int
}

func (r *reader) space() {
	for r.at < len(r.text) && strings.IndexByte(" \t\r\n", r.text[r.at]) >= 0 {
		r.at++
	}
}

func (r *reader) expr(depth int) (Expr, error) {
	r.space()
	switch {
	case depth > maxNesting:
		return Expr{}, fmt.Errorf("the answer nests too deep")
	case r.at >= len(r.text):
		return Expr{}, fmt.Errorf("the answer ends too early")
	case r.text[r.at] == '(':
		return r.list(depth)
	case r.text[r.at] == ')':
		return Expr{}, fmt.Errorf("the answer has a bracket too many")
	case r.text[r.at] == '"':
		return r.quoted('"')
	case r.text[r.at] == '|':
		return r.quoted('|')
	}
	from := r.at
	for r.at < len(r.text) && strings.IndexByte(" \t\r\n()\"", r.text[r.at]) < 0 {
		r.at++
	}
	return Expr{Atom: r.text[from:r.at]}, nil
}

func (r *reader) list(depth int) (Expr, error) {
	r.at++
	e := Expr{List: []Expr{}}
	for {
		if r.space(); r.at < len(r.text) && r.text[r.at] == ')' {
			r.at++
			return e, nil
		}
		x, err := r.expr(depth + 1)
		if err != nil {
			return Expr{}, err
		}
		e.List = append(e.List, x)
	}
}

func (r *reader) quoted(mark byte) (Expr, error) {
	from := r.at
	for r.at++; r.at < len(r.text); r.at++ {
		if r.text[r.at] != mark {
			continue
		}
		if mark == '"' && strings.HasPrefix(r.text[r.at+1:], `"`) {
			r.at++
			continue
		}
		r.at++
		return Expr{Atom: r.text[from:r.at]}, nil
	}
	return Expr{}, fmt.Errorf("a quote in the answer is not closed")
}

// ParseModel reads the answer to get-value of these variables, in this order.
func ParseModel(s string, vars []*Term) (map[*Term]Value, error) {
	e, err := ParseExpr(s)
	if err != nil {
		return nil, err
	}
	if len(e.List) != len(vars) {
		return nil, fmt.Errorf("the answer has %d values, not %d", len(e.List), len(vars))
	}
	model := make(map[*Term]Value, len(vars))
	for i, v := range vars {
		pair := e.List[i].List
		if len(pair) != 2 || pair[0].Atom != v.op {
			return nil, fmt.Errorf("the answer has no value of %s in its place", v.op)
		}
		if model[v], err = valueOf(pair[1], v.sort); err != nil {
			return nil, fmt.Errorf("value of %s: %w", v.op, err)
		}
	}
	return model, nil
}

func valueOf(e Expr, sort Sort) (Value, error) {
	switch sort {
	case Bool:
		if e.Atom == "true" || e.Atom == "false" {
			return Value{Bool: e.Atom == "true"}, nil
		}
	case Int:
		text := e.Atom
		if len(e.List) == 2 && e.List[0].Atom == "-" {
			text = "-" + e.List[1].Atom
		}
		if i, ok := new(big.Int).SetString(text, 10); ok {
			return Value{Int: i}, nil
		}
	case String:
		if len(e.Atom) >= 2 && e.Atom[0] == '"' {
			text, err := unquote(e.Atom)
			return Value{Text: text}, err
		}
	case Regex: // no variable is one
	}
	return Value{}, fmt.Errorf("%q is no %v", clip(fmt.Sprint(e)), sort)
}

// unquote reads a literal with its escapes: \u{1f} and \u001f, and \x1f as
// older solvers write it.
func unquote(s string) (string, error) {
	s = strings.ReplaceAll(s[1:len(s)-1], `""`, `"`)
	var w strings.Builder
	for len(s) > 0 {
		digits, size := escape(s)
		if size == 0 {
			_, n := utf8.DecodeRuneInString(s)
			w.WriteString(s[:n])
			s = s[n:]
			continue
		}
		r, err := strconv.ParseUint(digits, 16, 32)
		if err != nil || r > utf8.MaxRune {
			return "", fmt.Errorf("the text holds %s, which is no character", clip(s[:size]))
		}
		w.WriteRune(rune(r)) // a surrogate, which solvers take for a character, becomes U+FFFD
		s = s[size:]
	}
	return w.String(), nil
}

// escape returns the digits of the escape that s begins with, and its length.
func escape(s string) (digits string, size int) {
	switch {
	case strings.HasPrefix(s, `\u{`):
		if end := strings.IndexByte(s, '}'); end > 3 {
			return s[3:end], end + 1
		}
	case strings.HasPrefix(s, `\u`) && len(s) >= 6 && isHex(s[2:6]):
		return s[2:6], 6
	case strings.HasPrefix(s, `\x`) && len(s) >= 4 && isHex(s[2:4]):
		return s[2:4], 4
	}
	return "", 0
}

func isHex(s string) bool {
	_, err := strconv.ParseUint(s, 16, 32)
	return err == nil
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
