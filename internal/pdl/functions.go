package pdl

import (
	"regexp/syntax"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// refusedFunctions are what CEL or the language has and conditions of this
// version do not, each with the reason.
var refusedFunctions = []struct {
	names        []string
	reason, hint string
}{
	{[]string{"now"}, "no clock is read", "the instant of the decision is context.now"},
	{[]string{"getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours", "getMilliseconds", "getMinutes", "getMonth", "getSeconds"},
		"time zones and parts of an instant come with a later version", "compare whole instants"},
	{[]string{"lowerAscii", "upperAscii", "ip", "cidr", "isIP", "isCIDR", "containsIP", "containsCIDR", "glob", "active"},
		"it comes with a later version", ""},
	{[]string{"int", "uint", "double", "string", "bytes", "bool"}, "nothing is converted at run time", "declare the attribute with the type it has"},
	{[]string{"dyn", "type"}, "every type is known before a condition runs", ""},
	{[]string{"map", "filter", "sort", "flatten", "distinct", "slice", "range", "reverse", "transformList"}, "conditions build no lists", "use exists, all or exists_one"},
	{[]string{"exists", "all", "exists_one", "existsOne"}, "it takes a list, a new name and a condition", "write list.exists(x, x == …)"},
	{[]string{"has"}, "it takes the path of an attribute", "write has(resource.owner_team)"},
	{[]string{"split", "join", "replace", "substring", "trim", "indexOf", "charAt", "format", "lastIndexOf", "quote"}, "conditions build no strings", ""},
	{[]string{"transformMap", "transformMapEntry"}, "conditions build no maps", ""},
}

// A signature is how a function of CEL-T is written.
type signature struct {
	name           string
	method, global bool
	args           int // beside the target of a method
}

var signatures = []signature{
	{"size", true, true, 0},
	{"startsWith", true, false, 1},
	{"endsWith", true, false, 1},
	{"contains", true, false, 1},
	{"matches", true, false, 1},
	{"timestamp", false, true, 1},
	{"duration", false, true, 1},
}

// operatorsOf lists the operators of CEL-T, as the parser names them.
var operatorsOf = []string{
	operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional, operators.Equals, operators.NotEquals,
	operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals, operators.In, operators.Add, operators.Subtract,
	operators.Multiply, operators.Divide, operators.Modulo, operators.Negate, operators.NotStrictlyFalse,
}

func (w *weaver) call(e ast.Expr) ast.Expr {
	call := e.AsCall()
	name := call.FunctionName()
	if slices.Contains(operatorsOf, name) {
		id := w.id(e)
		return w.factory.NewCall(id, name, w.copyAll(call.Args())...)
	}
	if name == operators.Index {
		w.fail(w.spotOf(e), "use in, exists or all", "elements are not picked by index")
		return e
	}
	i := slices.IndexFunc(signatures, func(s signature) bool { return s.name == name })
	if i < 0 {
		w.unknownFunction(e, name)
		return e
	}
	s := signatures[i]
	args := s.args
	if s.global && s.method && !call.IsMemberFunction() {
		args++
	}
	if call.IsMemberFunction() && !s.method || !call.IsMemberFunction() && !s.global || len(call.Args()) != args {
		w.fail(w.spotOf(e), "write "+s.usage(), "%s is not called like this", name)
		return e
	}
	w.literalArgument(e, name)
	id := w.id(e)
	if call.IsMemberFunction() {
		return w.factory.NewMemberCall(id, name, w.copy(call.Target()), w.copyAll(call.Args())...)
	}
	return w.factory.NewCall(id, name, w.copyAll(call.Args())...)
}

func (s signature) usage() string {
	switch s.name {
	case "size":
		return "size(list)"
	case "timestamp":
		return `timestamp("2026-11-23T10:00:00Z")`
	case "duration":
		return `duration("24h")`
	}
	return "text." + s.name + `("…")`
}

func (w *weaver) unknownFunction(e ast.Expr, name string) {
	at := w.spotOf(e)
	if call := e.AsCall(); call.IsMemberFunction() {
		root, _, _ := strings.Cut(pathOf(call.Target()), ".")
		if i := slices.IndexFunc(laterRoots, func(l later) bool { return l.word == root }); i >= 0 {
			w.fail(w.spotOf(call.Target()), "", "%s", laterRoots[i].sentence)
			return
		}
	}
	for _, r := range refusedFunctions {
		if slices.Contains(r.names, name) {
			w.fail(at, r.hint, "%s(): %s", name, r.reason)
			return
		}
	}
	names := []string{"has", "exists", "all", "exists_one"}
	for _, s := range signatures {
		names = append(names, s.name)
	}
	w.fail(at, w.c.near(name, names, "functions are "), "unknown function %s()", clip(name))
}

// literalArgument checks what has to be known before a condition runs: the
// patterns of matches, instants and durations.
func (w *weaver) literalArgument(e ast.Expr, name string) {
	if name != "matches" && name != "timestamp" && name != "duration" {
		return
	}
	arg := e.AsCall().Args()[0]
	text, ok := "", arg.Kind() == ast.LiteralKind && arg.AsLiteral().Type() == types.StringType
	if !ok {
		w.fail(w.spotOf(arg), "", "the argument of %s() is a text in quotes, known before the condition runs", name)
		return
	}
	text = string(arg.AsLiteral().(types.String))
	problem, hint := "", ""
	switch name {
	case "matches":
		problem, hint = patternProblem(text)
	case "timestamp":
		if problem = timestampProblem(text); problem != "" {
			problem, hint = "this "+problem, `write timestamp("2026-11-23T10:00:00Z")`
		}
	case "duration":
		problem, hint = durationProblem(text)
	}
	if problem != "" {
		w.fail(w.spotOf(arg), hint, "%s", problem)
	}
}

func patternProblem(pattern string) (problem, hint string) {
	if utf8.RuneCountInString(pattern) > maxPattern {
		return "the pattern is too long", "a pattern has at most 1000 characters"
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		reason := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
		return "the pattern is not RE2: " + clip(reason), ""
	}
	if patternSize(tree) > maxPatternSize {
		return "the pattern repeats too much", "use smaller counts"
	}
	return "", ""
}

// patternSize is about the number of states a pattern compiles to: a few
// characters of counted repetition can ask for millions.
func patternSize(r *syntax.Regexp) int {
	size := 1 + len(r.Rune)
	for _, sub := range r.Sub {
		size = min(size+patternSize(sub), maxPatternSize+1)
	}
	if r.Op == syntax.OpRepeat {
		size = min(size*max(r.Min, r.Max, 1), maxPatternSize+1)
	}
	return size
}

// maxDuration keeps an instant plus a duration within 64 bits of nanoseconds
// of every other.
const maxDuration = 100 * 365 * 24 * time.Hour

func durationProblem(text string) (problem, hint string) {
	hint = `write duration("24h"), duration("90m") or duration("1h30m")`
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return "this is not a duration", hint
	case d > maxDuration || d < -maxDuration:
		return "a duration is at most 100 years", hint
	}
	return "", ""
}
