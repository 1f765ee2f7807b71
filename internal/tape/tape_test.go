package tape_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/tape"
)

func TestReadMakesATokenOfEachValueAndName(t *testing.T) {
	for doc, want := range map[string]string{
		`null`:                        `null>1`,
		` true `:                      `true>1`,
		"\r\n\tfalse":                 `false>1`,
		`0`:                           `int 0>1`,
		`-0`:                          `int 0>1`,
		`-17`:                         `int -17>1`,
		`9007199254740991`:            `int 9007199254740991>1`,
		`-9007199254740991`:           `int -9007199254740991>1`,
		`9007199254740992`:            `number 9007199254740992>1 odd`,
		`1e2`:                         `number 1e2>1 odd`,
		`1.0`:                         `number 1.0>1 odd`,
		`-0.5E-07`:                    `number -0.5E-07>1 odd`,
		`""`:                          `"">1`,
		`"a\u0000"`:                   `"a\x00">1 odd`,
		`"\ud83d\ude00"`:              `"😀">1`,
		`"\"\\\/\b\f\n\r\t"`:          `"\"\\/\b\f\n\r\t">1`,
		`[]`:                          `[>1`,
		`[1, [], "a"]`:                `[>4 int 1>2 [>3 "a">4`,
		`{}`:                          `{>1`,
		`{"a":{"b":[true]},"c":null}`: `{>8 "a">2 {>6 "b">4 [>6 true>6 "c">7 null>8`,
		`{"a":1,"\u0062":2}`:          `{>5 "a">2 int 1>3 "b">4 int 2>5`,
	} {
		var read tape.Tape
		if !read.Read(doc) {
			t.Errorf("Read(%s) = false", doc)
		} else if got := spelt(&read); got != want {
			t.Errorf("Read(%s) holds %s, want %s", doc, got, want)
		}
	}
}

// spelt writes the tokens of a tape, each with the place of the next.
func spelt(read *tape.Tape) string {
	var list []string
	for _, tok := range read.Tokens {
		list = append(list, fmt.Sprintf("%s>%d", value(tok), tok.Next))
	}
	if read.Odd {
		list = append(list, "odd")
	}
	return strings.Join(list, " ")
}

func value(tok tape.Token) string {
	switch tok.Kind {
	case tape.Null:
		return "null"
	case tape.False:
		return "false"
	case tape.True:
		return "true"
	case tape.Int:
		return fmt.Sprintf("int %d", tok.Int)
	case tape.Number:
		return "number " + tok.Text
	case tape.String:
		return fmt.Sprintf("%q", tok.Text)
	case tape.Array:
		return "["
	case tape.Object:
		return "{"
	}
	return "none"
}

func TestReadRefusesWhatIsNoJSON(t *testing.T) {
	for _, doc := range []string{
		``, ` `, `nul`, `nulL`, `True`, `truE`, `1 2`, `{}x`, "\ufeff{}", "\x00", "1\x00", "\v1", "\u00a01",
		`-`, `+1`, `01`, `-01`, `00`, `.5`, `1.`, `1.e1`, `1e`, `1e+`, `1E-`, `--1`, `1-`, `0x1`, `1_0`, `NaN`, `Infinity`, `-Infinity`,
		`"`, `"a`, `'a'`, "\"a\nb\"", "\"\t\"", "\"\x1f\"", `"\`, `"\"`, `"\x41"`, `"\'"`, `"\u"`, `"\u12"`, `"\u123g"`, `"\U0041"`,
		`"\ud800"`, `"\udc00"`, `"\ud800\ud800"`, `"\ud800a"`, `"\ud800\n"`, `"\ud800\u0041"`, `"\udc00\ud800"`,
		"\"\xff\"", "\"\xc3\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\\n\xff\"", "\"aaaaaaaaaaaaaaa\xe2\x82\"",
		`[`, `]`, `[1`, `[1,`, `[1,]`, `[,1]`, `[1 2]`, `[1}`, `[1:2]`, `{`, `}`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{,}`, `{a:1}`, `{1:1}`,
		`{"a" 1}`, `{"a":1 "b":2}`, `{"a":1]`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"a":{},"b":[{"c":1,"c":1}]}`, `/**/1`, `1//`,
	} {
		var read tape.Tape
		if read.Read(doc) {
			t.Errorf("Read(%q) = true, holding %s", doc, spelt(&read))
		}
	}
}

func TestReadEndsAtItsBounds(t *testing.T) {
	members := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(`"m%d":%d`, i, i)
		}
		return "{" + strings.Join(list, ",") + "}"
	}
	for name, c := range map[string]struct {
		doc  string
		want bool
	}{
		"as deep as may be, lists":   {strings.Repeat("[", tape.MaxDepth) + strings.Repeat("]", tape.MaxDepth), true},
		"a list too deep":            {strings.Repeat("[", tape.MaxDepth+1) + strings.Repeat("]", tape.MaxDepth+1), false},
		"as deep as may be, objects": {strings.Repeat(`{"a":`, tape.MaxDepth) + "1" + strings.Repeat("}", tape.MaxDepth), true},
		"an object too deep":         {strings.Repeat(`{"a":`, tape.MaxDepth) + "{}" + strings.Repeat("}", tape.MaxDepth), false},
		"as many members as may be":  {members(32), true},
		"a member too many":          {members(33), false},
		"as many values as may be":   {"[" + strings.Repeat("1,", tape.MaxTokens-2) + "1]", true},
		"a value too many":           {"[" + strings.Repeat("1,", tape.MaxTokens-1) + "1]", false},
	} {
		var read tape.Tape
		if got := read.Read(c.doc); got != c.want {
			t.Errorf("%s: Read = %v, want %v", name, got, c.want)
		}
	}
}

// TestEveryByteOfATextIsSeen puts a byte that is not plain at every place of
// texts of every length around the eight bytes that are looked at together.
func TestEveryByteOfATextIsSeen(t *testing.T) {
	for length := range 40 {
		for at := range length {
			for c := range 256 {
				text := []byte(strings.Repeat("~", length))
				text[at] = byte(c)
				var read tape.Tape
				ok := read.Read(`"` + string(text) + `"`)
				switch {
				case c < ' ' || c == '"' || c == '\\' || c > '~'+1:
					if ok {
						t.Fatalf("Read of byte %#x at %d of %d = true", c, at, length)
					}
				case !ok || read.Tokens[0].Text != string(text):
					t.Fatalf("Read of byte %#x at %d of %d = %v, %s", c, at, length, ok, spelt(&read))
				}
			}
		}
	}
}

func TestATapeForgetsWhatItHeld(t *testing.T) {
	var read tape.Tape
	for _, doc := range []string{`{"a":[1.5,"\u0000"]}`, `{"a":{"b":`, `[1]`} {
		read.Read(doc)
	}
	if got := spelt(&read); got != `[>2 int 1>2` {
		t.Errorf("the tape holds %s, want the last document", got)
	}
}

func TestReadAgainDoesNotAllocate(t *testing.T) {
	const doc = `{"action":"deploy","params":{"count":12,"tags":["a","é"],"ratio":0.5},"force":true,"note":null}`
	var read tape.Tape
	read.Read(doc)
	if n := testing.AllocsPerRun(100, func() { read.Read(doc) }); n != 0 {
		t.Errorf("Read allocates %v times, want 0", n)
	}
}
