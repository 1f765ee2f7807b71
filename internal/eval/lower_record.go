package eval

import (
	"fmt"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// typeJSON is the name that pdl gives the type of JSON.
const typeJSON = "json"

// counted finds the size of a list of records or of JSON, and whether it has
// to be tested for presence first.
func (l *lowerer) counted(e ast.Expr) (path string, size slot, optional bool, err error) {
	path, ok := l.pathOf(e)
	if !ok || len(l.shapes) == 0 {
		return "", size, false, fmt.Errorf("it is no attribute")
	}
	for i, sh := range l.shapes {
		f := sh.fields[path]
		switch {
		case f == nil:
			return "", size, false, fmt.Errorf("%s is not declared for %s", path, sh.name)
		case f.count.kind != types.IntKind || i > 0 && f.count != size:
			return "", size, false, fmt.Errorf("%s has another type for %s", path, sh.name)
		}
		size, optional = f.count, optional || f.mayLack()
	}
	return path, size, optional, nil
}

// count lowers the size of a list of records or of JSON.
func (l *lowerer) count(e ast.Expr) expr[int64] {
	path, size, optional, err := l.counted(e)
	if err != nil {
		return refuse[int64](l, e, "%v", err)
	}
	bit := l.layout.bits[path]
	return func(fr *frame) (int64, fault) {
		if optional && !fr.has(bit) {
			return 0, faultAbsent
		}
		return fr.ints.values[size.at], 0
	}
}

// A placed is one record of a list: which list, and the place in it.
type placed struct {
	list  string
	index expr[int64]
}

// elementOf recognises the variable of a loop over records, and list[index].
func (l *lowerer) elementOf(e ast.Expr) (placed, bool) {
	if v, ok := l.localVar(e); ok {
		return placed{v.list, func(fr *frame) (int64, fault) { return fr.ints.values[v.at], 0 }}, v.list != ""
	}
	if !isCall(e, operators.Index) || l.elemKind(e.AsCall().Args()[0]) != types.StructKind {
		return placed{}, false
	}
	list, index := e.AsCall().Args()[0], e.AsCall().Args()[1]
	path, _ := l.pathOf(list)
	return placed{path, strict(l.count(list), l.ints(index), func(n, i int64) (int64, fault) {
		if i < 0 || i >= n {
			return 0, faultIndex
		}
		return i, 0
	})}, true
}

// column finds a member of the records of a list.
func (l *lowerer) column(list, name string) (*field, error) {
	path := list + "[]." + name
	var found *field
	for _, sh := range l.shapes {
		f := sh.fields[path]
		switch {
		case f == nil:
			return nil, fmt.Errorf("%s is not declared for %s", path, sh.name)
		case found != nil && f.column != found.column:
			return nil, fmt.Errorf("%s has another type for %s", path, sh.name)
		}
		found = f
	}
	if found == nil {
		return nil, fmt.Errorf("%s is no attribute", path)
	}
	return found, nil
}

// readColumn lowers `element.name`.
func readColumn[T comparable](l *lowerer, d domain[T], e ast.Expr, of placed) expr[T] {
	f, err := l.column(of.list, e.AsSelect().FieldName())
	if err == nil && f.column.kind != d.kind {
		err = fmt.Errorf("it has another type")
	}
	if err != nil {
		return refuse[T](l, e, "%v", err)
	}
	has := l.thereOf(of.list, f)
	return func(fr *frame) (zero T, _ fault) {
		i, fault := of.index(fr)
		switch {
		case fault != 0:
			return zero, fault
		case !has(fr, i):
			return zero, faultAbsent
		}
		return d.bank(fr).lists[f.column.at][i], 0
	}
}

// thereOf returns what tells whether the record at a place has a member.
func (l *lowerer) thereOf(list string, f *field) func(*frame, int64) bool {
	for _, sh := range l.shapes {
		if sh.fields[list+"[]."+f.Name].Optional {
			return func(fr *frame, i int64) bool { return fr.bools.lists[f.there.at][i] }
		}
	}
	return func(*frame, int64) bool { return true }
}

// hasColumn lowers `has(element.name)`.
func (l *lowerer) hasColumn(e ast.Expr, of placed) cond {
	f, err := l.column(of.list, e.AsSelect().FieldName())
	if err != nil {
		return l.refuseBool(e, "%v", err)
	}
	has := l.thereOf(of.list, f)
	return func(fr *frame) tri {
		i, fault := of.index(fr)
		if fault != 0 {
			return failed(fault)
		}
		return truth(has(fr, i))
	}
}

// quantifyRecords lowers exists, all and exists_one over a list of records:
// the variable is the place in the list.
func (l *lowerer) quantifyRecords(q quantifier) cond {
	path, ok := l.pathOf(q.over)
	if !ok {
		return l.refuseBool(q.over, "%s takes a list that is an attribute", q.function)
	}
	over := l.count(q.over)
	at := l.enter(local{name: q.variable, kind: types.IntKind, list: path})
	test := l.bools(q.test)
	l.scope = l.scope[:len(l.scope)-1]
	begin, steps := foldOf(q.function), round(q.test)
	return func(fr *frame) tri {
		n, f := over(fr)
		if f != 0 {
			return failed(f)
		}
		place, fold := &fr.ints.values[at], begin
		for i := range n {
			*place = i
			if !fr.spend(steps) {
				return failed(faultWork)
			}
			if fold.add(test(fr)) {
				break
			}
		}
		return fold.value()
	}
}
