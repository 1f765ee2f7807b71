package eval

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// bools lowers an expression of type bool.
func (l *lowerer) bools(e ast.Expr) cond {
	if l.kind(e) != types.BoolKind {
		return l.refuseBool(e, "it is %v, not bool", l.ast.GetType(e.ID()))
	}
	switch {
	case e.Kind() == ast.ComprehensionKind:
		return l.comprehension(e)
	case e.Kind() == ast.SelectKind && e.AsSelect().IsTestOnly():
		return l.presence(e)
	case e.Kind() == ast.CallKind:
		return l.boolCall(e)
	}
	return toCond(scalar(l, boolDomain(), e, nil))
}

func (l *lowerer) refuseBool(e ast.Expr, format string, args ...any) cond {
	return toCond(refuse[bool](l, e, format, args...))
}

func toCond(x expr[bool]) cond {
	return func(fr *frame) tri {
		v, f := x(fr)
		if f != 0 {
			return failed(f)
		}
		return truth(v)
	}
}

// presence lowers `has(a.b)`.
func (l *lowerer) presence(e ast.Expr) cond {
	if of, ok := l.elementOf(e.AsSelect().Operand()); ok {
		return l.hasColumn(e, of)
	}
	operand, ok := l.pathOf(e.AsSelect().Operand())
	path := operand + "." + e.AsSelect().FieldName()
	if !ok {
		return l.refuseBool(e, "has() takes an attribute")
	}
	if _, ok := l.data[path]; ok {
		return func(*frame) tri { return yes }
	}
	bit, known := l.layout.bits[path]
	if !known {
		return l.refuseBool(e, "%s is no attribute", path)
	}
	around, optional := 0, false
	for _, s := range l.shapes {
		if _, declared := s.fields[path]; !declared {
			return l.refuseBool(e, "%s is not declared for %s", path, s.name)
		}
		if record := s.fields[operand]; record != nil && record.mayLack() {
			around, optional = record.slot.bit, true
		}
	}
	if !optional {
		return func(fr *frame) tri { return truth(fr.has(bit)) }
	}
	return func(fr *frame) tri {
		if !fr.has(around) {
			return failed(faultAbsent) // as in CEL: nothing has members that is not there
		}
		return truth(fr.has(bit))
	}
}

func (l *lowerer) boolCall(e ast.Expr) cond {
	call := e.AsCall()
	args := call.Args()
	switch call.FunctionName() {
	case operators.LogicalAnd:
		return all(l.operands(e, operators.LogicalAnd))
	case operators.LogicalOr:
		return anyOf(l.operands(e, operators.LogicalOr))
	case operators.LogicalNot:
		x := l.bools(args[0])
		return func(fr *frame) tri { return x(fr).not() }
	case operators.Conditional:
		return toCond(conditional(l, call, func(x ast.Expr) expr[bool] { return l.bools(x).expr() }))
	case operators.Equals:
		return l.equality(e)
	case operators.NotEquals:
		equal := l.equality(e)
		return func(fr *frame) tri { return equal(fr).not() }
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return l.inequality(e)
	case operators.In:
		return l.membership(e)
	case operators.Index:
		return toCond(element(l, boolDomain(), call))
	}
	return l.predicate(e)
}

// predicate lowers the functions that say yes or no.
func (l *lowerer) predicate(e ast.Expr) cond {
	call := e.AsCall()
	if len(call.Args()) == 0 {
		return l.refuseBool(e, "%s is not part of the language", call.FunctionName())
	}
	switch call.FunctionName() {
	case "isIP", "isCIDR", "containsIP", "containsCIDR":
		return l.addressTest(call)
	case "active":
		return l.active(e, call)
	}
	return l.stringPredicate(e, call)
}

// operands lowers a chain of an associative operator.
func (l *lowerer) operands(e ast.Expr, operator string) []cond {
	var list []cond
	for _, x := range chain(e, operator, nil) {
		list = append(list, l.bools(x))
	}
	return list
}
