package pdl

import (
	"unicode"
	"unicode/utf8"

	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/parser"
)

// A spot is a stretch of characters of a passage.
type spot struct {
	passage    *passage
	start, end int
}

func (s spot) span() span { return s.passage.span(s.start, s.end-s.start) }

// A loop is a variable that stands for the elements of a list.
type loop struct {
	name string // "" where it cannot be seen
	list string // the path of a list of records, or ""
}

// A weaver copies a condition with the variables put in, and checks every name
// and every function on the way. Node ids are new; spots say where each came
// from, so that findings about a variable point into the variable.
type weaver struct {
	c       *compiler
	typing  *typing
	vars    *variables
	factory ast.ExprFactory
	info    *ast.SourceInfo // of the condition itself, for explanations
	spots   map[int64]spot
	root    *passage
	from    *passage // what is being copied
	hole    *spot    // where the outermost variable stands in the condition
	loops   []loop   // around, from outside in
	tooBig  bool
	good    bool
}

func (c *compiler) weave(p *passage, t *typing, vars *variables) (*weaver, *ast.AST) {
	w := &weaver{
		c: c, typing: t, vars: vars, factory: ast.NewExprFactoryWithAccumulator(parser.HiddenAccumulatorName),
		info: ast.NewSourceInfo(common.NewTextSource(p.source)), spots: map[int64]spot{}, root: p, from: p, good: true,
	}
	tree := w.copy(p.parsed.Expr())
	if !w.good {
		return w, nil
	}
	return w, ast.NewAST(tree, w.info)
}

func (w *weaver) fail(at spot, hint, format string, args ...any) {
	w.good = false
	w.c.errorf(at.span(), hint, format, args...)
}

// id makes the id of a copy of e.
func (w *weaver) id(e ast.Expr) int64 {
	id := int64(len(w.spots) + 1)
	at := w.spotOf(e)
	w.spots[id] = at
	if w.hole != nil {
		at = *w.hole
	}
	w.info.SetOffsetRange(id, ast.OffsetRange{Start: int32(at.start), Stop: int32(at.end)})
	w.c.nodes++
	switch {
	case w.tooBig:
	case len(w.spots) > maxNodes:
		w.tooBig, w.good = true, false
		w.c.errorf(w.root.span(0, 0), "split it", "the condition is too large once its variables are put in")
	case w.c.nodes > maxAllNodes:
		w.tooBig, w.good = true, false
		w.c.errorf(w.root.span(0, 0), "split the bundle", "the conditions of the bundle are too large once their variables are put in")
	}
	return id
}

// spotOf returns where an expression of the current passage stands: paths from
// their root, the rest at the token the parser remembers.
func (w *weaver) spotOf(e ast.Expr) spot {
	if path := PathOf(e); path != "" {
		root := e
		for root.Kind() == ast.SelectKind {
			root = root.AsSelect().Operand()
		}
		r, _ := w.from.parsed.SourceInfo().GetOffsetRange(root.ID())
		start := int(r.Start)
		end := start + utf8.RuneCountInString(path)
		if end > len(w.from.runes) || string(w.from.runes[start:end]) != path {
			end = start + 1
		}
		return spot{w.from, start, end}
	}
	r, _ := w.from.parsed.SourceInfo().GetOffsetRange(e.ID())
	start := int(r.Start)
	if e.Kind() == ast.CallKind || e.Kind() == ast.ComprehensionKind {
		return w.nameOfCall(start)
	}
	return spot{w.from, start, max(start+1, int(r.Stop))}
}

// nameOfCall moves from the parenthesis of a call, where the parser sees it,
// to the name before it. Operators stay.
func (w *weaver) nameOfCall(at int) spot {
	text := w.from.runes
	if at >= len(text) || text[at] != '(' {
		return spot{w.from, at, at + 1}
	}
	start := at
	for start > 0 && (unicode.IsLetter(text[start-1]) || unicode.IsDigit(text[start-1]) || text[start-1] == '_') {
		start--
	}
	return spot{w.from, start, max(at, start+1)}
}

