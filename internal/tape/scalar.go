package tape

import (
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

const maxInteger = 1<<53 - 1 // RFC 7493 §2.2

// number reads a number as RFC 8259 §6 has it.
func (t *Tape) number() bool {
	from := t.at
	negative := t.take('-')
	first := t.at
	n, ok := t.digits()
	if !ok || t.doc[first] == '0' && t.at > first+1 {
		return false
	}
	whole := t.at-first <= len("9007199254740991") && n <= maxInteger
	if t.take('.') {
		whole = false
		if _, ok := t.digits(); !ok {
			return false
		}
	}
	if c := t.next(); c == 'e' || c == 'E' {
		whole = false
		t.at++
		if c := t.next(); c == '+' || c == '-' {
			t.at++
		}
		if _, ok := t.digits(); !ok {
			return false
		}
	}
	switch {
	case !whole:
		t.Odd = true
		t.add(Number).Text = t.doc[from:t.at]
	case negative:
		t.add(Int).Int = -n
	default:
		t.add(Int).Int = n
	}
	return true
}

// digits reads one digit or more. Their value means something when they are no
// more than 18.
func (t *Tape) digits() (n int64, ok bool) {
	for t.at < len(t.doc) && t.doc[t.at]-'0' <= 9 {
		n, ok = n*10+int64(t.doc[t.at]-'0'), true
		t.at++
	}
	return n, ok
}

// text reads a string. One without escapes is a part of the document.
func (t *Tape) text() bool {
	doc, from := t.doc, t.at+1
	ascii := true
	for at := from; ; at++ {
		at = skipPlain(doc, at)
		if at >= len(doc) {
			return false
		}
		switch c := doc[at]; {
		case c == '"':
			t.at = at + 1
			text := doc[from:at]
			t.add(String).Text = text
			return ascii || utf8.ValidString(text)
		case c == '\\':
			return t.escaped(from, at)
		case c < ' ':
			return false
		}
		ascii = false
	}
}

// skipPlain returns the place of the first byte from at on that ends a text,
// begins an escape, is a control character or is not ASCII.
func skipPlain(doc string, at int) int {
	for ; at+8 <= len(doc); at += 8 {
		if found := oddBytes(word(doc, at)); found != 0 {
			return at + bits.TrailingZeros64(found)/8
		}
	}
	for at < len(doc) && oddBytes(spaces&^0xFF|uint64(doc[at])) == 0 {
		at++
	}
	return at
}

// Eight times the same byte.
const (
	ones        = 0x0101010101010101
	highs       = ones * 0x80
	spaces      = ones * ' '
	quotes      = ones * '"'
	backslashes = ones * '\\'
)

// oddBytes looks at eight bytes at once and sets the high bit of each that is
// not plain. Above the lowest that it finds, it may be wrong (Anderson, Bit
// Twiddling Hacks, "determine if a word has a byte less than n").
func oddBytes(x uint64) uint64 {
	quote, backslash := x^quotes, x^backslashes
	return (x | (x-spaces)&^x | (quote-ones)&^quote | (backslash-ones)&^backslash) & highs
}

// word reads eight bytes, the first as the lowest.
func word(s string, at int) uint64 {
	s = s[at : at+8]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// escaped reads the rest of a string from its first escape on.
func (t *Tape) escaped(from, at int) bool {
	text := append(make([]byte, 0, 2*(at-from)+16), t.doc[from:at]...)
	for at < len(t.doc) {
		switch c := t.doc[at]; {
		case c == '"':
			t.at = at + 1
			t.add(String).Text = string(text)
			return utf8.Valid(text)
		case c == '\\':
			r, n := unescape(t.doc[at:])
			if n == 0 {
				return false
			}
			t.Odd = t.Odd || r == 0
			text = utf8.AppendRune(text, r)
			at += n
		case c < ' ':
			return false
		default:
			text = append(text, c)
			at++
		}
	}
	return false
}

// unescape reads the escape at the beginning of s and returns the character
// and the length of its spelling, 0 when it is none. A surrogate without its
// other half is none.
func unescape(s string) (r rune, n int) {
	if len(s) < 2 {
		return 0, 0
	}
	switch s[1] {
	case '"', '\\', '/':
		return rune(s[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	}
	r, ok := codeUnit(s)
	switch {
	case !ok:
		return 0, 0
	case !utf16.IsSurrogate(r):
		return r, 6
	}
	low, ok := codeUnit(s[6:])
	if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
		return 0, 0
	}
	return r, 12
}

// codeUnit reads \uXXXX.
func codeUnit(s string) (r rune, ok bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	for _, c := range []byte(s[2:6]) {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
