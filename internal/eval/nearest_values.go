package eval

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// otherText stands for a text that no rule names.
const otherText = "another value"

// A clue is what the conditions say about an attribute: values that make a
// difference to some part of them.
type clue struct {
	ints  []int64
	texts []string // of the attribute, or of the elements of a list
	times []instant
}

// A reader collects clues from the conditions of the rules that could have a
// say.
type reader struct {
	program *Program
	in      Input
	clues   map[string]*clue
	loops   map[string]string // paths of lists by the variables that stand for their elements
}

// editsOf lists the edits of one attribute that may matter, in the order of
// their paths.
func editsOf(p *Program, sh *shape, in Input) []Edit {
	r := &reader{program: p, in: in, clues: map[string]*clue{}, loops: map[string]string{}}
	for _, rule := range sh.action.rules {
		for _, a := range rule.Match {
			r.at(a.Path).texts = append(r.at(a.Path).texts, a.Values...)
		}
		if tree := rule.expression(); tree != nil {
			r.read(tree)
		}
	}
	var edits []Edit
	sections := sh.sections
	if p.facts != nil {
		sections = append(slices.Clone(sections), p.facts)
	}
	for _, sec := range sections {
		edits = append(edits, r.sectionEdits(sec)...)
	}
	for _, t := range sh.action.types {
		if t != in.Request.Resource.Type {
			edits = append(edits, Edit{Path: pathResourceType, From: in.Request.Resource.Type, To: t})
		}
	}
	for _, t := range r.instants(pathNow) {
		edits = append(edits, nowEdit(in, t.time()))
	}
	slices.SortStableFunc(edits, func(a, b Edit) int { return strings.Compare(a.Path, b.Path) })
	return edits
}

func (r *reader) at(path string) *clue {
	if r.clues[path] == nil {
		r.clues[path] = &clue{}
	}
	return r.clues[path]
}

// edits lists the other values of an attribute.
func (r *reader) edits(path string, a pdl.Attribute) []Edit {
	from := r.value(path)
	var edits []Edit
	add := func(to any, distance int64) {
		edits = append(edits, Edit{Path: path, From: from, To: to, distance: distance})
	}
	if a.Optional && from != nil {
		add(nil, 0)
	}
	switch a.Type.Kind {
	case pdl.Bool:
		for _, b := range []bool{false, true} {
			if from != any(b) {
				add(b, 0)
			}
		}
	case pdl.Enum:
		for _, v := range a.Type.Values {
			if from != any(v) {
				add(v, 0)
			}
		}
	case pdl.Int:
		r.intEdits(path, a.Type, from, add)
	case pdl.String:
		for _, v := range unique(r.at(path).texts) {
			if from != any(v) && utf8.RuneCountInString(v) <= a.Type.MaxLen {
				add(v, 0)
			}
		}
		if len(otherText) <= a.Type.MaxLen && from != any(otherText) {
			edits = append(edits, Edit{Path: path, From: from, To: otherText, Other: true})
		}
	case pdl.Timestamp:
		for _, t := range r.instants(path) {
			at, current := t, instantOf(r.in.Now)
			if v, ok := instantIn(from); ok && from != nil {
				current = v
			}
			if text := at.time().Format(time.RFC3339Nano); inRange(at) && from != any(text) {
				add(text, max(1, abs(at.sec-current.sec)))
			}
		}
	case pdl.List:
		r.listEdits(path, a.Type, from, add)
	default: // a kind whose values nothing compares
	}
	return edits
}

func (r *reader) intEdits(path string, t pdl.Type, from any, add func(any, int64)) {
	current, present := wholeNumber(from)
	values := r.at(path).ints
	if !present {
		values = append(slices.Clone(values), min(max(0, t.Min), t.Max))
	}
	slices.Sort(values)
	for _, v := range slices.Compact(slices.Clone(values)) {
		if v >= t.Min && v <= t.Max && !(present && v == current) {
			add(v, max(1, abs(v-current)))
		}
	}
}

