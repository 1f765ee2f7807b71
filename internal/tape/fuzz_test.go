package tape_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/strixlabs/execution-kernel/internal/tape"
)

var documents = []string{
	`{}`, `[]`, `""`, `0`, `-0`, `true`, `{"a":1,"b":[true,false,null],"c":{"d":"e"}}`, `[9007199254740991,-9007199254740992,1e400,0.5E-7]`,
	`{"agent":{"id":"agent-001","role":"junior"},"action":"deploy","resource":{"type":"service","id":"svc/a"},"params":{"tags":["a","é"]}}`,
	`"\u0000\ud83d\ude00\"\\\/\b\f\n\r\t"`, "\"\u00e9\U0001F600\u2028\"", `[[[[[[[[{"a":[{}]}]]]]]]]]`, "{\"\xff\":1}", `{"a":1,"\u0061":2}`,
}

// FuzzRead holds the tape against the tokens of json v2's decoder: the same
// documents are read, and the same values.
func FuzzRead(f *testing.F) {
	for _, d := range documents {
		f.Add(d)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		likeTheLibrary(t, doc)
	})
}

// TestReadLikeTheLibrary is FuzzRead on documents that are made, and broken, in
// the ways that a random byte seldom hits.
func TestReadLikeTheLibrary(t *testing.T) {
	taken, refused, rounds := 0, 0, 60_000
	if testing.Short() {
		rounds /= 10
	}
	for seed := range uint64(rounds) {
		r := rand.New(rand.NewPCG(seed, 5))
		doc := document(r, 5)
		for range r.IntN(3) {
			at, end := r.IntN(len(doc)+1), 0
			end = min(len(doc), at+r.IntN(3))
			doc = doc[:at] + piece(r) + doc[end:]
		}
		if likeTheLibrary(t, doc) {
			taken++
		} else {
			refused++
		}
	}
	if taken < rounds/4 || refused < rounds/4 {
		t.Errorf("%d documents read and %d refused, want more of both", taken, refused)
	}
}

// likeTheLibrary reports whether the document is read.
func likeTheLibrary(t *testing.T, doc string) bool {
	t.Helper()
	var read tape.Tape
	got := read.Read(doc)
	want, err := reference(doc)
	switch {
	case !got && err == nil && !want.bound():
		t.Fatalf("Read(%q) = false, the library reads %s", doc, want)
	case got && err != nil:
		t.Fatalf("Read(%q) = %s, the library says %v", doc, spelt(&read), err)
	case got && spelt(&read) != want.String():
		t.Fatalf("Read(%q) = %s, want %s", doc, spelt(&read), want)
	}
	return got
}

// A naive tape is what the library reads, spelt as tokens.
type naive struct {
	values []string
	next   []int
	odd    bool
	depth  int // of the deepest
	wide   int // members of the widest object
}

func (n *naive) String() string {
	list := make([]string, len(n.values))
	for i, v := range n.values {
		list[i] = fmt.Sprintf("%s>%d", v, n.next[i])
	}
	if n.odd {
		list = append(list, "odd")
	}
	return strings.Join(list, " ")
}

// bound reports documents that the tape leaves to others.
func (n *naive) bound() bool {
	return n.depth > tape.MaxDepth || n.wide > 32 || len(n.values) > tape.MaxTokens
}

var wholeNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

func reference(doc string) (*naive, error) {
	n, d := &naive{}, jsontext.NewDecoder(strings.NewReader(doc))
	if err := n.value(d, 0); err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("more than one value: %w", err)
	}
	return n, nil
}

func (n *naive) value(d *jsontext.Decoder, depth int) error {
	tok, err := d.ReadToken()
	if err != nil {
		return err
	}
	at, text := len(n.values), tok.String()
	n.values, n.next = append(n.values, ""), append(n.next, 0)
	switch tok.Kind() {
	case '{', '[':
		text, err = string(tok.Kind()), n.inside(d, tok.Kind(), depth+1)
	case '"':
		n.odd = n.odd || strings.ContainsRune(text, 0)
		text = fmt.Sprintf("%q", text)
	case '0':
		text = n.number(text)
	}
	n.values[at], n.next[at] = text, len(n.values)
	return err
}

func (n *naive) inside(d *jsontext.Decoder, open jsontext.Kind, depth int) error {
	n.depth = max(n.depth, depth)
	for members := 0; ; {
		switch d.PeekKind() {
		case ']', '}':
			_, err := d.ReadToken()
			return err
		}
		if err := n.value(d, depth); err != nil {
			return err
		}
		if open == '{' {
			if members++; members%2 == 1 {
				n.wide = max(n.wide, members/2+1)
			}
		}
	}
}

func (n *naive) number(text string) string {
	i, err := strconv.ParseInt(text, 10, 64)
	if wholeNumber.MatchString(text) && err == nil && i <= 1<<53-1 && i >= -(1<<53-1) {
		return fmt.Sprintf("int %d", i)
	}
	n.odd = true
	return "number " + text
}

// document makes a document out of nothing.
func document(r *rand.Rand, depth int) string {
	kinds := 8
	if depth == 0 {
		kinds = 6
	}
	space := func() string { return []string{"", "", "", " ", "\n\t"}[r.IntN(5)] }
	switch r.IntN(kinds) {
	case 0, 1, 2:
		return []string{"null", "true", "false", "0", "-0", "12", "-9007199254740991", "9007199254740992", "123456789012345678901", "1.5", "1e5", "0.1E-3"}[r.IntN(12)]
	case 6:
		var b strings.Builder
		for i := range r.IntN(6) {
			b.WriteString([]string{"", ","}[min(i, 1)] + space() + document(r, depth-1) + space())
		}
		return "[" + b.String() + "]"
	case 7:
		var b strings.Builder
		for i := range r.IntN(6) {
			b.WriteString([]string{"", ","}[min(i, 1)] + space() + quoted(r) + space() + ":" + document(r, depth-1))
		}
		return "{" + b.String() + "}"
	}
	return quoted(r)
}

func quoted(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(12) {
		b.WriteString([]string{"a", "b", "cdefghij", "é", "😀", `\n`, `\"`, `\\`, `\/`, `\u0061`, `\u0000`, `\ud83d\ude00`, " ", "{", ","}[r.IntN(15)])
	}
	return `"` + b.String() + `"`
}

// piece is something that breaks most documents, and some not.
func piece(r *rand.Rand) string {
	return []string{"", "0", "1", "-", ".", "e", "E+", `"`, `\`, `\u`, `\ud800`, `\udc00`, "{", "}", "[", "]", ",", ":", " ", "\n", "\x00", "\x1f", "\x7f", "\xff", "\xc3", "\xa9",
		"null", "tru", `"a":1,`, `"a":1,"a":2,`, "/", "\ufeff"}[r.IntN(32)]
}
