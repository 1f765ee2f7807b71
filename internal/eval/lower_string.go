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
			return pricedStrict(l.strings(call.Args()[0]), l.strings(call.Args()[1]),
				func(x, y string) int { return building(len(x) + len(y)) }, func(x, y string) string { return x + y })
		}
		switch call.FunctionName() {
		case "lowerAscii":
			return pricedPure(l.strings(call.Target()), shifting, lowerASCII)
		case "upperAscii":
			return pricedPure(l.strings(call.Target()), shifting, upperASCII)
		}
		return refuse[string](l, e, "%s is not part of the language", call.FunctionName())
	})
}

// shifting is the price of changing the case of a text.
func shifting(s string) int { return allocation + len(s)/bytesShifted }

// lowerASCII changes A to Z, and no other letter. It allocates only when it
// changes something.
func lowerASCII(s string) string { return shiftASCII(s, 'A', 'Z', 'a'-'A') }

func upperASCII(s string) string { return shiftASCII(s, 'a', 'z', 'A'-'a'+256) }

func shiftASCII(s string, from, to byte, by int) string {
	i := 0
	for i < len(s) && (s[i] < from || s[i] > to) {
		i++
	}
	if i == len(s) {
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
		return l.affix(call, strings.HasPrefix)
	case "endsWith":
		return l.affix(call, strings.HasSuffix)
	case "contains":
		return l.contains(l.strings(call.Target()), l.strings(call.Args()[0]))
	case "matches":
		return l.matches(e, call, func(s string) string { return s })
	case "glob":
		return l.matches(e, call, pdl.GlobPattern)
	}
	return l.refuseBool(e, "%s is not part of the language", call.FunctionName())
}

func (l *lowerer) affix(call ast.CallExpr, holds func(string, string) bool) cond {
	text, part := l.strings(call.Target()), l.strings(call.Args()[0])
	if l.brief(call.Target(), call.Args()[0]) {
		return test(text, part, holds)
	}
	return priced(text, part, affix, holds)
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
		case !fr.spend(1 + (len(s)+1)*perCharacter):
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
