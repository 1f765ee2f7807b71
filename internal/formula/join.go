package formula

import (
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
