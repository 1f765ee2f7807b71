package pdl

import (
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// subset walks a typed tree and refuses what CEL has and CEL-T has not.
func (v *verifier) subset(e ast.Expr) {
	switch e.Kind() {
	case ast.CallKind:
		v.callSubset(e)
	case ast.ListKind:
		v.listSubset(e)
	case ast.ComprehensionKind:
		v.loopSubset(e)
	case ast.SelectKind:
		if operand := e.AsSelect().Operand(); operand.Kind() == ast.CallKind {
			v.subset(operand)
		}
	default: // literals, names and paths have been checked on the way
	}
}

func (v *verifier) callSubset(e ast.Expr) {
	call := e.AsCall()
	args := call.Args()
	if call.IsMemberFunction() {
		v.subset(call.Target())
		args = append([]ast.Expr{call.Target()}, args...)
	}
	single := true
	for _, a := range args {
		single = v.single(a, call.FunctionName()) && single
	}
	for _, a := range call.Args() {
		v.subset(a)
	}
	if !single {
		return
	}
	args = call.Args()
	switch name := call.FunctionName(); name {
	case operators.Equals, operators.NotEquals:
		v.enumLiterals(args[0], args[1])
		v.enumLiterals(args[1], args[0])
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		if v.typeOf(args[0]).Kind() == types.BoolKind {
			v.fail(e, "use == or !=", "bools have no order")
		}
	case operators.In:
		v.enumLiterals(args[0], args[1])
		v.enumLiterals(args[1], args[0])
	case operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo, operators.Negate:
		v.arithmetic(e, name, args)
	case operators.Conditional:
		if v.typeOf(e).Kind() == types.OpaqueKind {
			v.fail(e, "", "?: does not choose %s", nameOf(v.typeOf(e)))
		}
	}
}

// arithmetic refuses what is written to fail, and the building of lists.
func (v *verifier) arithmetic(e ast.Expr, name string, args []ast.Expr) {
	switch {
	case v.typeOf(e).Kind() == types.ListKind:
		v.fail(e, "", "conditions build no lists")
	case (name == operators.Divide || name == operators.Modulo) && isZero(args[1]):
		v.fail(e, "", "division by zero")
	}
}

func isIndex(e ast.Expr) bool {
	return e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.Index
}

func isZero(e ast.Expr) bool {
	return e.Kind() == ast.LiteralKind && e.AsLiteral() == types.IntZero
}

func (v *verifier) listSubset(e ast.Expr) {
	elements := e.AsList().Elements()
	for _, x := range elements {
		v.subset(x)
		if k := v.typeOf(x).Kind(); k == types.ListKind || k == types.OpaqueKind || k == types.StructKind {
			v.fail(x, "", "a list holds bools, ints, strings, timestamps or durations, not %s", nameOf(v.typeOf(x)))
			return
		}
		if v.typeOf(x).Kind() != v.typeOf(elements[0]).Kind() {
			v.fail(x, "", "a list holds values of one type, not %s beside %s", nameOf(v.typeOf(x)), nameOf(v.typeOf(elements[0])))
			return
		}
	}
	if t := v.typeOf(e); len(elements) == 0 && (len(t.Parameters()) == 0 || !isScalar(t.Parameters()[0].Kind())) {
		v.fail(e, "compare it with a list, or look into it for something", "nothing says what this empty list would hold")
	}
}

// isScalar reports the types that attributes and elements of lists have.
func isScalar(k types.Kind) bool {
	switch k {
	case types.BoolKind, types.IntKind, types.StringKind, types.TimestampKind, types.DurationKind:
		return true
	default:
		return false
	}
}

func (v *verifier) loopSubset(e ast.Expr) {
	x := e.AsComprehension()
	v.subset(x.IterRange())
	if k := v.typeOf(x.IterRange()).Kind(); k != types.ListKind {
		v.fail(x.IterRange(), "", "exists and all go over lists, not %s", nameOf(v.typeOf(x.IterRange())))
		return
	}
	v.scopes = append(v.scopes, loopScope{x.IterVar(), v.elementOf(x.IterRange()), v.weaver.listOf(x.IterRange())})
	v.subset(x.LoopStep())
	v.scopes = v.scopes[:len(v.scopes)-1]
}

// A declared is what the schema says about a value in a condition.
type declared struct {
	path   string
	values []string // of an enum
	shared []string // of the enum, anywhere in the schema
	names  *Schema  // of `action`, whose values may be families: what declares them
}

// has reports a value that the attribute can have where the match holds.
func (d *declared) has(s string) bool {
	if d.names == nil {
		return slices.Contains(d.values, s)
	}
	return d.anywhere(s) && slices.ContainsFunc(d.values, func(name string) bool { return Covers(name, s) })
}

// anywhere reports a value that it can have for some request.
func (d *declared) anywhere(s string) bool {
	if d.names == nil {
		return slices.Contains(d.shared, s)
	}
	return d.names.ActionOf(s) != nil
}

// declaredAs returns what the schema says about an attribute, `action` or a
// loop variable over an attribute, when it has a closed set of values.
func (v *verifier) declaredAs(e ast.Expr) *declared {
	t := v.weaver.typing
	path := PathOf(e)
	if e.Kind() == ast.IdentKind {
		if scope := v.scopeOf(path); scope != nil {
			return scope.typ
		}
		if path == "action" {
			return &declared{path: path, values: t.names, names: v.weaver.c.schema}
		}
		return nil
	}
	if isIndex(e) {
		return v.declaredAs(e.AsCall().Args()[0])
	}
	if e.Kind() != ast.SelectKind {
		return nil
	}
	m, path, _ := v.memberOf(e)
	if m.typ.Kind == Enum || m.typ.Kind == List && m.typ.Elem.Kind == Enum {
		return &declared{path: path, values: enumValues(m.typ), shared: m.everUsed}
	}
	return nil
}

func (v *verifier) elementOf(e ast.Expr) *declared {
	if v.weaver.listOf(e) != "" {
		return nil
	}
	if e.Kind() == ast.SelectKind {
		return v.declaredAs(e)
	}
	return nil
}

// enumLiterals checks the texts that are compared with an enum.
func (v *verifier) enumLiterals(enum, other ast.Expr) {
	d := v.declaredAs(enum)
	if d == nil {
		return
	}
	texts := []ast.Expr{other}
	if other.Kind() == ast.ListKind {
		texts = other.AsList().Elements()
	}
	for _, x := range texts {
		if x.Kind() != ast.LiteralKind || x.AsLiteral().Type() != types.StringType {
			continue
		}
		// A variable may serve rules that see different values.
		own := v.weaver.spots[x.ID()].passage == v.weaver.root
		s := string(x.AsLiteral().(types.String))
		switch {
		case own && d.has(s), !own && d.anywhere(s):
		case own && d.anywhere(s):
			v.fail(x, v.weaver.c.near("", d.values, "there its values are "), "%q is not a value of %s where the match holds", clip(s), d.path)
		default:
			values := d.values
			if !own && d.names == nil {
				values = d.shared
			}
			v.fail(x, v.weaver.c.near(s, values, "its values are "), "%q is not a value of %s", clip(s), d.path)
		}
	}
}
