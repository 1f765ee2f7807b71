package eval

import (
	"net/netip"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// candidate explains one rule. Everything is evaluated again with the parts
// kept apart, from the same expression the verdict came from.
func (e *Evaluator) candidate(r *rule) Candidate {
	p, fr := e.program, e.frame
	c := Candidate{Rule: r.Name, Effect: r.Effect, Mode: "enforce", Result: ResultNotEvaluated}
	if r.Shadow {
		c.Mode = "shadow"
	}
	if r.When != nil {
		c.When = r.When.Source
	}
	if a := failedAtom(r.atoms, fr); a != nil {
		have, _ := familyOf(p.layout.ids[a.id].kind).load(p.layout.ids[a.id])(fr)
		c.Failed = &FailedAtom{Path: a.Path, Wanted: slices.Clone(a.Values), Value: have}
		return c
	}
	if row := r.beaten(fr); row != nil {
		c.BeatenBy = describe(row)
		return c
	}
	c.Match = true
	c.Result, c.Error = resultOf(e.plainly(r))
	if r.When != nil {
		c.Values = p.values(r, fr)
	}
	return c
}

func describe(atoms []atom) string {
	var parts []string
	for _, a := range atoms {
		parts = append(parts, a.Path+" is "+strings.Join(a.Values, " or "))
	}
	return strings.Join(parts, " and ")
}

func resultOf(t tri) (Result, string) {
	switch t {
	case yes:
		return ResultTrue, ""
	case no:
		return ResultFalse, ""
	}
	return ResultError, t.fault().String()
}

// values evaluates every sub-expression that is not a literal, outermost
// first, each text once; the insides of exists, all and exists_one have a
// value for each element and are left out.
func (p *Program) values(r *rule, fr *frame) []Value {
	values := []Value{}
	when, err := r.packed.condition()
	if err != nil {
		return values
	}
	l := p.lowerer(r.Rule)
	l.ast = when.AST
	seen := map[string]bool{}
	for _, e := range parts(when.AST.Expr(), nil) {
		text := render(e)
		if seen[text] || !l.hasValue(e) {
			continue
		}
		seen[text] = true
		v := Value{Expression: text}
		fr.work = maxWork
		got, f := l.value(e)(fr)
		if f != 0 {
			v.Error = f.String()
		} else {
			v.Value = got
		}
		values = append(values, v)
	}
	return values
}

func parts(e ast.Expr, list []ast.Expr) []ast.Expr {
	switch e.Kind() {
	case ast.ListKind:
		return eachPart(e.AsList().Elements(), list)
	case ast.ComprehensionKind:
		return parts(e.AsComprehension().IterRange(), append(list, e))
	case ast.SelectKind, ast.IdentKind:
		return append(list, e)
	case ast.CallKind:
		switch e.AsCall().FunctionName() {
		case "timestamp", "duration", "cidr":
			return eachPart(e.AsCall().Args(), list) // of a literal they are one
		case "active":
			return eachPart(e.AsCall().Args(), append(list, e))
		}
		return eachPart(operandsOf(e), append(list, e))
	default: // a literal is its own value
	}
	return list
}

func eachPart(es []ast.Expr, list []ast.Expr) []ast.Expr {
	for _, x := range es {
		list = parts(x, list)
	}
	return list
}

// operandsOf lists the operands of a call, and those of a chain of `&&` or
// `||` as one row.
func operandsOf(e ast.Expr) []ast.Expr {
	call := e.AsCall()
	switch name := call.FunctionName(); {
	case name == operators.LogicalAnd || name == operators.LogicalOr:
		return chain(e, name, nil)
	case call.IsMemberFunction():
		return append([]ast.Expr{call.Target()}, call.Args()...)
	}
	return call.Args()
}

func chain(e ast.Expr, operator string, list []ast.Expr) []ast.Expr {
	if !isCall(e, operator) {
		return append(list, e)
	}
	for _, a := range e.AsCall().Args() {
		list = chain(a, operator, list)
	}
	return list
}

// hasValue reports an expression whose value is a scalar, a list of scalars,
// an address or a range.
func (l *lowerer) hasValue(e ast.Expr) bool {
	return l.elemKind(e) != types.StructKind && !l.isType(e, typeJSON)
}

// value lowers an expression of any type.
func (l *lowerer) value(e ast.Expr) expr[any] {
	switch {
	case l.isType(e, typeAddress):
		return pure(l.addresses(e), func(a netip.Addr) any { return a.String() })
	case l.isType(e, typeRange):
		return pure(l.ranges(e), func(p netip.Prefix) any { return p.String() })
	case l.kind(e) != types.ListKind:
		if f := familyOf(l.kind(e)); f != nil {
			return f.value(l, e)
		}
	default:
		if f := familyOf(l.elemKind(e)); f != nil {
			return f.listValue(l, e)
		}
	}
	return refuse[any](l, e, "it has no value of its own")
}

func (d domain[T]) value(l *lowerer, e ast.Expr) expr[any] {
	return pure(d.lower(l, e), func(v T) any { return show(v) })
}

func (d domain[T]) listValue(l *lowerer, e ast.Expr) expr[any] {
	return pure(list(l, d, e), func(values []T) any {
		shown := make([]any, len(values))
		for i, v := range values {
			shown[i] = show(v)
		}
		return shown
	})
}
