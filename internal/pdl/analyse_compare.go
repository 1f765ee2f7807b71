package pdl

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// compared judges comparisons and the functions that say yes or no.
func (a *analyst) compared(e ast.Expr, k *knowledge) (t, f *knowledge) {
	call := e.AsCall()
	args := call.Args()
	name := call.FunctionName()
	switch name {
	case operators.Less:
		return a.less(comparison{e: e, x: args[0], y: args[1]}, k)
	case operators.Greater:
		return a.less(comparison{e: e, x: args[1], y: args[0]}, k)
	case operators.GreaterEquals:
		return a.less(comparison{e: e, x: args[0], y: args[1], not: true}, k)
	case operators.LessEquals:
		return a.less(comparison{e: e, x: args[1], y: args[0], not: true}, k)
	case operators.Equals:
		return a.equal(comparison{e: e, x: args[0], y: args[1]}, k)
	case operators.NotEquals:
		return a.equal(comparison{e: e, x: args[0], y: args[1], not: true}, k)
	case operators.In:
		return a.member(e, args[0], args[1], k)
	case "isIP", "isCIDR":
		return a.parses(e, args[0], k)
	case "active":
		a.within(args[0], k)
	case "containsIP", "containsCIDR":
		a.value(call.Target(), k)
		if a.typeOf(args[0]).Kind() == types.StringKind {
			a.parsed(strings.Replace(name, "contains", "is", 1), args[0], k)
			break
		}
		a.value(args[0], k)
	default:
		return a.tested(e, k)
	}
	return a.atom(e, k, ofBool(true, true))
}

// A comparison is x < y or x == y, or that it is not.
type comparison struct {
	e, x, y ast.Expr
	not     bool
}

// side puts what is known where the comparison is true first.
func (c comparison) side(t, f *knowledge) (*knowledge, *knowledge) {
	if c.not {
		return f, t
	}
	return t, f
}

// less judges x < y.
func (a *analyst) less(c comparison, k *knowledge) (t, f *knowledge) {
	x, y := c.x, c.y
	rx, ry := a.value(x, k), a.value(y, k)
	if a.same(x, y) {
		return a.sided(c.e, ": both sides are the same", func() (t, f *knowledge) { return c.side(never(), k) })
	}
	key := relation(a.key(x), "<", a.key(y))
	if !isSpan(rx.kind) {
		return c.side(a.relate(key, k))
	}
	return a.sidedComparison(c, rx, ry, func() (t, f *knowledge) {
		fixed := rx.fixed || ry.fixed
		t, f = never(), never()
		if fixed || rx.span.lo < ry.span.hi {
			below, _ := subCut(ry.span.hi, step(rx.kind))
			above, _ := addCut(rx.span.lo, step(rx.kind))
			t = a.bound(a.bound(k, x, interval{math.MinInt64, below}, rx.kind, ry.fixed), y, interval{above, math.MaxInt64}, rx.kind, rx.fixed)
			t = t.learn(key, ofBool(true, false))
		}
		if fixed || rx.span.hi >= ry.span.lo {
			f = a.bound(a.bound(k, x, interval{ry.span.lo, math.MaxInt64}, rx.kind, ry.fixed), y, interval{math.MinInt64, rx.span.hi}, rx.kind, rx.fixed)
			f = f.learn(key, ofBool(false, true))
		}
		return t, f
	})
}

// same reports two terms that are written alike.
func (a *analyst) same(x, y ast.Expr) bool { return a.key(x) != "" && a.key(x) == a.key(y) }

// step is the least difference of two values of a kind that are not equal.
func step(kind types.Kind) int64 {
	if kind == types.TimestampKind {
		return 0 // they are followed in seconds
	}
	return 1
}

func isSpan(kind types.Kind) bool {
	return kind == types.IntKind || kind == types.DurationKind || kind == types.TimestampKind
}

func (a *analyst) bound(k *knowledge, e ast.Expr, span interval, kind types.Kind, fixed bool) *knowledge {
	r := ofSpan(kind, span)
	r.fixed = fixed
	return k.learn(a.key(e), r)
}

// relate judges what is known by its text alone.
func (a *analyst) relate(key string, k *knowledge) (t, f *knowledge) {
	t, f = k.learn(key, ofBool(true, false)), k.learn(key, ofBool(false, true))
	return t, f
}

// relation is the text of a comparison of two terms; "" where one is none.
func relation(x, operator, y string) string {
	if x == "" || y == "" {
		return ""
	}
	return x + " " + operator + " " + y
}

