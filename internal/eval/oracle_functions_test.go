package eval_test

import (
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"

	"github.com/strixlabs/execution-kernel/internal/calendar"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/zone"
)

// functions are those of CEL-T that cel-go does not have, or has otherwise:
//   - zones come from the bundle's database and not from the machine;
//   - the parts of a duration are exact, not rounded as floating-point numbers,
//     and its milliseconds are those beyond its seconds, as the specification says;
//   - glob() and calendars are the language's own.
func functions() []cel.EnvOption {
	options := []cel.EnvOption{
		ext.Network(), ext.Strings(),
		cel.Function("size", cel.Overload("size_json", []*cel.Type{cel.OpaqueType("json")}, cel.IntType),
			cel.MemberOverload("json_size", []*cel.Type{cel.OpaqueType("json")}, cel.IntType)),
		cel.Function("glob", cel.MemberOverload("string_glob", []*cel.Type{cel.StringType, cel.StringType}, cel.BoolType,
			cel.BinaryBinding(func(path, pattern ref.Val) ref.Val {
				return types.Bool(globbed(string(pattern.(types.String)), string(path.(types.String)), true))
			}))),
		cel.Function("active", cel.MemberOverload("calendar_active", []*cel.Type{cel.OpaqueType("calendar"), cel.TimestampType}, cel.BoolType,
			cel.BinaryBinding(func(c, at ref.Val) ref.Val { return c.(naiveCalendar).active(at.(types.Timestamp).Unix()) }))),
	}
	for name, part := range map[string]struct {
		overload string
		of       func(time.Time) int
	}{
		overloads.TimeGetFullYear:     {overloads.TimestampToYearWithTz, time.Time.Year},
		overloads.TimeGetMonth:        {overloads.TimestampToMonthWithTz, func(t time.Time) int { return int(t.Month()) - 1 }},
		overloads.TimeGetDayOfYear:    {overloads.TimestampToDayOfYearWithTz, func(t time.Time) int { return t.YearDay() - 1 }},
		overloads.TimeGetDayOfMonth:   {overloads.TimestampToDayOfMonthZeroBasedWithTz, func(t time.Time) int { return t.Day() - 1 }},
		overloads.TimeGetDate:         {overloads.TimestampToDayOfMonthOneBasedWithTz, time.Time.Day},
		overloads.TimeGetDayOfWeek:    {overloads.TimestampToDayOfWeekWithTz, func(t time.Time) int { return int(t.Weekday()) }},
		overloads.TimeGetHours:        {overloads.TimestampToHoursWithTz, time.Time.Hour},
		overloads.TimeGetMinutes:      {overloads.TimestampToMinutesWithTz, time.Time.Minute},
		overloads.TimeGetSeconds:      {overloads.TimestampToSecondsWithTz, time.Time.Second},
		overloads.TimeGetMilliseconds: {overloads.TimestampToMillisecondsWithTz, func(t time.Time) int { return t.Nanosecond() / 1e6 }},
	} {
		options = append(options, cel.Function(name, cel.MemberOverload(part.overload, []*cel.Type{cel.TimestampType, cel.StringType}, cel.IntType,
			cel.BinaryBinding(func(at, tz ref.Val) ref.Val {
				return types.Int(part.of(at.(types.Timestamp).In(bundledZone(string(tz.(types.String))))))
			}))))
	}
	for name, unit := range map[string]struct {
		overload string
		length   time.Duration
	}{
		overloads.TimeGetHours:        {overloads.DurationToHours, time.Hour},
		overloads.TimeGetMinutes:      {overloads.DurationToMinutes, time.Minute},
		overloads.TimeGetSeconds:      {overloads.DurationToSeconds, time.Second},
		overloads.TimeGetMilliseconds: {overloads.DurationToMilliseconds, time.Millisecond},
	} {
		options = append(options, cel.Function(name, cel.MemberOverload(unit.overload, []*cel.Type{cel.DurationType}, cel.IntType,
			cel.UnaryBinding(func(d ref.Val) ref.Val {
				whole := new(big.Int).Quo(big.NewInt(int64(d.(types.Duration).Duration)), big.NewInt(int64(unit.length)))
				if unit.length == time.Millisecond {
					whole.Rem(whole, big.NewInt(1000))
				}
				return types.Int(whole.Int64())
			}))))
	}
	return options
}

