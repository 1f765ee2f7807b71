package pdl

import (
	"math"
	"math/big"
	"testing"
)

// Every operation on small intervals, and on those at the ends of 64 bits, is
// compared with all results of its members.
func TestIntervalsHoldEveryResult(t *testing.T) {
	ends := []int64{math.MinInt64, math.MinInt64 + 1, -3, -2, -1, 0, 1, 2, 3, math.MaxInt64 - 1, math.MaxInt64}
	var all []interval
	for _, lo := range ends {
		for _, hi := range ends {
			if lo <= hi {
				all = append(all, interval{lo, hi})
			}
		}
	}
	for _, op := range []struct {
		name    string
		apply   func(a, b interval) (interval, bool)
		exact   func(x, y *big.Int) *big.Int
		divides bool
	}{
		{"plus", interval.plus, func(x, y *big.Int) *big.Int { return new(big.Int).Add(x, y) }, false},
		{"minus", interval.minus, func(x, y *big.Int) *big.Int { return new(big.Int).Sub(x, y) }, false},
		{"times", interval.times, func(x, y *big.Int) *big.Int { return new(big.Int).Mul(x, y) }, false},
		{"over", interval.over, func(x, y *big.Int) *big.Int { return new(big.Int).Quo(x, y) }, true},
		{"modulo", interval.modulo, func(x, y *big.Int) *big.Int { return new(big.Int).Rem(x, y) }, true},
	} {
		for _, a := range all {
			for _, b := range all {
				got, may := op.apply(a, b)
				does := false
				for _, x := range members(a) {
					for _, y := range members(b) {
						if op.divides && y == 0 {
							continue
						}
						r := op.exact(big.NewInt(x), big.NewInt(y))
						if op.divides && x == math.MinInt64 && y == -1 || !r.IsInt64() {
							does = true
							continue
						}
						if !got.has(r.Int64()) {
							t.Fatalf("%v %s %v = %v, which lacks %d of %d and %d", a, op.name, b, got, r, x, y)
						}
					}
				}
				if does && !may {
					t.Fatalf("%v %s %v cannot overflow, but does", a, op.name, b)
				}
				if may && !does && op.name != "modulo" {
					t.Errorf("%v %s %v may overflow, but no pair of its ends does", a, op.name, b)
				}
			}
		}
	}
}

// members returns the ends of an interval and what small values it has.
func members(a interval) []int64 {
	list := []int64{a.lo, a.hi}
	for i := int64(-4); i <= 4; i++ {
		if a.has(i) {
			list = append(list, i)
		}
	}
	return list
}
