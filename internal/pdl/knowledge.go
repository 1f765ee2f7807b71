package pdl

import (
	"slices"
	"strings"
)

// Knowledge is what is known where an expression is evaluated: of some
// expressions, by their text, what they can be there. It never changes.
//
// The zero knowledge knows nothing. Where the knowledge is impossible, nothing
// is ever evaluated.
type knowledge struct {
	facts      []fact // by key
	impossible bool
}

type fact struct {
	key string
	reach
}

// maxKnown bounds the work of long conditions: what would be more is not known.
const maxKnown = 200

// find returns what is known of an expression.
func (k *knowledge) find(key string) (reach, bool) {
	i, ok := k.place(key)
	if !ok {
		return reach{}, false
	}
	return k.facts[i].reach, true
}

// holds reports whether an expression of type bool is known to be true.
func (k *knowledge) holds(key string) bool {
	r, ok := k.find(key)
	return ok && r.yes && !r.no
}

func (k *knowledge) place(key string) (int, bool) {
	return slices.BinarySearchFunc(k.facts, key, func(f fact, key string) int { return strings.Compare(f.key, key) })
}

// learn adds that an expression is within r. What contradicts is impossible;
// but what contradicts constants of data documents is not: those will change.
func (k *knowledge) learn(key string, r reach) *knowledge {
	if k.impossible || key == "" {
		return k
	}
	i, known := k.place(key)
	if known {
		both, empty := k.facts[i].and(r)
		switch {
		case empty && both.fixed:
			return k
		case empty:
			return &knowledge{impossible: true}
		}
		next := slices.Clone(k.facts)
		next[i].reach = both
		return &knowledge{facts: next}
	}
	if len(k.facts) >= maxKnown {
		return k
	}
	next := make([]fact, 0, len(k.facts)+1)
	next = append(append(append(next, k.facts[:i]...), fact{key, r}), k.facts[i:]...)
	return &knowledge{facts: next}
}

// or is what is known where one of the two is right.
func (k *knowledge) or(other *knowledge) *knowledge {
	switch {
	case k == other || other.impossible:
		return k
	case k.impossible:
		return other
	}
	common := make([]fact, 0, min(len(k.facts), len(other.facts)))
	for i, j := 0, 0; i < len(k.facts) && j < len(other.facts); {
		switch a, b := &k.facts[i], &other.facts[j]; strings.Compare(a.key, b.key) {
		case -1:
			i++
		case 1:
			j++
		default:
			common = append(common, fact{a.key, a.reach.or(b.reach)})
			i, j = i+1, j+1
		}
	}
	return &knowledge{facts: common}
}

// never is the knowledge of what is not evaluated.
func never() *knowledge { return &knowledge{impossible: true} }
