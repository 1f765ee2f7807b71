package history

import (
	"cmp"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// A fact is one declared fact: its events in order of time, and what they come
// to for each key.
//
// items[:live] have left the window and are kept only while it may move back
// over them, which the start of a day does where a zone repeats an evening;
// items[live:] are counted in their groups.
type fact struct {
	*pdl.Fact
	by []path
	of path

	items  []*item
	live   int
	start  time.Time // the window holds what is not before it; or, without a zone, what is after it
	groups map[string]*group
}

// An item is an event as one fact sees it.
type item struct {
	at     int64     // nanoseconds
	id     ulid.ULID // of the decision; zero: it cannot be released
	group  *group
	amount int64  // of a sum
	value  string // of a distinct
}

// A group is what the live items of one key come to.
type group struct {
	key    string
	items  int   // live or not
	count  int64 // live items
	sum    total
	last   int64          // the latest item's instant; means nothing while count is 0
	values map[string]int // of a distinct: how often each
}

// kept is how long an event that left the window is kept: longer than a zone
// was ever set back.
const kept = 48 * time.Hour

// keptBack is the same without a zone: whoever counts a log of several nodes
// again goes back as far as their clocks and commits are apart.
const keptBack = 10 * time.Second

func newFact(s *pdl.Schema, declared *pdl.Fact) *fact {
	f := &fact{Fact: declared, groups: map[string]*group{}}
	for _, p := range declared.By {
		f.by = append(f.by, newPath(s, declared.Event, p))
	}
	if declared.Of != "" {
		f.of = newPath(s, declared.Event, declared.Of)
	}
	return f
}

// about reports whether a fact counts an event, which was allowed or not. An
// action and an event of the same name, in schemas of different times, are two.
func (f *fact) about(e *Event, allowed bool) bool {
	return e.Reported == f.Reported && (e.Reported || allowed && !f.Attempted || f.Attempted && !e.Answers)
}

// from is the first instant of the window at now; without a zone, the one
// before the first.
func (f *fact) from(now time.Time) time.Time {
	if f.Within.Zone == nil {
		return now.Add(-f.Within.Length)
	}
	y, m, d := now.In(f.Within.Zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, f.Within.Zone)
}

// holds reports that an instant is not before the window.
func (f *fact) holds(at int64) bool {
	start := f.start.UnixNano()
	return at > start || at == start && f.Within.Zone != nil
}

// advance moves the window to end at now.
func (f *fact) advance(now time.Time) {
	f.start = f.from(now)
	for f.live < len(f.items) && !f.holds(f.items[f.live].at) {
		f.uncount(f.items[f.live])
		f.live++
	}
	for f.live > 0 && f.holds(f.items[f.live-1].at) {
		f.live--
		f.count(f.items[f.live])
	}
	f.forget()
}

// forget drops what no window will hold again, now and then.
func (f *fact) forget() {
	const worthwhile = 64
	if f.live < worthwhile && f.live < len(f.items) || f.live*2 < len(f.items) {
		return
	}
	until := f.start.Add(-keptBack).UnixNano()
	if f.Within.Zone != nil {
		until = f.start.Add(-kept).UnixNano()
	}
	old, _ := slices.BinarySearchFunc(f.items[:f.live], until, func(it *item, until int64) int { return cmp.Compare(it.at, until+1) })
	if old == 0 || old < worthwhile && old < len(f.items) || old*2 < len(f.items) {
		return
	}
	for _, it := range f.items[:old] {
		f.release(it.group)
	}
	f.items = append([]*item(nil), f.items[old:]...)
	f.live -= old
}

// release forgets a group with its last item.
func (f *fact) release(g *group) {
	if g.items--; g.items == 0 {
		delete(f.groups, g.key)
	}
}

// value is the fact for whoever asks, or nil for 0 and for no last event.
func (f *fact) value(subject *kernel.Request, now time.Time) any {
	f.advance(now)
	g := f.groups[f.key(subject)]
	if g == nil || g.count == 0 {
		return nil
	}
	switch f.Measure {
	case pdl.Count:
		return g.count
	case pdl.Sum:
		if g.sum == (total{}) {
			return nil
		}
		return g.sum.most(maxTotal)
	case pdl.Distinct:
		if len(g.values) == 0 {
			return nil
		}
		return int64(len(g.values))
	default:
		return time.Unix(0, g.last).UTC().Format(time.RFC3339Nano)
	}
}

// add counts an event.
func (f *fact) add(e *Event) step {
	it := &item{at: e.At.UnixNano()}
	if id, err := ulid.ParseStrict(e.ID); err == nil {
		it.id = id
	}
	switch f.Measure {
	default: // counts and lasts measure nothing
	case pdl.Sum:
		v, _ := f.of.value(&e.Subject).(int64)
		it.amount = max(v, 0)
	case pdl.Distinct:
		it.value = short(f.of.append(nil, &e.Subject))
	}
	key := f.key(&e.Subject)
	g := f.groups[key]
	if g == nil {
		g = &group{key: key}
	}
	it.group = g
	g.items++
	f.groups[key] = g
	f.insert(it)
	return step{fact: f, item: it}
}

// insert puts an item in its place in time, almost always the last.
func (f *fact) insert(it *item) {
	at := len(f.items)
	for at > 0 && f.items[at-1].at > it.at {
		at--
	}
	f.items = append(f.items, nil)
	copy(f.items[at+1:], f.items[at:])
	f.items[at] = it
	if !f.start.IsZero() && !f.holds(it.at) {
		f.live++
		return
	}
	f.count(it)
}

// remove takes an item out again that was added last.
func (f *fact) remove(it *item) {
	for i := len(f.items) - 1; i >= 0; i-- {
		if f.items[i] != it {
			continue
		}
		live := i >= f.live
		f.items = slices.Delete(f.items, i, i+1)
		if live {
			f.uncount(it)
			f.findLast(it.group)
		} else {
			f.live--
		}
		f.release(it.group)
		return
	}
}

func (f *fact) count(it *item) {
	g := it.group
	if g.count == 0 || it.at > g.last {
		g.last = it.at
	}
	g.count++
	g.sum = g.sum.plus(it.amount)
	if f.Measure == pdl.Distinct && it.value != absent {
		if g.values == nil {
			g.values = map[string]int{}
		}
		g.values[it.value]++
	}
}

func (f *fact) uncount(it *item) {
	g := it.group
	g.count--
	g.sum = g.sum.minus(it.amount)
	if f.Measure == pdl.Distinct && it.value != absent {
		if g.values[it.value]--; g.values[it.value] == 0 {
			delete(g.values, it.value)
		}
	}
}
