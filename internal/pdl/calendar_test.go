package pdl_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/zone"
)

const calendarText = `
pdl: v1
kind: calendar
name: freeze
zone: Europe/Berlin
entries: [{name: black-friday, from: 2026-11-26T00:00, to: 2026-12-01T00:00}, {from: 2026-03-29T02:30, to: 2026-03-29T04:00}]
except:
  - {from: 2026-11-28T00:00, to: 2026-11-29T12:30}
---
pdl: v1
kind: calendar
name: office_hours
zone: America/New_York
weekly:
  - {days: [mon, tue], from: "09:00", to: "17:00"}
  - {days: sun, from: "22:00", to: "24:00"}
`

func TestCalendarsAreIntervalsOfUTC(t *testing.T) {
	b := mustCompile(t, schemaText, policyText, calendarText)
	if len(b.Calendars) != 2 || b.Calendars[0].Name != "freeze" || b.Calendars[1].Name != "office_hours" || b.TZData != zone.EmbeddedVersion {
		t.Fatalf("calendars = %v of %s", b.Calendars, b.TZData)
	}
	var got []string
	for _, iv := range b.Calendars[0].Intervals {
		got = append(got, fmt.Sprint(time.Unix(iv.Start, 0).UTC().Format(time.RFC3339), " ", time.Unix(iv.End, 0).UTC().Format(time.RFC3339)))
	}
	want := "2026-03-29T01:00:00Z 2026-03-29T02:00:00Z, 2026-11-25T23:00:00Z 2026-11-27T23:00:00Z, 2026-11-29T11:30:00Z 2026-11-30T23:00:00Z"
	if strings.Join(got, ", ") != want {
		t.Errorf("freeze = %q, want %q", got, want)
	}
	office := b.Calendars[1]
	for at, want := range map[string]bool{
		"2026-07-06T12:59:59Z": false, "2026-07-06T13:00:00Z": true, "2026-07-06T20:59:59Z": true, "2026-07-06T21:00:00Z": false,
		"2026-07-08T15:00:00Z": false, "2026-07-06T02:00:00Z": true, "2026-07-06T04:00:00Z": false, "2026-01-05T13:30:00Z": false,
	} {
		when, _ := time.Parse(time.RFC3339, at)
		if office.Active(when.Unix()) != want {
			t.Errorf("office_hours at %s = %v, want %v", at, !want, want)
		}
	}
}

func TestTheVersionHoldsWhatCalendarsMean(t *testing.T) {
	version := func(calendars string) string {
		return mustCompile(t, schemaText, policyText, calendars).Version
	}
	versions := map[string]string{version(calendarText): "the original"}
	for _, c := range []struct{ from, to string }{
		{"name: freeze", "name: freezes"},
		{"zone: Europe/Berlin", "zone: Europe/Paris"},
		{"name: black-friday", "name: friday"},
		{"from: 2026-11-26T00:00", "from: 2026-11-26T00:01"},
		{"to: 2026-12-01T00:00", "to: 2026-12-01T00:01"},
		{"  - {from: 2026-11-28T00:00", "  - {name: x, from: 2026-11-28T00:00"},
		{"days: [mon, tue]", "days: [mon]"},
		{`from: "09:00"`, `from: "09:01"`},
		{`to: "24:00"`, `to: "23:59"`},
	} {
		changed := strings.Replace(calendarText, c.from, c.to, 1)
		if changed == calendarText {
			t.Fatalf("%q is not in the calendars", c.from)
		}
		v := version(changed)
		if other := versions[v]; other != "" {
			t.Errorf("the version after %q → %q is that of %s", c.from, c.to, other)
		}
		versions[v] = c.to
	}
	again := strings.NewReplacer("days: [mon, tue]", "days: [tue, mon]", "zone: Europe/Berlin\n", "zone: 'Europe/Berlin' # here\n").Replace(calendarText)
	if v := version(again); versions[v] != "the original" {
		t.Errorf("writing calendars otherwise changes the version")
	}
}

func TestBundlesNameTheZonesTheyUse(t *testing.T) {
	rule := func(when string) *pdl.Bundle {
		b, found := compileRule(t, "{action: deploy}", when, "")
		if b == nil {
			t.Fatal(found)
		}
		return b
	}
	b := rule(`context.now.getHours("Europe/Berlin") > 3 && context.now.getHours("Asia/Tokyo") > context.now.getHours("+02:00") && context.now.getHours("UTC") > 1`)
	if len(b.Zones) != 2 || b.Zones[0].Name != "Asia/Tokyo" || b.Zones[1].Name != "Europe/Berlin" {
		t.Errorf("zones = %v", b.Zones)
	}
	if _, offset := time.Unix(1780000000, 0).In(b.Zones[1].Location).Zone(); offset != 7200 {
		t.Errorf("Europe/Berlin is %d s east of UTC in summer", offset)
	}
	plain := mustCompile(t, schemaText, policyText)
	if plain.TZData != "" || len(plain.Zones)+len(plain.Calendars) > 0 {
		t.Errorf("a bundle without zones has %v of %q", plain.Zones, plain.TZData)
	}
}
