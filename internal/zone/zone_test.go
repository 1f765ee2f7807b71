package zone_test

import (
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/zone"
)

func TestEveryZoneOfTheDatabaseLoads(t *testing.T) {
	db, err := zone.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	names := db.Names()
	if len(names) < 500 || db.Version() != zone.EmbeddedVersion {
		t.Fatalf("%d zones in version %s", len(names), db.Version())
	}
	for _, name := range names {
		if _, err := db.Location(name); err != nil {
			t.Errorf("Location(%s): %v", name, err)
		}
	}
}

func TestSummerTimeComesFromTheDatabase(t *testing.T) {
	db, err := zone.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	berlin, err := db.Location("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	if h := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC).In(berlin).Hour(); h != 14 {
		t.Errorf("noon UTC in July is %d h in Berlin, want 14", h)
	}
}

func TestWhatTheDatabaseDoesNotHaveIsAnError(t *testing.T) {
	db, err := zone.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "Local", "europe/berlin", "Europe/", "+01:00", "../etc/passwd", "Mars/Olympus"} {
		if loc, err := db.Location(name); err == nil {
			t.Errorf("Location(%q) = %v", name, loc)
		}
	}
}

func TestOffsetsAreZonesOfTheirOwn(t *testing.T) {
	for text, want := range map[string]int{
		"+02:00": 7200, "-02:30": -9000, "02:00": 7200, "-00:30": -1800, "+23:59": 86340, "-23:59": -86340, "00:00": 0,
	} {
		loc, ok := zone.Fixed(text)
		if !ok {
			t.Errorf("Fixed(%q) is none", text)
			continue
		}
		if _, got := time.Unix(0, 0).In(loc).Zone(); got != want {
			t.Errorf("Fixed(%q) is %d s east of UTC, want %d", text, got, want)
		}
	}
	for _, text := range []string{"", "+", "2:00", "+24:00", "+02:60", "+0200", "+02:0", "++2:00", "+02:000", "UTC", "+ 2:00", "é0:00"} {
		if loc, ok := zone.Fixed(text); ok {
			t.Errorf("Fixed(%q) = %v", text, loc)
		}
	}
}
