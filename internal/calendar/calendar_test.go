package calendar_test

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/calendar"
	"github.com/strixlabs/execution-kernel/internal/zone"
)

func location(t testing.TB, name string) *time.Location {
	t.Helper()
	db, err := zone.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	loc, err := db.Location(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

var weekdays = []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}

func TestAmbiguousAndSkippedLocalTimes(t *testing.T) {
	berlin := location(t, "Europe/Berlin")
	at := func(y int, m time.Month, d, h, min int) calendar.Local {
		return calendar.Local{Year: y, Month: m, Day: d, Hour: h, Minute: min}
	}
	for _, c := range []struct {
		name       string
		from, to   calendar.Local
		start, end string
	}{
		{"plain", at(2026, 11, 26, 0, 0), at(2026, 12, 1, 0, 0), "2026-11-25T23:00:00Z", "2026-11-30T23:00:00Z"},
		{"a skipped time is the instant after the gap", at(2026, 3, 29, 2, 30), at(2026, 3, 29, 4, 0), "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"},
		{"an ambiguous from is the first", at(2026, 10, 25, 2, 30), at(2026, 10, 25, 4, 0), "2026-10-25T00:30:00Z", "2026-10-25T03:00:00Z"},
		{"an ambiguous to is the second", at(2026, 10, 25, 1, 0), at(2026, 10, 25, 2, 30), "2026-10-24T23:00:00Z", "2026-10-25T01:30:00Z"},
	} {
		cal, err := calendar.Compile(calendar.Spec{Zone: berlin, Entries: []calendar.Span{{From: c.from, To: c.to}}})
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(utc(cal.Intervals[0].Start), " ", utc(cal.Intervals[0].End))
		if want := c.start + " " + c.end; got != want {
			t.Errorf("%s: %s, want %s", c.name, got, want)
		}
	}
}

func utc(s int64) string { return time.Unix(s, 0).UTC().Format(time.RFC3339) }

// Where no clock change is near, a calendar says what the wall clock says.
func TestWeeklyHoursAgreeWithTheWallClock(t *testing.T) {
	for _, name := range []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca"} {
		loc := location(t, name)
		cal, err := calendar.Compile(calendar.Spec{Zone: loc, Weekly: []calendar.Hours{{Days: weekdays, From: 9 * 60, To: 17 * 60}}})
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(1, 2))
		for range 20000 {
			s := time.Date(1900, 1, 2, 0, 0, 0, 0, time.UTC).Unix() + r.Int64N(290*365*86400)
			w := time.Unix(s, 0).In(loc)
			if changes(loc, s) {
				continue
			}
			want := w.Weekday() >= time.Monday && w.Weekday() <= time.Friday && w.Hour() >= 9 && w.Hour() < 17
			if cal.Active(s) != want {
				t.Fatalf("%s at %s: active = %v", name, w, !want)
			}
		}
	}
}

// changes reports whether the clock changes within a day of an instant.
func changes(loc *time.Location, s int64) bool {
	offset := func(at int64) int { _, o := time.Unix(at, 0).In(loc).Zone(); return o }
	return offset(s-86400*3/2) != offset(s+86400*3/2)
}

