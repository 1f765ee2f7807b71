package pdl

import (
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/strixlabs/execution-kernel"
)

// A meter counts the steps that a checked condition can take; see [Cost].
type meter struct {
	*verifier
	loops []loopBound
}

type loopBound struct {
	name string
	list string // the path of a list of records, or ""
	extent
}

// An extent is how long a value can be: a text in bytes, a list in elements.
type extent struct {
	n    int64
	elem int64 // bytes of an element
}

// longest is the extent of what nothing else bounds: a request is no longer.
var longest = extent{kernel.MaxBody, kernel.MaxBody}

func (m *meter) steps(e ast.Expr) int64 {
	switch e.Kind() {
	case ast.ListKind:
		return m.all(nodeSteps, e.AsList().Elements()...)
	case ast.ComprehensionKind:
		return m.loop(e)
	case ast.CallKind:
		return m.call(e)
	case ast.SelectKind:
		return m.all(nodeSteps, e.AsSelect().Operand())
	default:
		return nodeSteps
	}
}

func (m *meter) all(steps int64, es ...ast.Expr) int64 {
	for _, e := range es {
		steps = sum(steps, m.steps(e))
	}
	return steps
}

// loop is the cost of an element as often as there are elements. All texts of a
// request together are no longer than it, so that on average an element is
// short; every cost is linear in the length of a text, or grows more slowly.
func (m *meter) loop(e ast.Expr) int64 {
	q := quantifierOf(e)
	over, path := m.bound(q.over), PathOf(q.over)
	elem := extent{n: over.elem}
	if root, _, _ := strings.Cut(path, "."); slices.Contains(attributeRoots, root) {
		elem.n = min(elem.n, kernel.MaxBody/max(over.n, 1)+1)
	}
	m.loops = append(m.loops, loopBound{q.variable, m.weaver.listOf(q.over), elem})
	each := sum(1, m.steps(q.test))
	m.loops = m.loops[:len(m.loops)-1]
	return sum(sum(nodeSteps, m.steps(q.over)), product(over.n, each))
}

func (m *meter) call(e ast.Expr) int64 {
	call := e.AsCall()
	operands := call.Args()
	if call.IsMemberFunction() {
		operands = append([]ast.Expr{call.Target()}, operands...)
	}
	name := call.FunctionName()
	if name == operators.Conditional {
		return m.all(sum(nodeSteps, max(m.steps(operands[1]), m.steps(operands[2]))), operands[0])
	}
	return m.all(sum(nodeSteps, m.own(name, operands)), operands...)
}

// own is what a function costs beside its operands. Of one that is not named
// here it is what reading all of them costs, character by character.
func (m *meter) own(name string, operands []ast.Expr) int64 {
	first := func() extent { return m.bound(operands[0]) }
	switch name {
	case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.NotStrictlyFalse, operators.Negate, operators.Index,
		operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo:
		return 0
	case "matches", "glob":
		pattern, _ := textOf(operands[1])
		if name == "glob" {
			pattern = GlobPattern(pattern)
		}
		return sum(1, product(sum(first().n, 1), int64(Instructions(pattern))))
	case "contains":
		return reading(first().n)
	case operators.In:
		list, x := m.bound(operands[1]), first()
		return sum(1, product(list.n, reading(min(list.elem, x.n))))
	case "startsWith", "endsWith", operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return m.comparing(first(), m.bound(operands[1]), m.typeOf(operands[0]).Kind() == types.ListKind)
	}
	steps := int64(momentSteps)
	for _, x := range operands {
		switch m.typeOf(x).Kind() {
		case types.StringKind:
			steps = sum(steps, m.bound(x).n/bytesCopied)
		case types.ListKind:
			if name == operators.Add {
				steps = sum(steps, m.bound(x).n)
			}
		default: // short
		}
	}
	return steps
}

func (m *meter) comparing(x, y extent, lists bool) int64 {
	if lists {
		return product(min(x.n, y.n), reading(min(x.elem, y.elem)))
	}
	return reading(min(x.n, y.n))
}

func reading(n int64) int64 { return 1 + n/bytesPerStep }

// bound returns how long a text or a list can be; everything else is short.
func (m *meter) bound(e ast.Expr) extent {
	if k := m.typeOf(e).Kind(); k != types.StringKind && k != types.ListKind {
		return extent{n: 1, elem: 1}
	}
	switch e.Kind() {
	case ast.LiteralKind:
		text, _ := textOf(e)
		return extent{n: int64(len(text))}
	case ast.ListKind:
		b := extent{n: int64(len(e.AsList().Elements()))}
		for _, x := range e.AsList().Elements() {
			b.elem = max(b.elem, m.bound(x).n)
		}
		return b
	case ast.CallKind:
		return m.callBound(e.AsCall())
	case ast.IdentKind:
		return m.identBound(e.AsIdent())
	case ast.SelectKind:
		return m.selectBound(e)
	default:
		return longest
	}
}

func (m *meter) callBound(call ast.CallExpr) extent {
	args := call.Args()
	switch call.FunctionName() {
	case operators.Conditional:
		x, y := m.bound(args[1]), m.bound(args[2])
		return extent{max(x.n, y.n), max(x.elem, y.elem)}
	case operators.Add:
		x, y := m.bound(args[0]), m.bound(args[1])
		return extent{sum(x.n, y.n), max(x.elem, y.elem)}
	case operators.Index:
		return extent{n: m.bound(args[0]).elem}
	case "lowerAscii", "upperAscii":
		return m.bound(call.Target())
	}
	return longest
}

func (m *meter) identBound(name string) extent {
	for _, l := range slices.Backward(m.loops) {
		if l.name == name {
			return l.extent
		}
	}
	if name == "action" {
		return extent{n: maxWord}
	}
	return longest
}

func (m *meter) selectBound(e ast.Expr) extent {
	operand, name := e.AsSelect().Operand(), e.AsSelect().FieldName()
	list := ""
	if isIndex(operand) {
		list = m.weaver.listOf(operand.AsCall().Args()[0])
	} else if operand.Kind() == ast.IdentKind {
		for _, l := range slices.Backward(m.loops) {
			if l.name == operand.AsIdent() {
				list = l.list
				break
			}
		}
	}
	if a, ok := m.weaver.typing.elements[list][name]; ok && list != "" {
		return typeBound(a.typ)
	}
	path := PathOf(e)
	if d, ok := m.weaver.c.cel.constants[path]; ok {
		return valueBound(d.Value)
	}
	if a, ok := m.memberAt(path); ok {
		return typeBound(a.typ)
	}
	return longest
}

func typeBound(t Type) extent {
	const bytesOfCharacter = 4
	switch t.Kind {
	case String:
		return extent{n: min(int64(t.MaxLen)*bytesOfCharacter, kernel.MaxBody)}
	case Enum:
		b := extent{}
		for _, v := range t.Values {
			b.n = max(b.n, int64(len(v)))
		}
		return b
	case List:
		return extent{min(int64(t.MaxLen), kernel.MaxBody), typeBound(*t.Elem).n}
	default:
		return extent{n: 1, elem: 1}
	}
}

func valueBound(v any) extent {
	switch v := v.(type) {
	case string:
		return extent{n: int64(len(v))}
	case []any:
		b := extent{n: int64(len(v))}
		for _, x := range v {
			b.elem = max(b.elem, valueBound(x).n)
		}
		return b
	default:
		return extent{n: 1, elem: 1}
	}
}
