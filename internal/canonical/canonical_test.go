package canonical_test

import (
	"cmp"
	"slices"
	"strconv"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/strixlabs/execution-kernel/internal/canonical"
)

var words = []string{
	"", "a", "ab", "b", "A", "é", "\u007f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufb33", "\uffff", "\U00010000", "\U0001F600",
	"\U0010FFFF", "a\ue000", "a\U00010000", "\ue000\U00010000", "\U00010000\ue000", "\U00010000\U00010001", "\U00010400", "x\x00", "\b\t\n\f\r\"\\/<>&",
	"\x1f", "\u2028", "\xff", "a\xc0\xaf", "\xed\xa0\x80", "日本",
}

func FuzzAppendStringWritesWhatJSONTextWrites(f *testing.F) {
	for _, w := range words {
		f.Add(w)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := canonical.AppendString([]byte("x"), s)
		if ok != utf8.ValidString(s) {
			t.Fatalf("AppendString(%q) reports %v", s, ok)
		}
		if !ok {
			return
		}
		quoted, err := jsontext.AppendQuote(nil, s)
		if err != nil {
			t.Fatal(err)
		}
		want := jsontext.Value(quoted)
		if err := want.Canonicalize(); err != nil {
			t.Fatal(err)
		}
		if string(got) != "x"+string(want) {
			t.Fatalf("AppendString(%q) = %s, want %s", s, got[1:], want)
		}
	})
}

func TestIntegersAreWrittenUpToWhatEveryReaderTakes(t *testing.T) {
	for _, n := range []int64{0, 1, -1, canonical.MaxInteger, -canonical.MaxInteger, canonical.MaxInteger + 1, -canonical.MaxInteger - 1, 1<<63 - 1, -1 << 63} {
		got, ok := canonical.AppendInt(nil, n)
		if want := n >= -1<<53+1 && n <= 1<<53-1; ok != want || string(got) != strconv.FormatInt(n, 10) {
			t.Errorf("AppendInt(%d) = %s, %v, want %v", n, got, ok, want)
		}
	}
}

func FuzzCompareNamesHasTheOrderOfUTF16(f *testing.F) {
	for _, a := range words {
		for _, b := range words {
			f.Add(a, b)
		}
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			return
		}
		want := slices.CompareFunc(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)), cmp.Compare[uint16])
		if got := canonical.CompareNames(a, b); got != want {
			t.Fatalf("CompareNames(%q, %q) = %d, want %d", a, b, got, want)
		}
	})
}
