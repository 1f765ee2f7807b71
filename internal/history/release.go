package history

import (
	"cmp"
	"slices"

	"github.com/oklog/ulid/v2"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// early is how many releases that came before what they give back are
// remembered before those that no window can need any more are looked for.
const early = 1024

// release gives back what an allowed decision counts for. What was attempted
// stays attempted. Another shard's log may tell of the release first: then the
// decision counts for nothing when it comes.
func (h *History) release(e *Event) {
	id, err := ulid.ParseStrict(e.ID)
	if err != nil {
		return // of no decision
	}
	found, awaited := false, false
	for _, f := range h.byEvent[e.Name] {
		if f.Attempted {
			continue
		}
		if it := f.find(id); it != nil {
			found = true
			f.take(it)
			h.journal = append(h.journal, step{fact: f, item: it, taken: true})
			continue
		}
		awaited = awaited || f.start.IsZero() || int64(id.Time()) >= f.start.UnixMilli()
	}
	if found || !awaited {
		return
	}
	h.forgetReleases()
	h.released = append(h.released, id)
	h.journal = append(h.journal, step{early: id})
}

// forgetReleases drops those that are about nothing inside a window, now and then.
func (h *History) forgetReleases() {
	if len(h.released) < h.releasedMax {
		return
	}
	h.released = slices.DeleteFunc(h.released, func(id ulid.ULID) bool {
		return !slices.ContainsFunc(h.facts, func(f *fact) bool { return f.start.IsZero() || int64(id.Time()) >= f.start.UnixMilli() })
	})
	h.releasedMax = max(early, 2*len(h.released))
}

// wasReleased reports whether the release of a decision came before it.
func (h *History) wasReleased(e *Event) bool {
	if len(h.released) == 0 {
		return false
	}
	id, err := ulid.ParseStrict(e.ID)
	return err == nil && slices.Contains(h.released, id)
}

// undoRelease takes a release back that was the last thing to happen.
func (h *History) undoRelease(s step) {
	if s.taken {
		s.fact.putBack(s.item)
		return
	}
	if i := slices.Index(h.released, s.early); i >= 0 {
		h.released = slices.Delete(h.released, i, i+1)
	}
}

// counted returns what a decision is counted under, if it is.
func (f *fact) counted(id string) (key string, counted bool) {
	of, err := ulid.ParseStrict(id)
	if err != nil {
		return "", false
	}
	it := f.find(of)
	if it == nil {
		return "", false
	}
	return it.group.key, true
}

// find returns the item of a decision, whose id tells when it was made.
func (f *fact) find(id ulid.ULID) *item {
	from := int64(id.Time()) * 1e6
	i, _ := slices.BinarySearchFunc(f.items, from, func(it *item, at int64) int { return cmp.Compare(it.at, at) })
	for ; i < len(f.items) && f.items[i].at < from+1e6; i++ {
		if f.items[i].id == id {
			return f.items[i]
		}
	}
	return nil
}

// take takes an item out, wherever it is.
func (f *fact) take(it *item) {
	i := slices.Index(f.items, it)
	live := i >= f.live
	f.items = slices.Delete(f.items, i, i+1)
	if live {
		f.uncount(it)
		f.findLast(it.group)
	} else {
		f.live--
	}
	f.release(it.group)
}

// findLast finds the latest live item of a group again.
func (f *fact) findLast(g *group) {
	if f.Measure != pdl.Last || g.count == 0 {
		return
	}
	for i := len(f.items) - 1; i >= f.live; i-- {
		if f.items[i].group == g {
			g.last = f.items[i].at
			return
		}
	}
}

// putBack undoes take.
func (f *fact) putBack(it *item) {
	g := it.group
	f.groups[g.key] = g
	g.items++
	f.insert(it)
}
