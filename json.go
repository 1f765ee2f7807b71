package kernel

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/strixlabs/execution-kernel/internal/canonical"
)

// A Number is a JSON number that is no integer within ±(2^53−1), as written.
// No attribute takes one; it exists so that the error can say where it is.
type Number string

const maxInteger = canonical.MaxInteger

// DecodeJSON reads one JSON document strictly: duplicate names, invalid UTF-8,
// lone surrogates, trailing data and more than [MaxDepth] levels or
// [MaxValues] values are errors that name the JSON path. The tree it returns
// holds nil, bool, int64, [Number], string, []any and map[string]any.
func DecodeJSON(data []byte) (any, error) {
	if tree, ok := readTree(data); ok {
		return tree, nil
	}
	return decodeByLibrary(data)
}

// decodeByLibrary reads every document, and says what keeps it from being read.
func decodeByLibrary(data []byte) (any, error) {
	r := jsonReader{dec: jsontext.NewDecoder(bytes.NewReader(data))}
	tree, err := r.value(0)
	if err != nil {
		return nil, r.explain(err)
	}
	if _, err := r.dec.ReadToken(); !errors.Is(err, io.EOF) {
		if err == nil {
			return nil, Errorf(Malformed, "data after the end of the JSON document").At("$")
		}
		return nil, r.explain(err)
	}
	return tree, nil
}

type jsonReader struct {
	dec    *jsontext.Decoder
	values int
}

func (r *jsonReader) value(depth int) (any, error) {
	if r.values++; r.values > MaxValues {
		return nil, Errorf(Malformed, "more than %d values in one document", MaxValues).At("$")
	}
	tok, err := r.dec.ReadToken()
	if err != nil {
		return nil, err
	}
	if k := tok.Kind(); depth >= MaxDepth && (k == '[' || k == '{') {
		return nil, Errorf(Malformed, "more than %d levels of nesting", MaxDepth).At(pointerPath(r.dec.StackPointer()))
	}
	switch tok.Kind() {
	case 'n':
		return nil, nil
	case 't', 'f':
		return tok.Bool(), nil
	case '"':
		return tok.String(), nil
	case '0':
		return number(tok.String()), nil
	case '[':
		return r.array(depth)
	default:
		return r.object(depth)
	}
}

func (r *jsonReader) array(depth int) (any, error) {
	list := []any{}
	for r.dec.PeekKind() != ']' {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := r.dec.ReadToken()
	return list, err
}

func (r *jsonReader) object(depth int) (any, error) {
	object := map[string]any{}
	for r.dec.PeekKind() != '}' {
		name, err := r.dec.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String()
		if object[key], err = r.value(depth + 1); err != nil {
			return nil, err
		}
	}
	_, err := r.dec.ReadToken()
	return object, err
}

// explain turns a decoder's error into ours, with the path and not the text.
func (r *jsonReader) explain(err error) error {
	var ours *Error
	if errors.As(err, &ours) {
		return ours
	}
	path := pointerPath(r.dec.StackPointer())
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		if syntactic.JSONPointer != "" {
			path = pointerPath(syntactic.JSONPointer)
		}
		switch {
		case errors.Is(err, jsontext.ErrDuplicateName):
			return Errorf(Malformed, "duplicate member name").At(path).WithHint("every member may appear once")
		case errors.Is(err, io.ErrUnexpectedEOF):
			return Errorf(Malformed, "the document ends early, at byte %d", syntactic.ByteOffset).At(path)
		case syntactic.Err != nil && strings.Contains(syntactic.Err.Error(), "UTF-8"):
			return Errorf(Malformed, "invalid UTF-8 at byte %d", syntactic.ByteOffset).At(path)
		}
		return Errorf(Malformed, "not JSON at byte %d", syntactic.ByteOffset).At(path).
			WithHint("send one JSON object as RFC 8259 defines it")
	}
	if errors.Is(err, io.EOF) {
		return Errorf(Malformed, "the body is empty").At("$").WithHint("send one JSON object")
	}
	return Errorf(Malformed, "not JSON").At(path)
}

func number(text string) any {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= -maxInteger && n <= maxInteger {
		return n
	}
	return Number(text)
}

// checkValues refuses what no attribute can hold, wherever it stands.
func checkValues(path string, v any) error {
	if allFine(v) {
		return nil
	}
	return findOdd(path, v)
}

// allFine reports whether no part of a tree is refused, without saying which.
func allFine(v any) bool {
	switch v := v.(type) {
	case Number:
		return false
	case string:
		return strings.IndexByte(v, 0) < 0
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !allFine(e) })
	case map[string]any:
		for k, e := range maps.All(v) {
			if strings.IndexByte(k, 0) >= 0 || !allFine(e) {
				return false
			}
		}
	}
	return true
}

// findOdd says what is refused, and where: the first in the order of names.
func findOdd(path string, v any) error {
	switch v := v.(type) {
	case Number:
		return Errorf(Invalid, "a number is an integer between −(2^53−1) and 2^53−1, written without fraction or exponent").
			At(path).WithHint("send money and ratios as integers: cents, per-mille")
	case string:
		if strings.ContainsRune(v, 0) {
			return Errorf(Invalid, "a string contains U+0000").At(path)
		}
	case []any:
		for i, e := range v {
			if err := findOdd(path+"["+strconv.Itoa(i)+"]", e); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, k := range SortedKeys(v) {
			if strings.ContainsRune(k, 0) {
				return Errorf(Invalid, "a member name contains U+0000").At(path)
			}
			if err := findOdd(JoinPath(path, k), v[k]); err != nil {
				return err
			}
		}
	}
	return nil
}

// SortedKeys returns the keys of m in byte order: the only order in which pure
// code may walk a map.
func SortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Digest returns "sha256:" and the hex SHA-256 of data.
func Digest(data []byte) string {
	const prefix = "sha256:"
	sum := sha256.Sum256(data)
	var text [len(prefix) + 2*sha256.Size]byte
	copy(text[:], prefix)
	hex.Encode(text[len(prefix):], sum[:])
	return string(text[:])
}

// JoinPath appends a member to a JSON path: $.resource.id, or $['a b'] when
// the name is not a plain one (RFC 9535 §2.3.1).
func JoinPath(path, member string) string {
	for i, c := range member {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return path + "[" + quoteName(member) + "]"
		}
	}
	if member == "" {
		return path + "['']"
	}
	return path + "." + member
}

func quoteName(s string) string {
	s = strconv.QuoteToASCII(s)
	s = strings.ReplaceAll(s[1:len(s)-1], `\"`, `"`)
	return "'" + strings.ReplaceAll(s, "'", `\'`) + "'"
}

// pointerPath turns an RFC 6901 pointer into a JSON path.
func pointerPath(p jsontext.Pointer) string {
	path := "$"
	for token := range p.Tokens() {
		if _, err := strconv.ParseUint(token, 10, 32); err == nil {
			path += "[" + token + "]"
			continue
		}
		path = JoinPath(path, token)
	}
	return path
}

// shorten keeps the two ends of a long path.
func shorten(path string) string {
	const limit = 200
	if len(path) <= limit {
		return path
	}
	return strings.ToValidUTF8(path[:limit/2]+"…"+path[len(path)-limit/2:], "")
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case int64, Number:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "an array"
	}
	return "an object"
}

func cloneOrEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return maps.Clone(m)
}
