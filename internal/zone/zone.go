// Package zone knows the world's time zones from a copy of the IANA Time Zone
// Database that is part of the program.
//
// It promises the same local time for the same instant on every machine: the
// machine's own tzdata is never looked at.
package zone

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"time"
)

//go:embed zoneinfo.zip
var embedded []byte

// EmbeddedVersion is the release of the IANA Time Zone Database in this program.
const EmbeddedVersion = "2025c"

// A Database is one release of the IANA Time Zone Database. It is immutable.
type Database struct {
	version string
	names   []string // in the order of the archive
	files   map[string]*zip.File
}

// Embedded returns the database in this program.
func Embedded() (*Database, error) { return Open(EmbeddedVersion, embedded) }

// Open reads a database from a zip file of compiled zones (RFC 9636), as Go
// distributes it.
func Open(version string, archive []byte) (*Database, error) {
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, fmt.Errorf("open time zone database %s: %w", version, err)
	}
	d := &Database{version: version, files: make(map[string]*zip.File, len(r.File))}
	for _, f := range r.File {
		if !strings.HasSuffix(f.Name, "/") {
			d.names = append(d.names, f.Name)
			d.files[f.Name] = f
		}
	}
	return d, nil
}

// Version names the release, such as 2025c.
func (d *Database) Version() string { return d.version }

// Has reports whether Location knows a name.
func (d *Database) Has(name string) bool { return name == "UTC" || d.files[name] != nil }

// Location returns a zone by its IANA name, such as Europe/Berlin. UTC is one;
// Local, names outside the database and offsets are not.
func (d *Database) Location(name string) (*time.Location, error) {
	if name == "UTC" {
		return time.UTC, nil
	}
	if f := d.files[name]; f != nil {
		return load(name, f)
	}
	return nil, fmt.Errorf("no time zone %q in the IANA Time Zone Database %s", name, d.version)
}

// Names lists every zone, in the order of the archive. It must not be changed.
func (d *Database) Names() []string { return d.names }

// Fixed returns the zone of an offset from UTC that never changes, written as
// CEL has it: +02:00, -23:59, or 02:00. The sign stands for the minutes too.
func Fixed(offset string) (*time.Location, bool) {
	text, sign := offset, 1
	if text != "" && (text[0] == '+' || text[0] == '-') {
		if text = text[1:]; offset[0] == '-' {
			sign = -1
		}
	}
	if len(text) != len("02:00") || text[2] != ':' {
		return nil, false
	}
	hours, hoursOK := twoDigits(text[:2])
	minutes, minutesOK := twoDigits(text[3:])
	if !hoursOK || !minutesOK || hours > 23 || minutes > 59 {
		return nil, false
	}
	return time.FixedZone(offset, sign*(hours*60+minutes)*60), true
}

func twoDigits(s string) (int, bool) {
	tens, ones := s[0]-'0', s[1]-'0'
	return int(tens)*10 + int(ones), tens <= 9 && ones <= 9
}

func load(name string, f *zip.File) (*time.Location, error) {
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("read time zone %s: %w", name, err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read time zone %s: %w", name, err)
	}
	return time.LoadLocationFromTZData(name, data)
}
