package pdl

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

func itoa(i int64) string { return strconv.FormatInt(i, 10) }

// arithmetic judges + - * / % and the sign, and reports results that there may
// not be.
func (a *analyst) arithmetic(e ast.Expr, operator string, args []ast.Expr, k *knowledge) reach {
	if operator == operators.Negate {
		args = []ast.Expr{nil, args[0]}
	}
	x, y := ofSpan(types.IntKind, single64(0)), a.value(args[1], k)
	if args[0] != nil {
		x = a.value(args[0], k)
	}
	if a.typeOf(e).Kind() == types.StringKind {
		length, _ := x.length.plus(y.length)
		return reach{kind: types.StringKind, length: length, fixed: x.fixed || y.fixed}
	}
	var r reach
	switch {
	case x.kind == types.TimestampKind && y.kind == types.TimestampKind:
		r = a.apart(e, x, y)
	case x.kind == types.TimestampKind:
		r = a.moved(e, x, y, operator == operators.Subtract)
	case y.kind == types.TimestampKind:
		r = a.moved(e, y, x, false)
	default:
		r = a.computed(e, operator, args, x, y)
	}
	r.fixed = x.fixed || y.fixed
	return r
}

// computed judges arithmetic of ints, and of durations.
func (a *analyst) computed(e ast.Expr, operator string, args []ast.Expr, x, y reach) reach {
	r := reach{kind: y.kind}
	var overflows bool
	switch operator {
	case operators.Add:
		r.span, overflows = x.span.plus(y.span)
	case operators.Subtract, operators.Negate:
		r.span, overflows = x.span.minus(y.span)
	case operators.Multiply:
		r.span, overflows = x.span.times(y.span)
	default:
		a.divisor(e, args[1], y)
		r.span, overflows = x.span.over(y.span)
		if operator == operators.Modulo {
			r.span, overflows = x.span.modulo(y.span)
		}
		if r.span.empty() { // of a division by zero alone
			r.span = anyInteger
		}
	}
	if overflows {
		a.overflow(e, args, x, y)
	}
	return r
}

// divisor reports a division by what may be zero.
func (a *analyst) divisor(e, by ast.Expr, y reach) {
	if !y.span.has(0) || y.nonzero {
		return
	}
	shown := a.shown(by)
	if shown == "" {
		a.unproved(e, "test it before", "this may be a division by zero: the right side is %s", y.said())
		return
	}
	a.unproved(e, "write "+shown+" != 0 && … before it", "this may be a division by zero: %s is %s", shown, y.said())
}

func (a *analyst) overflow(e ast.Expr, args []ast.Expr, x, y reach) {
	var notes []string
	for i, r := range []reach{x, y} {
		if args[i] == nil || args[i].Kind() == ast.LiteralKind {
			continue
		}
		term := cmp.Or(a.shown(args[i]), []string{"the left side", "the right side"}[i])
		if note := term + " is " + r.said(); !slices.Contains(notes, note) {
			notes = append(notes, note)
		}
	}
	note := ": " + strings.Join(notes, ", ")
	if y.kind == types.DurationKind {
		a.unproved(e, "test them before", "this duration may exceed 292 years%s", note)
		return
	}
	a.unproved(e, "declare narrower ranges such as int(0..1000000), or test them before", "this may exceed 64 bits%s", note)
}

// moved judges an instant that a duration moves.
func (a *analyst) moved(e ast.Expr, at, by reach, back bool) reach {
	seconds := interval{floorSeconds(by.span.lo), floorSeconds(by.span.hi) + 1}
	span, _ := at.span.plus(seconds)
	if back {
		span, _ = at.span.minus(seconds)
		if by.span.lo == math.MinInt64 {
			a.unproved(e, "test them before", "this duration may be too long to be subtracted")
		}
	}
	if by.span.isSingle() && by.span.lo%int64(time.Second) == 0 { // exactly
		exact := single64(by.span.lo / int64(time.Second))
		if span, _ = at.span.plus(exact); back {
			span, _ = at.span.minus(exact)
		}
	}
	if !span.within(everyInstant) {
		a.unproved(e, "test it before", "this instant may lie outside the years 1 to 9999")
	}
	return ofSpan(types.TimestampKind, span.meet(everyInstant))
}