// PathOf returns `a.b.c` for selections from an identifier, else "".
func PathOf(e ast.Expr) string {
	switch e.Kind() {
	case ast.IdentKind:
		return e.AsIdent()
	case ast.SelectKind:
		if s := e.AsSelect(); !s.IsTestOnly() {
			if root := PathOf(s.Operand()); root != "" {
				return root + "." + s.FieldName()
			}
		}
	default:
	}
	return ""
}

// copy returns a checked copy of e; where something is refused, what it
// returns is never used.
func (w *weaver) copy(e ast.Expr) ast.Expr {
	if w.tooBig {
		return w.factory.NewUnspecifiedExpr(1)
	}
	switch e.Kind() {
	case ast.LiteralKind:
		return w.literal(e)
	case ast.IdentKind:
		return w.ident(e)
	case ast.SelectKind:
		return w.selection(e)
	case ast.CallKind:
		return w.call(e)
	case ast.ListKind:
		id := w.id(e)
		return w.factory.NewList(id, w.copyAll(e.AsList().Elements()), nil)
	case ast.ComprehensionKind:
		return w.comprehension(e)
	default:
		w.fail(w.spotOf(e), "", "maps and messages are not built in conditions")
		return w.factory.NewUnspecifiedExpr(w.id(e))
	}
}

func (w *weaver) copyAll(es []ast.Expr) []ast.Expr {
	list := make([]ast.Expr, len(es))
	for i, e := range es {
		list[i] = w.copy(e)
	}
	return list
}

func (w *weaver) literal(e ast.Expr) ast.Expr {
	problem, hint := "", ""
	switch e.AsLiteral().Type() {
	case types.DoubleType:
		problem, hint = "there are no doubles", "use integers: cents, per-mille"
	case types.UintType:
		problem, hint = "there are no unsigned integers", "leave the u out"
	case types.BytesType:
		problem, hint = "there are no bytes", "use a string"
	case types.NullType:
		problem, hint = "there is no null", "test for an absent attribute with has()"
	}
	if problem != "" {
		w.fail(w.spotOf(e), hint, "%s", problem)
	}
	return w.factory.NewLiteral(w.id(e), e.AsLiteral())
}

// comprehension copies the loop that a macro made.
func (w *weaver) comprehension(e ast.Expr) ast.Expr {
	const maxLoops = 2
	x := e.AsComprehension()
	id, over := w.id(e), w.copy(x.IterRange())
	name := x.IterVar()
	switch {
	case isReserved(name):
		w.fail(w.spotOf(e), "choose another name", "the loop variable %q hides a name of the language", name)
	case len(w.loops) >= maxLoops:
		w.fail(w.spotOf(e), "", "loops are nested at most %d deep", maxLoops)
	}
	w.loops = append(w.loops, loop{name, w.listOf(over)})
	init, cond, step, result := w.copy(x.AccuInit()), w.copy(x.LoopCondition()), w.copy(x.LoopStep()), w.copy(x.Result())
	w.loops = w.loops[:len(w.loops)-1]
	return w.factory.NewComprehension(id, over, name, x.AccuVar(), init, cond, step, result)
}

// variable puts a variable into the condition.
func (w *weaver) variable(e ast.Expr, name string) ast.Expr {
	at := w.spotOf(e)
	v := w.vars.find(name)
	if v == nil {
		var names []string
		for _, v := range w.vars.list {
			names = append(names, v.name)
		}
		w.fail(at, w.c.near(name, names, "the document has "), "unknown variable %q", name)
		return e
	}
	if v.passage == nil {
		w.good = false // reported where the variable stands
		return e
	}
	from, hole, loops := w.from, w.hole, w.loops
	if hole == nil {
		w.hole = &at
	}
	// A variable sees no loop of its user: names are resolved where they are written.
	w.from, w.loops = v.passage, hidden(loops)
	copied := w.copy(v.passage.parsed.Expr())
	w.from, w.hole, w.loops = from, hole, loops
	return copied
}

// hidden keeps the depth of loops and none of their names.
func hidden(loops []loop) []loop { return make([]loop, len(loops)) }
