package eval_test

import (
	"math/rand/v2"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// FuzzDecide compares whole bundles with the oracle.
func FuzzDecide(f *testing.F) {
	for seed := range 20 {
		f.Add(randomBytes(uint64(seed), 400), randomBytes(uint64(seed)+1000, 200))
	}
	f.Fuzz(func(t *testing.T, policy, requests []byte) {
		if len(policy) > 2000 || len(requests) > 2000 {
			return
		}
		decideLikeTheOracle(t, policy, requests, 8, map[kernel.Code]int{})
	})
}

// TestDecideLikeTheOracle is FuzzDecide with fixed seeds: some 12,000
// evaluations that meet every code there is.
func TestDecideLikeTheOracle(t *testing.T) {
	const requests = 40
	bundles := rounds(300)
	codes, refused := map[kernel.Code]int{}, 0
	for seed := range uint64(bundles) {
		if !decideLikeTheOracle(t, randomBytes(seed, 600), randomBytes(seed+1_000_000, 40*requests), requests, codes) {
			refused++
		}
	}
	total := 0
	for _, code := range []kernel.Code{
		kernel.CodeRule, kernel.CodeNoMatchingRule, kernel.CodeEvaluationError, kernel.CodeConstraintConflict,
		kernel.CodeUnknownAction, kernel.CodeUnknownResource,
	} {
		total += codes[code]
		if codes[code] < bundles/25 {
			t.Errorf("%s was decided %d times, want more: the generator does not reach it", code, codes[code])
		}
	}
	if refused > bundles/10 || total < bundles*36 {
		t.Errorf("%d of %d bundles refused, %d evaluations: the generator is not well-typed", refused, bundles, total)
	}
	t.Logf("%d evaluations of %d bundles: %v", total, bundles-refused, codes)
}

// decideLikeTheOracle reports whether the bundle was one the compiler takes.
func decideLikeTheOracle(t *testing.T, policy, requests []byte, n int, codes map[kernel.Code]int) bool {
	t.Helper()
	source := (&gen{data: policy}).bundle()
	b, diagnostics := pdl.Compile([]pdl.File{{Name: "fuzz.yaml", Data: []byte(source)}})
	if diagnostics.HasErrors() {
		for _, d := range diagnostics {
			if d.Severity == pdl.Error && *evaluations == 0 {
				t.Logf("refused: %v", d)
			}
		}
		return false
	}
	p, err := eval.New(b)
	if err != nil {
		t.Fatalf("New: %v\n%s", err, source)
	}
	defer func() {
		if t.Failed() {
			t.Log(source)
		}
	}()
	o, g := newOracle(t, b), &gen{data: requests}
	for i := range n {
		in := g.input()
		v := o.agree(t, p, in)
		codes[v.Code]++
		if i%8 != 0 {
			continue
		}
		trace, err := p.Explain(in)
		if err != nil || text(t, trace.Verdict) != text(t, v) {
			t.Fatalf("Explain(%s) = %s, %v, want the verdict %s", text(t, in.Request), text(t, trace.Verdict), err, text(t, v))
		}
	}
	return true
}

// rounds is n, or a tenth of it for a quick look with -short.
func rounds(n int) int {
	if testing.Short() {
		return max(1, n/10)
	}
	return n * *more
}

func randomBytes(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 42))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return data
}
