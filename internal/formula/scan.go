package formula

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A usage is what conditions do with the attributes of a cell: texts that are
// only compared for equality become numbers, and lists have as many places as
// there are conditions that need a witness in them.
type usage struct {
	e      *Encoding
	parent map[string]string // texts that are compared with each other
	theory map[string]bool   // by representative: a solver must see the characters
	lists  map[string]*listUse
	facts  []map[string]bool // by side
}

// A listUse is what conditions ask of a list.
type listUse struct {
	atoms     map[string]atom
	order     []string
	named     []string // texts that are looked for in it
	positions int      // whose place matters
	anywhere  bool     // every place matters
	counted   bool     // its length matters
	nested    bool     // a loop over it stands in a loop over it
}

// An atom is a condition of a list that up to so many elements witness, for
// each element of the loops around.
type atom struct {
	witnesses int
	around    []loop
}

func (u *usage) list(path string) *listUse {
	if u.lists[path] == nil {
		u.lists[path] = &listUse{atoms: map[string]atom{}}
	}
	return u.lists[path]
}

func (u *usage) find(node string) string {
	for u.parent[node] != "" && u.parent[node] != node {
		node = u.parent[node]
	}
	return node
}

func (u *usage) join(a, b string) {
	a, b = u.find(a), u.find(b)
	if a != b {
		u.parent[a] = b
		u.theory[b] = u.theory[a] || u.theory[b]
	}
}

// asString reports a text whose characters matter.
func (u *usage) asString(node string) bool { return u.theory[u.find(node)] }

// scan finds out how the conditions of a cell use its attributes.
func (e *Encoding) scan(c Config) {
	e.usage = &usage{e: e, parent: map[string]string{}, theory: map[string]bool{}, lists: map[string]*listUse{}}
	for i, s := range e.sides {
		e.usage.facts = append(e.usage.facts, map[string]bool{})
		if s.action == nil {
			continue
		}
		for _, r := range s.bundle.Rules {
			if covers(r, e.Cell) && r.When != nil && !r.Shadow {
				(&scanner{u: e.usage, side: i, s: s, ast: r.When.AST}).walk(r.When.AST.Expr())
			}
		}
		for _, x := range c.Extras {
			if i == 0 && x.When != nil {
				(&scanner{u: e.usage, side: i, s: s, ast: x.When.AST}).walk(x.When.AST.Expr())
			}
		}
	}
}

// A scanner walks one condition.
type scanner struct {
	u     *usage
	side  int
	s     *side
	ast   *ast.AST
	scope []loop
}

// A loop is a comprehension around an expression.
type loop struct {
	name   string
	list   string   // the path of an attribute, or ""
	lists  []string // the paths of all attributes that it may go over
	times  int      // elements of the constants that it may go over
	over   string   // what it goes over, as it is written
	leaves []string
	theory bool
}

func (w *scanner) loopOf(name string) *loop {
	for i := len(w.scope) - 1; i >= 0; i-- {
		if w.scope[i].name == name {
			return &w.scope[i]
		}
	}
	return nil
}

// pathOf returns the dotted name of an attribute or a constant.
func pathOf(e ast.Expr, isLocal func(string) bool) (string, bool) {
	switch e.Kind() {
	case ast.IdentKind:
		return e.AsIdent(), !isLocal(e.AsIdent())
	case ast.SelectKind:
		operand, ok := pathOf(e.AsSelect().Operand(), isLocal)
		return operand + "." + e.AsSelect().FieldName(), ok && !e.AsSelect().IsTestOnly()
	default:
		return "", false
	}
}

func (w *scanner) path(e ast.Expr) (string, bool) {
	return pathOf(e, func(name string) bool { return w.loopOf(name) != nil })
}

func (w *scanner) kind(e ast.Expr) types.Kind { return w.ast.GetType(e.ID()).Kind() }

// leaves lists the attributes that a text may be, and whether it is also made
// in some other way.
func (w *scanner) leaves(e ast.Expr) (nodes []string, made bool) {
	if e.Kind() == ast.IdentKind {
		if l := w.loopOf(e.AsIdent()); l != nil {
			return l.leaves, l.theory
		}
	}
	if path, ok := w.path(e); ok {
		if _, isConstant := w.s.data[path]; isConstant || path == pathType || path == pathAction && !w.u.e.family || w.u.e.isEnum(path) {
			return nil, false
		}
		return []string{path}, false
	}
	switch {
	case e.Kind() == ast.SelectKind: // a column of a list of records
		if list := w.recordsOf(e.AsSelect().Operand()); list != "" {
			if path := list + "[]." + e.AsSelect().FieldName(); !w.u.e.isEnum(path) {
				return []string{path}, false
			}
		}
		return nil, false
	case e.Kind() != ast.CallKind:
		return nil, false
	case e.AsCall().FunctionName() == operators.Conditional:
		a, madeA := w.leaves(e.AsCall().Args()[1])
		b, madeB := w.leaves(e.AsCall().Args()[2])
		return append(append([]string{}, a...), b...), madeA || madeB
	case e.AsCall().FunctionName() == operators.Index:
		return w.elements(e.AsCall().Args()[0])
	}
	return nil, true
}

