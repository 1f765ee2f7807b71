package formula

import (
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/strixlabs/execution-kernel/internal/smt"
)

const (
	boolKind   = types.BoolKind
	stringKind = types.StringKind
)

// over combines what is said of each list that an expression may be.
func (c *coder) over(x ast.Expr, say func(*list) Truth) Truth {
	e := c.e
	var yes, no []*smt.Term
	for _, ch := range c.choices(x) {
		t := say(ch.list)
		here := e.And(ch.when, ch.ok)
		if here.IsTrue() {
			return t // there is no other list
		}
		yes, no = append(yes, e.And(here, t.True)), append(no, e.And(here, t.False))
	}
	return Truth{e.Or(yes...), e.Or(no...)}
}

// quantify encodes exists, all and exists_one.
func (c *coder) quantify(x ast.Expr) Truth {
	q, ok := quantifierOf(x)
	if !ok {
		return c.unknownTruth(x, "this loop")
	}
	return c.over(q.over, func(l *list) Truth {
		results := make([]Truth, len(l.places))
		for i, p := range l.places {
			c.scope = append(c.scope, local{q.variable, p.value})
			results[i] = c.bools(q.test)
			c.scope = c.scope[:len(c.scope)-1]
		}
		return c.e.fold(q.function, l, results)
	})
}

// fold is what the results of the elements make together.
func (e *Encoding) fold(function string, l *list, results []Truth) Truth {
	var yes, no, decided, counts []*smt.Term
	for i, p := range l.places {
		t := results[i]
		off := e.Not(p.on)
		switch function {
		case exists:
			yes, no = append(yes, e.And(p.on, t.True)), append(no, e.Or(off, t.False))
		case forAll:
			yes, no = append(yes, e.Or(off, t.True)), append(no, e.And(p.on, t.False))
		default:
			decided = append(decided, e.Or(off, t.True, t.False))
			counts = append(counts, e.If(e.And(p.on, t.True), p.count, e.Int(0)))
		}
	}
	sure := !slices.ContainsFunc(results, func(t Truth) bool { return !e.sure(t) })
	switch {
	case function == exists && sure:
		return e.always(e.Or(yes...))
	case function == forAll && sure:
		return e.always(e.And(yes...))
	case function == exists:
		return Truth{e.Or(yes...), e.And(no...)}
	case function == forAll:
		return Truth{e.And(yes...), e.Or(no...)}
	}
	if sure {
		decided = nil
	}
	return e.truth(e.And(decided...), e.Equal(e.Add(counts...), e.Int(1)))
}

// membership encodes `x in list`.
func (c *coder) membership(x, item, items ast.Expr) Truth {
	e := c.e
	want, ok := c.scalar(item)
	found := c.over(items, func(l *list) Truth {
		s, isLiteral := textLiteral(item)
		var any []*smt.Term
		for _, p := range l.places {
			if isLiteral && p.value.txt != nil && l.places[0].named {
				if p.named && *p.value.txt.lit == s {
					any = append(any, p.on)
				}
				continue
			}
			any = append(any, e.And(p.on, c.sameElement(x, p.value, want)))
		}
		yes := e.Or(any...)
		return Truth{yes, e.Not(yes)}
	})
	return Truth{e.And(ok, found.True), e.And(ok, found.False)}
}

// sameElement compares two elements that have values.
func (c *coder) sameElement(x ast.Expr, a, b element) *smt.Term {
	switch {
	case a.num != nil && b.num != nil:
		return c.e.sameNumber(*a.num, *b.num).True
	case a.txt != nil && b.txt != nil:
		return c.sameText(x, *a.txt, *b.txt).True
	case a.truth != nil && b.truth != nil:
		return c.e.Equal(a.truth.True, b.truth.True)
	}
	return c.unknownTruth(x, "this comparison of elements").True
}

// sameList encodes the equality of two lists.
func (c *coder) sameList(x, a, b ast.Expr) Truth {
	return c.over(a, func(l *list) Truth {
		return c.over(b, func(m *list) Truth {
			yes := c.equalLists(x, l, m)
			return Truth{yes, c.e.Not(yes)}
		})
	})
}

func (c *coder) equalLists(x ast.Expr, l, m *list) *smt.Term {
	e := c.e
	if l.path != "" && l.path == m.path {
		return e.True()
	}
	facts := []*smt.Term{e.Equal(l.length, m.length)}
	n := min(l.ordered, m.ordered)
	for i := range n {
		facts = append(facts, e.Or(e.Not(l.places[i].on), e.Not(m.places[i].on), c.sameElement(x, l.places[i].value, m.places[i].value)))
	}
	if !(l.whole && n == l.ordered) && !(m.whole && n == m.ordered) {
		c.approximate(x, "the order of long lists")
		facts = append(facts, e.Or(e.LessEqual(l.length, e.Int(int64(n))), e.anything(smt.Bool, "rest "+l.path+" == "+m.path+" in "+c.keyOf(x))))
	}
	return e.And(facts...)
}

func (c *coder) length(x ast.Expr) number {
	var options []number
	var when []*smt.Term
	for _, ch := range c.choices(x) {
		lo, hi := outward(0, float64(ch.most))
		options = append(options, number{c.e.True(), ch.length, lo, hi})
		when = append(when, c.e.And(ch.when, ch.ok))
	}
	return c.e.merge(when, options)
}

