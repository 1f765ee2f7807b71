package eval

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// equality lowers `a == b`; both sides have one type, as the checker saw to.
func (l *lowerer) equality(e ast.Expr) cond {
	a, b := e.AsCall().Args()[0], e.AsCall().Args()[1]
	f := familyOf(l.kind(a))
	switch {
	case l.kind(a) != l.kind(b):
		return l.refuseBool(e, "it compares different types")
	case l.kind(a) == types.ListKind:
		return l.listEquality(e, a, b)
	case l.kind(a) == types.OpaqueKind:
		return l.addressEquality(e, a, b)
	case f == nil:
		return l.refuseBool(e, "values of type %v cannot be compared", l.ast.GetType(a.ID()))
	}
	return f.equal(l, a, b)
}

func (d domain[T]) equal(l *lowerer, a, b ast.Expr) cond {
	same := func(x, y T) bool { return x == y }
	if d.matching == nil || l.brief(a, b) {
		return test(d.lower(l, a), d.lower(l, b), same)
	}
	return priced(d.lower(l, a), d.lower(l, b), d.matching, same)
}

// test lowers a comparison of two operands that both must have values.
func test[A, B any](a expr[A], b expr[B], holds func(A, B) bool) cond {
	return func(fr *frame) tri {
		x, f := a(fr)
		if f != 0 {
			return failed(f)
		}
		y, f := b(fr)
		if f != 0 {
			return failed(f)
		}
		return truth(holds(x, y))
	}
}

// inequality lowers `<`, `<=`, `>` and `>=`.
func (l *lowerer) inequality(e ast.Expr) cond {
	call := e.AsCall()
	f := familyOf(l.kind(call.Args()[0]))
	if f == nil || l.kind(call.Args()[0]) != l.kind(call.Args()[1]) {
		return l.refuseBool(e, "it orders what has no order, or different types")
	}
	return f.order(l, call)
}

func (d domain[T]) order(l *lowerer, call ast.CallExpr) cond {
	a, b, holds := d.lower(l, call.Args()[0]), d.lower(l, call.Args()[1]), d.ordered(call.FunctionName())
	if d.ordering == nil || l.brief(call.Args()[0], call.Args()[1]) {
		return test(a, b, holds)
	}
	return priced(a, b, d.ordering, holds)
}

func (d domain[T]) ordered(operator string) func(x, y T) bool {
	compare := d.compare
	switch operator {
	case operators.Less:
		return func(x, y T) bool { return compare(x, y) < 0 }
	case operators.LessEquals:
		return func(x, y T) bool { return compare(x, y) <= 0 }
	case operators.Greater:
		return func(x, y T) bool { return compare(x, y) > 0 }
	}
	return func(x, y T) bool { return compare(x, y) >= 0 }
}