// elements is leaves for the elements of a list of texts.
func (w *scanner) elements(e ast.Expr) (nodes []string, made bool) {
	if path, ok := w.path(e); ok {
		if _, isConstant := w.s.data[path]; isConstant || w.u.e.isEnum(path) {
			return nil, false
		}
		return []string{path + "[]"}, false
	}
	switch {
	case e.Kind() == ast.ListKind:
		for _, x := range e.AsList().Elements() {
			n, m := w.leaves(x)
			nodes, made = append(nodes, n...), made || m
		}
	case e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.Conditional:
		for _, x := range e.AsCall().Args()[1:] {
			n, m := w.elements(x)
			nodes, made = append(nodes, n...), made || m
		}
	}
	return nodes, made
}

// recordsOf returns the list that a record is an element of.
func (w *scanner) recordsOf(e ast.Expr) string {
	if e.Kind() == ast.IdentKind {
		if l := w.loopOf(e.AsIdent()); l != nil {
			return l.list
		}
	}
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.Index {
		path, _ := w.path(e.AsCall().Args()[0])
		return path
	}
	return ""
}

// isEnum reports a text that is an enum on every side that declares it; of a
// list, its elements.
func (e *Encoding) isEnum(path string) bool {
	found := false
	for _, s := range e.sides {
		m := s.members[strings.TrimSuffix(path, "[]")]
		if m == nil {
			continue
		}
		t := m.typ
		if t.Kind == pdl.List {
			t = *t.Elem
		}
		if t.Kind != pdl.Enum {
			return false
		}
		found = true
	}
	return found
}

// characters notes that the characters of a text matter.
func (w *scanner) characters(e ast.Expr) {
	nodes, _ := w.leaves(e)
	for _, n := range nodes {
		w.u.theory[w.u.find(n)] = true
	}
}

// together notes that texts are compared with each other.
func (w *scanner) together(nodes []string, made bool) {
	for _, n := range nodes {
		w.u.join(nodes[0], n)
		if made {
			w.u.theory[w.u.find(n)] = true
		}
	}
}

func (w *scanner) compare(a, b ast.Expr) {
	x, madeX := w.leaves(a)
	y, madeY := w.leaves(b)
	w.together(append(append([]string{}, x...), y...), madeX || madeY)
}

// walk visits an expression and everything in it.
func (w *scanner) walk(e ast.Expr) {
	switch e.Kind() {
	case ast.IdentKind, ast.SelectKind:
		if path, ok := w.readPath(e); ok {
			if name, isFact := strings.CutPrefix(path, "facts."); isFact {
				w.u.facts[w.side][name] = true
			}
		} else if e.Kind() == ast.SelectKind {
			w.walk(e.AsSelect().Operand())
		}
	case ast.ListKind:
		for _, x := range e.AsList().Elements() {
			w.walk(x)
		}
		if nodes, made := w.elements(e); len(nodes) > 0 {
			w.together(nodes, made)
		}
	case ast.ComprehensionKind:
		w.comprehension(e)
	case ast.CallKind:
		w.call(e)
	}
}

// readPath is path, and for has() the path of what it tests.
func (w *scanner) readPath(e ast.Expr) (string, bool) {
	if e.Kind() == ast.SelectKind && e.AsSelect().IsTestOnly() {
		operand, ok := w.path(e.AsSelect().Operand())
		return operand + "." + e.AsSelect().FieldName(), ok
	}
	return w.path(e)
}

func (w *scanner) call(e ast.Expr) {
	call := e.AsCall()
	args := call.Args()
	if call.IsMemberFunction() && call.FunctionName() != "active" {
		w.walk(call.Target())
	}
	for _, a := range args {
		w.walk(a)
	}
	switch name := call.FunctionName(); name {
	case operators.Equals, operators.NotEquals:
		switch w.kind(args[0]) {
		case types.StringKind:
			w.compare(args[0], args[1])
		case types.ListKind:
			w.compareLists(args[0], args[1])
		}
	case operators.In:
		w.membership(args[0], args[1])
	case operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals, operators.Add:
		if w.kind(args[0]) == types.StringKind {
			w.characters(args[0])
			w.characters(args[1])
		}
	case operators.Conditional:
		if w.kind(e) == types.StringKind {
			if nodes, made := w.leaves(e); len(nodes) > 0 {
				w.together(nodes, made)
			}
		}
	case operators.Index:
		w.index(args[0], args[1])
	case "size":
		of := call.Target()
		if !call.IsMemberFunction() {
			of = args[0]
		}
		w.size(of)
	default:
		if call.IsMemberFunction() && w.kind(call.Target()) == types.StringKind {
			w.characters(call.Target())
		}
		for _, a := range args {
			if w.kind(a) == types.StringKind {
				w.characters(a)
			}
		}
	}
}

