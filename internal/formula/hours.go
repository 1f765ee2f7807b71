package formula

import (
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/common/ast"

	"github.com/strixlabs/execution-kernel/internal/calendar"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/smt"
)

// maxIntervals bounds how many intervals a calendar is said by.
const maxIntervals = 400

// active encodes calendar.name.active(instant).
func (c *coder) active(x ast.Expr) Truth {
	e, call := c.e, x.AsCall()
	path, _ := c.path(call.Target())
	cal, known := c.s.cals[strings.TrimPrefix(path, "calendar.")]
	if !known {
		return c.unknownTruth(x, "this calendar")
	}
	at := c.number(call.Args()[0])
	seconds := e.Div(at.term, second)
	ok := at.ok
	if !c.withinYears(at) {
		ok = e.And(ok, e.Between(e.Int(calendar.First), seconds, e.Int(calendar.Last-1)))
	}
	if len(cal.Intervals) <= maxIntervals {
		return e.truth(ok, e.inIntervals(seconds, cal.Intervals))
	}
	clock := c.s.clocks[cal.Name]
	if len(clock.corrections) > maxIntervals {
		c.approximate(x, "a calendar with so many exceptions")
		return e.truth(ok, e.anything(smt.Bool, "active "+c.keyOf(x)))
	}
	local := e.Add(seconds, c.offset(x, seconds, at, cal.Spec.Zone))
	inWeek := e.Mod(e.Add(local, e.Int(3*day)), week) // since Monday
	value := e.inIntervals(inWeek, clock.hours)
	return e.truth(ok, e.Not(e.Equal(value, e.inIntervals(seconds, clock.corrections))))
}

// inIntervals is true of the numbers in sorted, disjoint intervals: a decision
// tree.
func (e *Encoding) inIntervals(v *smt.Term, list []calendar.Interval) *smt.Term {
	if len(list) == 0 {
		return e.False()
	}
	half := len(list) / 2
	i := list[half]
	return e.If(e.Less(v, e.Int(i.Start)), e.inIntervals(v, list[:half]),
		e.Or(e.Less(v, e.Int(i.End)), e.inIntervals(v, list[half+1:])))
}

// A wall is a calendar as the hours of its week, by the clocks of its zone, and
// the times at which that is wrong: entries, exceptions, and hours that begin
// or end while clocks are changed. Both together are the calendar.
type wall struct{ hours, corrections []calendar.Interval }

func wallClock(cal pdl.Calendar) wall {
	var hours []calendar.Interval
	for _, h := range cal.Spec.Weekly {
		for _, d := range h.Days {
			monday := (int64(d) + 6) % 7 * day
			hours = append(hours, calendar.Interval{Start: monday + int64(h.From)*60, End: monday + int64(h.To)*60})
		}
	}
	hours = union(hours)
	return wall{hours, difference(cal.Intervals, byClock(cal.Spec.Zone, hours))}
}

// byClock lists when local time is in the hours of the week.
func byClock(loc *time.Location, hours []calendar.Interval) []calendar.Interval {
	var list []calendar.Interval
	all := calendar.Offsets(loc)
	for i, s := range all {
		end := int64(calendar.Last)
		if i+1 < len(all) {
			end = all[i+1].From
		}
		from := max(s.From, calendar.First)
		monday := floor(from+s.Seconds+3*day, week)*week - 3*day - s.Seconds
		for ; monday < end; monday += week {
			for _, h := range hours {
				start, stop := max(from, monday+h.Start), min(end, monday+h.End)
				if start < stop {
					list = append(list, calendar.Interval{Start: start, End: stop})
				}
			}
		}
	}
	return union(list)
}

func floor(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// union sorts intervals and joins those that touch.
func union(list []calendar.Interval) []calendar.Interval {
	slices.SortFunc(list, func(a, b calendar.Interval) int { return int(min(max(a.Start-b.Start, -1), 1)) })
	var out []calendar.Interval
	for _, i := range list {
		if n := len(out); n > 0 && i.Start <= out[n-1].End {
			out[n-1].End = max(out[n-1].End, i.End)
		} else {
			out = append(out, i)
		}
	}
	return out
}

// difference lists what is in one of two sorted lists of disjoint intervals
// and not in the other.
func difference(a, b []calendar.Interval) []calendar.Interval {
	edges := make([]int64, 0, 2*(len(a)+len(b)))
	for _, list := range [][]calendar.Interval{a, b} {
		for _, i := range list {
			edges = append(edges, i.Start, i.End)
		}
	}
	slices.Sort(edges)
	out := make([]calendar.Interval, 0, len(edges)/2)
	for i := 0; i < len(edges); i++ {
		// An edge that both lists have changes nothing.
		if i+1 < len(edges) && edges[i] == edges[i+1] {
			i++
			continue
		}
		if n := len(out); n > 0 && out[n-1].End == open {
			out[n-1].End = edges[i]
		} else {
			out = append(out, calendar.Interval{Start: edges[i], End: open})
		}
	}
	return out
}

const open = 1<<63 - 1
