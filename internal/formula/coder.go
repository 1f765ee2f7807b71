package formula

import (
	"slices"
	"strconv"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/smt"
)

// A coder encodes one condition. Each of its methods for a type mirrors what
// the evaluator does for that type.
type coder struct {
	e     *Encoding
	s     *side
	ast   *ast.AST
	rule  string
	when  *pdl.Condition
	scope []local
}

// A local is the variable of a loop: the element it stands for now.
type local struct {
	name  string
	value element
}

// Condition encodes a condition of a side. The name is that of its rule, for
// gaps.
func (e *Encoding) Condition(side int, name string, when *pdl.Condition) Truth {
	if when == nil {
		return Truth{e.True(), e.False()}
	}
	c := &coder{e: e, s: e.sides[side], ast: when.AST, rule: name, when: when}
	return c.withinWork(c.bools(when.AST.Expr()))
}

// maxWork is what the evaluator lets one condition take; beyond it the
// condition has no value. Formulas do not count: what may take more may also
// be without a value.
const maxWork = 1 << 22

func (c *coder) withinWork(t Truth) Truth {
	if c.when.Steps() <= maxWork {
		return t
	}
	c.approximate(c.ast.Expr(), "a condition that may take more work than is allowed")
	done := c.e.anything(smt.Bool, "work of "+c.keyOf(c.ast.Expr()))
	return Truth{c.e.And(done, t.True), c.e.And(done, t.False)}
}

// pos returns where an expression stands.
func (c *coder) pos(x ast.Expr) pdl.Pos {
	at, ok := c.ast.SourceInfo().GetOffsetRange(x.ID())
	if !ok {
		return c.when.Pos
	}
	return c.when.At(int(at.Start))
}

// approximate notes that an expression is over-approximated; outside that it
// does not belong to the verifiable fragment and is, too.
func (c *coder) approximate(x ast.Expr, what string) {
	c.e.gap(Gap{Rule: c.rule, What: what, Pos: c.pos(x), Approximate: true})
}

func (c *coder) outside(x ast.Expr, what string) {
	c.e.gap(Gap{Rule: c.rule, What: what, Pos: c.pos(x)})
}

func (c *coder) bounded(x ast.Expr, what string) {
	c.e.gap(Gap{Rule: c.rule, What: what, Pos: c.pos(x), Bounded: true})
}

// anything is a variable for what is not encoded: the same one for the same
// text, so that equal expressions are equal.
func (e *Encoding) anything(sort smt.Sort, key string) *smt.Term {
	if v := e.unknown[key]; v != nil {
		return v
	}
	v := e.Variable(sort, "? "+key)
	e.unknown[key] = v
	return v
}

// keyOf names an expression with what its loop variables stand for.
func (c *coder) keyOf(x ast.Expr) string {
	w := scanner{}
	key := w.key(x)
	if len(c.e.sides) > 1 { // what it reads of its bundle may differ
		key += "|side " + itoa(slices.Index(c.e.sides, c.s))
	}
	for _, l := range c.scope {
		key += "|" + l.name + "=" + c.e.nameOf(l.value)
	}
	return key
}

// nameOf tells elements apart.
func (e *Encoding) nameOf(v element) string {
	switch {
	case v.num != nil:
		return e.termName(v.num.term)
	case v.txt != nil && v.txt.lit != nil:
		return strconv.Quote(*v.txt.lit)
	case v.txt != nil:
		return e.termName(v.txt.term)
	case v.truth != nil:
		return e.termName(v.truth.True)
	}
	return "record " + v.name
}

func (e *Encoding) termName(t *smt.Term) string { return itoa(t.ID()) }

func (c *coder) unknownTruth(x ast.Expr, what string) Truth {
	c.outside(x, what)
	key := c.keyOf(x)
	return c.e.truth(c.e.anything(smt.Bool, "ok "+key), c.e.anything(smt.Bool, key))
}