// merge chooses the number whose condition holds.
func (e *Encoding) merge(when []*smt.Term, options []number) number {
	if len(options) == 0 {
		return number{e.False(), e.Int(0), 0, 0}
	}
	last := len(options) - 1
	n := options[last]
	for i := last - 1; i >= 0; i-- {
		o := options[i]
		n = number{nil, e.If(when[i], o.term, n.term), min(n.lo, o.lo), max(n.hi, o.hi)}
	}
	n.ok = e.Or(when...)
	return n
}

// A spot is an element at an index, and when it is that one.
type spot struct {
	when  *smt.Term
	value element
}

// pick lists the elements that list[index] may be.
func (c *coder) pick(x ast.Expr) []spot {
	e, args := c.e, x.AsCall().Args()
	at := c.number(args[1])
	var list []spot
	for _, ch := range c.choices(args[0]) {
		here := e.And(ch.when, ch.ok, at.ok)
		for i, p := range ch.places[:ch.ordered] {
			list = append(list, spot{e.And(here, p.on, e.Equal(at.term, e.Int(int64(i)))), p.value})
		}
		if !ch.whole && (at.hi >= float64(ch.ordered)) && (at.term.Sort() == smt.Int) {
			list = append(list, c.pickBehind(x, ch, here, at)...)
		}
	}
	return list
}

// pickBehind is what an index may find behind the places in order: any element
// of the bag, which one is not known.
func (c *coder) pickBehind(x ast.Expr, ch choice, here *smt.Term, at number) []spot {
	e := c.e
	behind := e.And(here, e.LessEqual(e.Int(int64(ch.ordered)), at.term), e.Less(at.term, ch.length))
	if behind.IsFalse() {
		return nil
	}
	c.approximate(x, "an index into a long list")
	which := e.anything(smt.Int, "which of "+c.keyOf(x))
	var list []spot
	var any []*smt.Term
	for i, p := range ch.places[ch.ordered:] {
		is := e.And(p.on, e.Equal(which, e.Int(int64(i))))
		any = append(any, is)
		list = append(list, spot{e.And(behind, is), p.value})
	}
	e.common = append(e.common, e.Implies(behind, e.Or(any...)))
	return list
}

func (c *coder) pickNumber(x ast.Expr) number { return c.oneNumber(c.pick(x)) }

func (c *coder) oneNumber(spots []spot) number {
	var when []*smt.Term
	var options []number
	for _, s := range spots {
		if s.value.num != nil {
			when, options = append(when, s.when), append(options, *s.value.num)
		}
	}
	return c.e.merge(when, options)
}

func (c *coder) pickTruth(x ast.Expr) Truth {
	e := c.e
	var yes, no []*smt.Term
	for _, s := range c.pick(x) {
		if s.value.truth != nil {
			yes, no = append(yes, e.And(s.when, s.value.truth.True)), append(no, e.And(s.when, s.value.truth.False))
		}
	}
	return Truth{e.Or(yes...), e.Or(no...)}
}

func (c *coder) pickText(x ast.Expr) text { return c.oneText(x, c.pick(x)) }

// oneText chooses the text whose condition holds.
func (c *coder) oneText(x ast.Expr, spots []spot) text {
	e := c.e
	if len(spots) == 0 {
		t := e.literal("")
		t.ok = e.False()
		return t
	}
	var when []*smt.Term
	t, started := text{}, false
	for i := len(spots) - 1; i >= 0; i-- {
		s := spots[i]
		if s.value.txt == nil {
			continue
		}
		when = append(when, s.when)
		o := *s.value.txt
		o.ok = e.True()
		if !started {
			t, started = o, true
			continue
		}
		t.ok = e.True()
		t = c.chooseText(x, Truth{s.when, e.Not(s.when)}, o, t)
	}
	t.ok = e.Or(when...)
	return t
}

// record lists the records that an expression may be: the variable of a loop,
// or list[index].
func (c *coder) record(x ast.Expr) ([]recordSpot, bool) {
	if v, ok := c.local(x); ok && v.columns != nil {
		return []recordSpot{{c.e.True(), v.columns}}, true
	}
	if x.Kind() != ast.CallKind || x.AsCall().FunctionName() != operators.Index || c.elemKind(x.AsCall().Args()[0]) != types.StructKind {
		return nil, false
	}
	var list []recordSpot
	for _, s := range c.pick(x) {
		list = append(list, recordSpot{s.when, s.value.columns})
	}
	return list, true
}

type recordSpot struct {
	when    *smt.Term
	columns map[string]column
}

// column lists the values that `record.name` may be.
func (c *coder) column(x ast.Expr) ([]spot, bool) {
	if x.Kind() != ast.SelectKind {
		return nil, false
	}
	records, ok := c.record(x.AsSelect().Operand())
	if !ok {
		return nil, false
	}
	var list []spot
	for _, r := range records {
		if col, declared := r.columns[x.AsSelect().FieldName()]; declared {
			list = append(list, spot{c.e.And(r.when, col.there), col.value})
		}
	}
	return list, true
}
