package pdl

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// An analyst follows what is known through a condition: which attributes are
// there, what numbers and texts can be. It reports every place that may have no
// value, and what can only go one way.
//
// What it follows it follows soundly: `a && b` evaluates b where a is not false,
// and where a is false the error of b has no effect. So b is judged by what is
// known once a is true.
type analyst struct {
	*verifier
	loops []loopReach
	keys  map[int64]string
	sides map[int64]bool // comparisons that were reported because they can only go one way
}

// A loopReach is a loop variable.
type loopReach struct {
	name, key string
	reach
}

// analyse checks a condition under what the match of its rule says, or another
// expression.
func (v *verifier) analyse(e ast.Expr) {
	a := &analyst{verifier: v, keys: map[int64]string{}, sides: map[int64]bool{}}
	k, rule := &knowledge{}, v.weaver.root.rule
	about := v.weaver.root.about
	var atoms []Atom
	switch {
	case rule != nil:
		atoms = rule.Match
	case about != nil && about.known == nil:
		atoms = about.match
	case about != nil:
		k = about.known
	}
	for _, atom := range atoms {
		k = k.learn(atom.Path, a.atomReach(atom))
	}
	if v.typeOf(e).Kind() != types.BoolKind {
		a.value(e, k)
		return
	}
	t, f := a.cond(e, k)
	if about != nil && v.good {
		about.hold(a, t)
	}
	if rule == nil || a.sides[e.ID()] {
		return
	}
	whole := v.weaver.root.span(0, len(v.weaver.root.runes))
	switch {
	case t.impossible:
		v.weaver.c.warnf(whole, "change the condition, or remove the rule", "the rule never matches: its condition is never true where the match holds")
	case f.impossible && len(a.sides) == 0:
		v.weaver.c.warnf(whole, "leave `when` out, or change it", "the condition is always true where the match holds")
	}
}

func (a *analyst) atomReach(atom Atom) reach {
	if m, ok := a.memberAt(atom.Path); ok && m.typ.Kind == Bool {
		return ofBool(contains(atom.Values, "true"), contains(atom.Values, "false"))
	}
	return ofWords(atom.Values...)
}

// cond judges an expression of type bool. It returns what is known once it is
// true, and once it is false.
func (a *analyst) cond(e ast.Expr, k *knowledge) (t, f *knowledge) {
	if k.impossible {
		return k, k
	}
	switch e.Kind() {
	case ast.LiteralKind:
		if e.AsLiteral() == types.True {
			return k, never()
		}
		return never(), k
	case ast.ComprehensionKind:
		return a.quantified(e, k)
	case ast.CallKind:
		return a.condCall(e, k)
	default:
		if e.Kind() == ast.SelectKind && e.AsSelect().IsTestOnly() {
			return a.sided(e, a.whyPresent(e), func() (t, f *knowledge) { return a.present(e, k) })
		}
		return a.atom(e, k, a.named(e, k))
	}
}

func (a *analyst) condCall(e ast.Expr, k *knowledge) (t, f *knowledge) {
	call := e.AsCall()
	args := call.Args()
	switch call.FunctionName() {
	case operators.LogicalAnd:
		t1, f1 := a.operand(args[0], k)
		t2, f2 := a.operand(args[1], t1)
		return t2, f1.or(f2)
	case operators.LogicalOr:
		t1, f1 := a.operand(args[0], k)
		t2, f2 := a.operand(args[1], f1)
		return t1.or(t2), f2
	case operators.LogicalNot:
		t, f = a.operand(args[0], k)
		return f, t
	case operators.Conditional:
		t1, f1 := a.cond(args[0], k)
		t2, f2 := a.cond(args[1], t1)
		t3, f3 := a.cond(args[2], f1)
		return t2.or(t3), f2.or(f3)
	case operators.Index:
		return a.atom(e, k, a.element(e, args[0], args[1], k))
	}
	return a.compared(e, k)
}

// operand judges a part of a condition: one that is written true or false adds
// nothing.
func (a *analyst) operand(e ast.Expr, k *knowledge) (t, f *knowledge) {
	if !isBool(e) || k.impossible {
		return a.cond(e, k)
	}
	return a.sided(e, "", func() (t, f *knowledge) { return a.cond(e, k) })
}

