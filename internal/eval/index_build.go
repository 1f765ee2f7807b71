package eval

import (
	"cmp"
	"math"
	"slices"
)

// Bounds of an index. Beyond them equalities are left out of keys, which costs
// tests of conjunctions that do not hold, and never one that does.
const (
	maxCombinations = 64 // of the values of one conjunction
	maxTuples       = 8  // besides the empty one
)

// An entry is a key of a conjunction on its way into the table.
type entry struct {
	hash  uint32
	place int32
}

// newIndex makes an index of conjunctions, which are known by their places.
func newIndex(conjunctions [][]equality) index {
	keys := make([][]equality, len(conjunctions))
	for i, c := range conjunctions {
		keys[i] = keyOf(c)
	}
	x := index{tuples: tuplesOf(keys)}
	var entries []entry
	for i, key := range keys {
		t := widest(x.tuples, key)
		entries = x.tuples[t].enter(entries, int32(i), key, seed(t), 0)
	}
	x.fill(entries)
	return x
}

// keyOf returns what a conjunction can be found by: at most one equality for
// each slot, in their order, with few combinations of values.
func keyOf(conjunction []equality) []equality {
	key := slices.DeleteFunc(slices.Clone(conjunction), func(q equality) bool { return q.id > math.MaxUint16 })
	slices.SortStableFunc(key, func(a, b equality) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(len(a.values), len(b.values)))
	})
	key = slices.CompactFunc(key, func(a, b equality) bool { return a.id == b.id })
	for combinations(key) > maxCombinations {
		most := 0
		for i, q := range key {
			if len(q.values) > len(key[most].values) {
				most = i
			}
		}
		key = slices.Delete(key, most, most+1)
	}
	return key[:min(len(key), maxSlots)]
}

func combinations(key []equality) int {
	n := 1
	for _, q := range key {
		n = min(n*len(q.values), maxCombinations+1)
	}
	return n
}

// tuplesOf returns the combinations of slots that most keys have, and the
// empty one last, for keys that have none of them.
func tuplesOf(keys [][]equality) []tuple {
	type use struct {
		tuple
		keys int
	}
	var uses []use
	for _, key := range keys {
		i := slices.IndexFunc(uses, func(u use) bool { return u.covers(key) && int(u.slots) == len(key) })
		if i < 0 && len(key) > 0 {
			i = len(uses)
			uses = append(uses, use{tuple: tupleOf(key)})
		}
		if i >= 0 {
			uses[i].keys++
		}
	}
	slices.SortFunc(uses, func(a, b use) int {
		return cmp.Or(cmp.Compare(b.keys, a.keys), slices.Compare(a.ids[:a.slots], b.ids[:b.slots]))
	})
	var tuples []tuple
	for _, u := range uses[:min(len(uses), maxTuples)] {
		tuples = append(tuples, u.tuple)
	}
	if slices.ContainsFunc(keys, func(key []equality) bool { return widest(tuples, key) < 0 }) {
		tuples = append(tuples, tuple{})
	}
	return tuples
}

func tupleOf(key []equality) tuple {
	t := tuple{slots: uint16(len(key))}
	for i, q := range key {
		t.ids[i] = uint16(q.id)
	}
	return t
}

// widest returns the place of the tuple with the most slots that a key has a
// value for, or -1.
func widest(tuples []tuple, key []equality) int {
	best := -1
	for i := range tuples {
		if t := &tuples[i]; t.covers(key) && (best < 0 || t.slots > tuples[best].slots) {
			best = i
		}
	}
	return best
}

// covers reports whether the key has an equality for every slot.
func (t *tuple) covers(key []equality) bool {
	at := 0
	for _, id := range t.ids[:t.slots] {
		for at < len(key) && key[at].id < int(id) {
			at++
		}
		if at == len(key) || key[at].id != int(id) {
			return false
		}
	}
	return true
}

// enter appends an entry for each combination of the key's values in the slots
// of the tuple, of which some are in the hash already.
func (t *tuple) enter(entries []entry, place int32, key []equality, hash uint64, done int) []entry {
	for i, q := range key {
		if !slices.Contains(t.ids[:t.slots], uint16(q.id)) {
			continue
		}
		for _, value := range q.values {
			entries = t.enter(entries, place, key[i+1:], hash+mixed(value, done), done+1)
		}
		return entries
	}
	return append(entries, entry{finish(hash), place})
}

// fill lays the entries out, in buckets of which at most two thirds are full.
func (x *index) fill(entries []entry) {
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.place, b.place)) })
	entries = slices.Compact(entries)
	size := 2
	for 2*size < 3*len(entries) {
		size *= 2
	}
	x.buckets = make([]bucket, size)
	for i, e := range entries {
		if i == 0 || entries[i-1].hash != e.hash {
			*x.empty(e.hash) = bucket{e.hash, int32(i)}
		}
		if i == len(entries)-1 || entries[i+1].hash != e.hash {
			e.place = ^e.place
		}
		x.places = append(x.places, e.place)
	}
}

// empty returns the bucket that a new hash goes to.
func (x *index) empty(hash uint32) *bucket {
	last := uint32(len(x.buckets) - 1)
	at := hash & last
	for x.buckets[at].hash != 0 {
		at = (at + 1) & last
	}
	return &x.buckets[at]
}
