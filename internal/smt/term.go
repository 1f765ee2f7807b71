// Package smt writes formulas in the language of SMT solvers, SMT-LIB 2, and
// reads their answers.
//
// Equal terms are one term: whoever builds the same formula twice pays once,
// and what folds to true or false is never asked. Answers are foreign text and
// read as such.
package smt

import (
	"math/big"
	"strconv"
	"strings"
)

// A Sort is the type of a term.
type Sort uint8

// The sorts.
const (
	Bool Sort = iota + 1
	Int
	String
	Regex
)

// String writes the sort as SMT-LIB does.
func (s Sort) String() string {
	switch s {
	case Bool:
		return "Bool"
	case Int:
		return "Int"
	case String:
		return "String"
	case Regex:
		return "RegLan"
	}
	return "?"
}

// A Term is a formula or a part of one. Terms of one Builder are equal when
// their pointers are.
type Term struct {
	op   string // an operator; of a leaf, what is printed
	args []*Term
	sort Sort
	id   int
	num  *big.Int // of a number
	text *string  // of a text
	name string   // of a variable: what it stands for

	options int // of a choice: between how many constants

	least, most int // of a loop: how often
}

// Sort returns the type of the term.
func (t *Term) Sort() Sort { return t.sort }

// ID numbers the terms of a builder in the order in which they were made.
func (t *Term) ID() int { return t.id }

// Name returns what a variable stands for, and "" for other terms.
func (t *Term) Name() string { return t.name }

// Symbol returns the name of a variable as solvers know it.
func (t *Term) Symbol() string { return t.op }

// IsTrue reports the constant true, IsFalse the constant false.
func (t *Term) IsTrue() bool { return t.op == "true" }

// IsFalse reports the constant false.
func (t *Term) IsFalse() bool { return t.op == "false" }

// A Builder makes terms. It is for one goroutine at a time.
type Builder struct {
	terms map[string]*Term
	vars  []*Term
	count int

	yes, no *Term
}

// NewBuilder returns an empty builder.
func NewBuilder() *Builder {
	b := &Builder{terms: map[string]*Term{}}
	b.yes, b.no = b.make("true", Bool), b.make("false", Bool)
	return b
}

// Variables lists the variables in the order in which they were made.
func (b *Builder) Variables() []*Term { return b.vars }

// Variable makes a new variable; name is what it stands for, for people.
func (b *Builder) Variable(sort Sort, name string) *Term {
	b.count++
	t := &Term{op: "v" + strconv.Itoa(len(b.vars)), sort: sort, id: b.count, name: name}
	b.vars = append(b.vars, t)
	return t
}

// make returns the one term of an operator and its operands.
func (b *Builder) make(op string, sort Sort, args ...*Term) *Term {
	key := make([]byte, 0, len(op)+6*len(args))
	key = append(key, op...)
	for _, a := range args {
		key = append(key, ' ')
		key = strconv.AppendInt(key, int64(a.id), 36)
	}
	if t := b.terms[string(key)]; t != nil {
		return t
	}
	b.count++
	t := &Term{op: op, args: args, sort: sort, id: b.count}
	b.terms[string(key)] = t
	return t
}

// True returns the constant true.
func (b *Builder) True() *Term { return b.yes }

// False returns the constant false.
func (b *Builder) False() *Term { return b.no }

// Bool returns a constant.
func (b *Builder) Bool(v bool) *Term {
	if v {
		return b.yes
	}
	return b.no
}

// Int returns a number.
func (b *Builder) Int(v int64) *Term { return b.Big(big.NewInt(v)) }

// Big returns a number of any size.
func (b *Builder) Big(v *big.Int) *Term {
	text := v.String()
	if v.Sign() < 0 {
		text = "(- " + text[1:] + ")"
	}
	t := b.make(text, Int)
	if t.num == nil {
		t.num = new(big.Int).Set(v)
	}
	return t
}

// Text returns a text. Characters beyond MaxRune have no meaning to solvers.
func (b *Builder) Text(s string) *Term {
	t := b.make(Quote(s), String)
	if t.text == nil {
		t.text = &s
	}
	return t
}

// MaxRune is the last character that texts of SMT-LIB can hold.
const MaxRune = 0x2FFFF

// Quote writes a text as a literal.
func Quote(s string) string {
	var w strings.Builder
	w.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"':
			w.WriteString(`""`)
		case r >= 0x20 && r < 0x7f && r != '\\':
			w.WriteRune(r)
		default:
			w.WriteString(`\u{` + strconv.FormatInt(int64(r), 16) + `}`)
		}
	}
	w.WriteByte('"')
	return w.String()
}
