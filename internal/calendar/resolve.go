package calendar

import (
	"sort"
	"time"
)

// A choice picks one of the two instants of an ambiguous local time.
type choice bool

const (
	earlier choice = false
	later   choice = true
)

// A resolver turns local times of one zone into instants.
type resolver struct{ zone *time.Location }

func (z *resolver) instant(l Local, c choice) int64 {
	return z.resolve(time.Date(l.Year, l.Month, l.Day, l.Hour, l.Minute, 0, 0, time.UTC).Unix(), c)
}

// resolve finds the instant whose local time, read as if it were UTC, is wall.
//
// It takes the offsets a day before and a day after, between which at most one
// change of the clock lies. (time.Time.ZoneBounds would tell the change, but
// where a zone's table ends and its rule begins it can return an end that is
// not after the instant it was asked about.)
func (z *resolver) resolve(wall int64, c choice) int64 {
	const day = 24 * 60 * 60
	before, after := z.offset(wall-day), z.offset(wall+day)
	first, second := wall-before, wall-after
	firstValid, secondValid := z.offset(first) == before, z.offset(second) == after
	switch {
	case firstValid && (c == earlier || !secondValid):
		return first
	case secondValid:
		return second
	}
	// The clock skipped this time: the change lies in (second, first].
	return second + int64(sort.Search(int(first-second), func(i int) bool { return z.offset(second+int64(i)) == after }))
}

// offset returns the seconds east of UTC at an instant.
func (z *resolver) offset(at int64) int64 {
	_, seconds := time.Unix(at, 0).In(z.zone).Zone()
	return int64(seconds)
}
