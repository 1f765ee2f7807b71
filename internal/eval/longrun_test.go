package eval_test

import (
	"flag"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
)

var (
	evaluations = flag.Int("evaluations", 0, "how many evaluations TestLongRun compares with the oracle")
	firstSeed   = flag.Uint64("seed", 1, "the first seed of TestLongRun")
)

// TestLongRun is TestDecideLikeTheOracle for as long as one likes:
//
//	go test ./internal/eval -run TestLongRun -evaluations 1000000 -seed 7 -timeout 0 -v
func TestLongRun(t *testing.T) {
	if *evaluations == 0 {
		t.Skip("a long run is asked for with -evaluations N")
	}
	const requests = 200
	codes, bundles, seed, began := map[kernel.Code]int{}, 0, *firstSeed, time.Now()
	done := func() (n int) {
		for _, c := range codes {
			n += c
		}
		return n
	}
	for ; done() < *evaluations; seed++ {
		if decideLikeTheOracle(t, randomBytes(seed, 800), randomBytes(seed+1<<40, 40*requests), requests, codes) {
			bundles++
		}
		if bundles%500 == 1 {
			t.Logf("seed %d: %d evaluations of %d bundles, no difference, after %v", seed, done(), bundles, time.Since(began).Round(time.Second))
		}
	}
	t.Logf("seeds %d to %d: %d evaluations of %d bundles, 5 ways each, 0 differences, in %v: %v",
		*firstSeed, seed-1, done(), bundles, time.Since(began).Round(time.Second), codes)
}
