package formula

import (
	"unicode/utf8"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/smt"
)

// text encodes an expression of type string.
func (c *coder) text(x ast.Expr) text {
	if s, ok := textLiteral(x); ok {
		return c.e.literal(s)
	}
	if x.Kind() != ast.CallKind {
		return c.readText(x)
	}
	call := x.AsCall()
	args := call.Args()
	switch call.FunctionName() {
	case operators.Conditional:
		return c.chooseText(x, c.bools(args[0]), c.text(args[1]), c.text(args[2]))
	case operators.Index:
		return c.pickText(x)
	case operators.Add:
		a, b := c.text(args[0]), c.text(args[1])
		s, okS := c.plainText(a)
		t, okT := c.plainText(b)
		ok := c.e.And(a.ok, b.ok)
		if !okS || !okT {
			return c.unknownText(x, "joining a text in upper or lower case", ok)
		}
		if a.lit != nil && b.lit != nil {
			joined := c.e.literal(*a.lit + *b.lit)
			joined.ok = ok
			return joined
		}
		return text{ok: ok, term: c.e.Concat(s, t)}
	case "lowerAscii":
		return c.shifted(x, c.text(call.Target()), toLower)
	case "upperAscii":
		return c.shifted(x, c.text(call.Target()), toUpper)
	}
	return c.unknownText(x, "this text", c.e.True())
}

// shifted is a text in lower or upper case.
func (c *coder) shifted(x ast.Expr, t text, to shift) text {
	switch {
	case t.lit != nil:
		shifted := c.e.literal(shiftASCII(*t.lit, to))
		shifted.ok = t.ok
		return shifted
	case t.shift != 0 && t.shift != to:
		return c.unknownText(x, "lower case of upper case", t.ok)
	case t.isNumber() && t.domain != nil:
		t.term, t.domain = c.shiftedNumber(t, to)
		return t
	case t.isNumber():
		return c.unknownText(x, "this text", t.ok)
	}
	t.shift = to
	return t
}

func (c *coder) shiftedNumber(t text, to shift) (*smt.Term, []string) {
	var term *smt.Term
	var domain []string
	for _, s := range t.domain {
		up := shiftASCII(s, to)
		domain = merge(domain, []string{up})
		if id := c.e.numberOf(up); term == nil {
			term = id
		} else {
			term = c.e.If(c.e.Equal(t.term, c.e.numberOf(s)), id, term)
		}
	}
	return term, domain
}

func shiftASCII(s string, to shift) string {
	b := []byte(s)
	for i, x := range b {
		switch {
		case to == toLower && x >= 'A' && x <= 'Z':
			b[i] = x + 'a' - 'A'
		case to == toUpper && x >= 'a' && x <= 'z':
			b[i] = x - ('a' - 'A')
		}
	}
	return string(b)
}

// plainText returns a text as a string of the solver; false where it is not
// one, because of its case.
func (c *coder) plainText(t text) (*smt.Term, bool) {
	if t.shift != 0 || t.lit == nil && t.isNumber() && t.domain == nil || t.lit != nil && !writable(*t.lit) {
		return nil, false
	}
	return c.e.asString(t), true
}

// firstFree is where the characters begin that literals must not hold: those
// that solvers do not have are represented by the ones from here on.
const firstFree = 0x2E000

func writable(s string) bool {
	for _, r := range s {
		if r >= firstFree {
			return false
		}
	}
	return true
}

// readText encodes a name.
func (c *coder) readText(x ast.Expr) text {
	if v, ok := c.local(x); ok && v.txt != nil {
		return *v.txt
	}
	if places, ok := c.column(x); ok {
		return c.oneText(x, places)
	}
	path, ok := c.path(x)
	if d, isConstant := c.s.data[path]; ok && isConstant {
		if s, isText := d.Value.(string); isText {
			return c.e.literal(s)
		}
	}
	switch {
	case path == pathType:
		return c.e.literal(c.e.Cell.ResourceType)
	case path == pathAction && !c.e.family:
		return c.e.literal(c.e.Cell.Action)
	}
	if m := c.s.members[path]; ok && m != nil {
		t := c.e.textAt(path, path, m.typ)
		t.ok = c.e.there(c.s, path)
		return t
	}
	return c.unknownText(x, "this text", c.e.True())
}

