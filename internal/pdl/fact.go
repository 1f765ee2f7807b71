package pdl

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/zone"
)

// Bounds of facts.
const (
	maxFacts  = 100                  // of a schema
	maxEvents = 1_000                // of a schema
	maxKeys   = 8                    // attributes that one fact counts by
	maxWindow = 366 * 24 * time.Hour // the longest window
)

// A Fact is what rules can read of the history, as facts.Name: the values come
// with the request in tests and evaluations.
type Fact struct {
	Attribute // int(0..2^53−1), never optional: absent is 0; a last is an optional timestamp

	Event     string
	Reported  bool // Event is one that others report, and no action
	Measure   Measure
	Of        string   // Sum, Distinct: the path measured; else ""
	By        []string // the paths that have to be equal, sorted
	Within    Window
	Attempted bool // requests that were not allowed count, too

	// AtMost names the facts that this one cannot exceed, whatever happened:
	// an hour holds no more than the day around it.
	AtMost []string
}

// A Measure says what a fact is of the events in its window.
type Measure uint8

// The measures.
const (
	Count    Measure = iota + 1 // how many
	Sum                         // of a parameter
	Distinct                    // how many values of an attribute
	Last                        // when the last one was
)

var measureNames = []string{"count", "sum", "distinct", "last"}

// A Window is a stretch of time that ends with the decision. It is (now − Length, now],
// or, with a Zone, the day of now there.
type Window struct {
	Length time.Duration
	Zone   *time.Location
}

// longestDay bounds a day of any zone, from above.
const longestDay = 48 * time.Hour

// within reports that every instant of w is one of v.
func (w Window) within(v Window) bool {
	switch {
	case w.Zone != nil && v.Zone != nil:
		return w.Zone.String() == v.Zone.String()
	case w.Zone != nil:
		return v.Length >= longestDay
	case v.Zone != nil:
		return false
	}
	return w.Length <= v.Length
}

// An Event is what others may report: a source of facts.
type Event struct {
	Name      string
	Reporters []Reporter
	Resources []string // the resource types it is about, sorted
	Params    []Attribute
}

// A Reporter is who may report an event, as the registry knows them.
type Reporter struct {
	Kind string // role, group or principal
	Name string
}

// EventOf returns the declared event of this name, or nil.
func (s *Schema) EventOf(name string) *Event {
	i, known := slices.BinarySearchFunc(s.Events, name, func(e Event, name string) int { return strings.Compare(e.Name, name) })
	if !known {
		return nil
	}
	return &s.Events[i]
}

// An event is a declared one while its schema is read.
type event struct {
	Event
	key  *node
	used bool
}

// facts reads the section of a schema.
func (c *compiler) facts(n *node) {
	pairs := c.pairs(n, "facts")
	if len(pairs) > maxFacts {
		c.errorf(n.span(), "", "a schema declares at most %d facts", maxFacts)
		return
	}
	for _, p := range pairs {
		name, optional := strings.CutSuffix(p.key.text, "?")
		switch {
		case slices.Contains(celReserved, name):
			c.errorf(p.key.span(), "choose another name", "%q is a word of CEL and cannot be a fact", name)
		case len(name) > 128 || !memberName.MatchString(name):
			c.errorf(p.key.span(), "use letters, digits and _", "%q is no name for a fact", clip(name))
		case slices.ContainsFunc(c.schema.Facts, func(f Fact) bool { return f.Name == name }):
			c.errorf(p.key.span(), "keep one of the two", "the fact %q is declared twice", name)
		default:
			c.schema.Facts = append(c.schema.Facts, c.fact(name, optional, p))
		}
	}
	slices.SortFunc(c.schema.Facts, func(a, b Fact) int { return cmp.Compare(a.Name, b.Name) })
	for i := range c.schema.Facts {
		c.schema.Facts[i].AtMost = exceeding(c.schema.Facts, &c.schema.Facts[i])
	}
}

