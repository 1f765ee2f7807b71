package history

import "math/bits"

// A total is a sum of amounts that does not overflow: 2^64 of the largest fit.
type total struct{ high, low uint64 }

func (t total) plus(amount int64) total {
	low, carry := bits.Add64(t.low, uint64(amount), 0)
	return total{t.high + carry, low}
}

func (t total) minus(amount int64) total {
	low, borrow := bits.Sub64(t.low, uint64(amount), 0)
	return total{t.high - borrow, low}
}

// most is the total, or the limit where it is more.
func (t total) most(limit int64) int64 {
	if t.high > 0 || t.low > uint64(limit) {
		return limit
	}
	return int64(t.low)
}
