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
	archive *zip.Reader
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
	return &Database{version: version, archive: r}, nil
}

// Version names the release, such as 2025c.
func (d *Database) Version() string { return d.version }

// Location returns a zone by its IANA name, such as Europe/Berlin. UTC is one;
// Local, names outside the database and offsets are not.
func (d *Database) Location(name string) (*time.Location, error) {
	if name == "UTC" {
		return time.UTC, nil
	}
	for _, f := range d.archive.File {
		if f.Name == name && !strings.HasSuffix(name, "/") {
			return load(name, f)
		}
	}
	return nil, fmt.Errorf("no time zone %q in the IANA Time Zone Database %s", name, d.version)
}

// Names lists every zone, in the order of the archive.
func (d *Database) Names() []string {
	var names []string
	for _, f := range d.archive.File {
		if !strings.HasSuffix(f.Name, "/") {
			names = append(names, f.Name)
		}
	}
	return names
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
