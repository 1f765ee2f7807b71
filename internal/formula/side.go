package formula

import (
	"fmt"
	"slices"
	"time"

	"github.com/strixlabs/execution-kernel/internal/calendar"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/zone"
)

// A Cell is what requests have in common that are typed alike and covered by
// the same rules: an action, or what a family holds beyond the names that are
// singled out of it, on one type of resource.
type Cell struct {
	Action       string // deploy, or mcp.github.*
	ResourceType string
}

// String writes the cell for people.
func (c Cell) String() string { return c.Action + " on " + c.ResourceType }

// Cells lists the cells of bundles that are looked at together, sorted. The
// names that any of them singles out are cells of their own.
func Cells(bundles ...*pdl.Bundle) []Cell { return CellsWith(nil, bundles...) }

// CellsWith is Cells where a question singles out names and families, too.
func CellsWith(names []string, bundles ...*pdl.Bundle) []Cell {
	names = slices.Clone(names)
	for _, b := range bundles {
		for i := range b.Schema.Actions {
			names = append(names, b.Schema.Actions[i].Name)
		}
		for _, r := range b.Rules {
			names = append(names, r.Actions...)
		}
	}
	slices.Sort(names)
	var cells []Cell
	for _, name := range slices.Compact(names) {
		var types []string
		for _, b := range bundles {
			if a := typing(b.Schema, name); a != nil {
				types = append(types, a.Resources...)
			}
		}
		slices.Sort(types)
		for _, t := range slices.Compact(types) {
			cells = append(cells, Cell{name, t})
		}
	}
	return cells
}

// typing returns the declaration of an action or a family, or that of the
// longest family around it.
func typing(s *pdl.Schema, name string) *pdl.Action {
	find := func(name string) *pdl.Action {
		i := slices.IndexFunc(s.Actions, func(a pdl.Action) bool { return a.Name == name })
		if i < 0 {
			return nil
		}
		return &s.Actions[i]
	}
	if a := find(name); a != nil {
		return a
	}
	if _, isFamily := pdl.Family(name); !isFamily && !pdl.IsAction(name) {
		return nil
	}
	for family := range pdl.Families(name) {
		if a := find(family); a != nil {
			return a
		}
	}
	return nil
}

// A Source is a bundle that is ready to be encoded. It is immutable.
type Source struct {
	bundle *pdl.Bundle
	data   map[string]pdl.Datum
	cals   map[string]pdl.Calendar
	zones  map[string]*time.Location
	clocks map[string]wall              // of calendars with many intervals
	ahead  map[string][]calendar.Offset // of zones, by name
}

// Of prepares a bundle.
func Of(b *pdl.Bundle) *Source {
	s := &Source{bundle: b, data: map[string]pdl.Datum{}, cals: map[string]pdl.Calendar{}, zones: map[string]*time.Location{}, clocks: map[string]wall{}, ahead: map[string][]calendar.Offset{}}
	for _, d := range b.Data {
		s.data[d.Path] = d
	}
	for _, c := range b.Calendars {
		s.cals[c.Name] = c
		s.ahead[c.Spec.Zone.String()] = calendar.Offsets(c.Spec.Zone)
		if len(c.Intervals) > maxIntervals {
			s.clocks[c.Name] = wallClock(c)
		}
	}
	for _, z := range b.Zones {
		s.zones[z.Name] = z.Location
		s.ahead[z.Location.String()] = calendar.Offsets(z.Location)
	}
	return s
}

// offsets returns those of a zone of the bundle, or of a fixed one.
func (s *Source) offsets(loc *time.Location) []calendar.Offset {
	if list := s.ahead[loc.String()]; list != nil {
		return list
	}
	_, seconds := time.Unix(0, 0).In(loc).Zone()
	return []calendar.Offset{{From: calendar.First, Seconds: int64(seconds)}}
}

// A side is one bundle as the requests of a cell see it.
type side struct {
	*Source
	action   *pdl.Action // nil: it does not take the cell's requests
	resource *pdl.ResourceType
	members  map[string]*member
	order    []string // the paths of members, sorted
}

// A member is an attribute that requests of a cell may have.
type member struct {
	path     string
	typ      pdl.Type
	optional bool     // it is itself
	around   string   // the record it is in; "" at the top
	tests    []string // the paths of optional attributes, outermost first, all of which are there when it is
	fact     *pdl.Fact
}