// textAt returns the variable of an attribute, or of a value in a list: node
// is what it is to the usage.
func (e *Encoding) textAt(path, node string, t pdl.Type) text {
	if e.isEnum(node) {
		v := e.variable(path, smt.Int, func(v *smt.Term) {
			e.fit(path, node, func(t pdl.Type) *smt.Term { return e.Any(v, e.numbersOf(t.Values)) })
		})
		return text{ok: e.True(), term: v, domain: t.Values}
	}
	if !e.usage.asString(node) {
		v := e.variable(path, smt.Int, func(v *smt.Term) {
			e.fit(path, node, func(t pdl.Type) *smt.Term {
				if t.Kind == pdl.Enum {
					return e.Any(v, e.numbersOf(t.Values))
				}
				return e.True()
			})
		})
		if t.Kind == pdl.Enum {
			return text{ok: e.True(), term: v, domain: t.Values}
		}
		return text{ok: e.True(), term: v, most: t.MaxLen}
	}
	v := e.variable(path, smt.String, func(v *smt.Term) {
		e.fit(path, node, func(t pdl.Type) *smt.Term { return e.fitText(path, v, t) })
	})
	return text{ok: e.True(), term: v, most: t.MaxLen}
}

func (e *Encoding) numbersOf(values []string) []*smt.Term {
	list := make([]*smt.Term, len(values))
	for i, s := range values {
		list[i] = e.numberOf(s)
	}
	return list
}

// fitText is what a type demands of a string of the solver.
func (e *Encoding) fitText(path string, v *smt.Term, t pdl.Type) *smt.Term {
	if t.Kind == pdl.Enum {
		list := make([]*smt.Term, len(t.Values))
		for i, s := range t.Values {
			list[i] = e.Text(s)
		}
		return e.Any(v, list)
	}
	bound := e.LessEqual(e.Len(v), e.Int(int64(t.MaxLen)))
	switch path {
	case pathAgent, pathID:
		return e.And(bound, e.Not(e.Equal(v, e.Text(""))))
	case pathAction:
		return e.And(bound, e.familyName(v))
	}
	return bound
}

// familyName is what the names of a family are, but for the one or the other
// letter that only Unicode knows.
func (e *Encoding) familyName(v *smt.Term) *smt.Term {
	word := e.ReUnion(e.ReRange('a', 'z'), e.ReRange('A', 'Z'), e.ReRange('0', '9'), e.ReText("_"), e.ReText("-"), e.ReText("/"),
		e.ReText(":"), e.ReText("@"), e.ReText("+"), e.ReRange(0xaa, smt.MaxRune))
	segment := e.ReConcat(e.RePlus(word), e.ReStar(e.ReConcat(e.ReText(" "), e.RePlus(word))))
	facts := []*smt.Term{e.Matches(v, e.ReConcat(e.ReText(e.prefix), segment, e.ReStar(e.ReConcat(e.ReText("."), segment))))}
	for _, name := range e.taken {
		if prefix, isFamily := pdl.Family(name); isFamily {
			facts = append(facts, e.Not(e.Prefix(v, e.Text(prefix))))
		} else {
			facts = append(facts, e.Not(e.Equal(v, e.Text(name))))
		}
	}
	return e.And(facts...)
}

// Characters holds when all texts are made of characters that requests can
// have: no U+0000, and no surrogates. It is left out of [Encoding.Facts],
// because it costs solvers time and is seldom needed.
func (e *Encoding) Characters() *smt.Term {
	var all []*smt.Term
	word := e.ReStar(e.ReUnion(e.ReRange(1, 0xD7FF), e.ReRange(0xE000, smt.MaxRune)))
	for _, v := range e.Variables() {
		if v.Sort() == smt.String {
			all = append(all, e.Matches(v, word))
		}
	}
	return e.And(all...)
}

// sameText encodes the equality of two texts.
func (c *coder) sameText(x ast.Expr, a, b text) Truth {
	e, ok := c.e, c.e.And(a.ok, b.ok)
	if a.lit != nil {
		a, b = b, a
	}
	switch {
	case a.lit != nil:
		return e.truth(ok, e.Bool(*a.lit == *b.lit))
	case b.lit != nil && !c.possible(a, *b.lit):
		return e.truth(ok, e.False())
	case b.lit != nil && a.shift != 0:
		return c.inLanguage(x, ok, a, func() (*smt.Term, error) { return e.literalLanguage(*b.lit, a.shift) })
	case c.comparable(a) && c.comparable(b):
		return e.truth(ok, e.Equal(e.asNumber(a), e.asNumber(b)))
	}
	s, okS := c.plainText(a)
	t, okT := c.plainText(b)
	if a.shift != 0 && a.shift == b.shift {
		return c.sameShifted(x, ok, a, b)
	}
	if !okS || !okT {
		return c.unknownTruth(x, "this comparison of texts")
	}
	return e.truth(ok, e.Equal(s, t))
}

