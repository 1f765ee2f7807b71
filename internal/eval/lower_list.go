package eval

import (
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// list lowers an expression of type list(T).
func list[T comparable](l *lowerer, d domain[T], e ast.Expr) expr[[]T] {
	switch e.Kind() {
	case ast.ListKind:
		return listLiteral(l, d, e)
	case ast.IdentKind, ast.SelectKind:
		return listRead(l, d, e)
	case ast.CallKind:
		return listCall(l, d, e)
	default:
		return refuse[[]T](l, e, "this list is not part of the language")
	}
}

func listCall[T comparable](l *lowerer, d domain[T], e ast.Expr) expr[[]T] {
	switch call := e.AsCall(); call.FunctionName() {
	case operators.Conditional:
		return conditional(l, call, func(x ast.Expr) expr[[]T] { return list(l, d, x) })
	case operators.Add:
		return pricedStrict(list(l, d, call.Args()[0]), list(l, d, call.Args()[1]),
			func(x, y []T) int { return allocation + len(x) + len(y) }, func(x, y []T) []T { return slices.Concat(x, y) })
	default:
		return refuse[[]T](l, e, "this list is not part of the language")
	}
}

func listLiteral[T comparable](l *lowerer, d domain[T], e ast.Expr) expr[[]T] {
	if len(e.AsList().OptionalIndices()) > 0 {
		return refuse[[]T](l, e, "optional elements are not part of the language")
	}
	if values, ok := constantList(d, e); ok {
		return constant(values)
	}
	var elements []expr[T]
	for _, x := range e.AsList().Elements() {
		elements = append(elements, d.lower(l, x))
	}
	return func(fr *frame) ([]T, fault) {
		if !fr.spend(allocation + len(elements)) {
			return nil, faultWork
		}
		values := make([]T, len(elements))
		for i, x := range elements {
			v, f := x(fr)
			if f != 0 {
				return nil, f
			}
			values[i] = v
		}
		return values, 0
	}
}

func constantList[T comparable](d domain[T], e ast.Expr) ([]T, bool) {
	values := []T{}
	for _, x := range e.AsList().Elements() {
		lit, ok := literal(x)
		if !ok {
			return nil, false
		}
		v, ok := d.constant(lit.Value())
		if !ok {
			return nil, false
		}
		values = append(values, v)
	}
	return values, true
}

func listRead[T comparable](l *lowerer, d domain[T], e ast.Expr) expr[[]T] {
	path, ok := l.pathOf(e)
	if !ok {
		return refuse[[]T](l, e, "it is no list")
	}
	if datum, ok := l.data[path]; ok {
		values, ok := scalars(d, datum.Value)
		if !ok {
			return refuse[[]T](l, e, "the constant has another type")
		}
		return constant(values)
	}
	s, optional, err := l.attribute(path, d.kind, true)
	if err != nil {
		return refuse[[]T](l, e, "%v", err)
	}
	return func(fr *frame) ([]T, fault) {
		if optional && !fr.has(s.bit) {
			return nil, faultAbsent
		}
		return d.bank(fr).lists[s.at], 0
	}
}

// scalars converts a JSON list to a typed one.
func scalars[T comparable](d domain[T], v any) ([]T, bool) {
	elements, ok := v.([]any)
	values := make([]T, len(elements))
	for i, x := range elements {
		var fits bool
		values[i], fits = d.constant(x)
		ok = ok && fits
	}
	return values, ok
}

func (d domain[T]) equalLists(l *lowerer, a, b ast.Expr) cond {
	x, y := list(l, d, a), list(l, d, b)
	if d.matching == nil {
		return priced(x, y, func(x, _ []T) int { return len(x) / bytesBuilt }, slices.Equal[[]T])
	}
	return func(fr *frame) tri {
		x, f := x(fr)
		if f != 0 {
			return failed(f)
		}
		y, f := y(fr)
		switch {
		case f != 0:
			return failed(f)
		case len(x) != len(y):
			return no
		}
		for i := range x {
			if !fr.spend(1 + d.matching(x[i], y[i])) {
				return failed(faultWork)
			}
			if x[i] != y[i] {
				return no
			}
		}
		return yes
	}
}

func (d domain[T]) length(l *lowerer, e ast.Expr) expr[int64] {
	return pure(list(l, d, e), func(values []T) int64 { return int64(len(values)) })
}

// linear is how many constants `in` looks through; more become a set.
const linear = 8

// in lowers `element in list`. A long constant list becomes a set, in which
// nothing is looked up that is longer than all of its values.
func (d domain[T]) in(l *lowerer, element, elements ast.Expr) cond {
	x, values := d.lower(l, element), list(l, d, elements)
	constants, ok := d.constants(l, elements)
	switch {
	case ok && len(constants) > linear:
		return d.inSet(x, constants, l.inLoop())
	case ok && !l.inLoop():
		return test(x, values, func(v T, list []T) bool { return slices.Contains(list, v) })
	}
	return func(fr *frame) tri {
		v, f := x(fr)
		if f != 0 {
			return failed(f)
		}
		list, f := values(fr)
		switch {
		case f != 0:
			return failed(f)
		case !fr.spend(1 + len(list)):
			return failed(faultWork)
		case d.matching == nil:
			return truth(slices.Contains(list, v))
		}
		for _, have := range list {
			if !fr.spend(d.matching(have, v)) {
				return failed(faultWork)
			}
			if have == v {
				return yes
			}
		}
		return no
	}
}

func (d domain[T]) inSet(x expr[T], constants []T, inLoop bool) cond {
	set, longest := make(map[T]struct{}, len(constants)), 0
	for _, v := range constants {
		set[v] = struct{}{}
		if d.bytes != nil {
			longest = max(longest, d.bytes(v))
		}
	}
	return func(fr *frame) tri {
		v, f := x(fr)
		switch {
		case f != 0:
			return failed(f)
		case d.bytes != nil && d.bytes(v) > longest:
			return no
		case inLoop && d.bytes != nil && !fr.spend(reading(d.bytes(v))):
			return failed(faultWork)
		}
		_, found := set[v]
		return truth(found)
	}
}

// element lowers `list[index]`, counted from 0.
func element[T comparable](l *lowerer, d domain[T], call ast.CallExpr) expr[T] {
	return strict(list(l, d, call.Args()[0]), l.ints(call.Args()[1]), func(values []T, i int64) (zero T, _ fault) {
		if i < 0 || i >= int64(len(values)) {
			return zero, faultIndex
		}
		return values[i], 0
	})
}

// constants returns the elements of a list that is the same for every request.
func (d domain[T]) constants(l *lowerer, e ast.Expr) ([]T, bool) {
	if e.Kind() == ast.ListKind {
		return constantList(d, e)
	}
	path, ok := l.pathOf(e)
	datum, known := l.data[path]
	if !ok || !known {
		return nil, false
	}
	return scalars(d, datum.Value)
}

// membership lowers `x in list`.
func (l *lowerer) membership(e ast.Expr) cond {
	element, elements := e.AsCall().Args()[0], e.AsCall().Args()[1]
	f := familyOf(l.kind(element))
	if f == nil || l.kind(elements) != types.ListKind {
		return l.refuseBool(e, "in takes a scalar and a list of its type")
	}
	return f.in(l, element, elements)
}

// length lowers the size of a list.
func (l *lowerer) length(e ast.Expr) expr[int64] {
	if l.elemKind(e) == types.StructKind {
		return l.count(e)
	}
	f := familyOf(l.elemKind(e))
	if f == nil {
		return refuse[int64](l, e, "it is no list of scalars")
	}
	return f.length(l, e)
}

// listEquality lowers `a == b` on lists; an empty literal takes the type of
// the other side.
func (l *lowerer) listEquality(e, a, b ast.Expr) cond {
	f := familyOf(l.elemKind(a))
	if f == nil {
		f = familyOf(l.elemKind(b))
	}
	if f == nil {
		return l.refuseBool(e, "only lists of scalars can be compared")
	}
	return f.equalLists(l, a, b)
}
