package sqlite

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// minVersion is the first SQLite without the write-ahead log reset bug, which
// corrupts databases that a second connection checkpoints.
var minVersion = [3]int{3, 51, 3}

// LibraryVersion returns the version of the SQLite in this program. The error
// says that it is one that Open refuses.
func LibraryVersion() (version string, err error) {
	c, err := sqlite.OpenConn(":memory:", sqlite.OpenReadWrite)
	if err != nil {
		return "", fmt.Errorf("open SQLite: %w", err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	version, err = sqlitex.ResultText(c.Prep("SELECT sqlite_version()"))
	if err != nil {
		return "", fmt.Errorf("read the version of SQLite: %w", err)
	}
	if !versionAtLeast(version, minVersion) {
		return version, fmt.Errorf("SQLite %s can corrupt the log; this program must be built with %d.%d.%d or later",
			version, minVersion[0], minVersion[1], minVersion[2])
	}
	return version, nil
}

func versionAtLeast(version string, least [3]int) bool {
	parts := strings.Split(version, ".")
	for i, want := range least {
		if i >= len(parts) {
			return false
		}
		got, err := strconv.Atoi(parts[i])
		if err != nil || got < want {
			return false
		}
		if got > want {
			return true
		}
	}
	return true
}
