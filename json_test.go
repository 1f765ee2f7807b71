package kernel_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
)

func TestStrictJSONIsRead(t *testing.T) {
	for _, c := range []struct {
		text string
		want any
	}{
		{`null`, nil},
		{` true `, true},
		{`"kätzchen \u00e4 \ud83d\ude00"`, "kätzchen ä 😀"},
		{`0`, int64(0)},
		{`-0`, int64(0)},
		{`9007199254740991`, int64(1<<53 - 1)},
		{`-9007199254740991`, int64(-1<<53 + 1)},
		{`9007199254740992`, kernel.Number("9007199254740992")},
		{`1.5`, kernel.Number("1.5")},
		{`1.0`, kernel.Number("1.0")},
		{`1e3`, kernel.Number("1e3")},
		{`99999999999999999999`, kernel.Number("99999999999999999999")},
		{`[]`, []any{}},
		{`{}`, map[string]any{}},
		{`{"a":[1,{"b":null}]}`, map[string]any{"a": []any{int64(1), map[string]any{"b": nil}}}},
		{nested(kernel.MaxDepth, "1"), nestedWant(kernel.MaxDepth)},
	} {
		got, err := kernel.DecodeJSON([]byte(c.text))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("DecodeJSON(%.60s) = %#v, %v, want %#v", c.text, got, err, c.want)
		}
	}
}

func TestLooseJSONIsRefusedWhereItIsLoose(t *testing.T) {
	for _, c := range []struct{ name, text, path string }{
		{"nothing", ``, "$"},
		{"only space", "  \n", "$"},
		{"a byte order mark", "\ufeff{}", "$"},
		{"a second document", `{} {}`, "$"},
		{"a trailing comma", `{"a":1,}`, "$.a"},
		{"a comment", `{} // ok`, "$"},
		{"single quotes", `{'a':1}`, "$"},
		{"a bare word", `{"a":yes}`, "$.a"},
		{"NaN", `{"a":NaN}`, "$.a"},
		{"a leading zero", `{"a":01}`, "$.a"},
		{"a plus sign", `{"a":+1}`, "$.a"},
		{"hexadecimal", `{"a":0x10}`, "$.a"},
		{"a raw line feed in a string", "{\"a\":\"\n\"}", "$.a"},
		{"an unknown escape", `{"a":"\x41"}`, "$.a"},
		{"a duplicate name", `{"a":1,"b":{"c":1,"c":2}}`, "$.b.c"},
		{"a duplicate name, spelt differently", `{"ab":1,"\u0061b":2}`, "$.ab"},
		{"invalid UTF-8", "{\"a\":\"\xff\"}", "$.a"},
		{"an overlong encoding", "{\"a\":\"\xc0\xaf\"}", "$.a"},
		{"an encoded surrogate", "{\"a\":\"\xed\xa0\x80\"}", "$.a"},
		{"a lone high surrogate", `{"a":"\ud800"}`, "$.a"},
		{"a lone low surrogate", `{"a":"\udc00"}`, "$.a"},
		{"swapped surrogates", `{"a":"\udc00\ud800"}`, "$.a"},
		{"an end in an object", `{"a":{"b":1`, "$.a"},
		{"an end in a string", `["x","y`, "$[1]"},
		{"a missing colon", `{"a" 1}`, "$.a"},
		{"a name that is no string", `{1:2}`, "$"},
		{"a level too deep", nested(kernel.MaxDepth+1, ""), ""},
		{"a value too many", "[" + strings.Repeat("0,", kernel.MaxValues) + "0]", "$"},
	} {
		_, err := kernel.DecodeJSON([]byte(c.text))
		var e *kernel.Error
		if !errors.As(err, &e) || e.Code != kernel.Malformed || c.path != "" && e.Path != c.path {
			t.Errorf("%s: DecodeJSON(%.60q) = %#v, want %s at %s", c.name, c.text, err, kernel.Malformed, c.path)
		}
	}
}

func TestErrorsNeverRepeatWhatWasSent(t *testing.T) {
	secret := "hunter2-hunter2"
	for _, text := range []string{
		`{"password":"` + secret + `","password":1}`, `{"password":` + secret + `}`, `["` + secret, `"` + secret + "\xff\"",
	} {
		_, err := kernel.DecodeJSON([]byte(text))
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("DecodeJSON(%q) = %v", text, err)
		}
	}
}

func TestPathsAreWrittenAsInRFC9535(t *testing.T) {
	for _, c := range []struct{ member, want string }{
		{"environment", "$.environment"},
		{"_x9", "$._x9"},
		{"9x", "$['9x']"},
		{"", "$['']"},
		{"a b", "$['a b']"},
		{"a.b", "$['a.b']"},
		{`it's "x"`, `$['it\'s "x"']`},
		{"\n", `$['\n']`},
		{"ä", `$['\u00e4']`},
	} {
		if got := kernel.JoinPath("$", c.member); got != c.want {
			t.Errorf("JoinPath($, %q) = %s, want %s", c.member, got, c.want)
		}
	}
}

func TestALongPathIsShortened(t *testing.T) {
	e := kernel.Errorf(kernel.Invalid, "unknown member").At(kernel.JoinPath("$", strings.Repeat("ü", 1000)))
	if len(e.Path) > 210 || !strings.HasPrefix(e.Path, `$['\u00fc`) || !strings.HasSuffix(e.Path, `']`) || !strings.Contains(e.Path, "…") {
		t.Errorf("Path = %q", e.Path)
	}
}

func TestAnErrorSaysWhereAndWhatToDo(t *testing.T) {
	e := kernel.Errorf(kernel.Invalid, "unknown %s", "member")
	moved := e.At("$.agnt").WithHint("did you mean %q?", "agent")
	if e.Path != "" || e.Hint != "" {
		t.Errorf("At and WithHint changed the error they were called on: %#v", e)
	}
	if got, want := moved.Error(), "$.agnt: unknown member"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if got, want := e.Error(), "unknown member"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if got, want := moved.Hint, `did you mean "agent"?`; got != want {
		t.Errorf("Hint = %q, want %q", got, want)
	}
}

func nested(levels int, inside string) string {
	return strings.Repeat("[", levels) + inside + strings.Repeat("]", levels)
}

func nestedWant(levels int) any {
	var v any = int64(1)
	for range levels {
		v = []any{v}
	}
	return v
}
