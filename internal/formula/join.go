package formula

import (
	"reflect"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// join is a type that holds the values of two types of one sort.
func join(a, b pdl.Type) pdl.Type {
	switch {
	case a.Kind == pdl.Enum && b.Kind == pdl.Enum:
		a.Values = merge(a.Values, b.Values)
	case a.Kind == pdl.Enum && b.Kind == pdl.String:
		return b
	case a.Kind == pdl.Int:
		a.Min, a.Max = min(a.Min, b.Min), max(a.Max, b.Max)
	case a.Kind == pdl.List && b.Kind == pdl.List:
		elem := join(*a.Elem, *b.Elem)
		a.MaxLen, a.Elem = max(a.MaxLen, b.MaxLen), &elem
	case a.Kind == pdl.Record && b.Kind == pdl.Record:
		a.Members = joinMembers(a.Members, b.Members)
	default:
		a.MaxLen = max(a.MaxLen, b.MaxLen)
	}
	return a
}

func joinMembers(a, b []pdl.Attribute) []pdl.Attribute {
	list := slices.Clone(a)
	for _, m := range b {
		i := slices.IndexFunc(list, func(n pdl.Attribute) bool { return n.Name == m.Name })
		if i < 0 {
			list = append(list, m)
			continue
		}
		list[i].Type, list[i].Optional = join(list[i].Type, m.Type), list[i].Optional || m.Optional
	}
	slices.SortFunc(list, func(a, b pdl.Attribute) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// otherTypes looks at the attributes that two bundles declare differently, also
// where no rule reads them: an input that one of them takes and the other does
// not is decided differently.
func (e *Encoding) otherTypes() {
	for _, path := range e.sides[0].order {
		m, n := e.sides[0].members[path], e.sides[1].members[path]
		if n == nil || m.fact != nil || n.fact != nil || strings.Contains(path, "[].") {
			continue
		}
		if m.optional != n.optional {
			e.has(path)
		}
		if !reflect.DeepEqual(domainOf(m.typ), domainOf(n.typ)) {
			e.look(path, join(m.typ, n.typ))
		}
	}
}

// domainOf is a type without what does not bound its values, and without the
// members of a record, which are attributes of their own.
func domainOf(t pdl.Type) pdl.Type {
	if t.Kind == pdl.Record {
		t.Members = nil
	}
	t.Values = slices.Clone(t.Values)
	slices.Sort(t.Values)
	return t
}

// look makes the variable of an attribute, with what bounds it.
func (e *Encoding) look(path string, t pdl.Type) {
	switch t.Kind {
	case pdl.Int, pdl.Timestamp, pdl.Duration:
		e.numberAt(path, path, t)
	case pdl.String, pdl.Enum:
		e.usage.theory[e.usage.find(path)] = true
		e.textAt(path, path, t)
	case pdl.List:
		e.usage.list(path).counted = true
		e.usage.theory[e.usage.find(path+"[]")] = true
		for _, m := range t.Elem.Members {
			e.usage.theory[e.usage.find(path+"[]."+m.Name)] = true
		}
		e.attributeList(path, t)
	default: // bools and json have no bounds, and members of records come one by one
	}
}