func (c *coder) unknownNumber(x ast.Expr, what string) number {
	c.outside(x, what)
	key := c.keyOf(x)
	v := c.e.anything(smt.Int, key)
	return number{c.e.And(c.e.anything(smt.Bool, "ok "+key), c.e.Between(c.e.Int(minInt), v, c.e.Int(maxInt))), v, minInt, maxInt}
}

func (c *coder) unknownText(x ast.Expr, what string, ok *smt.Term) text {
	c.outside(x, what)
	return text{ok: ok, term: c.e.anything(smt.String, "text "+c.keyOf(x))}
}

func (c *coder) kind(x ast.Expr) types.Kind { return c.ast.GetType(x.ID()).Kind() }

func (c *coder) elemKind(x ast.Expr) types.Kind {
	if t := c.ast.GetType(x.ID()); t.Kind() == types.ListKind && len(t.Parameters()) == 1 {
		return t.Parameters()[0].Kind()
	}
	return types.ErrorKind
}

func (c *coder) local(x ast.Expr) (element, bool) {
	if x.Kind() != ast.IdentKind {
		return element{}, false
	}
	for i := len(c.scope) - 1; i >= 0; i-- {
		if c.scope[i].name == x.AsIdent() {
			return c.scope[i].value, true
		}
	}
	return element{}, false
}

func (c *coder) path(x ast.Expr) (string, bool) {
	return pathOf(x, func(name string) bool {
		_, is := c.local(c.ident(name))
		return is
	})
}

func (c *coder) ident(name string) ast.Expr { return ast.NewExprFactory().NewIdent(0, name) }

// bools encodes an expression of type bool.
func (c *coder) bools(x ast.Expr) Truth {
	switch x.Kind() {
	case ast.LiteralKind:
		yes := x.AsLiteral() == types.True
		return Truth{c.e.Bool(yes), c.e.Bool(!yes)}
	case ast.ComprehensionKind:
		return c.quantify(x)
	case ast.CallKind:
		return c.boolCall(x)
	case ast.SelectKind:
		if x.AsSelect().IsTestOnly() {
			return c.presence(x)
		}
	default: // names
	}
	return c.readBool(x)
}

func (c *coder) boolCall(x ast.Expr) Truth {
	call := x.AsCall()
	args := call.Args()
	switch call.FunctionName() {
	case operators.LogicalAnd:
		return c.e.all(c.operands(x, operators.LogicalAnd))
	case operators.LogicalOr:
		return c.e.any(c.operands(x, operators.LogicalOr))
	case operators.LogicalNot:
		return c.bools(args[0]).not()
	case operators.Conditional:
		return c.e.chooseTruth(c.bools(args[0]), c.bools(args[1]), c.bools(args[2]))
	case operators.Equals:
		return c.equality(x, args[0], args[1])
	case operators.NotEquals:
		return c.equality(x, args[0], args[1]).not()
	case operators.Less:
		return c.order(x, args[0], args[1], false)
	case operators.GreaterEquals:
		return c.order(x, args[0], args[1], false).not()
	case operators.Greater:
		return c.order(x, args[1], args[0], false)
	case operators.LessEquals:
		return c.order(x, args[1], args[0], false).not()
	case operators.In:
		return c.membership(x, args[0], args[1])
	case operators.Index:
		return c.pickTruth(x)
	}
	return c.predicate(x)
}

// operands encodes a chain of an associative operator.
func (c *coder) operands(x ast.Expr, operator string) []Truth {
	var list []Truth
	for _, a := range x.AsCall().Args() {
		if a.Kind() == ast.CallKind && a.AsCall().FunctionName() == operator {
			list = append(list, c.operands(a, operator)...)
		} else {
			list = append(list, c.bools(a))
		}
	}
	return list
}

// equality encodes `a == b`: both sides have one type.
func (c *coder) equality(x, a, b ast.Expr) Truth {
	switch c.kind(a) {
	case types.BoolKind:
		return c.e.sameTruth(c.bools(a), c.bools(b))
	case types.IntKind, types.TimestampKind, types.DurationKind:
		return c.e.sameNumber(c.number(a), c.number(b))
	case types.StringKind:
		return c.sameText(x, c.text(a), c.text(b))
	case types.ListKind:
		return c.sameList(x, a, b)
	case types.OpaqueKind:
		return c.sameAddress(x, a, b)
	}
	return c.unknownTruth(x, "this comparison")
}

