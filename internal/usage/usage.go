// Package usage says what recorded decisions needed of a bundle, and how much
// narrower its rules could be.
//
// It promises that what it proposes only narrows rules that allow, holds for
// every request it was shown, and proposes nothing for a rule about which it
// was told that something is not known. That a narrower rule never lets
// another one allow more is for a proof to say.
package usage

import (
	"fmt"
	"slices"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A Meter watches the rules of a bundle that allow.
type Meter struct {
	schema *pdl.Schema
	most   int
	rules  []*Rule
	index  map[string]*Rule
}

// New returns a meter that has seen nothing. A rule is narrowed to the values
// of a text or a family where there are at most so many of them.
func New(b *pdl.Bundle, most int) *Meter {
	m := &Meter{schema: b.Schema, most: most, index: map[string]*Rule{}}
	for _, r := range b.Rules {
		if r.Effect != kernel.Allow || r.Shadow {
			continue
		}
		u := &Rule{Rule: r, seen: map[string]*Seen{}}
		m.rules, m.index[r.Name] = append(m.rules, u), u
	}
	return m
}

// A Rule is a rule that allows, and what it was seen to allow.
type Rule struct {
	*pdl.Rule
	Uses      int
	Used      []string // actions that it was used for, sorted
	Types     []string // of resources, sorted
	Resources []string // "type id", sorted; those seen first where there are many
	More      int      // uses of other resources
	Blocked   string   // why nothing may be concluded; "": something may

	declared []string // the actions of the schema that it was used for
	seen     map[string]*Seen
}

// A Seen is what was seen of one attribute.
type Seen struct {
	Path     string
	Type     pdl.Type
	Optional bool
	Uses     int      // in which it was there
	Min, Max int64    // of an int; of a duration, in nanoseconds
	Values   []string // of a text, enum or bool, sorted; at most one more than the meter minds
	Narrows  bool     // the proposal holds it to this
}

// maxResources bounds the resources that are listed for a rule.
const maxResources = 8

// Add notes that rules allowed a request, or held beside those that asked for
// the approvals that it was given. The request says what the rules were shown.
func (m *Meter) Add(rules []string, r *kernel.Request) {
	for _, name := range rules {
		if u := m.index[name]; u != nil {
			m.use(u, r)
		}
	}
}

func (m *Meter) use(u *Rule, r *kernel.Request) {
	u.Uses++
	insert(&u.Used, r.Action)
	insert(&u.Types, r.Resource.Type)
	if a := m.schema.ActionOf(r.Action); a != nil {
		insert(&u.declared, a.Name)
		m.note(u, "params", a.Params, r.Params)
	}
	resource := r.Resource.Type + " " + r.Resource.ID
	if _, known := slices.BinarySearch(u.Resources, resource); !known && len(u.Resources) >= maxResources {
		u.More++
	} else {
		insert(&u.Resources, resource)
	}
	m.note(u, "agent", m.schema.Agent, r.Agent.Attributes)
	m.note(u, "context", m.schema.Context, r.Context)
	m.note(u, "resource", m.attributesOf(r.Resource.Type), r.Resource.Attributes)
}

func (m *Meter) attributesOf(resourceType string) []pdl.Attribute {
	for i := range m.schema.Resources {
		if m.schema.Resources[i].Name == resourceType {
			return m.schema.Resources[i].Attributes
		}
	}
	return nil
}

// Block notes that something was allowed of which only the action is known, or
// that cannot be evaluated again: nobody can say which rules it needed.
func (m *Meter) Block(action, why string) {
	for _, u := range m.rules {
		if u.Blocked == "" && slices.ContainsFunc(u.Actions, func(name string) bool { return pdl.Covers(name, action) }) {
			u.Blocked = why
		}
	}
}

// note adds the values of attributes that have an order, or few values.
func (m *Meter) note(u *Rule, root string, declared []pdl.Attribute, values map[string]any) {
	for i := range declared {
		a := &declared[i]
		path := root + "." + a.Name
		value, there := values[a.Name]
		if a.Type.Kind == pdl.Record {
			members, _ := value.(map[string]any)
			if there && !a.Optional {
				m.note(u, path, a.Type.Members, members)
			}
			continue
		}
		if !slices.Contains([]pdl.Kind{pdl.Int, pdl.Duration, pdl.Bool, pdl.Enum, pdl.String}, a.Type.Kind) {
			continue
		}
		s := u.seen[path]
		if s == nil {
			s = &Seen{Path: path, Type: a.Type, Optional: a.Optional}
			u.seen[path] = s
		}
		if there {
			s.add(value, m.most)
		}
	}
}

func (s *Seen) add(value any, most int) {
	n, ordered := value.(int64)
	switch s.Type.Kind {
	case pdl.Int:
	case pdl.Duration:
		text, _ := value.(string)
		d, ok := pdl.ParseDuration(text)
		n, ordered = int64(d), ok
	default:
		s.Uses++
		if len(s.Values) <= most {
			insert(&s.Values, fmt.Sprint(value))
		}
		return
	}
	if !ordered {
		return // the evaluator refuses such a request: it was never allowed
	}
	if s.Uses == 0 {
		s.Min, s.Max = n, n
	}
	s.Min, s.Max = min(s.Min, n), max(s.Max, n)
	s.Uses++
}

// insert adds a text to a sorted list that has it once.
func insert(list *[]string, s string) {
	if i, found := slices.BinarySearch(*list, s); !found {
		*list = slices.Insert(*list, i, s)
	}
}
