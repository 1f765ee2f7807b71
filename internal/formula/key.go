package formula

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// key writes an expression so that equal ones have equal keys. Variables of
// loops are numbered from outside in.
func (w *scanner) key(e ast.Expr) string {
	var b strings.Builder
	var names []string
	for _, l := range w.scope {
		names = append(names, l.name)
	}
	writeKey(&b, e, names)
	return b.String()
}

func writeKey(b *strings.Builder, e ast.Expr, scope []string) {
	list := func(args []ast.Expr) {
		b.WriteByte('(')
		for _, a := range args {
			writeKey(b, a, scope)
			b.WriteByte(',')
		}
		b.WriteByte(')')
	}
	switch e.Kind() {
	case ast.LiteralKind:
		fmt.Fprintf(b, "%s:%q", e.AsLiteral().Type(), fmt.Sprint(e.AsLiteral().Value()))
	case ast.IdentKind:
		for i := len(scope) - 1; i >= 0; i-- {
			if scope[i] == e.AsIdent() {
				fmt.Fprintf(b, "$%d", i)
				return
			}
		}
		b.WriteString(e.AsIdent())
	case ast.SelectKind:
		writeKey(b, e.AsSelect().Operand(), scope)
		fmt.Fprintf(b, ".%s%t", e.AsSelect().FieldName(), e.AsSelect().IsTestOnly())
	case ast.CallKind:
		b.WriteString(e.AsCall().FunctionName())
		if e.AsCall().IsMemberFunction() {
			writeKey(b, e.AsCall().Target(), scope)
		}
		list(e.AsCall().Args())
	case ast.ListKind:
		b.WriteByte('[')
		list(e.AsList().Elements())
	case ast.ComprehensionKind:
		q, _ := quantifierOf(e)
		b.WriteString(q.function)
		if q.over != nil && q.test != nil {
			writeKey(b, q.over, scope)
			scope = append(scope[:len(scope):len(scope)], q.variable)
			writeKey(b, q.test, scope)
		}
	}
}

// A quantifier is list.exists(x, test), all or exists_one.
type quantifier struct {
	function string
	over     ast.Expr
	variable string
	test     ast.Expr
}

const (
	exists    = "exists"
	forAll    = "all"
	existsOne = "exists_one"
)

// quantifierOf recognises the comprehensions that the three macros expand to.
func quantifierOf(e ast.Expr) (q quantifier, ok bool) {
	x := e.AsComprehension()
	step := x.LoopStep()
	if step.Kind() != ast.CallKind || x.AccuInit().Kind() != ast.LiteralKind {
		return q, false
	}
	q = quantifier{over: x.IterRange(), variable: x.IterVar()}
	init := x.AccuInit().AsLiteral()
	args := step.AsCall().Args()
	switch name := step.AsCall().FunctionName(); {
	case name == operators.LogicalOr && init == types.False:
		q.function, q.test = exists, args[1]
	case name == operators.LogicalAnd && init == types.True:
		q.function, q.test = forAll, args[1]
	case name == operators.Conditional && init == types.IntZero:
		q.function, q.test = existsOne, args[0]
	default:
		return q, false
	}
	return q, true
}
