package sqlite

import (
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// LibraryVersion returns the version of the SQLite inside this program. The
// error says that it is one that Open refuses.
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
	return version, checkVersion(c)
}
