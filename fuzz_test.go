package kernel_test

import (
	"bytes"
	"errors"
	"reflect"
	"strconv"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/strixlabs/execution-kernel"
)

// FuzzDecodeJSON holds the strict reader against the library's own strict
// reader, which builds its tree in another way.
func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := kernel.DecodeJSON(data)
		var want any
		reference := json.Unmarshal(data, &want)
		if err != nil {
			var e *kernel.Error
			if !errors.As(err, &e) || e.Code != kernel.Malformed || e.Path == "" {
				t.Fatalf("DecodeJSON: %#v, want a problem with a path", err)
			}
			// Only our own limits refuse what the reference takes.
			if reference == nil && !tooDeep(want, kernel.MaxDepth) && len(data) < kernel.MaxValues {
				t.Fatalf("DecodeJSON(%q): %v, but the reference reads %v", data, err, want)
			}
			return
		}
		if errors.Is(reference, strconv.ErrRange) {
			return // it has no tree for 1e400; ours keeps the text of the number
		}
		if reference != nil {
			t.Fatalf("DecodeJSON(%q) = %v, but the reference says %v", data, got, reference)
		}
		if got := loosen(got); !reflect.DeepEqual(got, want) {
			t.Fatalf("DecodeJSON(%q) = %#v, want %#v", data, got, want)
		}
	})
}

// FuzzDecodeRequest: what is read is written and read back the same, and its
// canonical form is a fixed point.
func FuzzDecodeRequest(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		req, err := kernel.DecodeRequest(data)
		if err != nil {
			var e *kernel.Error
			if !errors.As(err, &e) || e.Path == "" || !reflect.DeepEqual(req, kernel.Request{}) {
				t.Fatalf("DecodeRequest = %#v, %#v, want nothing and a problem with a path", req, err)
			}
			return
		}
		written, err := req.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		again, err := kernel.DecodeRequest(written)
		if err != nil || !reflect.DeepEqual(again, req) {
			t.Fatalf("%s is read back as %#v, %v, want %#v", written, again, err, req)
		}
		canonical := canonicalOf(t, req)
		fixed, err := kernel.DecodeRequest(canonical)
		if err != nil {
			t.Fatalf("the canonical form %s is refused: %v", canonical, err)
		}
		if second := canonicalOf(t, fixed); !bytes.Equal(second, canonical) {
			t.Fatalf("Canonical is not idempotent: %s, then %s", canonical, second)
		}
	})
}

// FuzzCanonicalTellsRequestsApart: two requests have one canonical form if,
// and only if, they ask the same.
func FuzzCanonicalTellsRequestsApart(f *testing.F) {
	for i := range seeds {
		f.Add([]byte(seeds[i]), []byte(seeds[(i+1)%len(seeds)]))
		f.Add([]byte(seeds[i]), []byte(seeds[i]))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		x, errX := kernel.DecodeRequest(a)
		y, errY := kernel.DecodeRequest(b)
		if errX != nil || errY != nil {
			return
		}
		same := reflect.DeepEqual(asked(x), asked(y))
		if equal := bytes.Equal(canonicalOf(t, x), canonicalOf(t, y)); equal != same {
			t.Fatalf("canonical forms equal: %v, requests equal: %v\n%s\n%s", equal, same, a, b)
		}
	})
}

var seeds = []string{
	deploy, `{}`, `[1e400]`, `[1,-0,1e3,1.5,"\ud83d\ude00",null,true]`, `{"a":1,"\u0061":2}`, "\"\xff\"", `{"a":{"b":[[[{}]]]}}`,
	`{"agent":{"id":"a"},"action":"x","resource":{"type":"t","id":"r"}}`,
	`{"agent":{"id":"a","b":"c"},"action":"x","resource":{"type":"t","id":"r"},"params":{},"context":{"k":[1,"1",true,null]}}`,
	`{"agent":{"id":"a"},"action":"x","resource":{"type":"t","id":"r","params":{"a|b":"c"}}}`,
	`{"agent":{"id":"a"},"action":"x","resource":{"type":"t","id":"r"},"params":{"a":"b|c","9":9007199254740991}}`,
}

// asked is what a request binds: no request_id, and empty maps for absent ones.
func asked(r kernel.Request) kernel.Request {
	r.RequestID = ""
	for _, m := range []*map[string]any{&r.Params, &r.Context} {
		if *m == nil {
			*m = map[string]any{}
		}
	}
	return r
}

func canonicalOf(t *testing.T, r kernel.Request) []byte {
	t.Helper()
	c, err := r.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// loosen turns our numbers into those of the reference.
func loosen(v any) any {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case kernel.Number:
		n, _ := strconv.ParseFloat(string(v), 64) // within range, or the reference would have refused it
		return n
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, loosen(e))
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[k] = loosen(e)
		}
		return out
	}
	return v
}

func tooDeep(v any, levels int) bool {
	deeper := false
	switch v := v.(type) {
	case []any:
		deeper = levels == 0
		for _, e := range v {
			deeper = deeper || tooDeep(e, levels-1)
		}
	case map[string]any:
		deeper = levels == 0
		for _, e := range v {
			deeper = deeper || tooDeep(e, levels-1)
		}
	}
	return deeper
}
