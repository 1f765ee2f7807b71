package pdl

import (
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/parser"

	"github.com/strixlabs/execution-kernel"
)

var laterRoots = []later{
	{"agents", "rules read the agent of the request alone"},
}

var rootNames = []string{"action", "agent", "calendar", "context", "data", "facts", "params", "resource", "variables"}

func isRoot(name string) bool { return slices.Contains(rootNames, name) }

// isReserved reports a root, of this version or of a later one.
func isReserved(name string) bool {
	return isRoot(name) || slices.ContainsFunc(laterRoots, func(l later) bool { return l.word == name })
}

// ident copies a name that stands alone: a loop variable or `action`.
func (w *weaver) ident(e ast.Expr) ast.Expr {
	name, at := e.AsIdent(), w.spotOf(e)
	if list := w.loopOver(name); list != "" {
		w.fail(at, w.c.near("", readable(w.typing.elements[list]), "it has "), "%s is a record and no value", name)
		return e
	}
	if name == parser.HiddenAccumulatorName || name == "action" || w.isLoop(name) {
		return w.factory.NewIdent(w.id(e), name)
	}
	if i := slices.IndexFunc(laterRoots, func(l later) bool { return l.word == name }); i >= 0 {
		w.fail(at, "", "%s", laterRoots[i].sentence)
		return e
	}
	if dotless, dotted := strings.CutPrefix(name, "."); dotted {
		w.fail(at, "write "+clip(dotless), "a name does not start with a dot")
		return e
	}
	if isRoot(name) {
		w.fail(at, "name one of its members", "%s is not a value", name)
		return e
	}
	w.fail(at, w.nearName(name), "unknown name %q", clip(name))
	return e
}

func (w *weaver) isLoop(name string) bool {
	return name != "" && slices.ContainsFunc(w.loops, func(l loop) bool { return l.name == name })
}

// loopOver returns the path of the list of records that a loop variable goes
// over, or "".
func (w *weaver) loopOver(name string) string {
	for _, l := range slices.Backward(w.loops) {
		if l.name == name {
			return l.list
		}
	}
	return ""
}

// nearName suggests an attribute that was written without its root, or a name.
func (w *weaver) nearName(name string) string {
	for _, root := range readRoots {
		if slices.Contains(readable(w.typing.members[root]), name) {
			return `did you mean "` + root + "." + name + `"?`
		}
	}
	if w.vars.find(name) != nil {
		return `did you mean "variables.` + name + `"?`
	}
	if slices.Contains([]string{"int", "string", "bool", "list", "map", "double", "uint", "bytes", "type", "dyn"}, name) {
		return "types are not values"
	}
	var loops []string
	for _, l := range w.loops {
		if l.name != "" {
			loops = append(loops, l.name)
		}
	}
	if guess := w.c.near(name, append(loops, rootNames...), ""); guess != "" {
		return guess
	}
	return `text is written in quotes: "` + clip(name) + `"`
}

// selection copies `root.name`, `data.document.name`, `variables.name` and the
// presence test that has() is.
func (w *weaver) selection(e ast.Expr) ast.Expr {
	s := e.AsSelect()
	at := w.spotOf(e)
	if s.IsTestOnly() {
		return w.presenceTest(e)
	}
	path := strings.Split(PathOf(e), ".")
	root := path[0]
	switch {
	case root == "" && isIndex(s.Operand()):
		return w.ofElement(e)
	case root == "":
		return w.copyOperand(e)
	case w.loopOver(root) != "" && len(path) == 2:
		w.column(at, w.loopOver(root), root, path[1])
		return w.chain(e)
	case w.loopOver(root) != "":
		w.fail(at, "", "%s.%s has no members", root, path[1])
	case w.isLoop(root) || root == "action":
		w.fail(at, "", "%s has no members", root)
	case root == "data":
		return w.datum(e, path)
	case root == "calendar":
		w.fail(at, "write calendar.working_hours.active(context.now)", "%s is not a value; a calendar is asked whether it is active", clip(PathOf(e)))
	case root == "variables" && len(path) == 2:
		return w.variable(e, path[1])
	case root == "variables":
		w.fail(at, "", "variables.%s has no members", path[1])
	case !slices.Contains(readRoots, root):
		return w.copyOperand(e)
	default:
		if m, ok := w.walk(at, path); ok && m.typ.Kind == Record {
			w.fail(at, w.c.near("", w.inside(path), "it has "), "%s is a record and no value", PathOf(e))
		}
		return w.chain(e)
	}
	return e
}

// walk checks that the attribute at the end of a path can be read, and each
// record on the way.
func (w *weaver) walk(at spot, path []string) (member, bool) {
	var m member
	for i := 2; i <= len(path); i++ {
		if i > 2 && m.typ.Kind != Record {
			w.fail(at, "", "%s has no members", strings.Join(path[:i-1], "."))
			return m, false
		}
		if m = w.read(at, path[0], strings.Join(path[1:i], ".")); !w.good {
			return m, false
		}
	}
	return m, true
}

// inside lists the members of the record at a path.
func (w *weaver) inside(path []string) []string {
	var names []string
	prefix := strings.Join(path[1:], ".") + "."
	for _, name := range readable(w.typing.members[path[0]]) {
		if rest, ok := strings.CutPrefix(name, prefix); ok && !strings.Contains(rest, ".") {
			names = append(names, rest)
		}
	}
	return names
}