// The attributes that every request has.
const (
	pathAction = "action"
	pathAgent  = "agent.id"
	pathID     = "resource.id"
	pathType   = "resource.type"
	pathNow    = "context.now"
)

func newSide(from *Source, cell Cell) *side {
	b, s := from.bundle, &side{Source: from, members: map[string]*member{}}
	name := pdl.Type{Kind: pdl.String, MaxLen: maxName}
	for _, path := range []string{pathAction, pathAgent, pathID, pathType} {
		s.add(&member{path: path, typ: name})
	}
	s.add(&member{path: pathNow, typ: pdl.Type{Kind: pdl.Timestamp}})
	s.resource, s.action = resourceType(b.Schema, cell.ResourceType), typing(b.Schema, cell.Action)
	if s.action == nil || s.resource == nil || !slices.Contains(s.action.Resources, cell.ResourceType) {
		s.action = nil
		return s
	}
	s.addAll("agent", b.Schema.Agent, nil)
	s.addAll("resource", s.resource.Attributes, nil)
	s.addAll("params", s.action.Params, nil)
	s.addAll("context", b.Schema.Context, nil)
	for i := range b.Schema.Facts {
		f := &b.Schema.Facts[i]
		m := &member{path: "facts." + f.Name, typ: f.Type, optional: f.Optional, fact: f}
		if f.Optional {
			m.tests = []string{m.path}
		}
		s.add(m)
	}
	slices.Sort(s.order)
	return s
}

func resourceType(s *pdl.Schema, name string) *pdl.ResourceType {
	for i := range s.Resources {
		if s.Resources[i].Name == name {
			return &s.Resources[i]
		}
	}
	return nil
}

func (s *side) add(m *member) {
	s.members[m.path] = m
	s.order = append(s.order, m.path)
}

// addAll adds the attributes of an object, and what is in its records. around
// lists the optional attributes that hold the object.
func (s *side) addAll(object string, attributes []pdl.Attribute, around []string) {
	for _, a := range attributes {
		m := &member{path: object + "." + a.Name, typ: a.Type, optional: a.Optional, tests: around}
		if s.members[object] != nil {
			m.around = object
		}
		if a.Optional {
			m.tests = append(slices.Clone(around), m.path)
		}
		s.add(m)
		switch {
		case a.Type.Kind == pdl.Record:
			s.addAll(m.path, a.Type.Members, m.tests)
		case a.Type.IsRecords():
			for _, c := range a.Type.Elem.Members {
				s.add(&member{path: m.path + "[]." + c.Name, typ: c.Type, optional: c.Optional})
			}
		}
	}
}

// location returns the zone of a literal.
func (s *side) location(name string) *time.Location {
	if fixed, ok := zone.Fixed(name); ok {
		return fixed
	}
	if name == "UTC" {
		return time.UTC
	}
	return s.zones[name]
}

// covers reports whether a rule has a say in a cell.
func covers(r *pdl.Rule, cell Cell) bool {
	if !slices.ContainsFunc(r.Actions, func(name string) bool { return pdl.Covers(name, cell.Action) }) {
		return false
	}
	return !slices.ContainsFunc(r.Match, func(a pdl.Atom) bool {
		return a.Path == pathType && !slices.Contains(a.Values, cell.ResourceType)
	})
}

// sort is the kind of values as far as formulas tell them apart.
func sortOf(t pdl.Type) string {
	switch t.Kind {
	case pdl.Enum:
		return "string"
	case pdl.List:
		return "list of " + sortOf(*t.Elem)
	case pdl.Record:
		return "record"
	default:
	}
	return [...]string{pdl.Bool: "bool", pdl.Int: "int", pdl.String: "string", pdl.Timestamp: "timestamp", pdl.Duration: "duration", pdl.JSON: "json"}[t.Kind]
}

// clash says which attribute two sides declare so differently that no request
// fits both.
func clash(a, b *side) string {
	for _, path := range a.order {
		m, n := a.members[path], b.members[path]
		if n != nil && m.fact == nil && sortOf(m.typ) != sortOf(n.typ) {
			return fmt.Sprintf("%s is %s in one bundle and %s in the other", path, sortOf(m.typ), sortOf(n.typ))
		}
	}
	return ""
}

const (
	maxName  = 256       // characters of names in requests
	maxTotal = 1<<53 - 1 // of counts and sums
	second   = int64(time.Second)
)
