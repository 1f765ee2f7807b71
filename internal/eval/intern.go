package eval

// Values that atoms compare are interned: equal values have equal numbers, so
// that a decision compares and hashes numbers. 0 is no value.

// The interned booleans, apart from the words because no slot has both.
const (
	idFalse = 1
	idTrue  = 2
)

func idOfBool(b bool) uint32 {
	if b {
		return idTrue
	}
	return idFalse
}

// intern returns the number of a word, giving it one when it has none.
func (l *layout) intern(word string) uint32 {
	id, known := l.words[word]
	if !known {
		id = uint32(len(l.words)) + 1
		l.words[word] = id
	}
	return id
}