func (c *compiler) fact(name string, optional bool, p pair) Fact {
	fact := Fact{Attribute: Attribute{Name: name, Type: Type{Kind: Int, Max: maxInteger}, Optional: optional}}
	c.factKeys[name] = p.key
	f := c.fields(p.value, "the fact "+name, factForm.names(), nil)
	if f == nil {
		return fact
	}
	fact.Measure = c.measure(f)
	if fact.Measure == Last {
		fact.Type = Type{Kind: Timestamp}
	}
	switch {
	case fact.Measure == Last && !optional:
		c.errorf(p.key.span(), "declare it as "+name+"?", "there may be no last event: the fact %s is optional", name)
	case fact.Measure != Last && fact.Measure != 0 && optional:
		c.errorf(p.key.span(), "leave the ? out", "the fact %s is 0 where nothing happened, and never absent", name)
	}
	from, ok := c.eventOf(f)
	if w := f.need("within"); w != nil {
		fact.Within = c.window(w)
	}
	if n := f.got["counts"]; n != nil {
		w, _ := c.word(n, "counts", []string{"allowed", "attempted"})
		fact.Attempted = w == "attempted"
		if w != "" && ok && from.reported {
			c.errorf(f.keys["counts"].span(), "leave it out", "%s is reported by others: nobody allows it", from.name)
		}
	}
	if ok {
		fact.Event, fact.Reported = from.name, from.reported
		c.factPaths(f, from, &fact)
	}
	return fact
}

// measure reads which one of count, sum, distinct and last a fact is.
func (c *compiler) measure(f *fields) Measure {
	var m Measure
	for i, name := range measureNames {
		n := f.got[name]
		switch {
		case n == nil:
			continue
		case m != 0:
			c.errorf(f.keys[name].span(), "declare two facts", "%s has both %s and %s", f.what, measureNames[m-1], name)
			continue
		}
		m = Measure(i + 1)
		if m != Count && m != Last {
			continue
		}
		if on, ok := c.boolean(n, name); ok && !on {
			c.errorf(n.span(), "say "+name+": true, or leave it out", "%s is true or absent", name)
		}
	}
	if m == 0 && len(f.guessed) == 0 {
		c.errorf(f.of.span(), "", "%s needs one of %s", f.what, strings.Join(measureNames, ", "))
	}
	return m
}

// An origin is what a fact is about.
type origin struct {
	name      string
	reported  bool
	resources []string
	params    []Attribute
}

// eventOf finds the action or the declared event.
func (c *compiler) eventOf(f *fields) (origin, bool) {
	n := f.need("event")
	if n == nil {
		return origin{}, false
	}
	name, ok := c.text(n, "event", 256)
	if !ok {
		return origin{}, false
	}
	if strings.Contains(name, "*") {
		c.errorf(n.span(), "name one action, in a fact of its own", "a fact is about one action, and %s is a family", clip(name))
		return origin{}, false
	}
	if a := c.schema.ActionOf(name); a != nil {
		return origin{name: name, resources: a.Resources, params: a.Params}, true
	}
	if e := c.events[name]; e != nil {
		e.used = true
		return origin{name: name, reported: true, resources: e.Resources, params: e.Params}, true
	}
	known := append(kernel.SortedKeys(c.actions), kernel.SortedKeys(c.events)...)
	c.errorf(n.span(), c.near(name, known, "actions and events are "), "%q is no action and no event", clip(name))
	return origin{}, false
}

// window reads `1h` or `day(Europe/Berlin)`.
func (c *compiler) window(n *node) Window {
	const hint = `write 1h, 24h or "day(Europe/Berlin)"`
	text, ok := c.text(n, "within", 256)
	if !ok {
		return Window{}
	}
	if name, isDay := strings.CutPrefix(text, "day("); isDay {
		name, closed := strings.CutSuffix(name, ")")
		location := c.location(name)
		if !closed || location == nil {
			c.errorf(n.span(), hint, "%q is no day of a time zone", clip(text))
		}
		return Window{Zone: location}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 || d > maxWindow {
		c.errorf(n.span(), hint, "a window is a duration of at most %d days, not %q", maxWindow/(24*time.Hour), clip(text))
		return Window{}
	}
	return Window{Length: d}
}

// location returns a time zone by its name in the IANA database, or nil.
func (c *compiler) location(name string) *time.Location {
	database, err := zone.Embedded()
	if err != nil {
		return nil
	}
	location, err := database.Location(name)
	if err != nil {
		return nil
	}
	return location
}

// exceeding lists the facts that count everything that f counts.
func exceeding(all []Fact, f *Fact) []string {
	var names []string
	for i := range all {
		g := &all[i]
		if f.Name != g.Name && f.Event == g.Event && f.Measure == g.Measure && f.Of == g.Of && f.Measure != 0 &&
			(g.Attempted || !f.Attempted) && f.Within.within(g.Within) && !slices.ContainsFunc(g.By, func(p string) bool { return !slices.Contains(f.By, p) }) {
			names = append(names, g.Name)
		}
	}
	return names
}