// listEdits empties a list, takes out an element, and puts in one that a
// condition looks for.
func (r *reader) listEdits(path string, t pdl.Type, from any, add func(any, int64)) {
	const most = 16 // elements to take out
	elements, _ := from.([]any)
	if from == nil || len(elements) > 0 {
		add([]any{}, 0)
	}
	for i := range elements[:min(len(elements), most)] {
		if len(elements) > 1 {
			add(slices.Delete(slices.Clone(elements), i, i+1), 0)
		}
	}
	wanted := t.Elem.Values
	if t.Elem.Kind == pdl.String {
		wanted = append(unique(r.at(path).texts), otherText)
	}
	for _, v := range wanted {
		if !slices.Contains(elements, any(v)) && len(elements) < t.MaxLen {
			add(append(slices.Clone(elements), v), 0)
		}
		if len(elements) > 0 {
			add([]any{v}, 0)
		}
	}
}

func unique(texts []string) []string {
	const most = 64
	texts = slices.Clone(texts)
	slices.Sort(texts)
	texts = slices.Compact(texts)
	return texts[:min(len(texts), most)]
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

func wholeNumber(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case int:
		return int64(v), true
	}
	return 0, false
}

// instants lists the instants that make a difference to an attribute: those it
// is compared with, and a second on both sides.
func (r *reader) instants(path string) []instant {
	h := r.clues[path]
	if h == nil {
		return nil
	}
	var list []instant
	for _, t := range h.times {
		for _, d := range []int64{-1, 0, 1} {
			if x := (instant{t.sec + d, t.nsec}); inRange(x) && !slices.Contains(list, x) {
				list = append(list, x)
			}
		}
	}
	return list
}

// read walks an expression for what it compares.
func (r *reader) read(e ast.Expr) {
	switch e.Kind() {
	case ast.CallKind:
		r.readCall(e.AsCall())
	case ast.ListKind:
		for _, x := range e.AsList().Elements() {
			r.read(x)
		}
	case ast.ComprehensionKind:
		if q, ok := quantifierOf(e); ok {
			outer, had := r.loops[q.variable]
			r.loops[q.variable] = r.path(q.over)
			r.read(q.test)
			if r.loops[q.variable] = outer; !had {
				delete(r.loops, q.variable)
			}
		}
	default: // nothing is compared
	}
}

func (r *reader) readCall(call ast.CallExpr) {
	args := call.Args()
	if call.IsMemberFunction() {
		args = append([]ast.Expr{call.Target()}, args...)
	}
	for _, a := range args {
		r.read(a)
	}
	switch call.FunctionName() {
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		r.compare(args[0], args[1])
		r.compare(args[1], args[0])
		r.compareTimes(args)
	case operators.In:
		r.membership(args[0], args[1])
	case "startsWith", "endsWith", "contains":
		if path, text := r.path(args[0]), r.texts(args[1]); path != "" {
			r.at(path).texts = append(r.at(path).texts, text...)
		}
	}
}

// path returns the path of an attribute, of a fact, or of the list whose
// element a loop variable stands for.
func (r *reader) path(e ast.Expr) string {
	switch e.Kind() {
	case ast.IdentKind:
		return r.loops[e.AsIdent()]
	case ast.SelectKind:
		s := e.AsSelect()
		if s.IsTestOnly() {
			return ""
		}
		if s.Operand().Kind() != ast.IdentKind {
			if record := r.path(s.Operand()); record != "" {
				return record + "." + s.FieldName()
			}
			return ""
		}
		root := s.Operand().AsIdent()
		if r.loops[root] == "" && slices.Contains([]string{"agent", "resource", "params", "context", "facts"}, root) {
			return root + "." + s.FieldName()
		}
	default: // no path
	}
	return ""
}

