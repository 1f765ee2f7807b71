package pdl

import "slices"

// A NeedKind is something besides requests that a bundle decides by. Tests and
// evaluations without a kernel bring it along; a kernel has to have it.
type NeedKind uint8

// The needs.
const (
	NeedRegistry NeedKind = iota + 1 // of agents, and of attributes to trust
	NeedGrants                       // to hand out with an ALLOW
	NeedFacts                        // the history that rules read
	NeedReports                      // of events that others report
	NeedVotes                        // somebody who collects them
	NeedKeeping                      // of constraints, by the kernel itself
)

// A Need is one place of a bundle that needs something.
type Need struct {
	Kind  NeedKind
	Found Diagnostic // what needs it and where, as a warning
}

// Needs lists what the bundle needs besides requests, sorted by place.
// Whoever decides with it must have all of that, or refuse the bundle.
func (b *Bundle) Needs() []Need { return slices.Clone(b.needs) }

// need notes a need; the sentence says what has it.
func (c *compiler) need(kind NeedKind, at span, hint, sentence string) {
	c.needs = append(c.needs, Need{kind, c.diagnostic(Warning, at, hint, sentence)})
}

func (c *compiler) sortedNeeds() []Need {
	slices.SortStableFunc(c.needs, func(a, b Need) int { return compareDiagnostics(a.Found, b.Found) })
	return c.needs
}