func (e *Encoding) sameTruth(a, b Truth) Truth {
	if e.sure(a) && e.sure(b) {
		return e.always(e.Equal(a.True, b.True))
	}
	return Truth{
		e.Or(e.And(a.True, b.True), e.And(a.False, b.False)),
		e.Or(e.And(a.True, b.False), e.And(a.False, b.True)),
	}
}

func (e *Encoding) sameNumber(a, b number) Truth {
	ok := e.And(a.ok, b.ok)
	if a.hi < b.lo || b.hi < a.lo {
		return e.truth(ok, e.False())
	}
	return e.truth(ok, e.Equal(a.term, b.term))
}

// order encodes `a < b`.
func (c *coder) order(x, a, b ast.Expr, _ bool) Truth {
	e := c.e
	switch c.kind(a) {
	case types.IntKind, types.TimestampKind, types.DurationKind:
		m, n := c.number(a), c.number(b)
		ok := e.And(m.ok, n.ok)
		switch {
		case m.hi < n.lo:
			return e.truth(ok, e.True())
		case m.lo > n.hi:
			return e.truth(ok, e.False())
		}
		return e.truth(ok, e.Less(m.term, n.term))
	case types.StringKind:
		s, t := c.text(a), c.text(b)
		p, okP := c.plainText(s)
		q, okQ := c.plainText(t)
		if !okP || !okQ {
			return c.unknownTruth(x, "the order of texts in upper or lower case")
		}
		return e.truth(e.And(s.ok, t.ok), e.TextLess(p, q))
	case types.BoolKind:
		p, q := c.bools(a), c.bools(b)
		return Truth{e.And(p.False, q.True), e.Or(e.And(p.True, e.Or(q.True, q.False)), e.And(p.False, q.False))}
	}
	return c.unknownTruth(x, "this order")
}

// presence encodes `has(a.b)`.
func (c *coder) presence(x ast.Expr) Truth {
	e, operand, name := c.e, x.AsSelect().Operand(), x.AsSelect().FieldName()
	if record, ok := c.record(operand); ok {
		var yes, ok []*smt.Term
		for _, r := range record {
			there := e.True()
			if col, declared := r.columns[name]; declared {
				there = col.there
			}
			yes, ok = append(yes, e.And(r.when, there)), append(ok, r.when)
		}
		return e.truth(e.Or(ok...), e.Or(yes...))
	}
	around, ok := c.path(operand)
	path := around + "." + name
	if _, isConstant := c.s.data[path]; isConstant {
		return Truth{e.True(), e.False()}
	}
	m := c.s.members[path]
	if !ok || m == nil {
		return c.unknownTruth(x, "this has()")
	}
	here := e.True()
	if m.optional {
		here = e.has(path)
	}
	return e.truth(e.there(c.s, around), here)
}

// readBool encodes a name of type bool.
func (c *coder) readBool(x ast.Expr) Truth {
	e := c.e
	if v, ok := c.local(x); ok && v.truth != nil {
		return *v.truth
	}
	if v, ok := c.column(x); ok {
		var yes, no []*smt.Term
		for _, p := range v {
			if p.value.truth != nil {
				yes = append(yes, e.And(p.when, p.value.truth.True))
				no = append(no, e.And(p.when, p.value.truth.False))
			}
		}
		return Truth{e.Or(yes...), e.Or(no...)}
	}
	path, ok := c.path(x)
	if d, isConstant := c.s.data[path]; ok && isConstant {
		return Truth{e.Bool(d.Value == true), e.Bool(d.Value == false)}
	}
	if m := c.s.members[path]; ok && m != nil && m.typ.Kind == pdl.Bool {
		return e.truth(e.there(c.s, path), e.variable(path, smt.Bool, nil))
	}
	return c.unknownTruth(x, "this value")
}
