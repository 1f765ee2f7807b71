// Package canonical writes strings, integers and the order of names as the
// JSON Canonicalization Scheme (RFC 8785) wants them.
//
// What it cannot write exactly it refuses: bytes that are no UTF-8, and
// integers that other readers of JSON would round.
package canonical

import (
	"cmp"
	"strconv"
	"unicode/utf8"
)

// MaxInteger is the largest integer that every reader of JSON agrees on
// (RFC 7493 §2.2); the least is its negative.
const MaxInteger = 1<<53 - 1

// AppendString appends s in quotes, escaped as RFC 8785 §3.2.2.2 says: only
// what must be escaped is. It reports false, and dst may hold part of s, when
// s is not valid UTF-8.
func AppendString(dst []byte, s string) ([]byte, bool) {
	dst = append(dst, '"')
	from, ascii := 0, true
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			ascii = ascii && c < utf8.RuneSelf
			continue
		}
		dst = appendEscape(append(dst, s[from:i]...), c)
		from = i + 1
	}
	dst = append(append(dst, s[from:]...), '"')
	return dst, ascii || utf8.ValidString(s)
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\t':
		return append(dst, '\\', 't')
	case '\n':
		return append(dst, '\\', 'n')
	case '\f':
		return append(dst, '\\', 'f')
	case '\r':
		return append(dst, '\\', 'r')
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// AppendInt appends the digits of n, and reports false when n is beyond
// ±MaxInteger.
func AppendInt(dst []byte, n int64) ([]byte, bool) {
	return strconv.AppendInt(dst, n, 10), n >= -MaxInteger && n <= MaxInteger
}

// CompareNames orders the names of an object's members as RFC 8785 §3.2.3
// does: by their UTF-16 code units. Both are valid UTF-8.
func CompareNames(a, b string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return cmp.Compare(weight(a[i]), weight(b[i]))
		}
	}
	return cmp.Compare(len(a), len(b))
}

// weight orders the first bytes of two different characters. UTF-8 has the
// order of code points, from which UTF-16 differs in one place: the surrogates
// of U+10000 and above (first bytes F0 to F4) come before U+E000 to U+FFFF
// (first bytes EE and EF).
func weight(c byte) byte {
	if c == 0xEE || c == 0xEF {
		return c + 0x10
	}
	return c
}
