package eval

// An entrance finds the shape of a request by its action and resource type.
// Unlike a map it is one look at memory, most often.
type entrance struct {
	doors []door // open addressing; their number is a power of two
}

type door struct {
	hash uint64 // 0: none
	*shape
}

func newEntrance(shapes []*shape) entrance {
	size := 2
	for size < 2*len(shapes) {
		size *= 2
	}
	e := entrance{make([]door, size)}
	for _, sh := range shapes {
		hash := hashOf(sh.action.name, sh.resourceType)
		at := hash & uint64(size-1)
		for e.doors[at].hash != 0 {
			at = (at + 1) & uint64(size-1)
		}
		e.doors[at] = door{hash, sh}
	}
	return e
}

// find returns nil when no action of that name takes that type.
func (e *entrance) find(action, resourceType string) *shape {
	if len(e.doors) == 0 {
		return nil
	}
	hash, last := hashOf(action, resourceType), uint64(len(e.doors)-1)
	for at := hash & last; ; at = (at + 1) & last {
		switch d := &e.doors[at]; {
		case d.hash == 0:
			return nil
		case d.hash == hash && d.actionName == action && d.resourceType == resourceType:
			return d.shape
		}
	}
}

// hashOf is multiplicative hashing, eight bytes at a time; see [odds]. Only
// declared names are in the table, so that a caller who finds others with
// their hash is answered as soon as one who does not.
func hashOf(action, resourceType string) uint64 {
	return hashText(hashText(golden, action), resourceType) | 1<<63
}

func hashText(hash uint64, s string) uint64 {
	n := len(s)
	hash += uint64(n)
	var tail uint64
	switch {
	case n >= 8:
		for i := 0; i+8 < n; i += 8 {
			hash = (hash ^ word(s[i:i+8])) * golden
			hash ^= hash >> 32
		}
		tail = word(s[n-8:])
	case n >= 4:
		tail = half(s[:4]) | half(s[n-4:])<<32
	case n > 0:
		tail = uint64(s[0]) | uint64(s[n/2])<<8 | uint64(s[n-1])<<16
	}
	hash = (hash ^ tail) * golden
	return hash ^ hash>>32
}

func word(s string) uint64 { return half(s[:4]) | half(s[4:8])<<32 }

func half(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}

// ahead looks at the places where evaluating will begin to look, so that they
// are fetched from far memory while the request is bound. What it returns
// means nothing.
func (sh *shape) ahead() int32 {
	if len(sh.candidates) == 0 {
		return 0
	}
	sum := int32(sh.index.tuples[0].slots) + middle(sh.index.buckets).from + sh.index.buckets[0].from +
		middle(sh.candidates).from + sh.candidates[0].from + sh.index.places[0]
	const line, lines = 8, 8 // checks in one line of memory, and lines
	for i := 0; i < min(len(sh.checks), line*lines); i += line {
		sum += sh.checks[i].value
	}
	return sum
}

func middle[T any](s []T) *T { return &s[len(s)/2] }
