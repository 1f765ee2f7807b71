package calendar

import (
	"slices"
	"sort"
	"time"
)

// A choice picks one of the two instants of an ambiguous local time.
type choice bool

const (
	earlier choice = false
	later   choice = true
)

// A stretch is a time in which the clocks of a zone are not changed: until its
// start, the one before it lasts.
type stretch struct {
	start  int64 // seconds since 1970
	offset int64 // seconds east of UTC
}

// A resolver turns local times of one zone into instants.
type resolver struct {
	stretches []stretch // by start; the first begins before every local time
}

// margin is more than any offset from UTC, with days to spare.
const margin = 5 * secondsOfDay

const secondsOfDay = 24 * 60 * 60

// newResolver finds every change of a zone's clocks that local times from
// firstYear to lastYear can meet.
func newResolver(zone *time.Location) *resolver {
	at := time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC).Unix() - margin
	end := time.Date(lastYear+1, 1, 1, 0, 0, 0, 0, time.UTC).Unix() + margin
	z := &resolver{stretches: []stretch{{at, offsetOf(zone, at)}}}
	for at < end {
		next := bound(zone, at)
		if next > end {
			break
		}
		if offset := offsetOf(zone, next); offset != z.stretches[len(z.stretches)-1].offset {
			z.stretches = append(z.stretches, stretch{next, offset})
		}
		at = next
	}
	return z
}

// bound returns a time after at, until which the clocks are not changed.
//
// time.Time.ZoneBounds tells it, but where a zone's table ends and its rule
// begins its end can be no later than the instant it was asked about: then the
// next day is looked at, in which clocks change once at most.
func bound(zone *time.Location, at int64) int64 {
	_, end := time.Unix(at, 0).In(zone).ZoneBounds()
	switch {
	case end.IsZero():
		return 1 << 62
	case end.Unix() > at:
		return end.Unix()
	}
	offset := offsetOf(zone, at)
	if offsetOf(zone, at+secondsOfDay) == offset {
		return at + secondsOfDay
	}
	return at + 1 + int64(sort.Search(secondsOfDay-1, func(i int) bool { return offsetOf(zone, at+1+int64(i)) != offset }))
}

func offsetOf(zone *time.Location, at int64) int64 {
	_, seconds := time.Unix(at, 0).In(zone).Zone()
	return int64(seconds)
}

func (z *resolver) instant(l Local, c choice) int64 {
	wall := wallOf(l)
	from, _ := slices.BinarySearchFunc(z.stretches, wall-margin, func(s stretch, at int64) int {
		if s.start < at {
			return -1
		}
		return 1
	})
	return z.resolve(&from, wall, c)
}

func wallOf(l Local) int64 {
	return time.Date(l.Year, l.Month, l.Day, l.Hour, l.Minute, 0, 0, time.UTC).Unix()
}

// resolve finds the instant whose local time, read as if it were UTC, is wall.
// The search begins with the stretch before from and moves from on to where
// it ended, for walls that only grow.
func (z *resolver) resolve(from *int, wall int64, c choice) int64 {
	i := max(0, *from-1)
	for i+1 < len(z.stretches) && wall-z.stretches[i].offset >= z.stretches[i+1].start {
		i++
	}
	*from = i
	if wall-z.stretches[i].offset < z.stretches[i].start {
		return z.stretches[i].start // the clock skipped this time
	}
	if c == later {
		for i+1 < len(z.stretches) && wall-z.stretches[i+1].offset >= z.stretches[i+1].start {
			i++
		}
	}
	return wall - z.stretches[i].offset
}

// An Offset is how many seconds a zone is ahead of UTC from an instant on.
type Offset struct{ From, Seconds int64 }

// Offsets lists those of a zone from [First] to [Last], and some days around.
func Offsets(zone *time.Location) []Offset {
	stretches := newResolver(zone).stretches
	list := make([]Offset, len(stretches))
	for i, s := range stretches {
		list[i] = Offset{s.start, s.offset}
	}
	return list
}