func (a *analyst) whyPresent(e ast.Expr) string {
	if m, path, ok := a.memberOf(e); ok && !m.optional {
		return ": " + path + " is not optional"
	}
	return ""
}

// present judges has(): of an attribute that is always there it is true.
func (a *analyst) present(e ast.Expr, k *knowledge) (t, f *knowledge) {
	r := ofBool(true, true)
	s := e.AsSelect()
	a.reached(s.Operand(), k)
	if m, _, ok := a.memberOf(e); ok && !m.optional {
		r.no = false
	}
	return a.atom(e, k, r)
}

// atom judges what is followed by its text alone. What is fixed by constants of
// data documents may be either: they will change.
func (a *analyst) atom(e ast.Expr, k *knowledge, r reach) (t, f *knowledge) {
	key := a.key(e)
	if known, ok := k.find(key); ok && key != "" {
		if both, empty := r.and(known); !empty {
			r = both
		}
	}
	t, f = never(), never()
	if r.yes || r.fixed {
		t = k.learn(key, ofBool(true, false))
	}
	if r.no || r.fixed {
		f = k.learn(key, ofBool(false, true))
	}
	return t, f
}

// sided reports a comparison in a rule that can only go one way. Variables are
// left out: several rules share them.
func (a *analyst) sided(e ast.Expr, about string, judge func() (t, f *knowledge)) (*knowledge, *knowledge) {
	t, f := judge()
	if t.impossible == f.impossible || a.weaver.root.rule == nil || a.weaver.spots[e.ID()].passage != a.weaver.root {
		return t, f
	}
	a.sides[e.ID()] = true
	if t.impossible {
		a.weaver.c.warnf(a.at(e), "", "this is never true here%s", about)
	} else {
		a.weaver.c.warnf(a.at(e), "leave it out", "this is always true here%s", about)
	}
	return t, f
}

// quantified judges exists, all and exists_one. A list that has such an element,
// or does not have only such, is not empty.
func (a *analyst) quantified(e ast.Expr, k *knowledge) (t, f *knowledge) {
	q := quantifierOf(e)
	list := a.value(q.over, k)
	key := a.key(e)
	elem := reachOf(types.BoolType)
	if list.elem != nil {
		elem = *list.elem
	}
	inside := k
	if list.length.hi == 0 {
		inside = never()
	}
	a.loops = append(a.loops, loopReach{q.variable, a.loopKey(e, q.variable), elem})
	a.scopes = append(a.scopes, loopScope{name: q.variable, list: a.weaver.listOf(q.over)})
	some, other := a.cond(q.test, inside)
	a.loops, a.scopes = a.loops[:len(a.loops)-1], a.scopes[:len(a.scopes)-1]
	filled := k.learn(sizeKey(a.key(q.over)), ofSpan(types.IntKind, interval{1, list.length.hi}))
	t, f = k.learn(key, ofBool(true, false)), k.learn(key, ofBool(false, true))
	switch {
	case q.function == "all":
		f = filled
		if other.impossible && !list.fixed {
			f = never()
		}
		if some.impossible && list.length.lo > 0 && !list.fixed {
			t = never()
		}
	case some.impossible && !list.fixed:
		t = never()
	case q.function == "exists" && other.impossible && list.length.lo > 0 && !list.fixed:
		t, f = filled, never()
	default:
		t = filled
	}
	return t, f
}

// A quantifier is exists, all or exists_one, read back from the loop that the
// parser made of it.
type quantifier struct {
	function string
	over     ast.Expr
	variable string
	test     ast.Expr
}

func quantifierOf(e ast.Expr) quantifier {
	x := e.AsComprehension()
	q := quantifier{function: "exists_one", over: x.IterRange(), variable: x.IterVar()}
	step := x.LoopStep().AsCall().Args()
	switch x.AccuInit().AsLiteral() {
	case types.False:
		q.function, q.test = "exists", step[1]
	case types.True:
		q.function, q.test = "all", step[1]
	default:
		q.test = step[0]
	}
	return q
}

// unproved reports what may err at run time: an error unless the schema says
// `strict: false`.
func (v *verifier) unproved(e ast.Expr, hint, format string, args ...any) {
	if v.weaver.c.schema.Strict || v.weaver.root.about != nil {
		v.fail(e, hint, format, args...)
		return
	}
	v.weaver.c.warnf(v.at(e), hint, format, args...)
}
