package eval

import (
	"math"
	"unicode/utf8"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// ints lowers an expression of type int.
func (l *lowerer) ints(e ast.Expr) expr[int64] {
	return scalar(l, intDomain(), e, func(call ast.CallExpr) expr[int64] {
		if f := arithmetic(call.FunctionName()); f != nil && len(call.Args()) == 2 {
			return strict(l.ints(call.Args()[0]), l.ints(call.Args()[1]), f)
		}
		switch call.FunctionName() {
		case operators.Negate:
			return strict(constant(int64(0)), l.ints(call.Args()[0]), subtract)
		case "size":
			return l.size(e, call)
		}
		if clock(call.FunctionName()) != nil {
			return l.clockPart(e, call)
		}
		return refuse[int64](l, e, "%s is not part of the language", call.FunctionName())
	})
}

// size counts the code points of a string or the elements of a list. It is
// written size(x) or x.size().
func (l *lowerer) size(e ast.Expr, call ast.CallExpr) expr[int64] {
	of := call.Target()
	if !call.IsMemberFunction() {
		of = call.Args()[0]
	}
	switch l.kind(of) {
	case types.StringKind:
		count := func(s string) int64 { return int64(utf8.RuneCountInString(s)) }
		return pricedPure(l.strings(of), func(s string) int { return 1 + len(s)/bytesBuilt }, count)
	case types.ListKind:
		return l.length(of)
	case types.OpaqueKind:
		if l.isType(of, typeJSON) {
			return l.count(of)
		}
		return refuse[int64](l, e, "it has no size")
	default:
		return refuse[int64](l, e, "only strings and lists have a size")
	}
}

func arithmetic(operator string) func(x, y int64) (int64, fault) {
	switch operator {
	case operators.Add:
		return add
	case operators.Subtract:
		return subtract
	case operators.Multiply:
		return multiply
	case operators.Divide:
		return divide
	case operators.Modulo:
		return modulo
	}
	return nil
}

func add(x, y int64) (int64, fault) {
	sum := x + y
	if (sum > x) != (y > 0) {
		return sum, overflowUnless(y == 0)
	}
	return sum, 0
}

func subtract(x, y int64) (int64, fault) {
	difference := x - y
	if (difference < x) != (y > 0) {
		return difference, overflowUnless(y == 0)
	}
	return difference, 0
}

func overflowUnless(fine bool) fault {
	if fine {
		return 0
	}
	return faultOverflow
}

func multiply(x, y int64) (int64, fault) {
	if x == 0 || y == 0 {
		return 0, 0
	}
	product := x * y
	// MinInt64 * -1 wraps to MinInt64, and dividing back does not show it.
	if x == -1 && y == math.MinInt64 || y == -1 && x == math.MinInt64 || product/y != x {
		return 0, faultOverflow
	}
	return product, 0
}

func divide(x, y int64) (int64, fault) {
	switch {
	case y == 0:
		return 0, faultDivision
	case x == math.MinInt64 && y == -1:
		return 0, faultOverflow
	}
	return x / y, 0
}

// modulo has the sign of the dividend, as in Go and CEL.
func modulo(x, y int64) (int64, fault) {
	switch {
	case y == 0:
		return 0, faultDivision
	case x == math.MinInt64 && y == -1:
		return 0, faultOverflow
	}
	return x % y, 0
}
