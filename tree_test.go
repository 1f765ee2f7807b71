package kernel_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
)

// FuzzDecodeJSONBothWays: the fast reader and the library's read the same
// documents as the same trees, and refuse the others with the same words.
func FuzzDecodeJSONBothWays(f *testing.F) {
	for _, seed := range append(seeds, oddDocuments...) {
		f.Add([]byte(seed))
	}
	f.Fuzz(decodesBothWays)
}

func TestOddDocumentsAreReadBothWays(t *testing.T) {
	for _, doc := range oddDocuments {
		decodesBothWays(t, []byte(doc))
	}
}

func decodesBothWays(t *testing.T, data []byte) {
	t.Helper()
	got, err := kernel.DecodeJSON(data)
	want, wantErr := kernel.DecodeJSONByLibrary(data)
	if !reflect.DeepEqual(got, want) || fmt.Sprintf("%#v", err) != fmt.Sprintf("%#v", wantErr) {
		t.Fatalf("DecodeJSON(%.200q) = %#v, %v, want %#v, %v", data, got, err, want, wantErr)
	}
}

// oddDocuments stand at the borders of what JSON is.
var oddDocuments = []string{
	"", " ", "\ufeff1", "nul", "nulll", "true1", "tru", "-", "-a", "01", "-01", "00", "0", "-0", "0.", ".5", "1.", "1.e1", "1e", "1e+", "1E-0", "1e5", "+1",
	"9007199254740991", "9007199254740992", "-9007199254740991", "-9007199254740992", "9999999999999999", "99999999999999999999999", "0x1", "1_0", "Infinity",
	`"`, `"\`, `"\"`, `"\u"`, `"\u12"`, `"\u123"`, `"\u12g4"`, `"\uD83D\uDE00"`, `"\ud83d"`, `"\ud83dx"`, `"\ud83d\n"`, `"\ud83d\u0041"`, `"\ude00\ud83d"`, `"\ude00"`,
	`"\u0000"`, `"\u0041\u00e9\u20ac"`, `"\b\f\n\r\t\/\\\""`, `"\a"`, `"\'"`, `"\U0041"`, "\"\x00\"", "\"\x1f\"", "\"\x7f\"", "\"\n\"", "\"\xff\"", "\"\xc3\"", "\"\xc3\\u00a9\"",
	"\"\\u00e9\xa9\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xc0\x80\"", "\"é\\\"ü\"", `"\ufffd"`, `"\ufffe\uffff"`, `"\ud83d\ufffd"`,
	"[", "[]", "[ ]", "[,]", "[1,]", "[,1]", "[1 2]", "[1,,2]", "[1", "[1,", "]", "[]]", "[1}", "[]{}", "[null,true,false]", "[\u00a01]", "[\v1]", "[\f1]", "[\t\r\n 1\t\r\n ]",
	"{", "{}", "{ }", "{,}", `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":1 "b":2}`, `{"a" : 1 , "b" : 2 }`, `{a:1}`, `{1:1}`, `{null:1}`, `{"a":1`, `{"a":1,"a":1}`, `{"a":{"a":1},"b":{"a":[{"a":1}]}}`,
	`{"a":1,"\u0061":2}`, `{"é":1,"\u00e9":2}`, `{"":1,"":2}`, `{"":{"":[]}}`, `{"a":1}}`, `{"a":1]`, `{"\u0000":1}`, "{\"a\x00\":1}", `{"a":1}{`, `{"a":1} 2`, "1 2", "1,2", "// x", "1//",
	strings.Repeat("[", 64) + strings.Repeat("]", 64), strings.Repeat("[", 65) + strings.Repeat("]", 65), strings.Repeat("[", 64) + "1" + strings.Repeat("]", 64),
	strings.Repeat(`{"a":`, 64) + "1" + strings.Repeat("}", 64), strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65), strings.Repeat("[", 100_000),
	"[" + strings.Repeat("0,", 40_000) + "0]", "[" + strings.Repeat("0,", 32_766) + "0]", members(31), members(32), members(33), members(40) + "x",
	`{"a":1,` + members(40)[1:len(members(40))-1] + `,"a":2}`, `"` + strings.Repeat("x", 70_000) + `"`, strings.Repeat(" ", 70_000) + "1",
}

func members(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`"m%d":%d`, i, i))
	}
	return "{" + strings.Join(list, ",") + "}"
}

func BenchmarkDecodeRequest(b *testing.B) {
	data := []byte(`{"request_id":"r-1","agent":{"id":"agent-001","role":"senior","team":"payments"},"action":"deploy_service",` +
		`"resource":{"type":"service","id":"svc/checkout","environment":"production","sensitivity":"internal"},` +
		`"params":{"version":"1.4.2","strategy":"canary","severity":7,"labels":["region=eu-central-1","tier=frontend","release=2026-11"]},"context":{"ticket":"CHG-17"}}`)
	b.Run("request", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := kernel.DecodeRequest(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, decode := range map[string]func([]byte) (any, error){"tree": kernel.DecodeJSON, "library": kernel.DecodeJSONByLibrary} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := decode(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
