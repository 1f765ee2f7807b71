package eval

import (
	"regexp"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// strings lowers an expression of type string.
func (l *lowerer) strings(e ast.Expr) expr[string] {
	return scalar(l, stringDomain(), e, func(call ast.CallExpr) expr[string] {
		if call.FunctionName() == operators.Add {
			join := func(x, y string) (string, fault) { return x + y, 0 }
			return strict(l.strings(call.Args()[0]), l.strings(call.Args()[1]), join)
		}
		return refuse[string](l, e, "%s is not part of the language", call.FunctionName())
	})
}

// stringPredicate lowers the member functions that test a string.
func (l *lowerer) stringPredicate(e ast.Expr) cond {
	call := e.AsCall()
	switch call.FunctionName() {
	case "startsWith":
		return test(l.strings(call.Target()), l.strings(call.Args()[0]), strings.HasPrefix)
	case "endsWith":
		return test(l.strings(call.Target()), l.strings(call.Args()[0]), strings.HasSuffix)
	case "contains":
		return test(l.strings(call.Target()), l.strings(call.Args()[0]), strings.Contains)
	case "matches":
		return l.matches(e, call)
	}
	return l.refuseBool(e, "%s is not part of the language", call.FunctionName())
}

// matches compiles its pattern, a literal, once. It is written
// text.matches(pattern) or matches(text, pattern).
func (l *lowerer) matches(e ast.Expr, call ast.CallExpr) cond {
	operands := call.Args()
	if call.IsMemberFunction() {
		operands = append([]ast.Expr{call.Target()}, operands...)
	}
	pattern, ok := literal(operands[1])
	source, isString := pattern.(types.String)
	if !ok || !isString {
		return l.refuseBool(e, "a pattern is a literal string")
	}
	re, err := regexp.Compile(string(source))
	if err != nil {
		return l.refuseBool(e, "%v", err)
	}
	return toCond(pure(l.strings(operands[0]), re.MatchString))
}
