package eval

import (
	"regexp"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// strings lowers an expression of type string.
func (l *lowerer) strings(e ast.Expr) expr[string] {
	return scalar(l, stringDomain(), e, func(call ast.CallExpr) expr[string] {
		if call.FunctionName() == operators.Add {
			join := func(x, y string) (string, fault) { return x + y, 0 }
			return strict(l.strings(call.Args()[0]), l.strings(call.Args()[1]), join)
		}
		switch call.FunctionName() {
		case "lowerAscii":
			return pure(l.strings(call.Target()), lowerASCII)
		case "upperAscii":
			return pure(l.strings(call.Target()), upperASCII)
		}
		return refuse[string](l, e, "%s is not part of the language", call.FunctionName())
	})
}

// lowerASCII changes A to Z, and no other letter. It allocates only when it
// changes something.
func lowerASCII(s string) string { return shiftASCII(s, 'A', 'Z', 'a'-'A') }

func upperASCII(s string) string { return shiftASCII(s, 'a', 'z', 'A'-'a'+256) }

func shiftASCII(s string, from, to byte, by int) string {
	i := strings.IndexFunc(s, func(r rune) bool { return r >= rune(from) && r <= rune(to) })
	if i < 0 {
		return s
	}
	shifted := []byte(s)
	for ; i < len(shifted); i++ {
		if shifted[i] >= from && shifted[i] <= to {
			shifted[i] += byte(by)
		}
	}
	return string(shifted)
}

// stringPredicate lowers the member functions that test a string.
func (l *lowerer) stringPredicate(e ast.Expr, call ast.CallExpr) cond {
	switch call.FunctionName() {
	case "startsWith":
		return test(l.strings(call.Target()), l.strings(call.Args()[0]), strings.HasPrefix)
	case "endsWith":
		return test(l.strings(call.Target()), l.strings(call.Args()[0]), strings.HasSuffix)
	case "contains":
		return l.contains(l.strings(call.Target()), l.strings(call.Args()[0]))
	case "matches":
		return l.matches(e, call, func(s string) string { return s })
	case "glob":
		return l.matches(e, call, pdl.GlobPattern)
	}
	return l.refuseBool(e, "%s is not part of the language", call.FunctionName())
}

// matches compiles its pattern, a literal, once. It is written
// text.matches(pattern) or matches(text, pattern). The pattern is translated to
// RE2 first.
func (l *lowerer) matches(e ast.Expr, call ast.CallExpr, translate func(string) string) cond {
	operands := call.Args()
	if call.IsMemberFunction() {
		operands = append([]ast.Expr{call.Target()}, operands...)
	}
	pattern, ok := literal(operands[1])
	source, isString := pattern.(types.String)
	if !ok || !isString {
		return l.refuseBool(e, "a pattern is a literal string")
	}
	re, err := regexp.Compile(translate(string(source)))
	if err != nil {
		return l.refuseBool(e, "%v", err)
	}
	text, perCharacter := l.strings(operands[0]), pdl.Instructions(translate(string(source)))
	return func(fr *frame) tri {
		s, f := text(fr)
		switch {
		case f != 0:
			return failed(f)
		case !fr.spend(1 + len(s)*perCharacter):
			return failed(faultWork)
		}
		return truth(re.MatchString(s))
	}
}

func (l *lowerer) contains(text, part expr[string]) cond {
	return func(fr *frame) tri {
		s, f := text(fr)
		if f != 0 {
			return failed(f)
		}
		p, f := part(fr)
		switch {
		case f != 0:
			return failed(f)
		case !fr.spend(reading(len(s))):
			return failed(faultWork)
		}
		return truth(strings.Contains(s, p))
	}
}
