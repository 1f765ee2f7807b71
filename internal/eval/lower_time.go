package eval

import (
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// times lowers an expression of type timestamp.
func (l *lowerer) times(e ast.Expr) expr[instant] {
	return scalar(l, timeDomain(), e, func(call ast.CallExpr) expr[instant] {
		switch call.FunctionName() {
		case "timestamp":
			v, ok := parsed[types.Timestamp](call, types.TimestampType)
			if !ok {
				return refuse[instant](l, e, "timestamp() takes a literal such as \"2026-11-23T20:00:00Z\"")
			}
			return constant(instantOf(v.Time))
		case operators.Add:
			at, by := call.Args()[0], call.Args()[1]
			if l.kind(at) == types.DurationKind {
				at, by = by, at
			}
			return strict(l.times(at), l.spans(by), addSpan)
		case operators.Subtract:
			return strict(l.times(call.Args()[0]), l.spans(call.Args()[1]), subtractSpan)
		}
		return refuse[instant](l, e, "%s is not part of the language", call.FunctionName())
	})
}

// spans lowers an expression of type duration.
func (l *lowerer) spans(e ast.Expr) expr[time.Duration] {
	return scalar(l, spanDomain(), e, func(call ast.CallExpr) expr[time.Duration] {
		switch call.FunctionName() {
		case "duration":
			v, ok := parsed[types.Duration](call, types.DurationType)
			if !ok {
				return refuse[time.Duration](l, e, "duration() takes a literal such as \"24h\"")
			}
			return constant(v.Duration)
		case operators.Add:
			return strict(l.spans(call.Args()[0]), l.spans(call.Args()[1]), onSpans(add))
		case operators.Subtract:
			if l.kind(call.Args()[0]) == types.TimestampKind {
				return strict(l.times(call.Args()[0]), l.times(call.Args()[1]), between)
			}
			return strict(l.spans(call.Args()[0]), l.spans(call.Args()[1]), onSpans(subtract))
		}
		return refuse[time.Duration](l, e, "%s is not part of the language", call.FunctionName())
	})
}

func onSpans(f func(x, y int64) (int64, fault)) func(x, y time.Duration) (time.Duration, fault) {
	return func(x, y time.Duration) (time.Duration, fault) {
		d, fault := f(int64(x), int64(y))
		return time.Duration(d), fault
	}
}

// parsed converts the literal string argument of a call as cel-go does.
func parsed[T any](call ast.CallExpr, to *types.Type) (v T, ok bool) {
	text, ok := literal(call.Args()[0])
	s, isString := text.(types.String)
	if !ok || !isString {
		return v, false
	}
	v, ok = s.ConvertToType(to).(T)
	return v, ok
}
