package kernel_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
)

// FuzzCanonical holds the writer for requests against the library's own
// canonical form.
func FuzzCanonical(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Add([]byte(`{"agent":{"id":"a","\ue000":1,"\ud800\udc00":2,"a":{"z":[[],{}],"y":null}},"action":"\u007f\b\f\n\r\t\u0001\"\\/<>&\u2028",` +
		`"resource":{"type":"t","id":"r","i":-9007199254740991,"ie":0,"ida":-0},"params":{"":{"":{"":[{"b":1,"a":2}]}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		req, err := kernel.DecodeRequest(data)
		if err != nil {
			return
		}
		want, err := req.CanonicalByLibrary()
		if err != nil {
			t.Fatal(err)
		}
		if got := canonicalOf(t, req); !bytes.Equal(got, want) {
			t.Fatalf("Canonical() = %s, want %s", got, want)
		}
	})
}

// TestRequestsBuiltInGoHaveTheCanonicalFormOfTheLibrary: the writer gives up
// where it does not know a value, and never guesses.
func TestRequestsBuiltInGoHaveTheCanonicalFormOfTheLibrary(t *testing.T) {
	itself := map[string]any{}
	itself["again"] = itself
	deep := any(int64(1))
	for range 2 * kernel.MaxDepth {
		deep = []any{deep}
	}
	for name, value := range map[string]any{
		"a Go int": 7, "a fraction": 1.5, "a whole float": 2.0, "a large float": 1e21, "a large integer": int64(1)<<53 + 1, "the least integer": int64(-1) << 63,
		"a number": kernel.Number("1"), "strings": []string{"b", "a"}, "a typed map": map[string]string{"b": "1", "a": "2"}, "a nil list": []any(nil),
		"a nil map": map[string]any(nil), "a list with one": []any{7, []string(nil)}, "a struct": struct{ B, A int }{1, 2}, "invalid UTF-8": "a\xff",
		"an invalid name": map[string]any{"a\xff": true}, "a function": func() {}, "itself": itself, "deep": deep, "a pointer": new(int64), "bytes": []byte("ab"),
	} {
		req := kernel.Request{Agent: kernel.Agent{ID: "a"}, Action: "x", Resource: kernel.Resource{Type: "t", ID: "r"}, Params: map[string]any{"v": value}}
		got, err := req.Canonical()
		want, wantErr := req.CanonicalByLibrary()
		if !bytes.Equal(got, want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Errorf("%s: Canonical() = %s, %v, want %s, %v", name, got, err, want, wantErr)
		}
	}
}

func TestConstantMembersWinOverAttributes(t *testing.T) {
	req := kernel.Request{
		Agent: kernel.Agent{ID: "a", Attributes: map[string]any{"id": "b", "a": "c"}}, Action: "x",
		Resource: kernel.Resource{Type: "t", ID: "r", Attributes: map[string]any{"id": int64(1), "type": nil, "z": true}},
	}
	const want = `{"action":"x","agent":{"a":"c","id":"a"},"context":{},"params":{},"resource":{"id":"r","type":"t","z":true}}`
	if got := string(canonicalOf(t, req)); got != want {
		t.Errorf("Canonical() = %s, want %s", got, want)
	}
}

func TestTheDigestIsSHA256InHex(t *testing.T) {
	// The empty string's, FIPS 180-2.
	const want = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	if got := kernel.Digest(nil); got != want {
		t.Errorf("Digest() = %s, want %s", got, want)
	}
}

func BenchmarkCanonical(b *testing.B) {
	req := kernel.Request{
		Agent: kernel.Agent{ID: "agent-001", Attributes: map[string]any{"role": "senior", "team": "payments"}}, Action: "deploy_service",
		Resource: kernel.Resource{Type: "service", ID: "svc/checkout", Attributes: map[string]any{"environment": "production", "sensitivity": "internal"}},
		Params:   map[string]any{"version": "1.4.2", "strategy": "canary", "severity": int64(7), "labels": []any{"region=eu-central-1", strings.Repeat("x", 100)}},
		Context:  map[string]any{"ticket": "CHG-17"},
	}
	b.Run("writer", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			canonical(b, req.Canonical)
		}
	})
	b.Run("library", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			canonical(b, req.CanonicalByLibrary)
		}
	})
	b.Run("digest", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := req.Digest(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func canonical(b *testing.B, write func() ([]byte, error)) {
	if _, err := write(); err != nil {
		b.Fatal(err)
	}
}
