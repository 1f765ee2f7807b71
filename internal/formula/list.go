package formula

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/smt"
)

// A list is what formulas see of one: places in order, then a bag of places
// for the elements behind them, whose order nothing looks at. A place of the
// bag stands for as many equal elements as it counts.
type list struct {
	path    string // of an attribute; "" for constants
	ok      *smt.Term
	places  []place
	ordered int       // how many of the places come first, in order
	length  *smt.Term // Int
	most    int
	whole   bool // no element lies outside of the ordered places
	byName  bool // each text that is looked for has a place of its own
}

// A place holds an element when on holds.
type place struct {
	on    *smt.Term
	count *smt.Term // how many elements it stands for; 1 where it is in order
	value element
	named bool // of the one text that is looked for
}

// A choice is a list under a condition.
type choice struct {
	when *smt.Term
	*list
}

// choices encodes an expression of type list.
func (c *coder) choices(x ast.Expr) []choice {
	e := c.e
	switch {
	case x.Kind() == ast.ListKind:
		return []choice{{e.True(), c.literalList(x)}}
	case x.Kind() == ast.CallKind && x.AsCall().FunctionName() == operators.Conditional:
		args := x.AsCall().Args()
		test := c.bools(args[0])
		var list []choice
		for i, when := range []*smt.Term{test.True, test.False} {
			for _, ch := range c.choices(args[1+i]) {
				list = append(list, choice{e.And(when, ch.when), ch.list})
			}
		}
		return list
	}
	path, ok := c.path(x)
	if d, isConstant := c.s.data[path]; ok && isConstant {
		return []choice{{e.True(), c.dataList(d)}}
	}
	if m := c.s.members[path]; ok && m != nil && m.typ.Kind == pdl.List {
		l := *e.attributeList(path, m.typ)
		l.ok = e.there(c.s, path)
		if !l.whole && (e.usage.list(path).nested || e.usage.bag(path, l.byName) > maxPlaces) {
			c.bounded(x, "more conditions on one list than are looked at together")
		}
		return []choice{{e.True(), &l}}
	}
	c.outside(x, "this list")
	return nil
}

// literalList is a list that is written in the condition: without a value
// where one of its elements has none.
func (c *coder) literalList(x ast.Expr) *list {
	e := c.e
	l := &list{ok: e.True(), whole: true}
	for _, item := range x.AsList().Elements() {
		v, ok := c.scalar(item)
		l.ok = e.And(l.ok, ok)
		l.places = append(l.places, place{on: e.True(), count: e.Int(1), value: v})
	}
	l.ordered, l.most, l.length = len(l.places), len(l.places), e.Int(int64(len(l.places)))
	return l
}

// scalar encodes any scalar as an element, and when it has a value.
func (c *coder) scalar(x ast.Expr) (element, *smt.Term) {
	e := c.e
	switch c.kind(x) {
	case boolKind:
		t := c.bools(x)
		return element{truth: &Truth{t.True, e.Not(t.True)}}, e.Or(t.True, t.False)
	case stringKind:
		t := c.text(x)
		ok := t.ok
		t.ok = e.True()
		return element{txt: &t}, ok
	}
	n := c.number(x)
	ok := n.ok
	n.ok = e.True()
	return element{num: &n}, ok
}

// dataList is a constant of a data document.
func (c *coder) dataList(d pdl.Datum) *list {
	e := c.e
	l := &list{ok: e.True(), whole: true}
	values, _ := d.Value.([]any)
	for _, v := range values {
		l.places = append(l.places, place{on: e.True(), count: e.Int(1), value: e.constantElement(*d.Type.Elem, v)})
	}
	l.ordered, l.most, l.length = len(l.places), len(l.places), e.Int(int64(len(l.places)))
	return l
}

func (e *Encoding) constantElement(t pdl.Type, v any) element {
	switch v := v.(type) {
	case bool:
		return element{truth: &Truth{e.Bool(v), e.Bool(!v)}}
	case string:
		if t.Kind == pdl.String || t.Kind == pdl.Enum {
			s := e.literal(v)
			return element{txt: &s}
		}
	}
	i, _ := constantNumber(t, v)
	n := e.constant(i)
	return element{num: &n}
}

// maxPlaces bounds the places of a list. What would need more is not exact.
const maxPlaces = 48

// places is how many places of the bag it takes to witness every condition of
// a list: dropping all other elements changes none of them. It is more than
// maxPlaces when lists are looked at inside each other, both ways.
func (u *usage) places(path string) int {
	return u.placesWithin(path, map[string]bool{})
}

func (u *usage) placesWithin(path string, around map[string]bool) int {
	use := u.lists[path]
	if around[path] {
		return maxPlaces + 1
	}
	around[path] = true
	n := 0
	for _, key := range use.order {
		a := use.atoms[key]
		times := 1
		for _, l := range a.around {
			times *= u.elements(l, path, around)
		}
		n = min(n+a.witnesses*times, 2*maxPlaces)
	}
	delete(around, path)
	if use.counted || use.positions > 0 || use.anywhere {
		n++ // what fills it up to its length
	}
	return n
}

// elements is how many elements a loop sees, at most.
func (u *usage) elements(l loop, path string, around map[string]bool) int {
	n := l.times
	for _, list := range l.lists {
		if list != path {
			n += u.placesWithin(list, around) + len(u.lists[list].named) + u.inOrder(list)
		}
	}
	return min(max(1, n), 2*maxPlaces)
}

// bag is how many places are in no order, but for those of texts that have
// one of their own.
func (u *usage) bag(path string, byName bool) int {
	n := u.places(path)
	if !byName {
		n += len(u.lists[path].named)
	}
	return n
}

