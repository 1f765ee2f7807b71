package eval

import (
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// Binding strengths of CEL, weakest first.
const (
	precConditional = iota + 1
	precOr
	precAnd
	precRelation
	precSum
	precProduct
	precUnary
	precMember
)

// render writes an expression as CEL source: macros as they were written,
// variables of the document in place of their names.
func render(e ast.Expr) string {
	var b strings.Builder
	renderTo(&b, e, precConditional)
	return b.String()
}

func renderTo(b *strings.Builder, e ast.Expr, atLeast int) {
	if prec := precedence(e); prec < atLeast {
		b.WriteByte('(')
		defer b.WriteByte(')')
	}
	switch e.Kind() {
	case ast.LiteralKind:
		b.WriteString(types.Format(e.AsLiteral()))
	case ast.IdentKind:
		b.WriteString(e.AsIdent())
	case ast.SelectKind:
		renderSelect(b, e.AsSelect())
	case ast.ListKind:
		b.WriteByte('[')
		renderArgs(b, e.AsList().Elements())
		b.WriteByte(']')
	case ast.CallKind:
		renderCall(b, e.AsCall(), precedence(e))
	case ast.ComprehensionKind:
		renderComprehension(b, e)
	default:
		b.WriteString("…")
	}
}

func renderSelect(b *strings.Builder, s ast.SelectExpr) {
	if s.IsTestOnly() {
		b.WriteString("has(")
		defer b.WriteByte(')')
	}
	renderTo(b, s.Operand(), precMember)
	b.WriteString("." + s.FieldName())
}

func renderComprehension(b *strings.Builder, e ast.Expr) {
	q, ok := quantifierOf(e)
	if !ok {
		b.WriteString("…")
		return
	}
	renderTo(b, q.over, precMember)
	b.WriteString("." + q.function + "(" + q.variable + ", ")
	renderTo(b, q.test, precConditional)
	b.WriteByte(')')
}

func renderCall(b *strings.Builder, call ast.CallExpr, prec int) {
	name, args := call.FunctionName(), call.Args()
	sign, isOperator := operators.FindReverse(name)
	switch {
	case name == operators.Conditional:
		renderTo(b, args[0], precOr)
		b.WriteString(" ? ")
		renderTo(b, args[1], precOr)
		b.WriteString(" : ")
		renderTo(b, args[2], precConditional)
	case name == operators.Index:
		renderTo(b, args[0], precMember)
		b.WriteByte('[')
		renderTo(b, args[1], precConditional)
		b.WriteByte(']')
	case isOperator && len(args) == 1:
		b.WriteString(sign)
		renderTo(b, args[0], precUnary+1)
	case isOperator:
		renderTo(b, args[0], prec)
		b.WriteString(" " + sign + " ")
		renderTo(b, args[1], prec+1)
	default:
		if call.IsMemberFunction() {
			renderTo(b, call.Target(), precMember)
			b.WriteByte('.')
		}
		b.WriteString(name + "(")
		renderArgs(b, args)
		b.WriteByte(')')
	}
}

func renderArgs(b *strings.Builder, args []ast.Expr) {
	for i, a := range args {
		if i > 0 {
			b.WriteString(", ")
		}
		renderTo(b, a, precConditional)
	}
}

func precedence(e ast.Expr) int {
	if e.Kind() == ast.LiteralKind {
		if i, ok := e.AsLiteral().(types.Int); ok && i < 0 {
			return precUnary // a second sign before it would read as another number
		}
	}
	if e.Kind() != ast.CallKind {
		return precMember
	}
	switch e.AsCall().FunctionName() {
	case operators.Conditional:
		return precConditional
	case operators.LogicalOr:
		return precOr
	case operators.LogicalAnd:
		return precAnd
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals,
		operators.Greater, operators.GreaterEquals, operators.In:
		return precRelation
	case operators.Add, operators.Subtract:
		return precSum
	case operators.Multiply, operators.Divide, operators.Modulo:
		return precProduct
	case operators.LogicalNot, operators.Negate:
		return precUnary
	}
	return precMember
}
