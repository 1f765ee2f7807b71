// Package tape reads JSON strictly into a flat list of tokens that point into
// the document.
//
// It knows JSON as RFC 8259 has it, with unique member names, valid UTF-8 and
// no lone surrogates, and reads it without allocating where texts have no
// escapes. What it does not read it does not explain: it is the fast way in
// front of a slower reader that does, and may leave to that one whatever it
// likes.
package tape

// A Kind is what a token is.
type Kind uint8

// The kinds. The zero Kind is none.
const (
	Null Kind = iota + 1
	False
	True
	Int    // an integer within ±(2^53−1), written without fraction or exponent
	Number // any other number
	String
	Array
	Object
)

// A Token is a value, or the name of a member. The elements of an array and
// the members of an object, each a name (a String) and a value, follow it.
type Token struct {
	Text string // String: without escapes; Number: as written; else it means nothing
	Int  int64  // Int; else it means nothing
	Kind Kind
	Next int32 // place of the token after this value and all inside it
}

// Bounds of what is read here; beyond them a document is left to the slower
// reader.
const (
	MaxDepth   = 64      // levels of nesting
	MaxTokens  = 1 << 15 // values and names
	maxMembers = 32      // of one object: each name is compared with all others
)

// A Tape is a document that was read. The zero Tape is empty.
type Tape struct {
	Tokens []Token

	// Odd says that some text holds U+0000 or that some number is no Int:
	// what no attribute of a request can be.
	Odd bool

	doc string
	at  int
}

// Read replaces what the tape holds by a document. It reports false, and the
// tape holds nothing of use, when it does not read it. The tokens point into
// doc.
func (t *Tape) Read(doc string) bool {
	t.Tokens, t.Odd, t.doc, t.at = t.Tokens[:0], false, doc, 0
	t.space()
	if !t.value(0) {
		return false
	}
	t.space()
	return t.at == len(doc)
}

func (t *Tape) space() {
	for t.at < len(t.doc) {
		switch t.doc[t.at] {
		case ' ', '\n', '\t', '\r':
			t.at++
		default:
			return
		}
	}
}

// next returns the byte that follows, or 0 at the end; no JSON has a 0 outside
// of texts, and inside they are escaped.
func (t *Tape) next() byte {
	if t.at < len(t.doc) {
		return t.doc[t.at]
	}
	return 0
}

// take skips a byte when it is the one that follows.
func (t *Tape) take(c byte) bool {
	if t.next() != c {
		return false
	}
	t.at++
	return true
}

// add appends a token of a kind; what else it holds is the caller's to set.
func (t *Tape) add(kind Kind) *Token {
	place := len(t.Tokens)
	if place == cap(t.Tokens) {
		t.Tokens = append(t.Tokens, Token{})
	} else {
		t.Tokens = t.Tokens[:place+1]
	}
	tok := &t.Tokens[place]
	tok.Kind, tok.Next = kind, int32(place+1)
	return tok
}

func (t *Tape) value(depth int) bool {
	if len(t.Tokens) >= MaxTokens {
		return false
	}
	switch c := t.next(); c {
	case '"':
		return t.text()
	case '{':
		return depth < MaxDepth && t.object(depth)
	case '[':
		return depth < MaxDepth && t.array(depth)
	case 't':
		return t.word("true", True)
	case 'f':
		return t.word("false", False)
	case 'n':
		return t.word("null", Null)
	default:
		return t.number()
	}
}

func (t *Tape) word(word string, kind Kind) bool {
	if len(t.doc)-t.at < len(word) || t.doc[t.at:t.at+len(word)] != word {
		return false
	}
	t.at += len(word)
	t.add(kind)
	return true
}

func (t *Tape) array(depth int) bool {
	t.at++
	place := len(t.Tokens)
	t.add(Array)
	t.space()
	if !t.take(']') {
		for {
			if !t.value(depth + 1) {
				return false
			}
			t.space()
			if t.take(']') {
				break
			}
			if !t.take(',') {
				return false
			}
			t.space()
		}
	}
	t.Tokens[place].Next = int32(len(t.Tokens))
	return true
}

func (t *Tape) object(depth int) bool {
	t.at++
	place := len(t.Tokens)
	t.add(Object)
	t.space()
	if !t.take('}') {
		for n := 0; ; n++ {
			if n == maxMembers || t.next() != '"' || !t.name(place) {
				return false
			}
			t.space()
			if !t.take(':') {
				return false
			}
			t.space()
			if !t.value(depth + 1) {
				return false
			}
			t.space()
			if t.take('}') {
				break
			}
			if !t.take(',') {
				return false
			}
			t.space()
		}
	}
	t.Tokens[place].Next = int32(len(t.Tokens))
	return true
}

// name reads the name of a member that the object does not have yet.
func (t *Tape) name(object int) bool {
	if !t.text() {
		return false
	}
	last := int32(len(t.Tokens) - 1)
	name := t.Tokens[last].Text
	for at := int32(object + 1); at < last; at = t.Tokens[at+1].Next {
		if t.Tokens[at].Text == name {
			return false
		}
	}
	return true
}
