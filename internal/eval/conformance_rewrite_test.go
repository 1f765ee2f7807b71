package eval_test

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
)

// A piece of a text that is replaced.
type piece struct {
	start, end int // code points
	with       string
}

// renamed puts `params.` before the variables of a test; loop variables of the
// same name stay.
func renamed(env *cel.Env, source string, list []specAttribute) (string, error) {
	if len(list) == 0 {
		return source, nil
	}
	tree, issues := env.Parse(source)
	if issues.Err() != nil {
		return "", issues.Err()
	}
	var pieces []piece
	var visit func(e ast.Expr, hidden []string)
	visit = func(e ast.Expr, hidden []string) {
		isVariable := func(a specAttribute) bool { return strings.TrimSuffix(a.name, "?") == e.AsIdent() }
		switch {
		case e.Kind() == ast.IdentKind && slices.ContainsFunc(list, isVariable) && !slices.Contains(hidden, e.AsIdent()):
			at, _ := tree.NativeRep().SourceInfo().GetOffsetRange(e.ID())
			pieces = append(pieces, piece{int(at.Start), int(at.Start) + len(e.AsIdent()), "params." + e.AsIdent()})
		case e.Kind() == ast.ComprehensionKind:
			x := e.AsComprehension()
			visit(x.IterRange(), hidden)
			visit(x.LoopStep(), append(slices.Clone(hidden), x.IterVar()))
		default:
			for _, x := range childrenOf(e) {
				visit(x, hidden)
			}
		}
	}
	visit(tree.NativeRep().Expr(), nil)
	return replaced(source, pieces), nil
}

// lifted moves the literals of a condition into parameters of the request,
// but those that have to be known before: patterns, instants, zones.
func lifted(env *cel.Env, source string) (string, []specAttribute) {
	tree, issues := env.Parse(source)
	if issues.Err() != nil {
		return source, nil
	}
	var pieces []piece
	var list []specAttribute
	var visit func(e ast.Expr)
	visit = func(e ast.Expr) {
		switch e.Kind() {
		case ast.LiteralKind:
			at, _ := tree.NativeRep().SourceInfo().GetOffsetRange(e.ID())
			value, typ := e.AsLiteral().Value(), typeOf(e.AsLiteral().Value())
			n, isInt := value.(int64)
			if typ == "" || isInt && (n > maxJSON || n < -maxJSON) || strings.Contains(fmt.Sprint(value), "\x00") || !reads(env, source, at, e) {
				return
			}
			name := fmt.Sprintf("lifted%d", len(list))
			list = append(list, specAttribute{name, typ, value})
			pieces = append(pieces, piece{int(at.Start), int(at.Stop), "params." + name})
		case ast.ComprehensionKind:
			visit(e.AsComprehension().IterRange())
			visit(e.AsComprehension().LoopStep())
		case ast.CallKind:
			if !knownBefore(e.AsCall()) {
				visitAll(e, visit)
			} else if e.AsCall().IsMemberFunction() {
				visit(e.AsCall().Target())
			}
		default:
			visitAll(e, visit)
		}
	}
	visit(tree.NativeRep().Expr())
	return replaced(source, pieces), list
}

func visitAll(e ast.Expr, visit func(ast.Expr)) {
	for _, x := range childrenOf(e) {
		visit(x)
	}
}

// knownBefore reports calls whose arguments are read when they are compiled.
func knownBefore(call ast.CallExpr) bool {
	name := call.FunctionName()
	return name == "matches" || name == "timestamp" || name == "duration" || strings.HasPrefix(name, "get")
}

// reads reports whether a stretch of the source is the literal and no more.
func reads(env *cel.Env, source string, at ast.OffsetRange, literal ast.Expr) bool {
	text := []rune(source)
	if at.Start < 0 || at.Stop <= at.Start || int(at.Stop) > len(text) {
		return false
	}
	tree, issues := env.Parse(string(text[at.Start:at.Stop]))
	return issues.Err() == nil && tree.NativeRep().Expr().Kind() == ast.LiteralKind &&
		tree.NativeRep().Expr().AsLiteral().Value() == literal.AsLiteral().Value()
}

func replaced(source string, pieces []piece) string {
	slices.SortFunc(pieces, func(a, b piece) int { return b.start - a.start })
	text := []rune(source)
	for _, p := range pieces {
		text = slices.Concat(text[:p.start], []rune(p.with), text[p.end:])
	}
	return string(text)
}

func childrenOf(e ast.Expr) []ast.Expr {
	switch e.Kind() {
	case ast.CallKind:
		if e.AsCall().IsMemberFunction() {
			return append([]ast.Expr{e.AsCall().Target()}, e.AsCall().Args()...)
		}
		return e.AsCall().Args()
	case ast.SelectKind:
		return []ast.Expr{e.AsSelect().Operand()}
	case ast.ListKind:
		return e.AsList().Elements()
	default:
		return nil
	}
}