// sameShifted compares two texts in the same case: equal ones are equal in it,
// others may be.
func (c *coder) sameShifted(x ast.Expr, ok *smt.Term, a, b text) Truth {
	c.approximate(x, "two texts in lower or upper case that are compared")
	first, second := c.name(a), c.name(b)
	return c.e.truth(ok, c.e.Or(c.e.Equal(a.term, b.term), c.e.anything(smt.Bool, "same case "+min(first, second)+" "+max(first, second))))
}

// possible reports that a text may be a literal.
func (c *coder) possible(t text, s string) bool {
	switch {
	case t.domain != nil:
		return contains(t.domain, s)
	case t.most > 0 && utf8.RuneCountInString(s) > t.most:
		return false
	case t.term == c.e.vars[pathAction] && t.term != nil:
		return c.e.belongs(s)
	case t.term == c.e.vars[pathAgent] && t.term != nil || t.term == c.e.vars[pathID] && t.term != nil:
		return s != ""
	}
	return true
}

// predicate encodes the functions that say yes or no.
func (c *coder) predicate(x ast.Expr) Truth {
	call := x.AsCall()
	args := call.Args()
	switch name := call.FunctionName(); name {
	case "isIP", "isCIDR", "containsIP", "containsCIDR":
		return c.addressTest(x)
	case "active":
		return c.active(x)
	case "startsWith", "endsWith", "contains":
		return c.part(x, name, c.text(call.Target()), c.text(args[0]))
	case "matches", "glob":
		operands := args
		if call.IsMemberFunction() {
			operands = append([]ast.Expr{call.Target()}, args...)
		}
		pattern, _ := textLiteral(operands[1])
		if name == "glob" {
			pattern = pdl.GlobPattern(pattern)
		}
		return c.matches(x, c.text(operands[0]), pattern)
	}
	return c.unknownTruth(x, call.FunctionName()+"()")
}

// part encodes startsWith, endsWith and contains.
func (c *coder) part(x ast.Expr, name string, whole, part text) Truth {
	e, ok := c.e, c.e.And(whole.ok, part.ok)
	if whole.shift != 0 && part.lit != nil {
		return c.inLanguage(x, ok, whole, func() (*smt.Term, error) { return e.partLanguage(name, *part.lit, whole.shift) })
	}
	s, okS := c.plainText(whole)
	t, okT := c.plainText(part)
	if !okS || !okT {
		return c.unknownTruth(x, name+"() of this text")
	}
	switch name {
	case "startsWith":
		return e.truth(ok, e.Prefix(s, t))
	case "endsWith":
		return e.truth(ok, e.Suffix(s, t))
	}
	return e.truth(ok, e.Contains(s, t))
}

func (c *coder) size(x, of ast.Expr) number {
	switch c.kind(of) {
	case types.StringKind:
		t := c.text(of)
		switch {
		case t.lit != nil:
			n := c.e.constant(int64(utf8.RuneCountInString(*t.lit)))
			n.ok = t.ok
			return n
		case t.isNumber() && t.domain == nil:
			return c.unknownNumber(x, "the size of this text")
		}
		most := float64(1 << 40)
		if t.most > 0 {
			most = float64(t.most)
		}
		lo, hi := outward(0, most)
		return number{t.ok, c.e.Len(c.e.asString(t)), lo, hi} // no shift changes it
	case types.ListKind:
		return c.length(of)
	case types.OpaqueKind:
		return c.sizeOfJSON(x, of)
	}
	return c.unknownNumber(x, "this size")
}

// sizeOfJSON encodes the size of what is opaque otherwise.
func (c *coder) sizeOfJSON(x, of ast.Expr) number {
	path, ok := c.path(of)
	if !ok || c.s.members[path] == nil {
		return c.unknownNumber(x, "this size")
	}
	v := c.e.variable("size "+path, smt.Int, func(v *smt.Term) {
		c.e.common = append(c.e.common, c.e.Between(c.e.Int(0), v, c.e.Int(maxSizeJSON)))
	})
	lo, hi := outward(0, maxSizeJSON)
	return number{c.e.there(c.s, path), v, lo, hi}
}

// maxSizeJSON is more than the size of anything that a request can hold: a
// request has at most a mebibyte.
const maxSizeJSON = 1 << 20
