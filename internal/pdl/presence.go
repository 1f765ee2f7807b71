package pdl

import (
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
)

// facts are the optional attributes known to be present, sorted.
type facts []string

// presence reports every read of an optional attribute that no has() of it
// dominates. It returns what is known to be present once e is true, and once
// it is false; known is what was before.
func (v *verifier) presence(e ast.Expr, known facts) (ifTrue, ifFalse facts) {
	switch e.Kind() {
	case ast.SelectKind:
		return v.selectPresence(e, known)
	case ast.CallKind:
		return v.callPresence(e, known)
	case ast.ListKind:
		for _, x := range e.AsList().Elements() {
			v.presence(x, known)
		}
	case ast.ComprehensionKind:
		x := e.AsComprehension()
		v.presence(x.IterRange(), known)
		v.presence(x.LoopStep(), known)
	default: // literals and names that are always there
	}
	return nil, nil
}

func (v *verifier) selectPresence(e ast.Expr, known facts) (ifTrue, ifFalse facts) {
	s := e.AsSelect()
	operand := s.Operand()
	if operand.Kind() == ast.SelectKind {
		v.presence(operand, known) // a record that may not be there has no members
	}
	path := pathOf(operand) + "." + s.FieldName()
	if s.IsTestOnly() {
		return facts{path}, nil
	}
	if m, _ := v.weaver.typing.member(path); m.optional && !slices.Contains(known, path) {
		v.unproved(e, "write has("+path+") && … before it", "%s is optional and is read without a test that it is there", path)
	}
	return nil, nil
}

func (v *verifier) callPresence(e ast.Expr, known facts) (ifTrue, ifFalse facts) {
	call := e.AsCall()
	args := call.Args()
	switch call.FunctionName() {
	case operators.LogicalAnd:
		t1, f1 := v.presence(args[0], known)
		t2, f2 := v.presence(args[1], known.and(t1))
		return t1.and(t2), f1.or(t1.and(f2))
	case operators.LogicalOr:
		t1, f1 := v.presence(args[0], known)
		t2, f2 := v.presence(args[1], known.and(f1))
		return t1.or(f1.and(t2)), f1.and(f2)
	case operators.LogicalNot:
		t, f := v.presence(args[0], known)
		return f, t
	case operators.Conditional:
		t1, f1 := v.presence(args[0], known)
		t2, f2 := v.presence(args[1], known.and(t1))
		t3, f3 := v.presence(args[2], known.and(f1))
		return t1.and(t2).or(f1.and(t3)), t1.and(f2).or(f1.and(f3))
	}
	if call.IsMemberFunction() {
		v.presence(call.Target(), known)
	}
	for _, a := range args {
		v.presence(a, known)
	}
	return nil, nil
}

// unproved reports what may err at run time: an error unless the schema says
// `strict: false`.
func (v *verifier) unproved(e ast.Expr, hint, format string, args ...any) {
	if v.weaver.c.schema.Strict {
		v.fail(e, hint, format, args...)
		return
	}
	v.weaver.c.warnf(v.at(e), hint, format, args...)
}

// and returns what is known when both are.
func (f facts) and(g facts) facts {
	if len(g) == 0 {
		return f
	}
	both := append(slices.Clone(f), g...)
	slices.Sort(both)
	return slices.Compact(both)
}

// or returns what is known when one of the two is.
func (f facts) or(g facts) facts {
	var common facts
	for _, x := range f {
		if slices.Contains(g, x) {
			common = append(common, x)
		}
	}
	return common
}