func TestExceptionsCutHoles(t *testing.T) {
	cal, err := calendar.Compile(calendar.Spec{
		Zone: time.UTC, Weekly: []calendar.Hours{{Days: weekdays, From: 0, To: 1440}},
		Entries: []calendar.Span{{From: calendar.Local{Year: 2026, Month: 12, Day: 26}, To: calendar.Local{Year: 2026, Month: 12, Day: 27, Hour: 24}}},
		Except:  []calendar.Span{{From: calendar.Local{Year: 2026, Month: 12, Day: 24}, To: calendar.Local{Year: 2026, Month: 12, Day: 26, Hour: 12}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at   string
		want bool
	}{
		{"2026-12-23T23:59:59Z", true}, {"2026-12-24T00:00:00Z", false}, {"2026-12-26T11:59:59Z", false},
		{"2026-12-26T12:00:00Z", true}, {"2026-12-27T23:59:59Z", true}, {"2026-12-28T00:00:00Z", true}, {"2027-01-02T00:00:00Z", false},
	} {
		at, _ := time.Parse(time.RFC3339, c.at)
		if cal.Active(at.Unix()) != c.want {
			t.Errorf("Active(%s) = %v, want %v", c.at, !c.want, c.want)
		}
	}
}

func TestWhatEndsBeforeItBeginsIsAnError(t *testing.T) {
	day := calendar.Local{Year: 2026, Month: 1, Day: 1}
	for _, s := range []calendar.Spec{
		{},
		{Zone: time.UTC, Entries: []calendar.Span{{From: day, To: day}}},
		{Zone: time.UTC, Weekly: []calendar.Hours{{Days: weekdays, From: 600, To: 600}}},
		{Zone: time.UTC, Weekly: []calendar.Hours{{Days: weekdays, From: 0, To: 1441}}},
	} {
		if _, err := calendar.Compile(s); err == nil {
			t.Errorf("Compile(%+v) accepted it", s)
		}
	}
	if (calendar.Calendar{}).Active(0) {
		t.Error("the zero calendar is active")
	}
}

func BenchmarkCompile(b *testing.B) {
	loc := location(b, "Europe/Berlin")
	for b.Loop() {
		if _, err := calendar.Compile(calendar.Spec{Zone: loc, Weekly: []calendar.Hours{{Days: weekdays, From: 540, To: 1020}}}); err != nil {
			b.Fatal(err)
		}
	}
}

// Every zone of the database, beside every change of its clocks: what local
// time says in seconds is what the compiled intervals say.
func TestOpeningHoursFollowTheClocksOfEveryZone(t *testing.T) {
	db, err := zone.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range db.Names() {
		if testing.Short() && i%20 > 0 {
			continue
		}
		loc := location(t, name)
		cal, err := calendar.Compile(calendar.Spec{Zone: loc, Weekly: []calendar.Hours{
			{Days: []time.Weekday{time.Saturday, time.Sunday, time.Thursday}, From: 0, To: 3 * 60},
			{Days: []time.Weekday{time.Friday}, From: 22 * 60, To: 24 * 60},
		}})
		if err != nil {
			t.Fatal(err)
		}
		for year := 1900; year <= 2190; year += 1 + i%7 {
			for _, at := range changesIn(loc, year) {
				for _, off := range []int64{-7200, -3601, -3600, -1, 0, 1, 1799, 3599, 3600, 7200} {
					if got, want := cal.Active(at+off), open(loc, at+off, at); got != want {
						t.Fatalf("%s at %s: active = %v, want %v", name, time.Unix(at+off, 0).In(loc), got, want)
					}
				}
			}
		}
	}
}

// changesIn finds the days of a year on which the clocks are changed, once at
// most, and the second at which they are.
func changesIn(loc *time.Location, year int) []int64 {
	var list []int64
	offset := func(at int64) int { _, o := time.Unix(at, 0).In(loc).Zone(); return o }
	day := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	for range 366 {
		if before := offset(day); before != offset(day+86400) {
			list = append(list, day+int64(sort.Search(86400, func(i int) bool { return offset(day+int64(i)) != before })))
		}
		day += 86400
	}
	return list
}

// open reads the hours of the test above off the definition, near a change of
// the clocks: from the first instant whose local time is no earlier than the
// beginning, until the last before which local time is earlier than the end.
func open(loc *time.Location, at, change int64) bool {
	local := func(s int64) int64 { _, o := time.Unix(s, 0).In(loc).Zone(); return s + int64(o) }
	midnight := local(at) - (local(at)%86400+86400)%86400
	for _, day := range []int64{midnight - 86400, midnight, midnight + 86400} {
		from, to := day, day+3*3600
		switch time.Unix(day, 0).UTC().Weekday() {
		case time.Saturday, time.Sunday, time.Thursday:
		case time.Friday:
			from, to = day+22*3600, day+86400
		default:
			continue
		}
		started := local(at) >= from || at >= change && local(change-1) >= from
		ended := local(at) >= to && (at >= change || local(change) > to) // what comes twice ends the second time
		if started && !ended {
			return true
		}
	}
	return false
}

func TestFirstAndLastBoundEveryInterval(t *testing.T) {
	if first, last := utc(calendar.First), utc(calendar.Last); first != "1890-01-01T00:00:00Z" || last != "2200-01-01T00:00:00Z" {
		t.Errorf("calendars run from %s to %s", first, last)
	}
	every := []time.Weekday{0, 1, 2, 3, 4, 5, 6}
	cal, err := calendar.Compile(calendar.Spec{Zone: time.UTC, Weekly: []calendar.Hours{{Days: every, From: 0, To: 1440}}})
	if err != nil {
		t.Fatal(err)
	}
	if want := (calendar.Interval{Start: calendar.First, End: calendar.Last}); len(cal.Intervals) != 1 || cal.Intervals[0] != want {
		t.Errorf("always open is %v, want %v", cal.Intervals, want)
	}
}
