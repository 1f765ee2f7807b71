package pdl

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel/internal/calendar"
	"github.com/strixlabs/execution-kernel/internal/suggest"
	"github.com/strixlabs/execution-kernel/internal/zone"
)

// Bounds of calendars.
const (
	maxCalendars = 100   // of a bundle
	maxHours     = 100   // weekly hours of a calendar
	maxEntries   = 1_000 // entries, and exceptions, of a calendar
)

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

var (
	clockTime = regexp.MustCompile(`^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$`)
	localTime = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]$`)
)

func (c *compiler) compileCalendar(d *document) {
	f := c.fields(d.root, "a calendar", calendarForm.names(), nil)
	if len(c.bundle.Calendars) == maxCalendars {
		c.errorf(d.at, "", "the bundle has more than %d calendars", maxCalendars)
		return
	}
	zoneNode, before := f.need("zone"), len(c.found)
	var spec calendar.Spec
	cal := Calendar{Name: d.name}
	if zoneNode != nil {
		cal.Zone, spec.Zone = c.calendarZone(zoneNode)
	}
	if n := f.got["weekly"]; n != nil {
		spec.Weekly = c.weekly(n)
	}
	if n := f.got["entries"]; n != nil {
		spec.Entries = c.localSpans(n, "entries")
	}
	if n := f.got["except"]; n != nil {
		spec.Except = c.localSpans(n, "except")
	}
	if f.got["weekly"] == nil && f.got["entries"] == nil {
		c.errorf(f.of.span(), "", "a calendar needs weekly or entries")
	}
	if spec.Zone == nil || len(c.found) > before {
		return
	}
	c.addCalendar(d, cal, spec)
}

func (c *compiler) addCalendar(d *document, cal Calendar, spec calendar.Spec) {
	compiled, err := calendar.Compile(spec)
	if err != nil { // what it refuses has been refused above, with a position
		c.errorf(d.at, "", "the calendar cannot be compiled: %v", err)
		return
	}
	if len(compiled.Intervals) == 0 {
		c.warnf(d.at, "look at its exceptions", "the calendar %s is never active", d.name)
	}
	cal.Spec, cal.Calendar = spec, compiled
	c.bundle.Calendars = append(c.bundle.Calendars, cal)
}

// zoneDatabase returns the time zones, which are opened when something names one.
func (c *compiler) zoneDatabase() *zone.Database {
	if c.zones == nil {
		c.zones = must(zone.Embedded())
	}
	return c.zones
}

func (c *compiler) calendarZone(n *node) (string, *time.Location) {
	name, ok := c.text(n, "zone", 128)
	if !ok {
		return "", nil
	}
	loc, err := c.zoneDatabase().Location(name)
	if err != nil {
		problem, hint := c.zoneProblem(name)
		c.errorf(n.span(), hint, "%s", problem)
		return "", nil
	}
	return name, loc
}

// zoneProblem says why a text names no time zone, and what would.
func (c *compiler) zoneProblem(name string) (problem, hint string) {
	const form = "zones are called Europe/Berlin, America/New_York, UTC and the like"
	db := c.zoneDatabase()
	if _, fixed := zone.Fixed(name); fixed {
		return fmt.Sprintf("%q is an offset from UTC, not a time zone", name), form
	}
	switch strings.ToLower(name) {
	case "local", "localtime":
		return fmt.Sprintf("%q would be another zone on every machine", name), form
	case "":
		return "the name of a time zone is empty", form
	}
	problem = fmt.Sprintf("there is no time zone %q (IANA Time Zone Database %s)", clip(name), db.Version())
	if len(name) > 64 {
		return problem, form
	}
	for _, known := range db.Names() {
		if strings.EqualFold(known, name) || strings.HasSuffix(strings.ToLower(known), "/"+strings.ToLower(strings.ReplaceAll(name, " ", "_"))) {
			return problem, fmt.Sprintf("did you mean %q?", known)
		}
	}
	return problem, cmp.Or(suggest.DidYouMean(name, db.Names()), form)
}

// weekly reads `[{days: [mon, tue], from: "09:00", to: "17:00"}]`.
func (c *compiler) weekly(n *node) []calendar.Hours {
	var list []calendar.Hours
	items := c.items(n, "weekly")
	n.unordered = true
	c.limited(n, "weekly", len(items), maxHours)
	for _, item := range items {
		f := c.fields(item, "an element of weekly", hoursForm.names(), nil)
		if f == nil {
			continue
		}
		days, from, to := f.need("days"), f.need("from"), f.need("to")
		if days == nil || from == nil || to == nil {
			continue
		}
		h := calendar.Hours{Days: c.days(days)}
		var fromOK, toOK bool
		h.From, fromOK = c.clock(from, "from")
		h.To, toOK = c.clock(to, "to")
		if fromOK && toOK && h.From >= h.To {
			c.errorf(to.span(), `hours that cross midnight are two: until "24:00", and from "00:00" on the next day`, "these hours end at %s, before they begin at %s", to.text, from.text)
		}
		list = append(list, h)
	}
	return list
}

func (c *compiler) limited(n *node, what string, got, most int) {
	if n.kind == sequence && (got == 0 || got > most) {
		c.errorf(n.span(), "", "%s has 1 to %d elements", what, most)
	}
}

func (c *compiler) days(n *node) []time.Weekday {
	var list []time.Weekday
	for _, name := range c.distinct(n, "days", func(item *node, name string) bool {
		if !slices.Contains(weekdays, name) {
			c.errorf(item.span(), c.near(name, weekdays, "days are "), "%q is no day of the week", clip(name))
		}
		return slices.Contains(weekdays, name)
	}) {
		list = append(list, time.Weekday(slices.Index(weekdays, name)))
	}
	slices.Sort(list)
	return list
}

// clock reads a time of day in minutes after midnight.
func (c *compiler) clock(n *node, what string) (int, bool) {
	if n.kind != scalar || !clockTime.MatchString(n.text) {
		c.errorf(n.span(), `write it as "09:00", at most "24:00"`, "%s is a time of day with hours and minutes, not %s", what, n.is())
		return 0, false
	}
	hours, _ := strconv.Atoi(n.text[:2])
	minutes, _ := strconv.Atoi(n.text[3:])
	return hours*60 + minutes, true
}

// localSpans reads `[{name: black-friday, from: 2026-11-26T00:00, to: …}]`.
func (c *compiler) localSpans(n *node, what string) []calendar.Span {
	var list []calendar.Span
	items := c.items(n, what)
	n.unordered = true
	c.limited(n, what, len(items), maxEntries)
	names := map[string]int{}
	for _, item := range items {
		f := c.fields(item, "an element of "+what, entryForm.names(), nil)
		if f == nil {
			continue
		}
		if name := f.got["name"]; name != nil {
			c.entryName(name, names)
		}
		from, to := f.need("from"), f.need("to")
		if from == nil || to == nil {
			continue
		}
		var s calendar.Span
		var fromOK, toOK bool
		s.From, fromOK = c.local(from, "from")
		s.To, toOK = c.local(to, "to")
		if fromOK && toOK && from.text >= to.text {
			c.errorf(to.span(), "", "it ends at %s, and begins at %s", to.text, from.text)
		}
		list = append(list, s)
	}
	return list
}

func (c *compiler) entryName(n *node, names map[string]int) {
	name, ok := c.text(n, "name", 128)
	if ok && names[name] > 0 {
		c.errorf(n.span(), "", "the name %q is already on line %d", clip(name), names[name])
	}
	names[name] = n.line
}

// local reads a local date and time, to the minute.
func (c *compiler) local(n *node, what string) (calendar.Local, bool) {
	const hint = "write it as 2026-11-26T00:00"
	if n.kind != scalar || !localTime.MatchString(n.text) {
		c.errorf(n.span(), hint, "%s is a local date and time without a zone, not %s", what, n.is())
		return calendar.Local{}, false
	}
	at, err := time.Parse("2006-01-02T15:04", n.text)
	switch {
	case err != nil:
		c.errorf(n.span(), hint, "%s is a day that does not exist: %s", what, n.text)
	case at.Before(firstInstant) || at.After(lastInstant):
		c.errorf(n.span(), hint, "%s lies between 1900-01-01 and 2190-01-01, not at %s", what, n.text)
	default:
		return calendar.Local{Year: at.Year(), Month: at.Month(), Day: at.Day(), Hour: at.Hour(), Minute: at.Minute()}, true
	}
	return calendar.Local{}, false
}