func (a *analyst) equal(c comparison, k *knowledge) (t, f *knowledge) {
	x, y := c.x, c.y
	switch {
	case isBool(y):
		return c.side(a.sameTruth(x, y.AsLiteral() == types.True, k))
	case isBool(x):
		return c.side(a.sameTruth(y, x.AsLiteral() == types.True, k))
	}
	rx, ry := a.value(x, k), a.value(y, k)
	if a.same(x, y) {
		return a.sided(c.e, ": both sides are the same", func() (t, f *knowledge) { return c.side(k, never()) })
	}
	key := relation(min(a.key(x), a.key(y)), "==", max(a.key(x), a.key(y)))
	switch {
	case isSpan(rx.kind):
		return a.sidedComparison(c, rx, ry, func() (t, f *knowledge) { return a.equalSpans(x, y, rx, ry, key, k) })
	case rx.kind == types.StringKind:
		return a.sidedComparison(c, rx, ry, func() (t, f *knowledge) { return a.equalTexts(x, y, rx, ry, key, k) })
	case rx.kind == types.ListKind:
		return c.side(a.equalLists(x, y, rx, ry, key, k))
	}
	return c.side(a.relate(key, k))
}

func isBool(e ast.Expr) bool {
	return e.Kind() == ast.LiteralKind && e.AsLiteral().Type() == types.BoolType
}

func (a *analyst) sameTruth(e ast.Expr, as bool, k *knowledge) (t, f *knowledge) {
	if t, f = a.cond(e, k); as {
		return t, f
	}
	return f, t
}

func (a *analyst) equalSpans(x, y ast.Expr, rx, ry reach, key string, k *knowledge) (t, f *knowledge) {
	fixed := rx.fixed || ry.fixed
	t, f = never(), never()
	if both := rx.span.meet(ry.span); fixed || !both.empty() {
		t = a.bound(a.bound(k, x, ry.span, rx.kind, ry.fixed), y, rx.span, rx.kind, rx.fixed).learn(key, ofBool(true, false))
	}
	if fixed || !rx.span.isSingle() || rx.span != ry.span {
		f = a.unlike(a.unlike(k, x, rx, ry), y, ry, rx).learn(key, ofBool(false, true))
	}
	return t, f
}

// unlike learns that e is not the one value that the other can have.
func (a *analyst) unlike(k *knowledge, e ast.Expr, own, other reach) *knowledge {
	if !other.span.isSingle() || own.kind == types.TimestampKind {
		return k
	}
	r := ofSpan(own.kind, anyInteger)
	r.fixed = other.fixed
	switch v := other.span.lo; {
	case own.span.lo == v && v < math.MaxInt64:
		r.span.lo = v + 1
	case own.span.hi == v && v > math.MinInt64:
		r.span.hi = v - 1
	case v == 0:
		r.nonzero = true
	}
	return k.learn(a.key(e), r)
}

func (a *analyst) equalTexts(x, y ast.Expr, rx, ry reach, key string, k *knowledge) (t, f *knowledge) {
	rx, ry = rx.folded(ry.fold), ry.folded(rx.fold)
	fixed := rx.fixed || ry.fixed
	both, empty := rx.and(ry)
	t, f = never(), never()
	if fixed || !empty {
		t = k.learn(a.key(x), ry).learn(a.key(y), rx).learn(key, ofBool(true, false))
	}
	if fixed || !rx.closed || !ry.closed || len(rx.words) != 1 || len(both.words) != 1 || len(ry.words) != 1 {
		f = k.learn(key, ofBool(false, true))
		f = a.notIn(a.notIn(f, x, ry), y, rx)
	}
	return t, f
}

// notIn learns that e is not the one text that another can be.
func (a *analyst) notIn(k *knowledge, e ast.Expr, other reach) *knowledge {
	if !other.closed || len(other.words) != 1 {
		return k
	}
	r := reach{kind: types.StringKind, length: interval{0, math.MaxInt64}, words: other.words, fixed: other.fixed}
	return k.learn(a.key(e), r)
}

// equalLists follows lengths alone.
func (a *analyst) equalLists(x, y ast.Expr, rx, ry reach, key string, k *knowledge) (t, f *knowledge) {
	f = k.learn(key, ofBool(false, true))
	if ry.length.hi == 0 {
		f = a.filled(f, x, rx)
	}
	if rx.length.hi == 0 {
		f = a.filled(f, y, ry)
	}
	t = k.learn(key, ofBool(true, false))
	t = t.learn(sizeKey(a.key(x)), ofSpan(types.IntKind, ry.length))
	return t.learn(sizeKey(a.key(y)), ofSpan(types.IntKind, rx.length)), f
}

func (a *analyst) filled(k *knowledge, list ast.Expr, r reach) *knowledge {
	return k.learn(sizeKey(a.key(list)), ofSpan(types.IntKind, interval{1, max(1, r.length.hi)}))
}