// compare notes what a side that depends on attributes is compared with.
func (r *reader) compare(side, other ast.Expr) {
	if path := r.path(side); path != "" {
		r.at(path).texts = append(r.at(path).texts, r.texts(other)...)
	}
	paths := map[string]bool{}
	r.paths(side, paths)
	bound, known := r.number(other, "", 0)
	if !known {
		return
	}
	for _, path := range kernel.SortedKeys(paths) {
		for _, v := range r.solve(side, path, bound) {
			r.at(path).ints = append(r.at(path).ints, v-1, v, v+1)
		}
	}
}

// solve finds where an expression that is linear in an attribute equals a
// bound, rounded down.
func (r *reader) solve(side ast.Expr, path string, bound int64) []int64 {
	current, _ := wholeNumber(r.value(path))
	here, ok := r.number(side, path, current)
	next, okNext := r.number(side, path, current+1)
	if !ok || !okNext || next == here {
		return nil
	}
	slope := float64(next - here)
	at := float64(current) + math.Floor(float64(bound-here)/slope)
	if math.Abs(at) > 1<<53 {
		return nil
	}
	return []int64{int64(at), int64(at) + 1}
}

// paths lists the attributes that an expression of integers reads.
func (r *reader) paths(e ast.Expr, into map[string]bool) {
	if path := r.path(e); path != "" && e.Kind() == ast.SelectKind {
		into[path] = true
		return
	}
	if e.Kind() == ast.CallKind && !e.AsCall().IsMemberFunction() {
		for _, a := range e.AsCall().Args() {
			r.paths(a, into)
		}
	}
}

// number computes an expression of integers for the request, in which path
// has the value at.
func (r *reader) number(e ast.Expr, path string, at int64) (int64, bool) {
	if v, ok := literal(e); ok {
		n, ok := v.(types.Int)
		return int64(n), ok
	}
	if p := r.path(e); p != "" {
		if p == path {
			return at, true
		}
		if n, ok := wholeNumber(r.value(p)); ok || strings.HasPrefix(p, "facts.") && r.value(p) == nil {
			return n, true
		}
		return 0, false
	}
	if d, ok := r.datum(e); ok {
		return wholeNumber(d)
	}
	if e.Kind() != ast.CallKind || e.AsCall().IsMemberFunction() {
		return 0, false
	}
	return r.arithmetic(e.AsCall(), path, at)
}

func (r *reader) arithmetic(call ast.CallExpr, path string, at int64) (n int64, ok bool) {
	var values []int64
	for _, a := range call.Args() {
		v, ok := r.number(a, path, at)
		if !ok {
			return 0, false
		}
		values = append(values, v)
	}
	var f fault
	switch {
	case call.FunctionName() == operators.Negate && len(values) == 1:
		n, f = subtract(0, values[0])
	case len(values) != 2:
		return 0, false
	case call.FunctionName() == operators.Add:
		n, f = add(values[0], values[1])
	case call.FunctionName() == operators.Subtract:
		n, f = subtract(values[0], values[1])
	case call.FunctionName() == operators.Multiply:
		n, f = multiply(values[0], values[1])
	case call.FunctionName() == operators.Divide && values[1] != 0:
		n = values[0] / values[1]
	case call.FunctionName() == operators.Modulo && values[1] != 0:
		n = values[0] % values[1]
	default:
		return 0, false
	}
	return n, f == 0
}

// datum returns the value of a constant of a data document.
func (r *reader) datum(e ast.Expr) (any, bool) {
	var names []string
	for ; e.Kind() == ast.SelectKind && !e.AsSelect().IsTestOnly(); e = e.AsSelect().Operand() {
		names = append(names, e.AsSelect().FieldName())
	}
	if e.Kind() != ast.IdentKind || e.AsIdent() != "data" || len(names) != 2 {
		return nil, false
	}
	d, ok := r.program.data["data."+names[1]+"."+names[0]]
	return d.Value, ok
}

