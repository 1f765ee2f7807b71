// Package calendar compiles opening hours and freezes to intervals of time.
//
// It promises that a calendar is nothing but a sorted list of disjoint
// intervals: what is active can be read off it, and proved from it.
package calendar

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// A Local is a wall-clock time without a zone, to the minute.
type Local struct {
	Year   int
	Month  time.Month
	Day    int
	Hour   int // 0…24; 24 is the end of the day, with Minute 0
	Minute int
}

// A Span is [From, To) in local time.
type Span struct{ From, To Local }

// Hours are the same hours on some days of every week.
type Hours struct {
	Days     []time.Weekday
	From, To int // minutes after midnight, 0 ≤ From < To ≤ 1440
}

// A Spec is a calendar as it was written: active in Weekly or Entries, and not
// in Except.
type Spec struct {
	Zone    *time.Location
	Weekly  []Hours
	Entries []Span
	Except  []Span
}

// A Calendar is a sorted list of disjoint, non-empty intervals [Start, End) in
// seconds since 1970-01-01T00:00:00Z. The zero Calendar is never active.
type Calendar struct{ Intervals []Interval }

// An Interval is [Start, End).
type Interval struct{ Start, End int64 }

// The years a calendar is compiled for: those a timestamp can lie in, and ten
// more on both sides for instants that are computed from it.
const firstYear, lastYear = 1890, 2199

// First is the first instant that calendars know of, 1890-01-01 UTC, in seconds
// since 1970-01-01T00:00:00Z.
const First = -2524521600

// Last is the instant from which on they know of none, 2200-01-01 UTC, likewise.
const Last = 7258118400

// Compile resolves local times: one that does not exist is the instant after
// the gap; one that exists twice is the first for From, the second for To.
func Compile(s Spec) (Calendar, error) {
	if s.Zone == nil {
		return Calendar{}, fmt.Errorf("a calendar needs a time zone")
	}
	z := newResolver(s.Zone)
	active, err := z.spans(s.Entries)
	if err != nil {
		return Calendar{}, err
	}
	for _, h := range s.Weekly {
		if h.From < 0 || h.From >= h.To || h.To > 24*60 {
			return Calendar{}, fmt.Errorf("weekly hours end after they begin, on the same day")
		}
		active = append(active, z.weekly(h)...)
	}
	except, err := z.spans(s.Except)
	if err != nil {
		return Calendar{}, err
	}
	except = append(except, Interval{math.MinInt64, First}, Interval{Last, math.MaxInt64})
	return Calendar{subtract(union(active), union(except))}, nil
}

// Active reports whether an instant, in whole seconds rounded down, lies in an
// interval. Intervals begin and end on whole seconds.
func (c Calendar) Active(seconds int64) bool {
	i, found := slices.BinarySearchFunc(c.Intervals, seconds, func(iv Interval, at int64) int {
		switch {
		case iv.End <= at:
			return -1
		case iv.Start > at:
			return 1
		}
		return 0
	})
	return found && i < len(c.Intervals)
}

func (z *resolver) spans(list []Span) ([]Interval, error) {
	var out []Interval
	for _, s := range list {
		iv := Interval{z.instant(s.From, earlier), z.instant(s.To, later)}
		if iv.Start >= iv.End {
			return nil, fmt.Errorf("an entry ends after it begins")
		}
		out = append(out, iv)
	}
	return out, nil
}

func (z *resolver) weekly(h Hours) []Interval {
	var on [7]bool
	for _, d := range h.Days {
		on[d] = true
	}
	// Local days begin and end a day apart from those of UTC.
	first := time.Date(firstYear, 1, 1-2, 0, 0, 0, 0, time.UTC)
	end, day := time.Date(lastYear+1, 1, 1+2, 0, 0, 0, 0, time.UTC).Unix(), first.Weekday()
	out := make([]Interval, 0, (lastYear-firstYear+1)*53*len(h.Days))
	from, to := 0, 0
	for midnight := first.Unix(); midnight < end; midnight, day = midnight+secondsOfDay, (day+1)%7 {
		if !on[day] {
			continue
		}
		iv := Interval{z.resolve(&from, midnight+int64(h.From)*60, earlier), z.resolve(&to, midnight+int64(h.To)*60, later)}
		if iv.Start < iv.End { // hours that fall into a gap whole do not exist on that day
			out = append(out, iv)
		}
	}
	return out
}

// union sorts intervals and merges those that touch, in place.
func union(list []Interval) []Interval {
	slices.SortFunc(list, func(a, b Interval) int {
		switch {
		case a.Start < b.Start:
			return -1
		case a.Start > b.Start:
			return 1
		}
		return 0
	})
	out := list[:0]
	for _, iv := range list {
		if n := len(out); n > 0 && iv.Start <= out[n-1].End {
			out[n-1].End = max(out[n-1].End, iv.End)
			continue
		}
		out = append(out, iv)
	}
	return out
}

// subtract takes the intervals of b, disjoint and sorted as those of a, out of a.
func subtract(a, b []Interval) []Interval {
	out := make([]Interval, 0, len(a)+len(b))
	for _, iv := range a {
		for len(b) > 0 && b[0].End <= iv.Start {
			b = b[1:]
		}
		for _, hole := range b {
			if hole.Start >= iv.End {
				break
			}
			if hole.Start > iv.Start {
				out = append(out, Interval{iv.Start, hole.Start})
			}
			iv.Start = hole.End
		}
		if iv.Start < iv.End {
			out = append(out, iv)
		}
	}
	return out
}