// member judges x in list.
func (a *analyst) member(e, x, list ast.Expr, k *knowledge) (t, f *knowledge) {
	rx, rl := a.value(x, k), a.value(list, k)
	key := relation(a.key(x), "in", a.key(list))
	if rl.elem == nil || !isSpan(rx.kind) && rx.kind != types.StringKind {
		return a.relate(key, k)
	}
	return a.sidedComparison(comparison{e: e, x: x, y: list}, rx, *rl.elem, func() (t, f *knowledge) {
		elem := rl.elem.folded(rx.fold)
		fixed := rx.fixed || rl.fixed || elem.fixed
		elem.fixed = fixed
		t = a.filled(k, list, rl).learn(a.key(x), elem).learn(key, ofBool(true, false))
		f = k.learn(key, ofBool(false, true))
		if _, empty := rx.and(elem); (empty || rl.length.hi == 0) && !fixed {
			t = never()
		}
		if written, ok := writtenTexts(list); ok && rx.kind == types.StringKind {
			f = f.learn(a.key(x), reach{kind: types.StringKind, length: interval{0, math.MaxInt64}, words: written})
			if rx.closed && !fixed && !slices.ContainsFunc(rx.words, func(w string) bool { return !contains(written, w) }) {
				f = never()
			}
		}
		return t, f
	})
}

// writtenTexts returns the texts of a list of literals, sorted.
func writtenTexts(list ast.Expr) ([]string, bool) {
	if list.Kind() != ast.ListKind {
		return nil, false
	}
	var words []string
	for _, x := range list.AsList().Elements() {
		w, ok := textOf(x)
		if !ok {
			return nil, false
		}
		words = append(words, w)
	}
	slices.Sort(words)
	return slices.Compact(words), true
}

// tested judges startsWith, matches and the like. Of an attribute with few
// values the simple ones leave those that they hold for.
func (a *analyst) tested(e ast.Expr, k *knowledge) (t, f *knowledge) {
	call := e.AsCall()
	r := a.value(call.Target(), k)
	for _, arg := range call.Args() {
		a.value(arg, k)
	}
	holds := map[string]func(string, string) bool{"startsWith": strings.HasPrefix, "endsWith": strings.HasSuffix, "contains": strings.Contains}[call.FunctionName()]
	arg, literal := textOf(call.Args()[0])
	if !r.closed || holds == nil || !literal {
		return a.atom(e, k, ofBool(true, true))
	}
	return a.split(e, call.Target(), r, k, func(w string) bool { return holds(w, arg) })
}

// parses judges isIP() and isCIDR().
func (a *analyst) parses(e, text ast.Expr, k *knowledge) (t, f *knowledge) {
	if r := a.value(text, k); r.closed {
		return a.split(e, text, r, k, parserOf(e.AsCall().FunctionName()))
	}
	return a.atom(e, k, ofBool(true, true))
}

func parserOf(test string) func(string) bool {
	if test == "isIP" {
		return isAddress
	}
	return isRange
}

// split judges a test of a text that is one of few.
func (a *analyst) split(e, text ast.Expr, r reach, k *knowledge, holds func(string) bool) (t, f *knowledge) {
	return a.sided(e, about(a.shown(text), r), func() (t, f *knowledge) {
		var with, without []string
		for _, w := range r.words {
			if holds(w) {
				with = append(with, w)
			} else {
				without = append(without, w)
			}
		}
		t, f = never(), never()
		if len(with) > 0 || r.fixed {
			t = k.learn(a.key(text), r.only(with)).learn(a.key(e), ofBool(true, false))
		}
		if len(without) > 0 || r.fixed {
			f = k.learn(a.key(text), r.only(without)).learn(a.key(e), ofBool(false, true))
		}
		return t, f
	})
}

// sidedComparison reports a comparison that can only go one way, with what is
// known about the side that is not written.
func (a *analyst) sidedComparison(c comparison, rx, ry reach, judge func() (t, f *knowledge)) (*knowledge, *knowledge) {
	note := about(a.shown(c.x), rx)
	if c.x.Kind() == ast.LiteralKind {
		note = about(a.shown(c.y), ry)
	}
	return a.sided(c.e, note, func() (t, f *knowledge) { return c.side(judge()) })
}

// about says what a term can be, where that can be said shortly.
func about(term string, r reach) string {
	const shown = 5
	switch {
	case term == "":
		return ""
	case r.kind == types.StringKind && r.closed && len(r.words) > 0 && len(r.words) <= shown:
		return fmt.Sprintf(": %s is %s", term, strings.Join(r.words, ", "))
	case isSpan(r.kind) && (r.span != anyInteger && r.span != everyInstant):
		return fmt.Sprintf(": %s is %s", term, r.said())
	}
	return ""
}

// said writes a span for people.
func (a reach) said() string {
	write := func(i int64) string {
		switch a.kind {
		case types.DurationKind:
			return time.Duration(i).String()
		case types.TimestampKind:
			return time.Unix(i, 0).UTC().Format("2006-01-02")
		default:
			return itoa(i)
		}
	}
	if a.span.isSingle() {
		return write(a.span.lo)
	}
	return write(a.span.lo) + " to " + write(a.span.hi)
}
