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

	"github.com/strixlabs/execution-kernel/internal/zone"
)

// refusedFunctions are what CEL or the language has and conditions of this
// version do not, each with the reason.
var refusedFunctions = []struct {
	names        []string
	reason, hint string
}{
	{[]string{"now"}, "no clock is read", "the instant of the decision is context.now"},
	{[]string{"int", "uint", "double", "string", "bytes", "bool"}, "nothing is converted at run time", "declare the attribute with the type it has"},
	{[]string{"dyn", "type"}, "every type is known before a condition runs", ""},
	{[]string{"map", "filter", "sort", "flatten", "distinct", "slice", "range", "reverse", "transformList"}, "conditions build no lists", "use exists, all or exists_one"},
	{[]string{"exists", "all", "exists_one", "existsOne"}, "it takes a list, a new name and a condition", "write list.exists(x, x == …)"},
	{[]string{"has"}, "it takes the path of an attribute", "write has(resource.owner_team)"},
	{[]string{"family", "isUnspecified", "isLoopback", "isGlobalUnicast", "isLinkLocalMulticast", "isLinkLocalUnicast", "isCanonical", "isMask", "masked", "prefixLength"},
		"addresses are looked for in ranges", `write cidr("10.0.0.0/8").containsIP(context.source_ip)`},
	{[]string{"lower", "toLower", "lowercase"}, "there is no such function", "write lowerAscii(), which changes the letters a to z"},
	{[]string{"upper", "toUpper", "uppercase"}, "there is no such function", "write upperAscii(), which changes the letters a to z"},
	{[]string{"split", "join", "replace", "substring", "trim", "indexOf", "charAt", "format", "lastIndexOf", "quote"}, "conditions build no strings", ""},
	{[]string{"transformMap", "transformMapEntry"}, "conditions build no maps", ""},
}

// A signature is how a function of CEL-T is written.
type signature struct {
	name        string
	form        form
	least, most int // arguments, beside the target of a method
	usage       string
	literal     func(w *weaver, text string) (problem, hint string) // checks the argument, which has to be a text in quotes
}

// A form says where the first operand of a function stands.
type form uint8

const (
	method form = 1 + iota
	global
	either
)

var signatures = append([]signature{
	{name: "size", form: either, usage: "size(list)"},
	{name: "startsWith", form: method, least: 1, most: 1, usage: `text.startsWith("…")`},
	{name: "endsWith", form: method, least: 1, most: 1, usage: `text.endsWith("…")`},
	{name: "contains", form: method, least: 1, most: 1, usage: `text.contains("…")`},
	{name: "matches", form: method, least: 1, most: 1, usage: `text.matches("…")`, literal: patternProblem},
	{name: "glob", form: method, least: 1, most: 1, usage: `path.glob("src/**/*.go")`, literal: globProblem},
	{name: "lowerAscii", form: method, usage: "text.lowerAscii()"},
	{name: "upperAscii", form: method, usage: "text.upperAscii()"},
	{name: "timestamp", form: global, least: 1, most: 1, usage: `timestamp("2026-11-23T10:00:00Z")`, literal: timestampLiteral},
	{name: "duration", form: global, least: 1, most: 1, usage: `duration("24h")`, literal: durationProblem},
	{name: "isIP", form: global, least: 1, most: 1, usage: "isIP(context.source_ip)"},
	{name: "isCIDR", form: global, least: 1, most: 1, usage: "isCIDR(params.range)"},
	{name: "ip", form: global, least: 1, most: 1, usage: "ip(context.source_ip)"},
	{name: "cidr", form: global, least: 1, most: 1, usage: `cidr("10.0.0.0/8")`},
	{name: "containsIP", form: method, least: 1, most: 1, usage: `cidr("10.0.0.0/8").containsIP(context.source_ip)`},
	{name: "containsCIDR", form: method, least: 1, most: 1, usage: `cidr("10.0.0.0/8").containsCIDR(params.range)`},
	{name: "active", form: method, least: 1, most: 1, usage: "calendar.working_hours.active(context.now)"},
}, clockSignatures()...)

// clockFunctions are the parts of an instant, and those of a duration.
var (
	clockFunctions = []string{
		"getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours", "getMilliseconds", "getMinutes", "getMonth", "getSeconds",
	}
	spanFunctions = []string{"getHours", "getMilliseconds", "getMinutes", "getSeconds"}
)

