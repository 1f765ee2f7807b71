package eval

import "cel.dev/cel-go/common/ast"

// maxWork bounds the evaluation of one condition: a step is an element that a
// loop visits, some bytes that a comparison or a search reads or that a text is
// built of, or one byte against one instruction of a pattern. A condition that
// takes more has no value, so the request is denied: one large request must not
// hold up all the others.
//
// Four million steps take 10 ms to 200 ms on one core, depending on what they
// are spent on. The bound is counted and not timed, so that a verdict is the
// same on every machine. Each condition has its own: those of many rules add up.
//
// Only what grows with the request, or stands in a loop, is counted: everything
// else is bounded by the length of the condition. That makes comparisons with
// constants free outside of loops, the checks of a rule among them, so that it
// does not matter whether they are taken out of the condition.
const maxWork = 1 << 22

// Bytes that take about as long as a step.
const (
	bytesCompared = 64
	bytesSearched = 32
	bytesBuilt    = 8 // or counted as characters
	bytesShifted  = 4
)

// Steps of what takes longer than most.
const (
	allocation = 4
	moment     = 8 // an address that is read, a calendar, a part of local time
)

// bounded gives a condition its work anew each time it is evaluated. The work
// of one condition never depends on that of another, nor on their order.
func bounded(c cond) cond {
	return func(fr *frame) tri {
		fr.work = maxWork
		return c(fr)
	}
}

// spend takes work from the frame, and reports whether there was enough.
func (f *frame) spend(steps int) bool {
	f.work -= steps
	return f.work >= 0
}

// reading is the work of a search through n characters.
func reading(n int) int { return 1 + n/bytesSearched }

// building is the work of making a text of n bytes, which bounds the room of
// all that a condition makes.
func building(n int) int { return allocation + n/bytesBuilt }

// A price is the work of a function of two operands.
type price[A, B any] func(A, B) int

// matching is the price of `==`, which reads only texts of the same length.
func matching(x, y string) int {
	if len(x) != len(y) {
		return 0
	}
	return len(x) / bytesCompared
}

// ordering is the price of `<`.
func ordering(x, y string) int { return min(len(x), len(y)) / bytesCompared }

// affix is the price of startsWith and endsWith.
func affix(x, y string) int {
	if len(y) > len(x) {
		return 0
	}
	return len(y) / bytesCompared
}

// priced is test of operands that are not small.
func priced[A, B any](a expr[A], b expr[B], steps price[A, B], holds func(A, B) bool) cond {
	return func(fr *frame) tri {
		x, f := a(fr)
		if f != 0 {
			return failed(f)
		}
		y, f := b(fr)
		switch {
		case f != 0:
			return failed(f)
		case !fr.spend(steps(x, y)):
			return failed(faultWork)
		}
		return truth(holds(x, y))
	}
}

// pricedPure is pure of an operand that is not small.
func pricedPure[A, T any](a expr[A], steps func(A) int, f func(A) T) expr[T] {
	return func(fr *frame) (zero T, _ fault) {
		x, fx := a(fr)
		switch {
		case fx != 0:
			return zero, fx
		case !fr.spend(steps(x)):
			return zero, faultWork
		}
		return f(x), 0
	}
}

// pricedStrict is strict of operands that are not small.
func pricedStrict[A, B, T any](a expr[A], b expr[B], steps price[A, B], f func(A, B) T) expr[T] {
	return func(fr *frame) (zero T, _ fault) {
		x, fx := a(fr)
		if fx != 0 {
			return zero, fx
		}
		y, fy := b(fr)
		switch {
		case fy != 0:
			return zero, fy
		case !fr.spend(steps(x, y)):
			return zero, faultWork
		}
		return f(x, y), 0
	}
}

// momentary is the price of what takes the same for every operand.
func momentary[A any](A) int { return moment }

// inLoop reports whether an expression is evaluated for each element of a list.
func (l *lowerer) inLoop() bool { return len(l.scope) > 0 }

// brief reports a comparison that is bounded by the length of the condition.
func (l *lowerer) brief(a, b ast.Expr) bool {
	_, first := l.constant(a)
	_, second := l.constant(b)
	return (first || second) && !l.inLoop()
}

// round is the work of a loop for one element: it grows with the test, but not
// with the loops inside, which have their own.
func round(test ast.Expr) int {
	const nodesPerStep = 4
	return 1 + nodesOf(test)/nodesPerStep
}

func nodesOf(e ast.Expr) int {
	var inside []ast.Expr
	switch e.Kind() {
	case ast.ListKind:
		inside = e.AsList().Elements()
	case ast.ComprehensionKind:
		inside = []ast.Expr{e.AsComprehension().IterRange()}
	case ast.SelectKind:
		inside = []ast.Expr{e.AsSelect().Operand()}
	case ast.CallKind:
		inside = operandsOf(e)
	default:
		return 1
	}
	n := 1
	for _, x := range inside {
		n += nodesOf(x)
	}
	return n
}
