package pdl

import (
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/strixlabs/execution-kernel/internal/calendar"
)

func runes(s string) int { return utf8.RuneCountInString(s) }

// secondsOf returns the second in which an RFC 3339 instant lies.
func secondsOf(text string) interval {
	var at time.Time
	if at.UnmarshalText([]byte(text)) != nil {
		return everyInstant
	}
	return instantSpan(at)
}

func instantSpan(at time.Time) interval {
	span := single64(at.Unix())
	if at.Nanosecond() > 0 {
		span.hi++
	}
	return span
}

// value judges an expression: it reports what may have no value in it, and
// returns what it can be.
func (a *analyst) value(e ast.Expr, k *knowledge) reach {
	t := a.typeOf(e)
	if k.impossible {
		return reachOf(t)
	}
	if t.Kind() == types.BoolKind {
		yes, no := a.cond(e, k)
		return ofBool(!yes.impossible, !no.impossible)
	}
	var r reach
	switch e.Kind() {
	case ast.LiteralKind:
		return literalReach(e)
	case ast.ListKind:
		return a.listValue(e, k)
	case ast.CallKind:
		r = a.callValue(e, k)
	default:
		r = a.named(e, k)
	}
	return a.recall(e, r, k)
}

// recall adds what is known of an expression where it stands.
func (a *analyst) recall(e ast.Expr, r reach, k *knowledge) reach {
	key := a.key(e)
	if known, ok := k.find(key); ok {
		if both, empty := r.and(known); !empty {
			r = both
		}
	}
	if r.kind == types.ListKind || r.kind == types.StringKind {
		if size, ok := k.find(sizeKey(key)); ok {
			if length := r.length.meet(size.span); !length.empty() {
				r.length = length
			}
		}
	}
	return r
}

func literalReach(e ast.Expr) reach {
	switch v := e.AsLiteral().(type) {
	case types.Int:
		return ofSpan(types.IntKind, single64(int64(v)))
	case types.String:
		return ofWords(string(v))
	}
	return reach{}
}

func (a *analyst) listValue(e ast.Expr, k *knowledge) reach {
	elements := e.AsList().Elements()
	r := reachOf(a.typeOf(e))
	r.length = single64(int64(len(elements)))
	for i, x := range elements {
		elem := a.value(x, k)
		if i > 0 {
			elem = r.elem.or(elem)
		}
		r.elem, r.fixed = &elem, r.fixed || elem.fixed
	}
	return r
}

// named judges a name: a loop variable, an attribute, a constant.
func (a *analyst) named(e ast.Expr, k *knowledge) reach {
	if e.Kind() == ast.IdentKind {
		for _, l := range slices.Backward(a.loops) {
			if l.name == e.AsIdent() {
				return l.reach
			}
		}
		if e.AsIdent() == "action" && !slices.ContainsFunc(a.weaver.typing.actions, isFamily) {
			return ofWords(a.weaver.typing.actions...)
		}
	}
	if e.Kind() == ast.SelectKind {
		if m, _, ok := a.memberOf(e); ok {
			a.reached(e, k)
			return declaredReach(m.typ)
		}
	}
	if d, ok := a.weaver.c.cel.constants[a.key(e)]; ok {
		return valueReach(d.Type, d.Value)
	}
	return reachOf(a.typeOf(e))
}

// isFamily reports a name that stands for many actions: such an action is
// any text.
func isFamily(action string) bool { return strings.Contains(action, "*") }

// memberAt returns the attribute that a path names.
func (v *verifier) memberAt(path string) (member, bool) { return v.weaver.typing.member(path) }

// reached reports what may be absent on a path: an attribute, a record around
// it, an element of a list.
func (a *analyst) reached(e ast.Expr, k *knowledge) {
	if isIndex(e) {
		a.value(e, k)
	}
	if e.Kind() != ast.SelectKind {
		return
	}
	a.reached(e.AsSelect().Operand(), k)
	if m, path, _ := a.memberOf(e); m.optional && !k.holds("has("+a.key(e)+")") {
		a.unproved(e, "write has("+path+") && … before it", "%s is optional and is read without a test that it is there", path)
	}
}

func (a *analyst) callValue(e ast.Expr, k *knowledge) reach {
	call := e.AsCall()
	args := call.Args()
	switch name := call.FunctionName(); name {
	case operators.Conditional:
		t, f := a.cond(args[0], k)
		switch {
		case t.impossible:
			return a.value(args[2], f)
		case f.impossible:
			return a.value(args[1], t)
		}
		return a.value(args[1], t).or(a.value(args[2], f))
	case operators.Index:
		return a.element(e, args[0], args[1], k)
	case operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo, operators.Negate:
		return a.arithmetic(e, name, args, k)
	case "timestamp", "duration":
		return momentReach(name, args[0])
	case "size":
		of := call.Target()
		if !call.IsMemberFunction() {
			of = args[0]
		}
		r := a.value(of, k)
		size := ofSpan(types.IntKind, r.length)
		size.fixed = r.fixed
		return size
	case "lowerAscii", "upperAscii":
		return a.folding(name, call.Target(), k)
	case "ip", "cidr":
		a.parsed(map[string]string{"ip": "isIP", "cidr": "isCIDR"}[name], args[0], k)
	default:
		if slices.Contains(clockFunctions, name) {
			return a.part(name, call.Target(), k)
		}
	}
	return reachOf(a.typeOf(e))
}

