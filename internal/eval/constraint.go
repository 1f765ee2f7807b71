package eval

import (
	"fmt"
	"slices"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

func checkObligation(meets map[string]pdl.Meet, o pdl.Obligation) error {
	meet, declared := meets[o.Name]
	if !declared {
		return fmt.Errorf("constraint %q is not declared", o.Name)
	}
	var ok bool
	switch meet {
	case pdl.Flag:
		ok = o.Value == true
	case pdl.IntMin, pdl.IntMax:
		_, ok = o.Value.(int64)
	case pdl.SetIntersect, pdl.SetUnion:
		var set []string
		set, ok = o.Value.([]string)
		ok = ok && slices.IsSorted(set)
	}
	if !ok {
		return fmt.Errorf("constraint %s cannot be %v", o.Name, o.Value)
	}
	return nil
}

// A conflict is a constraint that no value satisfies, and who set it.
type conflict struct {
	name  string
	rules []*rule
}

func (c *conflict) reason() string {
	return "no value of " + c.name + " satisfies " + listed(c.rules)
}

// meet merges the constraints of all rules, key by key. The conflict is that
// of the first constraint by name whose intersection is empty.
func (p *Program) meet(rules []*rule) (map[string]any, *conflict) {
	merged := map[string]any{}
	for _, r := range rules {
		for _, o := range r.Constraints {
			if have, set := merged[o.Name]; set {
				merged[o.Name] = meetValues(p.meets[o.Name], have, o.Value)
			} else {
				merged[o.Name] = copyValue(o.Value)
			}
		}
	}
	for _, name := range kernel.SortedKeys(merged) {
		if set, ok := merged[name].([]string); ok && len(set) == 0 && p.meets[name] == pdl.SetIntersect {
			return nil, &conflict{name, settersOf(name, rules)}
		}
	}
	return merged, nil
}

func settersOf(name string, rules []*rule) []*rule {
	var list []*rule
	for _, r := range rules {
		if slices.ContainsFunc(r.Constraints, func(o pdl.Obligation) bool { return o.Name == name }) {
			list = append(list, r)
		}
	}
	return list
}

// meetValues merges two values of the types checkObligation let through.
func meetValues(m pdl.Meet, a, b any) any {
	switch m {
	case pdl.IntMin:
		return min(a.(int64), b.(int64))
	case pdl.IntMax:
		return max(a.(int64), b.(int64))
	case pdl.SetIntersect:
		return intersect(a.([]string), b.([]string))
	case pdl.SetUnion:
		return union(a.([]string), b.([]string))
	default: // a flag that is set stays set
		return true
	}
}

// copyValue keeps a caller who changes a verdict from changing the program.
func copyValue(v any) any {
	if set, ok := v.([]string); ok {
		return union(set, nil)
	}
	return v
}

func intersect(a, b []string) []string {
	both := []string{}
	for _, x := range a {
		if slices.Contains(b, x) {
			both = append(both, x)
		}
	}
	return both
}

// union is sorted and without duplicates.
func union(a, b []string) []string {
	either := append(append([]string{}, a...), b...)
	slices.Sort(either)
	return slices.Compact(either)
}
