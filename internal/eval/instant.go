package eval

import (
	"cmp"
	"math"
	"time"
)

// An instant is a point in time as CEL computes with it: Unix seconds and
// nanoseconds in [0, 1e9), comparable with ==.
type instant struct {
	sec  int64
	nsec int32
}

// What CEL can represent: years 1 to 9999. Results beyond are an overflow.
const (
	minUnix = -62135596800
	maxUnix = 253402300799
)

func instantOf(t time.Time) instant { return instant{t.Unix(), int32(t.Nanosecond())} }

func (i instant) time() time.Time { return time.Unix(i.sec, int64(i.nsec)).UTC() }

func (i instant) compare(j instant) int {
	return cmp.Or(cmp.Compare(i.sec, j.sec), cmp.Compare(i.nsec, j.nsec))
}

func addSpan(i instant, d time.Duration) (instant, fault) {
	sec, nsec := i.sec+int64(d/time.Second), int64(i.nsec)+int64(d%time.Second)
	if nsec < 0 {
		sec, nsec = sec-1, nsec+1e9
	} else if nsec >= 1e9 {
		sec, nsec = sec+1, nsec-1e9
	}
	if sec < minUnix || sec > maxUnix {
		return instant{}, faultOverflow
	}
	return instant{sec, int32(nsec)}, 0
}

// subtractSpan negates and adds, as CEL does: the least duration has no
// negative, so subtracting it overflows although adding it may not.
func subtractSpan(i instant, d time.Duration) (instant, fault) {
	if d == math.MinInt64 {
		return instant{}, faultOverflow
	}
	return addSpan(i, -d)
}

func between(i, j instant) (time.Duration, fault) {
	seconds, f := multiply(i.sec-j.sec, int64(time.Second))
	if f != 0 {
		return 0, f
	}
	d, f := add(seconds, int64(i.nsec)-int64(j.nsec))
	return time.Duration(d), f
}
