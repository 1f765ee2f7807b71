package eval_test

import (
	"flag"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
)

var (
	evaluations = flag.Int("evaluations", 0, "how many evaluations each TestLongRun compares with the oracle")
	more        = flag.Int("rounds", 1, "how many times as much random input the tests of a suite take")
	firstSeed   = flag.Uint64("seed", 1, "the first seed of each TestLongRun")
)

// TestLongRunOfBundles is TestDecideLikeTheOracle for as long as one likes:
//
//	make longrun N=1000000 SEED=7
func TestLongRunOfBundles(t *testing.T) {
	const requests = 200
	longRun(t, "5 ways each", func(seed uint64, codes map[kernel.Code]int) bool {
		return decideLikeTheOracle(t, randomBytes(seed, 800), randomBytes(seed+1<<40, 40*requests), requests, codes)
	})
}

// TestLongRunOfConditions is TestConditionsLikeCEL for as long as one likes.
func TestLongRunOfConditions(t *testing.T) {
	const requests = 50
	y := newTypist(t)
	longRun(t, "5 ways and an explanation each", func(seed uint64, codes map[kernel.Code]int) bool {
		return conditionLikeCEL(t, y, randomBytes(seed, 160), randomBytes(seed+1<<40, 40*requests), requests, codes)
	})
}

// longRun runs seed after seed until the codes add up to -evaluations. run
// reports whether the seed made something that the compiler takes.
func longRun(t *testing.T, how string, run func(seed uint64, codes map[kernel.Code]int) bool) {
	t.Helper()
	if *evaluations == 0 {
		t.Skip("a long run is asked for with -evaluations N")
	}
	codes, taken, refused, seed, began := map[kernel.Code]int{}, 0, 0, *firstSeed, time.Now()
	done := func() (n int) {
		for _, c := range codes {
			n += c
		}
		return n
	}
	for ; done() < *evaluations; seed++ {
		if !run(seed, codes) {
			refused++
			continue
		}
		if taken++; taken%1000 == 0 {
			t.Logf("seed %d: %d evaluations, no difference, after %v", seed, done(), time.Since(began).Round(time.Second))
		}
	}
	t.Logf("seeds %d to %d: %d evaluations, %s, of %d that the compiler takes (%d refused), 0 differences, in %v: %v",
		*firstSeed, seed-1, done(), how, taken, refused, time.Since(began).Round(time.Second), codes)
}