// inOrder is how many places of a list are in order.
func (u *usage) inOrder(path string) int {
	use := u.lists[path]
	most := 0
	for _, s := range u.e.sides {
		if m := s.members[path]; m != nil {
			most = max(most, m.typ.MaxLen)
		}
	}
	n := min(use.positions, most, maxPlaces)
	if use.anywhere || use.nested {
		n = max(n, min(most, wholeList))
	}
	return n
}

// wholeList is how long a list may be, at most, to be encoded place by place.
const wholeList = 16

// attributeList returns the list of an attribute.
func (e *Encoding) attributeList(path string, t pdl.Type) *list {
	if l := e.lists[path]; l != nil {
		return l
	}
	use := e.usage.list(path)
	for _, s := range e.sides {
		if m := s.members[path]; m != nil {
			t = join(t, m.typ)
		}
	}
	l := &list{path: path, most: t.MaxLen}
	e.lists[path] = l
	l.ordered = e.usage.inOrder(path)
	l.whole = l.ordered >= t.MaxLen
	l.byName = l.ordered == 0 && t.Elem.Kind == pdl.String
	l.length = e.variable("size "+path, smt.Int, nil)
	for i := range l.ordered {
		on := e.Less(e.Int(int64(i)), l.length)
		e.addPlace(l, suffix(path, i), t, place{on: on, count: e.If(on, e.Int(1), e.Int(0))})
	}
	if !l.whole {
		e.addBag(l, use, t)
	}
	e.fit(path, path, func(t pdl.Type) *smt.Term { return e.LessEqual(l.length, e.Int(int64(t.MaxLen))) })
	e.common = append(e.common, e.LessEqual(e.Int(0), l.length))
	if !l.whole {
		counts := make([]*smt.Term, 0, len(l.places))
		for _, p := range l.places[l.ordered:] {
			counts = append(counts, p.count)
		}
		behind := e.Sub(l.length, e.Int(int64(l.ordered)))
		e.common = append(e.common, e.Equal(e.Add(counts...), e.If(e.Less(e.Int(0), behind), behind, e.Int(0))))
	}
	return l
}

// addBag adds the places that are in no order: one for each text that is
// looked for, and as many others as there are witnesses to find.
func (e *Encoding) addBag(l *list, use *listUse, t pdl.Type) {
	path := l.path
	if l.byName {
		for i, s := range use.named {
			lit := e.literal(s)
			count := e.counter(path + "=" + itoa(i))
			l.places = append(l.places, place{on: e.Less(e.Int(0), count), count: count, value: element{txt: &lit}, named: true})
		}
	}
	n := min(e.usage.bag(path, l.byName), maxPlaces, t.MaxLen) + e.slack
	for i := range n {
		name := suffix(path, l.ordered+i)
		count := e.counter(name)
		on := e.Less(e.Int(0), count)
		if i > 0 {
			before := l.places[len(l.places)-1]
			e.common = append(e.common, e.Implies(on, before.on))
		}
		e.addPlace(l, name, t, place{on: on, count: count})
		if l.byName {
			x := l.places[len(l.places)-1].value.txt
			for _, s := range use.named {
				e.common = append(e.common, e.Implies(on, e.Not(e.equalText(*x, s))))
			}
		}
	}
}

func (e *Encoding) counter(name string) *smt.Term {
	return e.variable("count "+name, smt.Int, func(v *smt.Term) {
		e.common = append(e.common, e.LessEqual(e.Int(0), v))
	})
}

// equalText compares a text with a literal.
func (e *Encoding) equalText(t text, s string) *smt.Term {
	switch {
	case t.lit != nil:
		return e.Bool(*t.lit == s)
	case t.isNumber():
		return e.Equal(t.term, e.numberOf(s))
	}
	return e.Equal(t.term, e.Text(s))
}

// addPlace adds a place with an element of its own.
func (e *Encoding) addPlace(l *list, name string, t pdl.Type, p place) {
	if t.IsRecords() {
		p.value = element{columns: map[string]column{}, name: name}
		for _, m := range t.Elem.Members {
			e.guards[name+"."+m.Name] = p.on
			there := e.True()
			if e.optionalColumn(l.path + "[]." + m.Name) {
				there = e.variable("has "+name+"."+m.Name, smt.Bool, nil)
				e.requireColumn(l.path+"[]."+m.Name, p.on, there)
			}
			p.value.columns[m.Name] = column{there, e.elementAt(name+"."+m.Name, l.path+"[]."+m.Name, m.Type)}
		}
	} else {
		e.guards[name] = p.on
		p.value = e.elementAt(name, l.path+"[]", *t.Elem)
	}
	l.places = append(l.places, p)
}

func (e *Encoding) optionalColumn(path string) bool {
	for _, s := range e.sides {
		if m := s.members[path]; m != nil && m.optional {
			return true
		}
	}
	return false
}

// requireColumn notes that a side demands a member of a record that another
// side does not.
func (e *Encoding) requireColumn(path string, on, there *smt.Term) {
	for i, s := range e.sides {
		if m := s.members[path]; m != nil && !m.optional {
			e.fits[i] = append(e.fits[i], e.Implies(on, there))
		}
	}
}

// elementAt returns the variable of a value in a list.
func (e *Encoding) elementAt(name, node string, t pdl.Type) element {
	switch t.Kind {
	case pdl.Bool:
		v := e.variable(name, smt.Bool, nil)
		return element{truth: &Truth{v, e.Not(v)}}
	case pdl.String, pdl.Enum:
		s := e.textAt(name, node, t)
		return element{txt: &s}
	default:
		n := e.numberAt(name, node, t)
		return element{num: &n}
	}
}
