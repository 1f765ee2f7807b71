package pdl

import (
	"math"
	"math/bits"
)

// An interval is the integers lo to hi, both within; it is empty where lo is
// the greater. What lies beyond 64 bits is cut off: an operation that would get
// there has no value, so that nothing beyond can come out of it.
type interval struct{ lo, hi int64 }

var anyInteger = interval{math.MinInt64, math.MaxInt64}

func single64(i int64) interval { return interval{i, i} }

func (a interval) empty() bool            { return a.lo > a.hi }
func (a interval) has(i int64) bool       { return a.lo <= i && i <= a.hi }
func (a interval) isSingle() bool         { return a.lo == a.hi }
func (a interval) within(b interval) bool { return a.lo >= b.lo && a.hi <= b.hi }

func (a interval) meet(b interval) interval { return interval{max(a.lo, b.lo), min(a.hi, b.hi)} }

// hull holds the values of both.
func (a interval) hull(b interval) interval { return interval{min(a.lo, b.lo), max(a.hi, b.hi)} }

// plus returns what sums of the two can be, and whether one may overflow.
func (a interval) plus(b interval) (sum interval, overflows bool) {
	lo, below := addCut(a.lo, b.lo)
	hi, above := addCut(a.hi, b.hi)
	return interval{lo, hi}, below || above
}

func (a interval) minus(b interval) (difference interval, overflows bool) {
	lo, below := subCut(a.lo, b.hi)
	hi, above := subCut(a.hi, b.lo)
	return interval{lo, hi}, below || above
}

func (a interval) times(b interval) (product interval, overflows bool) {
	product = interval{math.MaxInt64, math.MinInt64}
	for _, x := range [...]int64{a.lo, a.hi} {
		for _, y := range [...]int64{b.lo, b.hi} {
			p, cut := mulCut(x, y)
			product, overflows = product.hull(single64(p)), overflows || cut
		}
	}
	return product, overflows
}

// over returns what quotients of the two can be, truncated as in Go; the zero
// among the divisors is left out.
func (a interval) over(b interval) (quotient interval, overflows bool) {
	quotient = interval{math.MaxInt64, math.MinInt64}
	for _, divisors := range [...]interval{b.meet(interval{math.MinInt64, -1}), b.meet(interval{1, math.MaxInt64})} {
		if divisors.empty() {
			continue
		}
		for _, x := range [...]int64{a.lo, a.hi} {
			for _, y := range [...]int64{divisors.lo, divisors.hi} {
				if x == math.MinInt64 && y == -1 {
					quotient, overflows = quotient.hull(single64(math.MaxInt64)), true
					continue
				}
				quotient = quotient.hull(single64(x / y))
			}
		}
	}
	return quotient, overflows
}

// modulo returns what remainders of the two can be: the sign is that of the
// dividend.
func (a interval) modulo(b interval) (remainder interval, overflows bool) {
	most := int64(max(magnitude(b.lo), magnitude(b.hi), 1) - 1)
	remainder = interval{0, 0}
	if a.lo < 0 {
		remainder.lo = max(a.lo, -most)
	}
	if a.hi > 0 {
		remainder.hi = min(a.hi, most)
	}
	return remainder, a.has(math.MinInt64) && b.has(-1)
}

func addCut(x, y int64) (sum int64, cut bool) {
	sum = x + y
	switch {
	case y > 0 && sum < x:
		return math.MaxInt64, true
	case y < 0 && sum > x:
		return math.MinInt64, true
	}
	return sum, false
}

func subCut(x, y int64) (difference int64, cut bool) {
	difference = x - y
	switch {
	case y < 0 && difference < x:
		return math.MaxInt64, true
	case y > 0 && difference > x:
		return math.MinInt64, true
	}
	return difference, false
}

func mulCut(x, y int64) (product int64, cut bool) {
	hi, lo := bits.Mul64(magnitude(x), magnitude(y))
	negative := (x < 0) != (y < 0)
	switch {
	case negative && (hi > 0 || lo > 1<<63):
		return math.MinInt64, true
	case negative:
		return -int64(lo), false
	case hi > 0 || lo > math.MaxInt64:
		return math.MaxInt64, true
	}
	return int64(lo), false
}

func magnitude(x int64) uint64 {
	if x < 0 {
		return uint64(-(x + 1)) + 1
	}
	return uint64(x)
}
