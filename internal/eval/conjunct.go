package eval

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// conjuncts takes a condition apart at its outermost `&&`: into checks, and
// the operands that are none. A false operand makes the whole false whatever
// the others do, errors included; so the condition holds, or errs, exactly when
// all checks are true and `&&` of the rest does.
//
// Comparing an optional attribute errs when it is absent. Beside has(), which
// is false then, it is a check all the same; alone it is not.
//
// Checks take no work, neither here nor as operands, so that the rest ends
// where the condition would.
func (l *lowerer) conjuncts(e ast.Expr) (checks []check, equalities []equality, rest []ast.Expr) {
	operands := chain(e, operators.LogicalAnd, nil)
	tested := map[string]bool{}
	for _, x := range operands {
		if path, ok := l.tests(x); ok {
			tested[path] = true
		}
	}
	for _, x := range operands {
		c, q, ok := l.checkOf(x, tested)
		if !ok {
			rest = append(rest, x)
			continue
		}
		checks = append(checks, c)
		if len(q.values) > 0 {
			equalities = append(equalities, q)
		}
	}
	return checks, equalities, rest
}

// checkOf makes a check of an operand, and the equality that it is, if any.
func (l *lowerer) checkOf(e ast.Expr, tested map[string]bool) (c check, q equality, ok bool) {
	if path, ok := l.tests(e); ok {
		if !l.present(path, false, tested) {
			return c, q, false
		}
		c, ok = newCheck(opPresent, l.layout.bits[path], 0)
		return c, q, ok
	}
	x, ok := l.comparison(e)
	if !ok {
		return c, q, false
	}
	s, optional, err := l.attribute(x.path, x.kind, false)
	if err != nil || optional && !l.present(x.path, true, tested) {
		return c, q, false
	}
	switch {
	case x.kind == types.IntKind:
		c, ok = newCheck(x.op, s.at, x.number)
	case x.op == opIsNot:
		c, ok = newCheck(opIsNot, s.id, int64(l.layout.equality(s, x.words).values[0]))
	default:
		q = l.layout.equality(s, x.words)
		c, ok = l.layout.check(q)
	}
	return c, q, ok
}

// present reports that beside some tests a path cannot err: each optional
// record around it is tested, and, to be read, so is the attribute itself.
func (l *lowerer) present(path string, read bool, tested map[string]bool) bool {
	for i := range len(path) + 1 {
		if i < len(path) && path[i] != '.' || i == len(path) && !read || tested[path[:i]] {
			continue
		}
		for _, s := range l.shapes {
			if f := s.fields[path[:i]]; f != nil && f.Optional {
				return false
			}
		}
	}
	return true
}

// tests returns the attribute that an operand asks for with has().
func (l *lowerer) tests(e ast.Expr) (string, bool) {
	if e.Kind() != ast.SelectKind || !e.AsSelect().IsTestOnly() {
		return "", false
	}
	operand, ok := l.pathOf(e.AsSelect().Operand())
	path := operand + "." + e.AsSelect().FieldName()
	for _, s := range l.shapes {
		if _, declared := s.fields[path]; !declared {
			return "", false
		}
	}
	_, known := l.layout.bits[path]
	return path, ok && known
}

// A comparison is an attribute beside constants.
type comparison struct {
	path   string
	kind   types.Kind
	op     op
	words  []string // spelt as in JSON, of opIs, opIsNot and opIsIn
	number int64    // of the others
}

// comparison recognises an operand that compares an attribute with constants:
// a bool or its negation, `==`, `!=`, an order of ints, `in` a list of texts.
func (l *lowerer) comparison(e ast.Expr) (comparison, bool) {
	if isCall(e, operators.LogicalNot) {
		path, ok := l.boolPath(e.AsCall().Args()[0])
		return comparison{path: path, kind: types.BoolKind, op: opIs, words: []string{"false"}}, ok
	}
	if path, ok := l.boolPath(e); ok {
		return comparison{path: path, kind: types.BoolKind, op: opIs, words: []string{"true"}}, true
	}
	if e.Kind() != ast.CallKind || len(e.AsCall().Args()) != 2 {
		return comparison{}, false
	}
	a, b := e.AsCall().Args()[0], e.AsCall().Args()[1]
	name := e.AsCall().FunctionName()
	if name == operators.In {
		return l.inWords(a, b)
	}
	if _, ok := l.constant(a); ok {
		a, b, name = b, a, mirrored(name)
	}
	path, isPath := l.pathOf(a)
	constant, isConstant := l.constant(b)
	if !isPath || !isConstant {
		return comparison{}, false
	}
	c := comparison{path: path, kind: l.kind(a)}
	switch v := constant.(type) {
	case int64:
		c.op, c.number = intOp(name), v
		return c, c.op != 0 && c.kind == types.IntKind
	case string:
		c.op, c.words = wordOp(name), []string{v}
		return c, c.op != 0 && c.kind == types.StringKind
	case bool:
		c.op, c.words = wordOp(name), []string{map[bool]string{true: "true", false: "false"}[v]}
		return c, c.op != 0 && c.kind == types.BoolKind
	}
	return c, false
}

// constant returns what an expression is for every request: a literal, or a
// scalar of a data document.
func (l *lowerer) constant(e ast.Expr) (any, bool) {
	if lit, ok := literal(e); ok {
		return lit.Value(), true
	}
	path, ok := l.pathOf(e)
	datum, known := l.data[path]
	return datum.Value, ok && known
}

// boolPath returns the attribute that an expression of type bool is.
func (l *lowerer) boolPath(e ast.Expr) (string, bool) {
	if l.kind(e) != types.BoolKind || e.Kind() != ast.SelectKind {
		return "", false
	}
	return l.pathOf(e)
}

// inWords recognises `attribute in constants`, of few constants.
func (l *lowerer) inWords(a, b ast.Expr) (comparison, bool) {
	path, ok := l.pathOf(a)
	if !ok || l.kind(a) != types.StringKind {
		return comparison{}, false
	}
	words, ok := stringDomain().constants(l, b)
	return comparison{path: path, kind: types.StringKind, op: opIsIn, words: words}, ok && len(words) > 0 && len(words) <= maxCombinations
}

// mirrored returns the operator that says the same with its sides exchanged.
func mirrored(name string) string {
	switch name {
	case operators.Less:
		return operators.Greater
	case operators.LessEquals:
		return operators.GreaterEquals
	case operators.Greater:
		return operators.Less
	case operators.GreaterEquals:
		return operators.LessEquals
	}
	return name
}

func intOp(name string) op {
	switch name {
	case operators.Equals:
		return opEqual
	case operators.NotEquals:
		return opNotEqual
	case operators.Less:
		return opLess
	case operators.LessEquals:
		return opLessOrEqual
	case operators.Greater:
		return opGreater
	case operators.GreaterEquals:
		return opGreaterOrEqual
	}
	return 0
}

func wordOp(name string) op {
	switch name {
	case operators.Equals:
		return opIs
	case operators.NotEquals:
		return opIsNot
	}
	return 0
}
