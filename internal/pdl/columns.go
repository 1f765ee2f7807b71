package pdl

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// listOf returns the path of the list of records that a woven expression is,
// or "".
func (t *typing) listOf(e ast.Expr) string {
	path := PathOf(e)
	if m, known := t.member(path); known && m.typ.IsRecords() {
		return path
	}
	return ""
}

func (w *weaver) listOf(e ast.Expr) string { return w.typing.listOf(e) }

// column checks that the elements of a list of records have a member.
func (w *weaver) column(at spot, list, element, name string) {
	members := w.typing.elements[list]
	switch m, known := members[name]; {
	case !known:
		w.fail(at, w.c.near(name, readable(members), element+" has "), "unknown attribute %s.%s", element, clip(name))
	case m.problem != "":
		w.fail(at, "split the rule, or match fewer of them", "%s.%s cannot be read: it %s", element, name, m.problem)
	}
}

// ofElement copies `list[index].name`, or has() of it.
func (w *weaver) ofElement(e ast.Expr) ast.Expr {
	s := e.AsSelect()
	element := w.copy(s.Operand())
	if !w.good {
		return e
	}
	list, at := w.listOf(element.AsCall().Args()[0]), w.spotOf(s.Operand())
	if list == "" {
		w.fail(at, "", "this has no member %q", clip(s.FieldName()))
		return e
	}
	w.column(at, list, list+"[…]", s.FieldName())
	if s.IsTestOnly() {
		return w.factory.NewPresenceTest(w.id(e), element, s.FieldName())
	}
	return w.factory.NewSelect(w.id(e), element, s.FieldName())
}

// memberOf returns what the schema says of the member that a selection reads,
// and the path that names it in a message: with the index where it is written
// as a number. It is not ok when the schema knows of no such member.
func (v *verifier) memberOf(e ast.Expr) (m member, path string, ok bool) {
	s := e.AsSelect()
	switch operand := s.Operand(); {
	case isIndex(operand):
		list, index := v.weaver.typing.listOf(operand.AsCall().Args()[0]), operand.AsCall().Args()[1]
		position := "…"
		if index.Kind() == ast.LiteralKind {
			position = types.Format(index.AsLiteral())
		}
		m, ok = v.weaver.typing.elements[list][s.FieldName()]
		return m, list + "[" + position + "]." + s.FieldName(), ok
	case operand.Kind() == ast.IdentKind && v.scopeOf(operand.AsIdent()) != nil:
		m, ok = v.weaver.typing.elements[v.scopeOf(operand.AsIdent()).list][s.FieldName()]
		return m, operand.AsIdent() + "." + s.FieldName(), ok
	default:
		path = PathOf(operand) + "." + s.FieldName()
		m, ok = v.weaver.typing.member(path)
		return m, path, ok
	}
}

// scopeOf returns the innermost loop of a variable, or nil.
func (v *verifier) scopeOf(name string) *loopScope {
	for i := len(v.scopes) - 1; i >= 0; i-- {
		if v.scopes[i].name == name {
			return &v.scopes[i]
		}
	}
	return nil
}

// single refuses records, lists of records and json where a function or an
// operator wants a value.
func (v *verifier) single(value ast.Expr, function string) bool {
	switch t := v.typeOf(value); {
	case t.Kind() == types.OpaqueKind && t.TypeName() == jsonType.TypeName() && function != "size":
		v.fail(value, "declare the members that conditions look at", "what is in json is not looked at: it has has() and size() alone")
	case t.Kind() == types.StructKind:
		v.fail(value, "name one of its members", "this is a record and no value")
	case isRecordList(t) && function != "size" && function != operators.Index:
		v.fail(value, "use exists, all or exists_one, size() or [ ]", "a list of records is no value")
	default:
		return true
	}
	return false
}

func isRecordList(t *types.Type) bool {
	return t.Kind() == types.ListKind && len(t.Parameters()) == 1 && t.Parameters()[0].Kind() == types.StructKind
}
