package canonical_test

import (
	"cmp"
	"slices"
	"strconv"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
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

func TestTreesAreWrittenAsTheLibraryWritesThem(t *testing.T) {
	deep := any("x")
	for range 60 {
		deep = []any{map[string]any{"d": deep}}
	}
	itself := []any{nil}
	itself[0] = itself
	for name, c := range map[string]struct {
		v  any
		ok bool
	}{
		"scalars":          {[]any{nil, true, false, int64(-7), "a\n\"é"}, true},
		"names":            {map[string]any{"b": "1", "a": int64(2), "\ue000": nil, "\U00010000": []any{}, "": map[string]any{}}, true},
		"raw":              {[]any{canonical.Raw(`{"a":1}`), map[string]any{"r": canonical.Raw("[]")}}, true},
		"a Go int":         {[]any{1}, false},
		"a fraction":       {map[string]any{"f": 1.5}, false},
		"a large integer":  {int64(1) << 53, false},
		"invalid UTF-8":    {[]any{"\xff"}, false},
		"an invalid name":  {map[string]any{"\xff": nil}, false},
		"a nil list":       {[]any{[]any(nil)}, false},
		"a nil map":        {map[string]any{"m": map[string]any(nil)}, false},
		"something deep":   {deep, false},
		"a list of itself": {itself, false},
	} {
		got, ok := canonical.AppendValue(nil, c.v)
		if ok != c.ok {
			t.Errorf("%s: AppendValue = %s, %v, want %v", name, got, ok, c.ok)
		}
		if !ok {
			continue
		}
		data, err := json.Marshal(c.v, json.Deterministic(true))
		if err != nil {
			t.Fatal(err)
		}
		want := jsontext.Value(data)
		if err := want.Canonicalize(); err != nil || string(got) != string(want) {
			t.Errorf("%s: AppendValue = %s, want %s (%v)", name, got, want, err)
		}
	}
}

func TestConstantMembersWin(t *testing.T) {
	got, ok := canonical.AppendObject(nil, map[string]any{"id": int64(1), "z": nil}, canonical.Member{Name: "id", Text: "x"}, canonical.Member{Name: "a", Text: "y"})
	if want := `{"a":"y","id":"x","z":null}`; !ok || string(got) != want {
		t.Errorf("AppendObject = %s, %v, want %s", got, ok, want)
	}
	if got, ok := canonical.AppendObject(nil, nil); !ok || string(got) != "{}" {
		t.Errorf("AppendObject of nothing = %s, %v", got, ok)
	}
}
