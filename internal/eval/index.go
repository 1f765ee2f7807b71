package eval

// An index finds, among conjunctions of equalities, those that can hold for a
// frame: tuple-space search, one probe for each combination of slots in use.
//
// It may find one that does not hold, because two keys share a hash or because
// an equality was left out of a key; whoever asks tests what it found. It may
// find one twice. It never leaves out one that holds.
type index struct {
	tuples  []tuple
	buckets []bucket // open addressing; their number is a power of two
	places  []int32  // of the conjunctions, in runs; the last of a run is complemented
}

// A tuple is a combination of slots that keys are made of.
type tuple struct {
	slots uint16
	ids   [maxSlots]uint16 // places in the frame's ids, ascending
}

// maxSlots bounds a tuple, so that some of them lie in one line of memory. A
// key with more equalities is found by the first.
const maxSlots = 7

// A bucket names the run of the places whose keys share a hash; 0 is none.
type bucket struct {
	hash uint32
	from int32
}

// run returns the places of the conjunctions that can hold, of those whose key
// has the slots of tuple t, and perhaps more after them: the first that is
// negative is the complement of the last.
func (x *index) run(fr *frame, t int) []int32 {
	hash, ok := x.tuples[t].hashOf(fr, t)
	if !ok {
		return nil
	}
	last := uint32(len(x.buckets) - 1)
	for at := hash & last; ; at = (at + 1) & last {
		switch b := &x.buckets[at]; b.hash {
		case hash:
			return x.places[b.from:]
		case 0:
			return nil
		}
	}
}

// hashOf is false when the frame has no value, or none of any key, in a slot.
func (t *tuple) hashOf(fr *frame, number int) (uint32, bool) {
	hash := seed(number)
	for i, id := range t.ids[:t.slots] {
		value := fr.ids[id]
		if value == 0 {
			return 0, false
		}
		hash += mixed(value, i)
	}
	return finish(hash), true
}

// Multiplicative hashing (Knuth, The Art of Computer Programming, 6.4): each
// value is multiplied by an odd number of its own, so that a processor can do
// all at once. Interned values are small numbers that no caller chooses, so
// nobody can make them collide.
var odds = [maxSlots]uint64{
	golden, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F,
}

const golden = 0x9E3779B97F4A7C15

func seed(tuple int) uint64 { return uint64(tuple+1) << 40 }

func mixed(value uint32, at int) uint64 { return uint64(value) * odds[at] }

func finish(hash uint64) uint32 { return uint32((hash^hash>>29)*golden>>32) | 1 }
