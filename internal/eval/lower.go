package eval

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A lowerer turns the checked expression of one rule into closures. It keeps
// the first error; what it returns after one must not run.
type lowerer struct {
	layout *layout
	chronology
	data   map[string]pdl.Datum
	shapes []*shape // where the rule can apply
	ast    *ast.AST
	scope  []local // variables of the comprehensions around the expression
	err    error
}

// A local is the variable of a comprehension.
type local struct {
	name string
	kind types.Kind // of the value; of a record, whose place in its list it is, Int
	list string     // the path of a list of records, or ""
	at   int
}

func (l *lowerer) fail(e ast.Expr, format string, args ...any) {
	if l.err == nil {
		l.err = fmt.Errorf("expression %s: %s", render(e), fmt.Sprintf(format, args...))
	}
}

// refuse records an error and returns an expression that would only fault.
func refuse[T any](l *lowerer, e ast.Expr, format string, args ...any) expr[T] {
	l.fail(e, format, args...)
	return func(*frame) (zero T, _ fault) { return zero, faultAbsent }
}

func (l *lowerer) kind(e ast.Expr) types.Kind { return l.ast.GetType(e.ID()).Kind() }

// elemKind returns the kind of the elements of a list expression.
func (l *lowerer) elemKind(e ast.Expr) types.Kind {
	if t := l.ast.GetType(e.ID()); t.Kind() == types.ListKind && len(t.Parameters()) == 1 {
		return t.Parameters()[0].Kind()
	}
	return types.ErrorKind
}

// pathOf returns the dotted name that a chain of selections spells, unless it
// begins with the variable of a comprehension.
func (l *lowerer) pathOf(e ast.Expr) (string, bool) {
	switch e.Kind() {
	case ast.IdentKind:
		_, isLocal := l.localVar(e)
		return e.AsIdent(), !isLocal
	case ast.SelectKind:
		operand, ok := l.pathOf(e.AsSelect().Operand())
		return operand + "." + e.AsSelect().FieldName(), ok && !e.AsSelect().IsTestOnly()
	default:
		return "", false
	}
}

func (l *lowerer) localVar(e ast.Expr) (local, bool) {
	if e.Kind() != ast.IdentKind {
		return local{}, false
	}
	for i := len(l.scope) - 1; i >= 0; i-- {
		if l.scope[i].name == e.AsIdent() {
			return l.scope[i], true
		}
	}
	return local{}, false
}

// attribute finds the slot a path of the wanted kind is read from, and
// whether it has to be tested for presence first.
func (l *lowerer) attribute(path string, kind types.Kind, list bool) (s slot, optional bool, err error) {
	s, known := l.layout.slots[slotKey{path, kind, list}]
	if !known {
		return slot{}, false, fmt.Errorf("%s is no attribute of this type", path)
	}
	for _, shape := range l.shapes {
		f, declared := shape.fields[path]
		switch {
		case !declared:
			return slot{}, false, fmt.Errorf("%s is not declared for %s", path, shape.name)
		case f.slot != s:
			return slot{}, false, fmt.Errorf("%s has another type for %s", path, shape.name)
		}
		optional = optional || f.mayLack()
	}
	return s, optional, nil
}

// cutRoot returns what stands behind the first dot of a path with this root.
func cutRoot(path, root string) (rest string, ok bool) {
	return strings.CutPrefix(path, root+".")
}

// read lowers a name: a comprehension's variable, an attribute, a constant.
func read[T comparable](l *lowerer, d domain[T], e ast.Expr) expr[T] {
	if v, ok := l.localVar(e); ok {
		if v.kind != d.kind || v.list != "" {
			return refuse[T](l, e, "the variable has another type")
		}
		return func(fr *frame) (T, fault) { return d.bank(fr).values[v.at], 0 }
	}
	if e.Kind() == ast.SelectKind {
		if of, ok := l.elementOf(e.AsSelect().Operand()); ok {
			return readColumn(l, d, e, of)
		}
	}
	path, ok := l.pathOf(e)
	if !ok {
		return refuse[T](l, e, "it is no attribute")
	}
	if datum, ok := l.data[path]; ok {
		v, ok := d.constant(datum.Value)
		if !ok {
			return refuse[T](l, e, "the constant has another type")
		}
		return constant(v)
	}
	s, optional, err := l.attribute(path, d.kind, false)
	switch {
	case err != nil:
		return refuse[T](l, e, "%v", err)
	case optional:
		return func(fr *frame) (zero T, _ fault) {
			if !fr.has(s.bit) {
				return zero, faultAbsent
			}
			return d.bank(fr).values[s.at], 0
		}
	}
	return func(fr *frame) (T, fault) { return d.bank(fr).values[s.at], 0 }
}

// scalar lowers what is the same for every scalar type, and leaves the calls
// that are not to own.
func scalar[T comparable](l *lowerer, d domain[T], e ast.Expr, own func(ast.CallExpr) expr[T]) expr[T] {
	switch e.Kind() {
	case ast.LiteralKind:
		if v, ok := d.constant(e.AsLiteral().Value()); ok {
			return constant(v)
		}
		return refuse[T](l, e, "the literal has another type")
	case ast.IdentKind, ast.SelectKind:
		return read(l, d, e)
	case ast.CallKind:
		switch call := e.AsCall(); call.FunctionName() {
		case operators.Conditional:
			return conditional(l, call, func(x ast.Expr) expr[T] { return d.lower(l, x) })
		case operators.Index:
			return element(l, d, call)
		default:
			return own(call)
		}
	default:
		return refuse[T](l, e, "this form is not part of the language")
	}
}

// conditional is CEL's `? :`: only the branch taken is evaluated.
func conditional[T any](l *lowerer, call ast.CallExpr, lower func(ast.Expr) expr[T]) expr[T] {
	test, then, otherwise := l.bools(call.Args()[0]), lower(call.Args()[1]), lower(call.Args()[2])
	return func(fr *frame) (zero T, _ fault) {
		switch t := test(fr); t {
		case yes:
			return then(fr)
		case no:
			return otherwise(fr)
		default:
			return zero, t.fault()
		}
	}
}

// strict lowers a call of two operands that both must have values.
func strict[A, B, T any](a expr[A], b expr[B], f func(A, B) (T, fault)) expr[T] {
	return func(fr *frame) (zero T, _ fault) {
		x, fx := a(fr)
		if fx != 0 {
			return zero, fx
		}
		y, fy := b(fr)
		if fy != 0 {
			return zero, fy
		}
		return f(x, y)
	}
}

// pure adapts a function of one operand that cannot fail.
func pure[A, T any](a expr[A], f func(A) T) expr[T] {
	return func(fr *frame) (zero T, _ fault) {
		x, fx := a(fr)
		if fx != 0 {
			return zero, fx
		}
		return f(x), 0
	}
}

func literal(e ast.Expr) (ref.Val, bool) {
	if e.Kind() != ast.LiteralKind {
		return nil, false
	}
	return e.AsLiteral(), true
}

func isCall(e ast.Expr, function string) bool {
	return e.Kind() == ast.CallKind && e.AsCall().FunctionName() == function
}