func momentReach(function string, arg ast.Expr) reach {
	text, _ := textOf(arg)
	if function == "timestamp" {
		return ofSpan(types.TimestampKind, secondsOf(text))
	}
	d, _ := time.ParseDuration(text)
	return ofSpan(types.DurationKind, single64(int64(d)))
}

func (a *analyst) folding(function string, target ast.Expr, k *knowledge) reach {
	r := a.value(target, k)
	to, f := strings.ToLower, lowered
	if function == "upperAscii" {
		to, f = strings.ToUpper, uppered
	}
	made := reach{kind: types.StringKind, length: r.length, fold: f, fixed: r.fixed}
	if r.closed && isASCII(r.words) {
		words := make([]string, len(r.words))
		for i, w := range r.words {
			words[i] = to(w)
		}
		made = ofWords(words...)
		made.fixed = r.fixed
	}
	return made
}

func isASCII(words []string) bool {
	return !slices.ContainsFunc(words, func(w string) bool { return len(w) != runes(w) })
}

// part judges getHours() and the like.
func (a *analyst) part(function string, target ast.Expr, k *knowledge) reach {
	r := a.value(target, k)
	if r.kind == types.DurationKind {
		unit := map[string]time.Duration{"getHours": time.Hour, "getMinutes": time.Minute, "getSeconds": time.Second, "getMilliseconds": time.Millisecond}[function]
		quotient, _ := r.span.over(single64(int64(unit)))
		if function == "getMilliseconds" { // of the second
			quotient, _ = quotient.modulo(single64(int64(time.Second / time.Millisecond)))
		}
		return fixedAs(r, quotient)
	}
	most := map[string]interval{
		"getMonth": {0, 11}, "getDate": {1, 31}, "getDayOfMonth": {0, 30}, "getDayOfWeek": {0, 6}, "getDayOfYear": {0, 365},
		"getHours": {0, 23}, "getMinutes": {0, 59}, "getSeconds": {0, 59}, "getMilliseconds": {0, 999},
	}
	span, ok := most[function]
	if !ok { // the year; a zone is a day off at most
		year := func(s, days int64) int64 { return int64(time.Unix(s+days*86400, 0).UTC().Year()) }
		span = interval{year(r.span.lo, -1), year(r.span.hi, 1)}
	}
	return fixedAs(r, span)
}

// fixedAs is an int that is as fixed by constants as what it is made of.
func fixedAs(of reach, span interval) reach {
	r := ofSpan(types.IntKind, span)
	r.fixed = of.fixed
	return r
}

// parsed reports a text that may be no address or range.
func (a *analyst) parsed(test string, text ast.Expr, k *knowledge) {
	r := a.value(text, k)
	holds := parserOf(test)
	if r.closed && !slices.ContainsFunc(r.words, func(w string) bool { return !holds(w) }) {
		return
	}
	key := a.key(text)
	if key != "" && k.holds(test+"("+key+")") {
		return
	}
	what := "IP address"
	if test == "isCIDR" {
		what = "range of IP addresses"
	}
	shown := a.shown(text)
	if shown == "" {
		a.unproved(text, "test it with "+test+"() before", "this text may be no %s, and has no value then", what)
		return
	}
	a.unproved(text, "write "+test+"("+shown+") && … before it", "%s may be no %s, and has no value then", shown, what)
}

// within reports an instant that calendars may not know.
func (a *analyst) within(e ast.Expr, k *knowledge) {
	if r := a.value(e, k); !k.impossible && !r.span.within(interval{calendar.First, calendar.Last - 1}) {
		a.unproved(e, "test it before", "this instant may lie outside the years 1890 to 2199, which calendars know: it is %s", r.said())
	}
}

// element judges list[index].
func (a *analyst) element(e, list, index ast.Expr, k *knowledge) reach {
	rl, ri := a.value(list, k), a.value(index, k)
	elem := reachOf(a.typeOf(e))
	if rl.elem != nil {
		elem = *rl.elem
	}
	if ri.span.lo >= 0 && ri.span.hi < rl.length.lo {
		return elem
	}
	if ri.span.lo >= 0 && k.holds(relation(a.key(index), "<", sizeKey(a.key(list)))) {
		return elem
	}
	shown := a.shown(list)
	switch {
	case shown == "":
		a.unproved(e, "test it before", "this list may have no such element: the index is %s, and there are %s elements", ri.said(), ofSpan(types.IntKind, rl.length).said())
	case ri.span.isSingle() && ri.span.lo >= 0 && ri.span.lo < math.MaxInt64:
		a.unproved(e, "write size("+shown+") > "+itoa(ri.span.lo)+" && … before it", "%s may have no element %d: it has %s of them", shown, ri.span.lo, ofSpan(types.IntKind, rl.length).said())
	case ri.span.isSingle():
		a.unproved(e, "elements count from 0", "%s has no element %d", shown, ri.span.lo)
	default:
		i := a.shown(index)
		if i == "" {
			i = "the index"
		}
		a.unproved(e, "write "+i+" >= 0 && "+i+" < size("+shown+") && … before it", "%s may be no index of %s", i, shown)
	}
	return elem
}
