package smt

import (
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"
)

// Fixed returns the values that a conjunction of equalities gives to
// variables; what else it says is left out.
func Fixed(t *Term) map[*Term]Value {
	at := map[*Term]Value{}
	list := []*Term{t}
	if t.op == "and" {
		list = t.args
	}
	for _, t := range list {
		switch {
		case t.isVariable():
			at[t] = Value{Bool: true}
		case t.op == "not" && t.args[0].isVariable():
			at[t.args[0]] = Value{}
		case t.op == "=":
			v, c := t.args[0], t.args[1]
			if v.isConstant() {
				v, c = c, v
			}
			if v.isVariable() && c.isConstant() {
				at[v] = c.constant()
			}
		}
	}
	return at
}

func (t *Term) constant() Value {
	switch {
	case t.num != nil:
		return Value{Int: t.num}
	case t.text != nil:
		return Value{Text: *t.text}
	}
	return Value{Bool: t.op == "true"}
}

// An Evaluator computes terms where variables have the values given, by the
// definitions of SMT-LIB and without a solver. What hangs on a variable that
// has no value is not known. It is for one goroutine at a time.
type Evaluator struct {
	at   map[*Term]Value
	seen map[*Term]result
}

type result struct {
	Value
	known bool
}

// NewEvaluator returns an evaluator for some values.
func NewEvaluator(at map[*Term]Value) *Evaluator {
	return &Evaluator{at: at, seen: map[*Term]result{}}
}

// Value returns what a term is, and whether that is known.
func (e *Evaluator) Value(t *Term) (v Value, known bool) {
	r := e.of(t)
	return r.Value, r.known
}

func (e *Evaluator) of(t *Term) result {
	if len(t.args) == 0 {
		return e.leaf(t)
	}
	if r, ok := e.seen[t]; ok {
		return r
	}
	r := e.compute(t)
	e.seen[t] = r
	return r
}

func (e *Evaluator) leaf(t *Term) result {
	if t.isVariable() {
		v, known := e.at[t]
		return result{v, known}
	}
	return result{t.constant(), t.isConstant()}
}

func truth(v bool) result { return result{Value{Bool: v}, true} }

func (e *Evaluator) compute(t *Term) result {
	switch t.op {
	case "and":
		return e.junction(t, false)
	case "or":
		return e.junction(t, true)
	case "ite":
		return e.choose(t)
	case "not":
		r := e.of(t.args[0])
		return result{Value{Bool: !r.Bool}, r.known}
	case "str.in_re":
		s := e.of(t.args[0])
		return result{Value{Bool: s.known && inLanguage(t.args[1], s.Text)}, s.known}
	}
	args := make([]Value, len(t.args))
	for i, a := range t.args {
		r := e.of(a)
		if !r.known {
			return result{}
		}
		args[i] = r.Value
	}
	return apply(t, args)
}

// junction is decided by one operand that is what decides.
func (e *Evaluator) junction(t *Term, decides bool) result {
	known := true
	for _, a := range t.args {
		r := e.of(a)
		if r.known && r.Bool == decides {
			return truth(decides)
		}
		known = known && r.known
	}
	return result{Value{Bool: !decides}, known}
}

func (e *Evaluator) choose(t *Term) result {
	test := e.of(t.args[0])
	switch {
	case test.known && test.Bool:
		return e.of(t.args[1])
	case test.known:
		return e.of(t.args[2])
	}
	a, b := e.of(t.args[1]), e.of(t.args[2])
	if a.known && b.known && same(t.sort, a.Value, b.Value) {
		return a
	}
	return result{}
}

func same(s Sort, a, b Value) bool {
	switch s {
	case Bool:
		return a.Bool == b.Bool
	case Int:
		return a.Int.Cmp(b.Int) == 0
	default:
		return a.Text == b.Text
	}
}