// texts lists the texts that an expression is known to hold.
func (r *reader) texts(e ast.Expr) []string {
	if v, ok := literal(e); ok {
		if s, ok := v.(types.String); ok {
			return []string{string(s)}
		}
		return nil
	}
	var list []string
	if e.Kind() == ast.ListKind {
		for _, x := range e.AsList().Elements() {
			list = append(list, r.texts(x)...)
		}
		return list
	}
	value, ok := r.datum(e)
	if path := r.path(e); path != "" {
		value, ok = r.value(path), true
	}
	if !ok {
		return nil
	}
	switch v := value.(type) {
	case string:
		list = append(list, v)
	case []any:
		for _, x := range v {
			if s, ok := x.(string); ok {
				list = append(list, s)
			}
		}
	}
	return list
}

// membership notes what `x in list` looks for, on both sides.
func (r *reader) membership(x, list ast.Expr) {
	if path := r.path(x); path != "" {
		r.at(path).texts = append(r.at(path).texts, r.texts(list)...)
		if list.Kind() == ast.ListKind {
			for _, v := range list.AsList().Elements() {
				r.compare(x, v)
			}
		}
		if values, ok := r.datum(list); ok {
			items, _ := values.([]any)
			for _, v := range items {
				if n, ok := wholeNumber(v); ok {
					r.at(path).ints = append(r.at(path).ints, n-1, n, n+1)
				}
			}
		}
	}
	if path := r.path(list); path != "" {
		r.at(path).texts = append(r.at(path).texts, r.texts(x)...)
	}
}

// compareTimes notes for each instant in a comparison where it would be if it
// lay as far from another as the comparison says.
func (r *reader) compareTimes(args []ast.Expr) {
	paths, anchors, spans := map[string]bool{}, []instant{}, []time.Duration{0}
	for _, a := range args {
		r.times(a, paths, &anchors, &spans)
	}
	for _, path := range kernel.SortedKeys(paths) {
		h, others := r.at(path), maps.Clone(paths)
		delete(others, path)
		bases := slices.Clone(anchors)
		for _, other := range kernel.SortedKeys(others) {
			if t, ok := r.instant(other); ok {
				bases = append(bases, t)
			}
		}
		for _, base := range bases {
			for _, d := range spans {
				for _, sign := range []time.Duration{-1, 1} {
					if t, f := addSpan(base, sign*d); f == 0 {
						h.times = append(h.times, t)
					}
				}
			}
		}
	}
}

func (r *reader) instant(path string) (instant, bool) {
	if path == pathNow {
		return instantOf(r.in.Now), true
	}
	v := r.value(path)
	if v == nil {
		return instant{}, false
	}
	return instantIn(v)
}

// times collects the instants and durations of an expression.
func (r *reader) times(e ast.Expr, paths map[string]bool, anchors *[]instant, spans *[]time.Duration) {
	if path := r.path(e); path != "" {
		if _, ok := r.instant(path); ok || path == pathNow || r.isTime(path) {
			paths[path] = true
		}
		return
	}
	if e.Kind() != ast.CallKind {
		return
	}
	call := e.AsCall()
	if args := call.Args(); len(args) == 1 && !call.IsMemberFunction() {
		if v, ok := literal(args[0]); ok {
			text, _ := v.Value().(string)
			switch call.FunctionName() {
			case "timestamp":
				if t, ok := instantIn(text); ok {
					*anchors = append(*anchors, t)
				}
			case "duration":
				if d, err := time.ParseDuration(text); err == nil {
					*spans = append(*spans, d)
				}
			}
			return
		}
	}
	if !call.IsMemberFunction() {
		for _, a := range call.Args() {
			r.times(a, paths, anchors, spans)
		}
	}
}

// isTime reports an attribute that is declared as a timestamp somewhere.
func (r *reader) isTime(path string) bool {
	_, known := r.program.layout.slots[slotKey{path, types.TimestampKind, false}]
	return known
}

// readsClock reports conditions that read calendars or parts of an instant.
func readsClock(rules []*rule) bool {
	found := false
	visit := ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.CallKind {
			name := e.AsCall().FunctionName()
			found = found || name == "active" || strings.HasPrefix(name, "get")
		}
	})
	for _, r := range rules {
		if tree := r.expression(); tree != nil {
			ast.PreOrderVisit(tree, visit)
		}
	}
	return found
}
