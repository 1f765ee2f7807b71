package eval

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// hoist returns equalities without which a condition is false, for the index:
// operands of its outermost `&&` that compare an attribute with constants. A
// false operand makes the whole false whatever the others do, errors included;
// so a rule whose equality does not hold neither holds nor errs.
//
// Of an optional attribute the comparison alone would err when it is absent;
// it is hoisted only beside has(), which is false then.
func (l *lowerer) hoist(e ast.Expr) []equality {
	operands := chain(e, operators.LogicalAnd, nil)
	tested := map[string]bool{}
	for _, x := range operands {
		if x.Kind() == ast.SelectKind && x.AsSelect().IsTestOnly() {
			if operand, ok := l.pathOf(x.AsSelect().Operand()); ok {
				tested[operand+"."+x.AsSelect().FieldName()] = true
			}
		}
	}
	var found []equality
	for _, x := range operands {
		path, kind, values := l.comparison(x)
		if len(values) == 0 || len(values) > maxCombinations {
			continue
		}
		s, optional, err := l.attribute(path, kind, false)
		if err != nil || optional && !tested[path] {
			continue
		}
		found = append(found, l.layout.equality(s, values))
	}
	return found
}

// comparison takes an operand apart: the attribute, and the values one of
// which it must have, as JSON spells them; none when it is no such operand.
func (l *lowerer) comparison(e ast.Expr) (path string, kind types.Kind, values []string) {
	if isCall(e, operators.LogicalNot) {
		path, ok := l.boolPath(e.AsCall().Args()[0])
		return path, types.BoolKind, only("false", ok)
	}
	if path, ok := l.boolPath(e); ok {
		return path, types.BoolKind, only("true", ok)
	}
	if e.Kind() != ast.CallKind || len(e.AsCall().Args()) != 2 {
		return "", 0, nil
	}
	a, b := e.AsCall().Args()[0], e.AsCall().Args()[1]
	switch e.AsCall().FunctionName() {
	case operators.Equals:
		if _, ok := literal(a); ok {
			a, b = b, a
		}
		if path, ok := l.pathOf(a); ok {
			return path, l.kind(a), spelt(b)
		}
	case operators.In:
		if path, ok := l.pathOf(a); ok && l.kind(a) == types.StringKind {
			words, _ := stringDomain().constants(l, b)
			return path, types.StringKind, words
		}
	}
	return "", 0, nil
}

// boolPath returns the attribute that an expression of type bool is.
func (l *lowerer) boolPath(e ast.Expr) (string, bool) {
	if l.kind(e) != types.BoolKind || e.Kind() != ast.SelectKind {
		return "", false
	}
	return l.pathOf(e)
}

// spelt returns a literal string or bool as JSON spells it in atoms.
func spelt(e ast.Expr) []string {
	lit, ok := literal(e)
	if !ok {
		return nil
	}
	switch v := lit.Value().(type) {
	case string:
		return []string{v}
	case bool:
		if v {
			return []string{"true"}
		}
		return []string{"false"}
	}
	return nil
}

func only(value string, ok bool) []string {
	if ok {
		return []string{value}
	}
	return nil
}
