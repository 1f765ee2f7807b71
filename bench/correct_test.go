package bench

import (
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
)

// TestBundlesDecide keeps the benchmarks honest: their requests reach every
// effect, and more rules do not mean that none matches.
func TestBundlesDecide(t *testing.T) {
	for _, n := range []int{10, 100, 1000} {
		program := compile(t, n)
		seen := map[kernel.Effect]int{}
		for _, req := range requests(256) {
			v, err := program.Decide(eval.Input{Request: req, Now: now})
			if err != nil {
				t.Fatalf("%d rules: Decide(%v): %v", n, req, err)
			}
			seen[v.Decision]++
		}
		t.Logf("%d rules: %v", n, seen)
		if n == 1000 && (seen[kernel.Deny] == 0 || seen[kernel.Allow] == 0 || seen[kernel.RequireApproval] == 0) {
			t.Errorf("%d rules: the requests reach only %v", n, seen)
		}
	}
}

func TestBodyIs600Bytes(t *testing.T) {
	body := body600()
	if len(body) != 600 {
		t.Errorf("the body has %d bytes, want 600", len(body))
	}
	req, err := kernel.DecodeRequest(body)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := compile(t, 10).Decide(eval.Input{Request: req, Now: now}); err != nil {
		t.Error(err)
	}
}
