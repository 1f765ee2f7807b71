package pdl

import (
	"slices"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/checker"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// check puts the variables into a condition, types it, and refuses what is
// outside CEL-T or may read what is not there. It returns nil after reporting.
// A rule's condition is a bool; a variable may be anything.
func (c *compiler) check(p *passage, t *typing, vars *variables, condition bool) *ast.AST {
	w, tree := c.weave(p, t, vars)
	if tree == nil {
		return nil
	}
	checked, errs := checker.Check(tree, common.NewTextSource(p.source), c.cel.checkerOf(t))
	v := &verifier{weaver: w, tree: checked, good: true}
	for _, e := range errs.GetErrors() {
		v.typeError(e)
	}
	if !v.good {
		return nil
	}
	v.subset(checked.Expr())
	if v.good && condition && checked.GetType(checked.Expr().ID()) != types.BoolType {
		c.errorf(p.span(0, utf8.RuneCountInString(p.source)), "compare it with something", "a condition is a bool, not %s", nameOf(v.typeOf(checked.Expr())))
		v.good = false
	}
	if v.good {
		v.analyse(checked.Expr())
	}
	if !v.good {
		return nil
	}
	if condition {
		p.steps = (&meter{verifier: v}).steps(checked.Expr())
	}
	return checked
}

// A verifier walks a typed tree.
type verifier struct {
	weaver *weaver
	tree   *ast.AST
	scopes []loopScope
	good   bool
}

// A loopScope is a loop variable and the type of what it stands for.
type loopScope struct {
	name string
	typ  *declared
	list string // the path of a list of records, or ""
}

func (v *verifier) at(e ast.Expr) span { return v.weaver.spots[e.ID()].span() }

func (v *verifier) fail(e ast.Expr, hint, format string, args ...any) {
	v.good = false
	v.weaver.c.errorf(v.at(e), hint, format, args...)
}

func (v *verifier) typeOf(e ast.Expr) *types.Type { return v.tree.GetType(e.ID()) }

func (v *verifier) anyJSON(list []ast.Expr) bool {
	return slices.ContainsFunc(list, func(e ast.Expr) bool {
		t := v.typeOf(e)
		return t.Kind() == types.OpaqueKind && t.TypeName() == jsonType.TypeName()
	})
}

// nameOf names a type of CEL for messages.
func nameOf(t *types.Type) string {
	switch t.Kind() {
	case types.BoolKind:
		return "a bool"
	case types.IntKind:
		return "an int"
	case types.StringKind:
		return "a string"
	case types.TimestampKind:
		return "a timestamp"
	case types.DurationKind:
		return "a duration"
	case types.ListKind:
		return "a list"
	case types.StructKind:
		return "a record"
	case types.OpaqueKind:
		switch t.TypeName() {
		case ipType.TypeName():
			return "an IP address"
		case cidrType.TypeName():
			return "a range of IP addresses"
		case jsonType.TypeName():
			return "json"
		}
		return "a calendar"
	default:
		return "something else"
	}
}

// typeError says in our words what the type checker found at a node.
func (v *verifier) typeError(found *common.Error) {
	var at ast.Expr
	ast.PreOrderVisit(v.tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.ID() == found.ExprID {
			at = e
		}
	}))
	switch {
	case at == nil:
		v.fail(v.tree.Expr(), "", "the types in this condition do not fit")
	case strings.Contains(found.Message, "range of a comprehension"):
		v.fail(at, "", "exists and all go over lists, not %s", nameOf(v.typeOf(at)))
	case strings.HasPrefix(found.Message, "expected type 'bool'"):
		v.conditionError("", []ast.Expr{at})
	case at.Kind() == ast.CallKind:
		v.callError(at)
	default:
		v.fail(at, "", "the types do not fit here")
	}
}

// callError explains a call that no overload of CEL takes.
func (v *verifier) callError(e ast.Expr) {
	call := e.AsCall()
	args := call.Args()
	if call.IsMemberFunction() {
		args = append([]ast.Expr{call.Target()}, args...)
	}
	for _, a := range args {
		if v.typeOf(a).Kind() == types.ErrorKind {
			v.good = false // reported where it arose
			return
		}
	}
	name := call.FunctionName()
	switch name {
	case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional, operators.NotStrictlyFalse:
		v.conditionError(name, args)
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		if v.anyJSON(args) {
			v.fail(e, "declare the members that conditions look at", "policies do not look into json: it has has() and size() alone")
			return
		}
		v.fail(e, "compare values of one type", "%s cannot be compared with %s", nameOf(v.typeOf(args[0])), nameOf(v.typeOf(args[1])))
	case operators.In:
		if v.typeOf(args[1]).Kind() != types.ListKind {
			v.fail(e, "", "in looks into a list, not %s", nameOf(v.typeOf(args[1])))
			return
		}
		v.fail(e, "", "%s cannot be in a list of other values", nameOf(v.typeOf(args[0])))
	case operators.Negate:
		v.fail(e, "", "%s cannot be negated", nameOf(v.typeOf(args[0])))
	case operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo:
		v.fail(e, "arithmetic is on ints, and on instants and durations; + joins strings", "%s and %s have no %s", nameOf(v.typeOf(args[0])), nameOf(v.typeOf(args[1])), symbol(name))
	case operators.Index:
		if v.typeOf(args[0]).Kind() != types.ListKind {
			v.fail(e, "", "[ ] picks an element of a list, not of %s", nameOf(v.typeOf(args[0])))
			return
		}
		v.fail(e, "", "an element is picked by an int, not by %s", nameOf(v.typeOf(args[1])))
	default:
		if slices.Contains(clockFunctions, name) {
			v.clockError(e, args[0])
			return
		}
		if (name == "containsIP" || name == "containsCIDR") && v.typeOf(args[0]).Kind() != types.OpaqueKind {
			v.fail(e, `write cidr("10.0.0.0/8").`+name+"(…)", "%s() is asked of a range of IP addresses, not of %s", name, nameOf(v.typeOf(args[0])))
			return
		}
		v.fail(e, "", "%s() does not take %s", name, nameOf(v.typeOf(args[len(args)-1])))
	}
}

// clockError explains a part of an instant that is asked of something else.
func (v *verifier) clockError(e, target ast.Expr) {
	name := e.AsCall().FunctionName()
	switch {
	case v.typeOf(target).Kind() != types.DurationKind:
		v.fail(e, "", "%s() is asked of an instant, not of %s", name, nameOf(v.typeOf(target)))
	case slices.Contains(spanFunctions, name):
		v.fail(e, "leave the zone out", "a duration has no time zone")
	default:
		v.fail(e, "a duration has "+strings.Join(spanFunctions, ", "), "%s() is asked of an instant, not of a duration", name)
	}
}

// conditionError finds the operand that should have been a bool.
func (v *verifier) conditionError(name string, args []ast.Expr) {
	if name == operators.Conditional && v.typeOf(args[0]).Kind() == types.BoolKind {
		v.fail(args[1], "", "the two values of ?: are %s and %s", nameOf(v.typeOf(args[1])), nameOf(v.typeOf(args[2])))
		return
	}
	for _, a := range args {
		if v.typeOf(a).Kind() != types.BoolKind {
			v.fail(a, "compare it with something", "%s is no condition", nameOf(v.typeOf(a)))
			return
		}
	}
	v.good = false
}

func symbol(operator string) string {
	for _, c := range operator {
		if c != '_' {
			return string(c)
		}
	}
	return operator
}