// attributes lists the attributes that a list may be.
func (w *scanner) attributes(e ast.Expr) []string {
	if path, ok := w.path(e); ok {
		if _, isConstant := w.s.data[path]; isConstant {
			return nil
		}
		return []string{path}
	}
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.Conditional {
		return append(w.attributes(e.AsCall().Args()[1]), w.attributes(e.AsCall().Args()[2])...)
	}
	return nil
}

func (w *scanner) size(e ast.Expr) {
	switch w.kind(e) {
	case types.StringKind:
		w.characters(e)
	case types.ListKind:
		for _, path := range w.attributes(e) {
			w.u.list(path).counted = true
		}
	}
}

func (w *scanner) index(list, at ast.Expr) {
	for _, path := range w.attributes(list) {
		use := w.u.list(path)
		i, ok := smallInt(at)
		if ok {
			use.positions = max(use.positions, i+1)
		} else {
			use.anywhere = true
		}
		if !ok || i >= maxPlaces { // it may lie behind the places in order
			w.atom(use, path, "at "+w.key(at), 1)
		}
	}
}

// smallInt returns a literal that may be a place in a list.
func smallInt(e ast.Expr) (int, bool) {
	const most = 1 << 16
	if e.Kind() != ast.LiteralKind {
		return 0, false
	}
	i, ok := e.AsLiteral().(types.Int)
	return int(min(max(i, -1), most)), ok
}

func (w *scanner) compareLists(a, b ast.Expr) {
	x, madeX := w.elements(a)
	y, madeY := w.elements(b)
	w.together(append(append([]string{}, x...), y...), madeX || madeY)
	for _, pair := range [][2]ast.Expr{{a, b}, {b, a}} {
		for _, path := range w.attributes(pair[0]) {
			use := w.u.list(path)
			use.counted = true
			if n, ok := w.fixedLength(pair[1]); ok {
				use.positions = max(use.positions, n)
			}
			if len(w.attributes(pair[1])) > 0 {
				use.anywhere = true
			}
		}
	}
}

// fixedLength returns the most elements that a list of constants has.
func (w *scanner) fixedLength(e ast.Expr) (int, bool) {
	if path, ok := w.path(e); ok {
		d, isConstant := w.s.data[path]
		values, _ := d.Value.([]any)
		return len(values), isConstant
	}
	switch {
	case e.Kind() == ast.ListKind:
		return len(e.AsList().Elements()), true
	case e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.Conditional:
		n, okN := w.fixedLength(e.AsCall().Args()[1])
		m, okM := w.fixedLength(e.AsCall().Args()[2])
		return max(n, m), okN || okM
	}
	return 0, false
}

func (w *scanner) membership(x, list ast.Expr) {
	if w.kind(x) == types.StringKind {
		nodes, made := w.leaves(x)
		more, madeMore := w.elements(list)
		w.together(append(append([]string{}, nodes...), more...), made || madeMore)
	}
	for _, path := range w.attributes(list) {
		use := w.u.list(path)
		if s, ok := textLiteral(x); ok {
			if !contains(use.named, s) {
				use.named = append(use.named, s)
			}
			continue
		}
		w.atom(use, path, "in "+w.key(x), 1)
	}
}

func textLiteral(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().Value().(string)
	return s, ok && e.AsLiteral().Type() == types.StringType
}

// atom notes a condition of a list, for each element of the loops around.
// Conditions that are written alike are one where they say the same: inside of
// the same loops, and for the same constants.
func (w *scanner) atom(use *listUse, path, key string, witnesses int) {
	a := atom{witnesses: witnesses, around: slices.Clone(w.scope)}
	for _, l := range w.scope {
		use.nested = use.nested || contains(l.lists, path)
		key += " for each of " + l.over
	}
	if len(w.u.e.sides) > 1 && strings.Contains(key, "data.") {
		key = fmt.Sprintf("%s of side %d", key, w.side)
	}
	if _, known := use.atoms[key]; !known {
		use.atoms[key] = a
		use.order = append(use.order, key)
	}
}

func (w *scanner) comprehension(e ast.Expr) {
	q, ok := quantifierOf(e)
	if !ok {
		return
	}
	w.walk(q.over)
	witnesses := 1
	if q.function == existsOne {
		witnesses = 2
	}
	l := loop{name: q.variable, over: w.key(q.over)}
	l.leaves, l.theory = w.elements(q.over)
	l.times, _ = w.fixedLength(q.over)
	attributes := w.attributes(q.over)
	for _, path := range attributes {
		use := w.u.list(path)
		use.counted = use.counted || q.function == existsOne
		w.atom(use, path, w.key(e), witnesses)
		l.list = path
	}
	l.lists = attributes
	w.scope = append(w.scope, l)
	w.walk(q.test)
	w.scope = w.scope[:len(w.scope)-1]
}