func floorSeconds(ns int64) int64 {
	s := ns / int64(time.Second)
	if ns%int64(time.Second) < 0 {
		s--
	}
	return s
}

// apart judges the difference of two instants.
func (a *analyst) apart(e ast.Expr, x, y reach) reach {
	const most = math.MaxInt64 / int64(time.Second)
	seconds, _ := x.span.minus(y.span)
	if !seconds.within(interval{-most, most}) {
		a.unproved(e, "test them before", "this duration may exceed 292 years: one instant is %s, the other %s", x.said(), y.said())
		seconds = seconds.meet(interval{-most, most})
	}
	if seconds.empty() {
		seconds = interval{-most, most}
	}
	return ofSpan(types.DurationKind, interval{seconds.lo * int64(time.Second), seconds.hi * int64(time.Second)})
}

// sizeKey is the text of the size of a term.
func sizeKey(key string) string {
	if key == "" {
		return ""
	}
	return "size(" + key + ")"
}

// key is the text of a term: equal texts have equal values wherever they stand.
// It is "" of what is followed by nothing: literals, choices, loops.
func (a *analyst) key(e ast.Expr) string {
	key, known := a.keys[e.ID()]
	if !known {
		key = a.spell(e)
		a.keys[e.ID()] = key
	}
	return key
}

func (a *analyst) spell(e ast.Expr) string {
	switch e.Kind() {
	case ast.IdentKind:
		for i := len(a.loops) - 1; i >= 0; i-- {
			if a.loops[i].name == e.AsIdent() {
				return a.loops[i].key
			}
		}
		return e.AsIdent()
	case ast.SelectKind:
		of := a.key(e.AsSelect().Operand())
		if e.AsSelect().IsTestOnly() && of != "" {
			return "has(" + of + "." + e.AsSelect().FieldName() + ")"
		}
		if of == "" {
			return ""
		}
		return of + "." + e.AsSelect().FieldName()
	case ast.CallKind:
		return a.spellCall(e)
	default:
		return ""
	}
}

func (a *analyst) spellCall(e ast.Expr) string {
	call := e.AsCall()
	args := call.Args()
	if call.IsMemberFunction() && call.FunctionName() != "size" {
		args = append([]ast.Expr{call.Target()}, args...)
	} else if call.IsMemberFunction() {
		args = []ast.Expr{call.Target()}
	}
	text, terms := call.FunctionName()+"(", 0
	for i, x := range args {
		part := a.key(x)
		switch {
		case part != "":
			terms++
		case x.Kind() == ast.LiteralKind:
			part = fmt.Sprintf("%q", fmt.Sprint(x.AsLiteral().Value()))
		default:
			return ""
		}
		if i > 0 {
			text += ", "
		}
		text += part
	}
	if terms == 0 && call.FunctionName() != "timestamp" && call.FunctionName() != "duration" || len(text) > maxKey {
		return ""
	}
	return text + ")"
}

// maxKey bounds the texts of terms, in bytes.
const maxKey = 300

func (a *analyst) loopKey(e ast.Expr, name string) string { return fmt.Sprintf("%s#%d", name, e.ID()) }

// shown is a term as people write it, or "" where it is long.
func (a *analyst) shown(e ast.Expr) string {
	if path := PathOf(e); path != "" {
		return path
	}
	if e.Kind() != ast.CallKind {
		return ""
	}
	call := e.AsCall()
	args := call.Args()
	switch {
	case call.FunctionName() == "size" && len(args) == 1:
		if of := a.shown(args[0]); of != "" {
			return "size(" + of + ")"
		}
	case call.FunctionName() == operators.Index && args[1].Kind() == ast.LiteralKind:
		if of := a.shown(args[0]); of != "" {
			return fmt.Sprintf("%s[%v]", of, args[1].AsLiteral().Value())
		}
	case call.IsMemberFunction() && len(args) == 0:
		if of := a.shown(call.Target()); of != "" {
			return of + "." + call.FunctionName() + "()"
		}
	}
	return ""
}
