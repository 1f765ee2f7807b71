package eval

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// A quantifier is `list.exists(x, test)`, `all` or `exists_one`, recognised
// in the comprehension the macro expands to.
type quantifier struct {
	function string
	over     ast.Expr
	variable string
	test     ast.Expr
}

// maxNesting is how many exists, all and exists_one may stand inside each
// other: their work multiplies.
const maxNesting = 2

const (
	exists    = "exists"
	forAll    = "all"
	existsOne = "exists_one"
)

// quantifierOf recognises the three shapes exactly; anything else that loops
// (map, filter, a comprehension over a map) is not part of the language.
func quantifierOf(e ast.Expr) (q quantifier, ok bool) {
	x := e.AsComprehension()
	q = quantifier{over: x.IterRange(), variable: x.IterVar()}
	init, isLiteral := literal(x.AccuInit())
	step := x.LoopStep()
	if x.HasIterVar2() || !isLiteral || step.Kind() != ast.CallKind {
		return q, false
	}
	accu, args := isIdent(x.AccuVar()), step.AsCall().Args()
	switch {
	case init == types.False && isCall(step, operators.LogicalOr) && accu(args[0]) && accu(x.Result()):
		q.function, q.test = exists, args[1]
	case init == types.True && isCall(step, operators.LogicalAnd) && accu(args[0]) && accu(x.Result()):
		q.function, q.test = forAll, args[1]
	case init == types.IntZero && isCall(step, operators.Conditional) && isCall(args[1], operators.Add) && accu(args[2]) &&
		isCall(x.Result(), operators.Equals):
		q.function, q.test = existsOne, args[0]
	default:
		return q, false
	}
	return q, true
}

func isIdent(name string) func(ast.Expr) bool {
	return func(e ast.Expr) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == name }
}

func (l *lowerer) comprehension(e ast.Expr) cond {
	q, ok := quantifierOf(e)
	if !ok {
		return l.refuseBool(e, "only exists, all and exists_one loop over a list")
	}
	if l.elemKind(q.over) == types.StructKind {
		return l.quantifyRecords(q)
	}
	f := familyOf(l.elemKind(q.over))
	if f == nil {
		return l.refuseBool(e, "%s takes a list of scalars", q.function)
	}
	return f.quantify(l, q)
}

func (d domain[T]) quantify(l *lowerer, q quantifier) cond {
	over := list(l, d, q.over)
	at := l.enter(local{name: q.variable, kind: d.kind})
	test := l.bools(q.test)
	l.scope = l.scope[:len(l.scope)-1]
	begin, steps := foldOf(q.function), round(q.test)
	return func(fr *frame) tri {
		values, f := over(fr)
		if f != 0 {
			return failed(f)
		}
		variable, fold := &d.bank(fr).values[at], begin
		for _, v := range values {
			*variable = v
			if !fr.spend(steps) {
				return failed(faultWork)
			}
			if fold.add(test(fr)) {
				break
			}
		}
		return fold.value()
	}
}

// enter opens the scope of a comprehension's variable and returns its slot,
// which lies behind those of the attributes.
func (l *lowerer) enter(variable local) int {
	depth := 0
	for _, v := range l.scope {
		if v.kind == variable.kind {
			depth++
		}
	}
	variable.at = l.layout.sizes[bankKey{variable.kind, false}] + depth
	if depth >= maxNesting {
		l.fail(l.ast.Expr(), "%d loops inside each other", depth+1)
	}
	l.scope = append(l.scope, variable)
	return variable.at
}

// A fold combines the results of the single elements: exists is `||`, all is
// `&&`, and exists_one counts.
type fold struct {
	deciding tri // yes for exists, no for all
	result   tri
	one      bool
	count    int
}

func foldOf(function string) fold {
	switch function {
	case exists:
		return fold{deciding: yes, result: no}
	case forAll:
		return fold{deciding: no, result: yes}
	}
	return fold{one: true}
}

// add takes the result of the next element, and reports whether the others do
// not matter any more. Without a deciding element a fault wins; exists_one
// needs the result of every element.
func (f *fold) add(t tri) (done bool) {
	switch {
	case f.one && t.fault() != 0:
		f.result = t
		return true
	case f.one && t == yes:
		f.count++
	case f.one:
	case t == f.deciding:
		f.result = t
		return true
	case t.fault() != 0 && f.result.fault() == 0:
		f.result = t
	}
	return false
}

func (f *fold) value() tri {
	if f.one && f.result.fault() == 0 {
		return truth(f.count == 1)
	}
	return f.result
}
