// Package formula says in formulas what a bundle decides.
//
// A formula is about all requests of one cell at once: it is true of exactly
// those inputs of which the evaluator says so. Where it cannot be exact, the
// encoding says where, and in which direction: nothing is left out in silence.
package formula

import (
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/smt"
)

// An Encoding holds the variables and the formulas of one cell, for one bundle
// or for two that are compared. It is for one goroutine at a time.
type Encoding struct {
	*smt.Builder
	Cell Cell

	sides    []*side
	usage    *usage
	family   bool
	prefix   string   // of the family's names
	taken    []string // names and families that are cells of their own
	words    map[string]int
	wordList []string

	vars    map[string]*smt.Term // by what they stand for
	common  []*smt.Term          // what holds of every input
	fits    [][]*smt.Term        // by side: what holds of the inputs that it takes
	lists   map[string]*list     // attributes, by path
	unknown map[string]*smt.Term // what is not encoded, by text
	offsets map[string]*smt.Term
	gaps    []Gap
	shared  map[string]Truth     // conditions that have been encoded
	guards  map[string]*smt.Term // of values in lists: whether there is such a place
	slack   int                  // further places in lists; for tests
}

// A Gap is a construct that the formulas do not say exactly.
type Gap struct {
	Rule string
	What string
	Pos  pdl.Pos

	// Bounded: the formulas look at fewer inputs than there are, and what
	// they exclude may be possible. Otherwise they look at more, and what they
	// allow may be impossible.
	Bounded bool

	// Approximate: the construct belongs to the verifiable fragment, in which
	// it is over-approximated. Otherwise it is outside of it.
	Approximate bool
}

// An Extra is a condition that is asked beside the rules, of the first bundle.
type Extra struct {
	Name string
	When *pdl.Condition
}

// Config is what is rare. The zero Config works.
type Config struct {
	Extras []Extra
	Atoms  []pdl.Atom // of the scope of a question; they may name what the cell has not
	Slack  int        // further places in lists: an encoding that says the same with more variables
}

// New begins the encoding of a cell of one bundle, or of two. The reason is a
// sentence when the two cannot be compared, and the encoding is then nil.
func New(cell Cell, cells []Cell, c Config, bundles ...*Source) (e *Encoding, reason string) {
	e = &Encoding{
		Builder: smt.NewBuilder(), Cell: cell, words: map[string]int{}, vars: map[string]*smt.Term{},
		lists: map[string]*list{}, unknown: map[string]*smt.Term{}, offsets: map[string]*smt.Term{}, shared: map[string]Truth{}, guards: map[string]*smt.Term{}, slack: c.Slack,
	}
	e.prefix, e.family = pdl.Family(cell.Action)
	if e.family {
		e.taken = within(cells, cell.Action)
	}
	for _, b := range bundles {
		e.sides = append(e.sides, newSide(b, cell))
	}
	e.fits = make([][]*smt.Term, len(e.sides))
	if len(e.sides) == 2 {
		if reason = clash(e.sides[0], e.sides[1]); reason != "" {
			return nil, reason
		}
	}
	e.scan(c)
	for i := range e.sides {
		e.boundFacts(i)
	}
	if len(e.sides) == 2 && e.Takes(0) && e.Takes(1) {
		e.otherTypes()
	}
	if reason = e.otherFacts(); reason != "" {
		return nil, reason
	}
	for i := range e.sides {
		e.needFacts(i)
	}
	return e, ""
}

// within lists the names inside a family that are cells of their own.
func within(cells []Cell, family string) []string {
	var names []string
	for _, c := range cells {
		if c.Action != family && pdl.Covers(family, c.Action) && !slices.Contains(names, c.Action) {
			names = append(names, c.Action)
		}
	}
	return names
}

// belongs reports whether an action is one of the cell.
func (e *Encoding) belongs(action string) bool {
	if !e.family {
		return action == e.Cell.Action
	}
	return pdl.Covers(e.Cell.Action, action) && pdl.IsAction(action) &&
		!slices.ContainsFunc(e.taken, func(name string) bool { return pdl.Covers(name, action) })
}

// Takes reports whether requests of the cell are any that a bundle takes.
func (e *Encoding) Takes(side int) bool { return e.sides[side].action != nil }

// Facts returns what holds of every input that one of the bundles takes.
// Everything must have been encoded before.
func (e *Encoding) Facts() []*smt.Term {
	either := make([]*smt.Term, len(e.sides))
	for i := range e.sides {
		either[i] = e.Fits(i)
	}
	return append(slices.Clone(e.common), e.Or(either...))
}

// Fits holds of the inputs that a bundle takes.
func (e *Encoding) Fits(side int) *smt.Term {
	if !e.Takes(side) {
		return e.False()
	}
	return e.And(e.fits[side]...)
}

// Gaps lists what is not exact, in the order in which it was met.
func (e *Encoding) Gaps() []Gap { return e.gaps }

func (e *Encoding) gap(g Gap) {
	if !slices.Contains(e.gaps, g) {
		e.gaps = append(e.gaps, g)
	}
}

// variable returns the variable of a name; on its first use it is made, and
// begin says what holds of it.
func (e *Encoding) variable(name string, sort smt.Sort, begin func(v *smt.Term)) *smt.Term {
	if v := e.vars[name]; v != nil {
		return v
	}
	v := e.Variable(sort, name)
	e.vars[name] = v
	if begin != nil {
		begin(v)
	}
	return v
}

// has is the variable that tells whether an optional attribute is there,
// provided that what is around it is.
func (e *Encoding) has(path string) *smt.Term {
	return e.variable("has "+path, smt.Bool, func(v *smt.Term) {
		for i, s := range e.sides {
			// What one side declares optional and the other does not.
			if m := s.members[path]; m != nil && !m.optional && m.fact == nil {
				e.fits[i] = append(e.fits[i], e.Implies(e.there(s, m.around), v))
			}
		}
	})
}

// there holds when an attribute is there.
func (e *Encoding) there(s *side, path string) *smt.Term {
	m := s.members[path]
	if m == nil {
		return e.True()
	}
	tests := make([]*smt.Term, len(m.tests))
	for i, p := range m.tests {
		tests[i] = e.has(p)
	}
	return e.And(tests...)
}

// fit notes what the types of all sides demand of a value: the attribute of a
// path, or what a node says of values in a list.
func (e *Encoding) fit(path, node string, domain func(t pdl.Type) *smt.Term) {
	for i, s := range e.sides {
		m := s.members[strings.TrimSuffix(node, "[]")]
		if m == nil {
			continue
		}
		t, here := m.typ, e.there(s, m.path)
		if strings.HasSuffix(node, "[]") {
			t = *t.Elem
		}
		if on := e.guards[path]; on != nil {
			here = on
		}
		d := domain(t)
		if len(e.sides) > 1 {
			d = e.Implies(here, d)
		}
		if m.fact != nil { // nobody says it: it holds whichever side takes the input
			e.common = append(e.common, d)
			continue
		}
		e.fits[i] = append(e.fits[i], d)
	}
}
