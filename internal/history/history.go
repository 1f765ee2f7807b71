// Package history keeps in memory what the facts of a schema are made of: the
// events inside their windows.
//
// It promises that a fact is exact: it is what counting every event in its
// window would give, at every instant, whatever was added, taken back or left
// the window before.
package history

import (
	"fmt"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// maxTotal is the greatest count or sum, the largest integer every JSON reader
// agrees on (RFC 7493).
const maxTotal = 1<<53 - 1

// An Event is what happened: a decision about an action, or what somebody
// reported.
type Event struct {
	Name    string         // the action, or the declared event
	Subject kernel.Request // whose attributes, registry values included, are counted by and measured
	At      time.Time
	Allowed bool // a decision: ALLOW

	Reported bool // by somebody; else it is a decision of the kernel

	Answers bool // an ALLOW that people gave: the attempt was counted when they were asked

	ID       string // of a decision that may be released; empty: it may not
	Released bool   // nothing happened, and what was decided under ID and allowed under Name counts no longer
}

// A History is what happened in the windows of one schema's facts. It is for
// one goroutine at a time. The zero History knows no facts.
type History struct {
	facts   []*fact            // sorted by name
	byEvent map[string][]*fact // the facts that an event may count for
	journal []step             // what was added and may be taken back

	released    []ulid.ULID // what was released before it was added
	releasedMax int         // how many of them are too many
}

// A step is one event added to one fact, or taken out of it.
type step struct {
	fact  *fact
	item  *item
	taken bool      // it was taken out
	early ulid.ULID // released before it was added; no fact is touched
}

// New returns the history of a schema, in which nothing has happened yet.
func New(s *pdl.Schema) *History {
	h := &History{byEvent: map[string][]*fact{}}
	for i := range s.Facts {
		f := newFact(s, &s.Facts[i])
		h.facts = append(h.facts, f)
		h.byEvent[f.Event] = append(h.byEvent[f.Event], f)
	}
	return h
}

// A Span is a stretch of the past: what happened there under a name may still
// count.
type Span struct {
	Name  string
	Since time.Time
}

// Spans lists, for each name of an event, how far back at the instant now its
// facts look, sorted by name. Whoever fills an empty history adds what
// happened there, in any order.
func (h *History) Spans(now time.Time) []Span {
	var spans []Span
	for _, name := range kernel.SortedKeys(h.byEvent) {
		since := now
		for _, f := range h.byEvent[name] {
			if from := f.from(now); from.Before(since) {
				since = from
			}
		}
		spans = append(spans, Span{name, since})
	}
	return spans
}

// Life is how long after its instant an event may still count: then it has left
// the windows of all facts for ever, whatever a zone does to its days.
func (h *History) Life() time.Duration {
	const day = 24 * time.Hour
	life := time.Duration(0)
	for _, f := range h.facts {
		if f.Within.Zone != nil {
			life = max(life, day+kept)
			continue
		}
		life = max(life, f.Within.Length)
	}
	return life
}

// Add counts an event, wherever a fact is about it. An event of a time that
// has left the window counts for nothing, and an amount that is no int or is
// negative, as a schema of before may have allowed, adds nothing to a sum.
func (h *History) Add(e *Event) {
	if e.Released {
		h.release(e)
		return
	}
	allowed := e.Allowed && !h.wasReleased(e)
	for _, f := range h.byEvent[e.Name] {
		if f.about(e, allowed) {
			h.journal = append(h.journal, f.add(e))
		}
	}
}

// Keys returns what the named facts of a request are counted under. No two keys
// of one schema are the same, whatever the facts and values are called.
func (h *History) Keys(subject *kernel.Request, names []string) []string {
	keys := make([]string, 0, len(names))
	for _, name := range names {
		if i, known := h.find(name); known {
			keys = append(keys, h.facts[i].unique(h.facts[i].key(subject)))
		}
	}
	return keys
}

// KeysOf returns the keys that an event counts under, or no longer does. A
// release of what is not known is one of no keys.
func (h *History) KeysOf(e *Event) (keys []string) {
	for _, f := range h.byEvent[e.Name] {
		switch {
		case e.Released:
			if key, counted := f.counted(e.ID); counted && !f.Attempted {
				keys = append(keys, f.unique(key))
			}
		case f.about(e, e.Allowed):
			keys = append(keys, f.unique(f.key(&e.Subject)))
		}
	}
	return keys
}

func (h *History) find(name string) (int, bool) {
	return slices.BinarySearchFunc(h.facts, name, func(f *fact, name string) int { return compare(f.Name, name) })
}

// Facts returns what the named facts are for a request at an instant, which
// lies at most ten seconds before that of an earlier call. Counts and sums that are 0, and a
// last event that there was not, are left out; so it may be nil. A total beyond
// 2^53−1 is given as that.
func (h *History) Facts(subject *kernel.Request, names []string, now time.Time) (map[string]any, error) {
	var values map[string]any
	for _, name := range names {
		i, known := h.find(name)
		if !known {
			return nil, fmt.Errorf("the schema declares no fact %q", name)
		}
		v := h.facts[i].value(subject, now)
		if v == nil {
			continue
		}
		if values == nil {
			values = make(map[string]any, len(names))
		}
		values[name] = v
	}
	return values, nil
}

// Without takes a decision about an action out, whether it was allowed or an
// attempt, until what it returns is called: the first about a request is not
// among the facts of the second. Nothing may be added or undone meanwhile.
func (h *History) Without(id, action string, now time.Time) (putBack func()) {
	first, err := ulid.ParseStrict(id)
	if err != nil {
		return func() {} // nothing that has such an id was ever added
	}
	var back []func()
	for _, f := range h.byEvent[action] {
		f.advance(now)
		if it := f.find(first); it != nil {
			f.take(it)
			back = append(back, func() { f.putBack(it) })
		}
	}
	return func() {
		for _, put := range back {
			put()
		}
	}
}

// Keep makes what was added stay.
func (h *History) Keep() { h.journal = h.journal[:0] }

// Mark returns a point that [History.UndoTo] can go back to until the next Keep.
func (h *History) Mark() int { return len(h.journal) }

// UndoTo takes back what was added since a mark; since the last Keep, with 0.
func (h *History) UndoTo(mark int) {
	for i := len(h.journal) - 1; i >= mark; i-- {
		s := h.journal[i]
		if s.taken || s.fact == nil {
			h.undoRelease(s)
			continue
		}
		s.fact.remove(s.item)
	}
	h.journal = h.journal[:mark]
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
