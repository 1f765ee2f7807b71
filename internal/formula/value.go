package formula

import (
	"math"
	"slices"
	"strconv"

	"cel.dev/cel-go/common/ast"

	"github.com/strixlabs/execution-kernel/internal/smt"
)

// A Truth is CEL's boolean in two rails: True holds when the expression is
// true, False when it is false, and when neither does it has no value. The
// operators absorb as CEL's do.
type Truth struct{ True, False *smt.Term }

// Error holds when the expression has no value.
func (e *Encoding) Error(t Truth) *smt.Term { return e.And(e.Not(t.True), e.Not(t.False)) }

func (e *Encoding) truth(ok, value *smt.Term) Truth {
	return Truth{e.And(ok, value), e.And(ok, e.Not(value))}
}

func (t Truth) not() Truth { return Truth{t.False, t.True} }

// sure reports a truth that always has a value, as far as that can be seen.
func (e *Encoding) sure(t Truth) bool { return t.False == e.Not(t.True) }

// always is a truth that always has a value. Its rails are one formula and the
// negation of that: whether there is an error is then never asked of a solver.
func (e *Encoding) always(yes *smt.Term) Truth { return Truth{yes, e.Not(yes)} }

func (e *Encoding) all(list []Truth) Truth {
	yes, no := make([]*smt.Term, len(list)), make([]*smt.Term, len(list))
	for i, t := range list {
		yes[i], no[i] = t.True, t.False
	}
	if !slices.ContainsFunc(list, func(t Truth) bool { return !e.sure(t) }) {
		return e.always(e.And(yes...))
	}
	return Truth{e.And(yes...), e.Or(no...)}
}

func (e *Encoding) any(list []Truth) Truth {
	for i := range list {
		list[i] = list[i].not()
	}
	return e.all(list).not()
}

// chooseTruth is `test ? a : b`: only the branch taken is looked at.
func (e *Encoding) chooseTruth(test, a, b Truth) Truth {
	if e.sure(test) && e.sure(a) && e.sure(b) {
		return e.always(e.If(test.True, a.True, b.True))
	}
	return Truth{
		e.Or(e.And(test.True, a.True), e.And(test.False, b.True)),
		e.Or(e.And(test.True, a.False), e.And(test.False, b.False)),
	}
}

// decided is when `test ? a : b` has a value.
func (e *Encoding) decided(test Truth, a, b *smt.Term) *smt.Term {
	return e.Or(e.And(test.True, a), e.And(test.False, b))
}

// A number is an integer, or an instant or a duration in nanoseconds. Between
// lo and hi it lies wherever ok holds; they are rounded outward.
type number struct {
	ok, term *smt.Term
	lo, hi   float64
}

// safe is well within the integers of 64 bits, whatever rounding did.
const safe = 9.2e18

func (n number) fits(lo, hi float64) bool { return n.lo > lo && n.hi < hi }

func outward(lo, hi float64) (float64, float64) {
	const slack = 1e-12
	return lo - math.Abs(lo)*slack, hi + math.Abs(hi)*slack
}

func (e *Encoding) constant(v int64) number {
	lo, hi := outward(float64(v), float64(v))
	return number{e.True(), e.Int(v), lo, hi}
}

func (e *Encoding) chooseNumber(test Truth, a, b number) number {
	return number{e.decided(test, a.ok, b.ok), e.If(test.True, a.term, b.term), min(a.lo, b.lo), max(a.hi, b.hi)}
}

// A text is a string: a literal; a number that stands for one, where texts are
// only compared for equality; or a string of the solver. With a shift it is
// the term in lower or upper case.
type text struct {
	ok     *smt.Term
	lit    *string
	term   *smt.Term
	domain []string // where the term is a number and the text one of these
	shift  shift
	most   int // characters, at most; 0: no bound is known
}

type shift byte

const (
	toLower shift = 'l'
	toUpper shift = 'u'
)

func (e *Encoding) literal(s string) text {
	return text{ok: e.True(), lit: &s, most: len(s)}
}

func (t text) isNumber() bool { return t.lit == nil && t.term.Sort() == smt.Int }

// number returns the one that stands for a text.
func (e *Encoding) numberOf(s string) *smt.Term {
	id, known := e.words[s]
	if !known {
		id = len(e.words)
		e.words[s] = id
		e.wordList = append(e.wordList, s)
	}
	return e.Int(int64(id))
}

// asNumber returns the number of a text that has one.
func (e *Encoding) asNumber(t text) *smt.Term {
	if t.lit != nil {
		return e.numberOf(*t.lit)
	}
	return t.term
}

// asString returns a text as a string of the solver.
func (e *Encoding) asString(t text) *smt.Term {
	switch {
	case t.lit != nil:
		return e.Text(*t.lit)
	case t.term.Sort() == smt.String:
		return t.term
	}
	term := e.Text(t.domain[0])
	for _, s := range t.domain[1:] {
		term = e.If(e.Equal(t.term, e.numberOf(s)), e.Text(s), term)
	}
	return term
}

func (c *coder) chooseText(x ast.Expr, test Truth, a, b text) text {
	e := c.e
	ok := e.decided(test, a.ok, b.ok)
	if a.shift != b.shift {
		return c.unknownText(x, "upper and lower case beside others in ?:", ok)
	}
	t := text{ok: ok, shift: a.shift, most: max(a.most, b.most)}
	if c.comparable(a) && c.comparable(b) && (a.isNumber() || b.isNumber()) {
		t.term = e.If(test.True, e.asNumber(a), e.asNumber(b))
		if da, db := a.values(), b.values(); da != nil && db != nil {
			t.domain = merge(da, db)
		}
		return t
	}
	if a.lit != nil && b.lit != nil {
		t.term, t.domain = e.If(test.True, e.numberOf(*a.lit), e.numberOf(*b.lit)), merge([]string{*a.lit}, []string{*b.lit})
		return t
	}
	p, okP := c.plainText(unshifted(a))
	q, okQ := c.plainText(unshifted(b))
	if !okP || !okQ {
		return c.unknownText(x, "these texts in ?:", ok)
	}
	t.term = e.If(test.True, p, q)
	return t
}

func unshifted(t text) text {
	t.shift = 0
	return t
}

// comparable reports a text that has a number.
func (c *coder) comparable(t text) bool { return t.shift == 0 && (t.lit != nil || t.isNumber()) }

// values lists what a text can be, where that is known.
func (t text) values() []string {
	if t.lit != nil {
		return []string{*t.lit}
	}
	return t.domain
}

func merge(a, b []string) []string {
	list := append([]string{}, a...)
	for _, s := range b {
		if !contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// An element is one value of a list: of a scalar list one of the first three,
// of a list of records its columns by name.
type element struct {
	num     *number
	txt     *text
	truth   *Truth
	columns map[string]column
	name    string // of a record: which one
}

type column struct {
	there *smt.Term // whether the record has it
	value element
}

func suffix(path string, i int) string { return path + "#" + strconv.Itoa(i) }
