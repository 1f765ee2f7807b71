package usage

import (
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A known is what plainly follows from a rule: what stands in its match, and
// comparisons with literals that its condition joins with &&. To miss something
// costs a word too much in a proposal, and nothing else.
type known struct {
	values  map[string][]string
	bounds  map[string]bound
	present map[string]bool
	absent  map[string]bool
}

type bound struct{ low, high int64 }

func knownOf(r *pdl.Rule) known {
	k := known{map[string][]string{}, map[string]bound{}, map[string]bool{}, map[string]bool{}}
	for _, a := range r.Match {
		k.values[a.Path] = a.Values
	}
	if r.When != nil {
		k.learn(r.When.AST.Expr())
	}
	return k
}

func (k known) learn(e ast.Expr) {
	if path := pdl.PathOf(e); path != "" {
		k.values[path] = []string{"true"}
	}
	if path := tested(e); path != "" {
		k.present[path] = true
	}
	if e.Kind() != ast.CallKind {
		return
	}
	name, args := e.AsCall().FunctionName(), e.AsCall().Args()
	switch name {
	case operators.LogicalAnd:
		for _, a := range args {
			k.learn(a)
		}
	case operators.LogicalNot:
		if path := tested(args[0]); path != "" {
			k.absent[path] = true
		} else if path := pdl.PathOf(args[0]); path != "" {
			k.values[path] = []string{"false"}
		}
	default:
		if len(args) == 2 && pdl.PathOf(args[0]) != "" {
			k.compare(pdl.PathOf(args[0]), name, args[1])
		}
	}
}

// compare learns from a comparison with literals.
func (k known) compare(path, operator string, with ast.Expr) {
	if with.Kind() == ast.ListKind {
		if operator == operators.In {
			k.among(path, with.AsList().Elements())
		}
		return
	}
	if with.Kind() == ast.CallKind && with.AsCall().FunctionName() == "duration" && with.AsCall().Args()[0].Kind() == ast.LiteralKind {
		text, _ := with.AsCall().Args()[0].AsLiteral().Value().(string)
		if d, ok := pdl.ParseDuration(text); ok {
			k.bound(path, operator, int64(d))
		}
		return
	}
	if with.Kind() != ast.LiteralKind {
		return
	}
	if n, ok := with.AsLiteral().Value().(int64); ok {
		k.bound(path, operator, n)
	} else if operator == operators.Equals {
		k.among(path, []ast.Expr{with})
	}
}

// tested returns params.x of has(params.x), else "".
func tested(e ast.Expr) string {
	if e.Kind() == ast.SelectKind && e.AsSelect().IsTestOnly() {
		if path := pdl.PathOf(e.AsSelect().Operand()); path != "" {
			return path + "." + e.AsSelect().FieldName()
		}
	}
	return ""
}

// among learns that an attribute is one of some texts.
func (k known) among(path string, literals []ast.Expr) {
	var values []string
	for _, l := range literals {
		if l.Kind() != ast.LiteralKind {
			return
		}
		s, ok := l.AsLiteral().Value().(string)
		if !ok {
			return
		}
		values = append(values, s)
	}
	if have, ok := k.values[path]; !ok || len(values) < len(have) {
		slices.Sort(values)
		k.values[path] = slices.Compact(values)
	}
}

func (k known) bound(path, operator string, n int64) {
	b, ok := k.bounds[path]
	if !ok {
		b = bound{-1 << 63, 1<<63 - 1}
	}
	switch operator {
	case operators.Less:
		b.high = min(b.high, before(n))
	case operators.LessEquals:
		b.high = min(b.high, n)
	case operators.Greater:
		b.low = max(b.low, after(n))
	case operators.GreaterEquals:
		b.low = max(b.low, n)
	case operators.Equals:
		b.low, b.high = max(b.low, n), min(b.high, n)
	}
	k.bounds[path] = b
}

// before and after are the integers beside one, which at the ends is itself.
func before(n int64) int64 { return max(n, -1<<63+1) - 1 }

func after(n int64) int64 { return min(n, 1<<63-2) + 1 }
