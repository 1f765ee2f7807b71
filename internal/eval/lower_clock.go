package eval

import (
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"

	"github.com/strixlabs/execution-kernel/internal/calendar"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/zone"
)

// A chronology is what a bundle knows of time: its zones and its calendars.
// Both come from the bundle, never from the machine.
type chronology struct {
	zones     map[string]*time.Location
	calendars map[string]calendar.Calendar
}

func newChronology(b *pdl.Bundle) chronology {
	c := chronology{map[string]*time.Location{"UTC": time.UTC}, map[string]calendar.Calendar{}}
	for _, z := range b.Zones {
		c.zones[z.Name] = z.Location
	}
	for _, k := range b.Calendars {
		c.calendars[k.Name] = k.Calendar
	}
	return c
}

// zone returns the zone of a literal: a name, or an offset such as +02:00.
func (c chronology) zone(name string) (*time.Location, bool) {
	if fixed, ok := zone.Fixed(name); ok {
		return fixed, true
	}
	loc := c.zones[name]
	return loc, loc != nil
}

// clock returns the function that reads a part of local time, counted as CEL
// does: months, days of the month (but for getDate), of the week (from Sunday)
// and of the year from 0. It is nil where there is no such part.
func clock(function string) func(time.Time) int {
	switch function {
	case "getFullYear":
		return time.Time.Year
	case "getMonth":
		return func(t time.Time) int { return int(t.Month()) - 1 }
	case "getDate":
		return time.Time.Day
	case "getDayOfMonth":
		return func(t time.Time) int { return t.Day() - 1 }
	case "getDayOfWeek":
		return func(t time.Time) int { return int(t.Weekday()) }
	case "getDayOfYear":
		return func(t time.Time) int { return t.YearDay() - 1 }
	case "getHours":
		return time.Time.Hour
	case "getMinutes":
		return time.Time.Minute
	case "getSeconds":
		return time.Time.Second
	case "getMilliseconds":
		return func(t time.Time) int { return t.Nanosecond() / int(time.Millisecond) }
	}
	return nil
}

// clockPart lowers `instant.getHours("Europe/Berlin")` and the like; without a
// zone it is UTC.
func (l *lowerer) clockPart(e ast.Expr, call ast.CallExpr) expr[int64] {
	if !call.IsMemberFunction() {
		return refuse[int64](l, e, "it is asked of an instant or a duration")
	}
	if l.kind(call.Target()) == types.DurationKind {
		return l.spanPart(e, call)
	}
	loc, read := time.UTC, clock(call.FunctionName())
	if args := call.Args(); len(args) == 1 {
		lit, ok := literal(args[0])
		name, isString := lit.(types.String)
		if !ok || !isString {
			return refuse[int64](l, e, "a time zone is a literal string")
		}
		if loc, ok = l.chronology.zone(string(name)); !ok {
			return refuse[int64](l, e, "the bundle has no time zone %q", clip(string(name)))
		}
	}
	return pricedPure(l.times(call.Target()), momentary, func(i instant) int64 {
		return int64(read(time.Unix(i.sec, int64(i.nsec)).In(loc)))
	})
}

// spanPart lowers `duration.getHours()` and the like: the whole of it in that
// unit, toward zero, but only the milliseconds beyond its whole seconds, as the
// specification of CEL has it. (cel-go gives all of its milliseconds, and
// computes the others with floating-point numbers, which round some durations
// of many years up.)
func (l *lowerer) spanPart(e ast.Expr, call ast.CallExpr) expr[int64] {
	var unit time.Duration
	switch call.FunctionName() {
	case "getHours":
		unit = time.Hour
	case "getMinutes":
		unit = time.Minute
	case "getSeconds":
		unit = time.Second
	case "getMilliseconds":
		unit = time.Millisecond
	}
	if unit == 0 || len(call.Args()) > 0 {
		return refuse[int64](l, e, "%s is not asked of a duration like this", call.FunctionName())
	}
	if unit == time.Millisecond {
		return pure(l.spans(call.Target()), func(d time.Duration) int64 { return int64(d % time.Second / unit) })
	}
	return pure(l.spans(call.Target()), func(d time.Duration) int64 { return int64(d / unit) })
}

// active lowers `calendar.name.active(instant)`.
func (l *lowerer) active(e ast.Expr, call ast.CallExpr) cond {
	path, ok := l.pathOf(call.Target())
	name, isCalendar := cutRoot(path, "calendar")
	cal, known := l.chronology.calendars[name]
	if !ok || !isCalendar || !known {
		return l.refuseBool(e, "it is no calendar of the bundle")
	}
	at := l.times(call.Args()[0])
	return func(fr *frame) tri {
		i, f := at(fr)
		switch {
		case f != 0:
			return failed(f)
		case i.sec < calendar.First || i.sec >= calendar.Last:
			return failed(faultInstant)
		case !fr.spend(moment):
			return failed(faultWork)
		}
		return truth(cal.Active(i.sec))
	}
}
