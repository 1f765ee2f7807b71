package smt

import (
	"strconv"
	"strings"
)

// A Printer writes commands for one session with a solver. It remembers what
// it has declared and defined, so that shared parts are written once; Push and
// Pop keep it in step with the session.
type Printer struct {
	known map[*Term]string // what a term is called
	order []*Term          // in which they became known
	marks []int
	out   strings.Builder
}

// NewPrinter returns a printer for a session that knows nothing.
func NewPrinter() *Printer { return &Printer{known: map[*Term]string{}} }

// Take returns what has been written since the last Take.
func (p *Printer) Take() string {
	text := p.out.String()
	p.out.Reset()
	return text
}

// Push opens a scope.
func (p *Printer) Push() {
	p.marks = append(p.marks, len(p.order))
	p.out.WriteString("(push 1)\n")
}

// Pop closes the innermost scope, with what was declared and asserted in it.
func (p *Printer) Pop() {
	mark := p.marks[len(p.marks)-1]
	p.marks = p.marks[:len(p.marks)-1]
	for _, t := range p.order[mark:] {
		delete(p.known, t)
	}
	p.order = p.order[:mark]
	p.out.WriteString("(pop 1)\n")
}

// Declare makes variables known.
func (p *Printer) Declare(vars ...*Term) {
	for _, v := range vars {
		if p.known[v] == "" {
			p.know(v, v.op)
			p.out.WriteString("(declare-const " + v.op + " " + v.sort.String() + ")")
			p.comment(v.name)
		}
	}
}

// comment ends a line with words for people.
func (p *Printer) comment(words string) {
	if words != "" {
		p.out.WriteString(" ; " + strings.Map(printable, words))
	}
	p.out.WriteByte('\n')
}

func printable(r rune) rune {
	if r < 0x20 || r >= 0x7f {
		return '?'
	}
	return r
}

// Assert writes that a term is true, with words for people.
func (p *Printer) Assert(t *Term, words string) {
	p.define(t)
	p.out.WriteString("(assert " + p.text(t) + ")")
	p.comment(words)
}

// Assume gives a term a variable that is true when it is, and returns its
// name: solvers assume nothing but names.
func (p *Printer) Assume(i int, t *Term) string {
	p.define(t)
	name := Assumption(i)
	p.out.WriteString("(declare-const " + name + " Bool)\n(assert (= " + name + " " + p.text(t) + "))\n")
	return name
}

// Assumption is what [Printer.Assume] calls the assumption with a number.
func Assumption(i int) string { return "a" + strconv.Itoa(i) }

func (p *Printer) know(t *Term, name string) {
	p.known[t] = name
	p.order = append(p.order, t)
}

// name gives a term a name, unless it has one or is a leaf.
func (p *Printer) name(t *Term) string {
	if name := p.known[t]; name != "" {
		return name
	}
	if len(t.args) == 0 {
		return t.op
	}
	text, name := p.text(t), "d"+strconv.Itoa(t.id)
	p.out.WriteString("(define-fun " + name + " () " + t.sort.String() + " " + text + ")\n")
	p.know(t, name)
	return name
}

// define declares the variables of a term and names the parts that stand in it
// more than once.
func (p *Printer) define(t *Term) {
	uses := map[*Term]int{}
	var count func(*Term)
	count = func(t *Term) {
		if uses[t]++; uses[t] > 1 || p.known[t] != "" {
			return
		}
		for _, a := range t.args {
			count(a)
		}
	}
	count(t)
	done := map[*Term]bool{}
	var visit func(*Term)
	visit = func(t *Term) {
		if done[t] || p.known[t] != "" {
			return
		}
		done[t] = true
		for _, a := range t.args {
			visit(a)
		}
		switch {
		case len(t.args) == 0 && t.isVariable():
			p.Declare(t)
		case len(t.args) > 0 && uses[t] > 1 && t.sort != Regex:
			p.name(t)
		}
	}
	visit(t)
}

func (t *Term) isVariable() bool { return len(t.args) == 0 && t.name != "" }

// text writes a term, known parts by their names.
func (p *Printer) text(t *Term) string {
	var w strings.Builder
	p.write(&w, t)
	return w.String()
}

func (p *Printer) write(w *strings.Builder, t *Term) {
	if name := p.known[t]; name != "" {
		w.WriteString(name)
		return
	}
	if len(t.args) == 0 {
		w.WriteString(t.op)
		return
	}
	w.WriteString("(" + t.op)
	for _, a := range t.args {
		w.WriteByte(' ')
		p.write(w, a)
	}
	w.WriteByte(')')
}