// apply is an operator on values.
func apply(t *Term, args []Value) result {
	switch t.op {
	case "=":
		return truth(same(t.args[0].sort, args[0], args[1]))
	case "<":
		return truth(args[0].Int.Cmp(args[1].Int) < 0)
	case "str.prefixof":
		return truth(strings.HasPrefix(args[1].Text, args[0].Text))
	case "str.suffixof":
		return truth(strings.HasSuffix(args[1].Text, args[0].Text))
	case "str.contains":
		return truth(strings.Contains(args[0].Text, args[1].Text))
	case "str.<":
		return truth(args[0].Text < args[1].Text)
	case "str.++":
		return result{Value{Text: args[0].Text + args[1].Text}, true}
	case "str.len":
		return number(big.NewInt(int64(utf8.RuneCountInString(args[0].Text))))
	}
	return arithmetic(t.op, args)
}

func number(v *big.Int) result { return result{Value{Int: v}, true} }

// arithmetic computes. What SMT-LIB leaves open, a division by nought, is not
// known.
func arithmetic(op string, args []Value) result {
	v := new(big.Int)
	switch op {
	case "+":
		for _, a := range args {
			v.Add(v, a.Int)
		}
		return number(v)
	case "-":
		return number(v.Sub(args[0].Int, args[1].Int))
	case "*":
		return number(v.Mul(args[0].Int, args[1].Int))
	case "div", "mod":
		if args[1].Int.Sign() == 0 {
			return result{}
		}
		q, m := v.DivMod(args[0].Int, args[1].Int, new(big.Int)) // Euclid's, as SMT-LIB's
		if op == "mod" {
			q = m
		}
		return number(q)
	}
	return result{}
}

// inLanguage reports that the whole of a text is in a language.
func inLanguage(re *Term, s string) bool {
	text := []rune(s)
	return slices.Contains(ends(re, text, []int{0}), len(text))
}

// ends lists where a text of a language may end that begins at one of some
// places, sorted.
func ends(re *Term, text []rune, from []int) []int {
	switch re.op {
	case "re.none":
		return nil
	case "re.all":
		return everyEnd(text, from)
	case "re.allchar":
		return step(text, from, 0, MaxRune)
	case "re.range":
		lo, _ := utf8.DecodeRuneInString(*re.args[0].text)
		hi, _ := utf8.DecodeRuneInString(*re.args[1].text)
		return step(text, from, lo, hi)
	case "str.to_re":
		for _, r := range *re.args[0].text {
			from = step(text, from, r, r)
		}
		return from
	case "re.++":
		for _, part := range re.args {
			from = ends(part, text, from)
		}
		return from
	case "re.union":
		var all []int
		for _, part := range re.args {
			all = append(all, ends(part, text, from)...)
		}
		return sorted(all)
	case "re.*":
		return repeat(re.args[0], text, from)
	case "re.+":
		return repeat(re.args[0], text, ends(re.args[0], text, from))
	case "re.opt":
		return sorted(slices.Concat(ends(re.args[0], text, from), from))
	}
	return loop(re, text, from)
}

func sorted(list []int) []int {
	slices.Sort(list)
	return slices.Compact(list)
}

func everyEnd(text []rune, from []int) []int {
	var all []int
	if len(from) > 0 {
		for i := from[0]; i <= len(text); i++ {
			all = append(all, i)
		}
	}
	return all
}

// step goes over one character between two.
func step(text []rune, from []int, lo, hi rune) []int {
	var next []int
	for _, i := range from {
		if i < len(text) && text[i] >= lo && text[i] <= hi {
			next = append(next, i+1)
		}
	}
	return next
}

// repeat goes on as often as it finds new places.
func repeat(re *Term, text []rune, from []int) []int {
	for all := from; ; {
		next := sorted(slices.Concat(ends(re, text, all), all))
		if len(next) == len(all) {
			return all
		}
		all = next
	}
}

// loop is a language repeated from so often to so often.
func loop(re *Term, text []rune, from []int) []int {
	var all []int
	for n := 0; n <= re.most && len(from) > 0; n++ {
		if n >= re.least {
			all = append(all, from...)
		}
		from = ends(re.args[0], text, from)
	}
	return sorted(all)
}