// bundledZone panics on names that no bundle accepts.
func bundledZone(name string) *time.Location {
	if strings.Contains(name, ":") {
		var hours, minutes int
		if _, err := fmt.Sscanf(strings.TrimLeft(name, "+-"), "%d:%d", &hours, &minutes); err != nil {
			panic(err)
		}
		seconds := hours*3600 + minutes*60
		if name[0] == '-' {
			seconds = -seconds
		}
		return time.FixedZone(name, seconds)
	}
	db, err := zone.Embedded()
	if err != nil {
		panic(err)
	}
	loc, err := db.Location(name)
	if err != nil {
		panic(err)
	}
	return loc
}

// globbed matches by trying every way; start says that a folder begins here.
func globbed(pattern, path string, start bool) bool {
	switch {
	case pattern == "":
		return path == ""
	case start && strings.HasPrefix(pattern, "**/"):
		if globbed(pattern[3:], path, true) {
			return true
		}
		for i := range path {
			if path[i] == '/' && globbed(pattern[3:], path[i+1:], true) {
				return true
			}
		}
		return false
	case strings.HasPrefix(pattern, "**"):
		for i := range path {
			if globbed(pattern[2:], path[i:], false) {
				return true
			}
		}
		return globbed(pattern[2:], "", false)
	case pattern[0] == '*':
		for i := range path {
			if globbed(pattern[1:], path[i:], false) {
				return true
			}
			if path[i] == '/' {
				return false
			}
		}
		return globbed(pattern[1:], "", false)
	case path == "":
		return false
	}
	p, size := utf8.DecodeRuneInString(pattern)
	r, width := utf8.DecodeRuneInString(path)
	if p == '?' && r != '/' || p == r && p != '?' {
		return globbed(pattern[size:], path[width:], p == '/')
	}
	return false
}

// A naiveCalendar reads local time off the definition, without compiling.
type naiveCalendar struct{ pdl.Calendar }

func (naiveCalendar) ConvertToNative(reflect.Type) (any, error) { return nil, fmt.Errorf("a calendar") }
func (naiveCalendar) ConvertToType(ref.Type) ref.Val            { return types.NewErr("a calendar") }
func (c naiveCalendar) Equal(other ref.Val) ref.Val             { return types.Bool(c.Value() == other.Value()) }
func (naiveCalendar) Type() ref.Type                            { return cel.OpaqueType("calendar") }
func (c naiveCalendar) Value() any                              { return c.Name }

func (c naiveCalendar) active(at int64) ref.Val {
	if year := time.Unix(at, 0).UTC().Year(); year < 1890 || year > 2199 {
		return types.NewErr("calendars run from 1890 to 2199")
	}
	within := func(spans []calendar.Span) bool {
		return slices.ContainsFunc(spans, func(s calendar.Span) bool {
			from, _ := c.instants(wallOf(s.From))
			_, to := c.instants(wallOf(s.To))
			return from <= at && at < to
		})
	}
	return types.Bool((within(c.Spec.Entries) || c.inHours(at)) && !within(c.Spec.Except))
}

func (c naiveCalendar) inHours(at int64) bool {
	local := time.Unix(at, 0).In(c.Spec.Zone)
	for _, h := range c.Spec.Weekly {
		for off := -2; off <= 2; off++ {
			day := time.Date(local.Year(), local.Month(), local.Day()+off, 0, 0, 0, 0, time.UTC)
			if !slices.Contains(h.Days, day.Weekday()) {
				continue
			}
			from, _ := c.instants(day.Unix() + int64(h.From)*60)
			_, to := c.instants(day.Unix() + int64(h.To)*60)
			if from <= at && at < to {
				return true
			}
		}
	}
	return false
}

func wallOf(l calendar.Local) int64 {
	return time.Date(l.Year, l.Month, l.Day, l.Hour, l.Minute, 0, 0, time.UTC).Unix()
}

// instants returns the first and the last instant at which clocks show wall,
// or twice the instant at which they skip it.
func (c naiveCalendar) instants(wall int64) (first, last int64) {
	offset := func(at int64) int64 { _, o := time.Unix(at, 0).In(c.Spec.Zone).Zone(); return int64(o) }
	const window = 26 * 3600
	first, last = 1<<62, -1<<62
	for at := wall - window; at <= wall+window; at += 900 {
		if s := wall - offset(at); offset(s) == offset(at) {
			first, last = min(first, s), max(last, s)
		}
	}
	if first > last {
		first = wall - window + int64(sort.Search(2*window, func(i int) bool { s := wall - window + int64(i); return s+offset(s) > wall }))
		last = first
	}
	return first, last
}