// chain copies a path.
func (w *weaver) chain(e ast.Expr) ast.Expr {
	if e.Kind() == ast.IdentKind {
		return w.factory.NewIdent(w.id(e), e.AsIdent())
	}
	return w.factory.NewSelect(w.id(e), w.chain(e.AsSelect().Operand()), e.AsSelect().FieldName())
}

// copyOperand reports what is wrong with the operand of a selection.
func (w *weaver) copyOperand(e ast.Expr) ast.Expr {
	operand := e.AsSelect().Operand()
	w.copy(operand)
	if w.good {
		w.fail(w.spotOf(e), "", "this has no member %q", clip(e.AsSelect().FieldName()))
	}
	return e
}

func (w *weaver) presenceTest(e ast.Expr) ast.Expr {
	s := e.AsSelect()
	path := strings.Split(PathOf(s.Operand()), ".")
	at := w.spotOf(s.Operand())
	if isIndex(s.Operand()) {
		return w.ofElement(e)
	}
	at.end += len(s.FieldName()) + 1
	if list := w.loopOver(path[0]); list != "" && len(path) == 1 {
		w.column(at, list, path[0], s.FieldName())
		return w.factory.NewPresenceTest(w.id(e), w.chain(s.Operand()), s.FieldName())
	}
	if !slices.Contains(readRoots, path[0]) || w.isLoop(path[0]) {
		w.fail(at, "write has(resource.owner_team)", "has() takes the path of an attribute")
		return e
	}
	w.walk(at, append(path, s.FieldName()))
	return w.factory.NewPresenceTest(w.id(e), w.chain(s.Operand()), s.FieldName())
}

// read checks that an attribute or a fact can be read. A fact needs what it
// counts by.
func (w *weaver) read(at spot, root, name string) member {
	m, ok := w.c.attribute(at, root, name, w.typing)
	if !ok {
		w.good = false
	}
	if _, declared := w.typing.members[root][name]; ok && !declared {
		if guess := w.c.near(name, readable(w.typing.members[root]), ""); guess != "" {
			w.c.warnf(at.span(), strings.Replace(guess, `"`, `"`+root+".", 1), "%s.%s is not declared, and is read as one of the further members", root, name)
		}
	}
	if !ok || root != "facts" {
		return m
	}
	w.c.factsRead[name] = true
	i := slices.IndexFunc(w.c.schema.Facts, func(f Fact) bool { return f.Name == name })
	for _, path := range w.c.schema.Facts[i].By {
		owner, attribute, _ := strings.Cut(path, ".")
		here, known := w.typing.members[owner][attribute]
		there := w.c.factTypes[name+" by "+path]
		switch {
		case !known || here.problem != "":
			w.fail(at, "split the rule, or match fewer of them", "facts.%s cannot be read: it counts by %s, which not all have that the match covers", name, path)
			return m
		case celType(here.typ).Kind() != celType(there).Kind():
			w.fail(at, "declare both with one type", "facts.%s cannot be read: it counts by %s, which is %s here and %s where it happened", name, path, here.typ.short(), there.short())
			return m
		}
	}
	return m
}

// datum copies `data.document.name`.
func (w *weaver) datum(e ast.Expr, path []string) ast.Expr {
	at := w.spotOf(e)
	documents := kernel.SortedKeys(w.c.cel.data)
	switch {
	case len(path) < 2 || !slices.Contains(documents, path[1]):
		w.fail(at, w.c.near(path[1], documents, "data documents are "), "unknown data document %q", clip(path[1]))
	case len(path) == 2:
		w.fail(at, "name one of its constants", "data.%s is not a value", path[1])
	case len(path) > 3:
		w.fail(at, "", "data.%s.%s has no members", path[1], path[2])
	default:
		if _, ok := w.c.data[path[1]+"."+path[2]]; !ok {
			w.fail(at, w.c.near(path[2], w.c.constants(path[1]), "the document has "), "unknown constant data.%s.%s", path[1], clip(path[2]))
			return e
		}
		w.c.reads.data[path[1]+"."+path[2]] = true
		document := e.AsSelect().Operand()
		root := w.factory.NewIdent(w.id(document.AsSelect().Operand()), "data")
		return w.factory.NewSelect(w.id(e), w.factory.NewSelect(w.id(document), root, path[1]), path[2])
	}
	return e
}

// calendar copies `calendar.name`, which active() asks.
func (w *weaver) calendar(e ast.Expr, s signature) ast.Expr {
	at, path := w.spotOf(e), strings.Split(PathOf(e), ".")
	switch {
	case path[0] != "calendar" || len(path) != 2 || w.isLoop(path[0]):
		w.fail(at, "write "+s.usage, "active() is asked of a calendar")
		return e
	case !slices.Contains(w.c.cel.calendars, path[1]):
		w.fail(at, w.c.near(path[1], w.c.cel.calendars, "calendars are "), "unknown calendar %q", clip(path[1]))
		return e
	}
	w.c.reads.calendars[path[1]] = true
	return w.factory.NewSelect(w.id(e), w.factory.NewIdent(w.id(e.AsSelect().Operand()), path[0]), path[1])
}