func clockSignatures() []signature {
	list := make([]signature, len(clockFunctions))
	for i, name := range clockFunctions {
		list[i] = signature{name: name, form: method, most: 1, usage: "instant." + name + `("Europe/Berlin")`, literal: (*weaver).zoneLiteral}
	}
	return list
}

// operatorsOf lists the operators of CEL-T, as the parser names them.
var operatorsOf = []string{
	operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional, operators.Equals, operators.NotEquals,
	operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals, operators.In, operators.Add, operators.Subtract,
	operators.Multiply, operators.Divide, operators.Modulo, operators.Negate, operators.NotStrictlyFalse, operators.Index,
}

func (w *weaver) call(e ast.Expr) ast.Expr {
	call := e.AsCall()
	name := call.FunctionName()
	if slices.Contains(operatorsOf, name) {
		id := w.id(e)
		return w.factory.NewCall(id, name, w.copyAll(call.Args())...)
	}
	i := slices.IndexFunc(signatures, func(s signature) bool { return s.name == name })
	if i < 0 {
		w.unknownFunction(e, name)
		return e
	}
	s := signatures[i]
	if !s.fits(call) {
		w.fail(w.spotOf(e), "write "+s.usage, "%s is not called like this", name)
		return e
	}
	for _, arg := range call.Args() {
		w.literalArgument(s, arg)
	}
	id := w.id(e)
	switch {
	case name == "active":
		return w.factory.NewMemberCall(id, name, w.calendar(call.Target(), s), w.copyAll(call.Args())...)
	case call.IsMemberFunction():
		return w.factory.NewMemberCall(id, name, w.copy(call.Target()), w.copyAll(call.Args())...)
	}
	return w.factory.NewCall(id, name, w.copyAll(call.Args())...)
}

// fits reports whether a call has the form of its function.
func (s signature) fits(call ast.CallExpr) bool {
	args := len(call.Args())
	if call.IsMemberFunction() {
		return s.form != global && args >= s.least && args <= s.most
	}
	if s.form == either {
		args--
	}
	return s.form != method && args >= s.least && args <= s.most
}

func (w *weaver) unknownFunction(e ast.Expr, name string) {
	at := w.spotOf(e)
	if call := e.AsCall(); call.IsMemberFunction() {
		root, _, _ := strings.Cut(PathOf(call.Target()), ".")
		if i := slices.IndexFunc(laterRoots, func(l later) bool { return l.word == root }); i >= 0 {
			w.fail(w.spotOf(call.Target()), "", "%s", laterRoots[i].sentence)
			return
		}
		if root == "calendar" {
			w.fail(at, "write calendar.working_hours.active(context.now)", "a calendar has no %s(); it is asked whether it is active", clip(name))
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

// literalArgument checks what has to be known before a condition runs:
// patterns, instants, durations, zones.
func (w *weaver) literalArgument(s signature, arg ast.Expr) {
	if s.literal == nil {
		w.addressLiteral(s, arg)
		return
	}
	text, ok := textOf(arg)
	if !ok {
		w.fail(w.spotOf(arg), "", "the argument of %s() is a text in quotes, known before the condition runs", s.name)
		return
	}
	if problem, hint := s.literal(w, text); problem != "" {
		w.fail(w.spotOf(arg), hint, "%s", problem)
	}
}

// textOf returns a text in quotes.
func textOf(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind || e.AsLiteral().Type() != types.StringType {
		return "", false
	}
	return string(e.AsLiteral().(types.String)), true
}

func timestampLiteral(_ *weaver, text string) (problem, hint string) {
	if problem = timestampProblem(text); problem != "" {
		return "this " + problem, `write timestamp("2026-11-23T10:00:00Z")`
	}
	return "", ""
}

// zoneLiteral checks the zone of getHours() and the like.
func (w *weaver) zoneLiteral(text string) (problem, hint string) {
	if _, fixed := zone.Fixed(text); fixed || text == "UTC" {
		return "", ""
	}
	if !w.c.zoneDatabase().Has(text) {
		return w.c.zoneProblem(text)
	}
	w.c.zoneNames[text] = true
	return "", ""
}

func patternProblem(_ *weaver, pattern string) (problem, hint string) {
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

func durationProblem(_ *weaver, text string) (problem, hint string) {
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
