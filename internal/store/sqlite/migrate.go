package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the database/sql driver that goose migrates with
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// applicationID marks the file as ours ("EKlg"), at byte 68 of its header.
const applicationID = 0x454b6c67

// SchemaVersion is the number of the last migration.
const SchemaVersion = 2

//go:embed migrations/*.sql
var migrations embed.FS

// ErrForeign is returned, wrapped, for a file that another program made.
var ErrForeign = errors.New("not a log of this program")

// ErrNewer is returned, wrapped, for a file that a later version made.
var ErrNewer = errors.New("made by a later version of this program")

// prepareFile makes sure that the file is ours and of this version. Nothing is
// written to a file that is not.
func prepareFile(c *sqlite.Conn, path string) error {
	version, err := fileVersion(c)
	if err != nil {
		return err
	}
	if version == 0 {
		err = pragmas(c, fmt.Sprintf("application_id=%d", applicationID), "journal_mode=WAL")
	}
	if err == nil && version < SchemaVersion {
		err = migrate(path)
	}
	if err != nil {
		return err
	}
	return checkSchema(c)
}

// fileVersion returns the file's schema version, 0 for one that is empty.
func fileVersion(c *sqlite.Conn) (int64, error) {
	id, err := resultInt64(c, "PRAGMA application_id")
	if err != nil {
		return 0, err
	}
	tables, err := resultInt64(c, "SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return 0, err
	}
	if id != applicationID {
		if id == 0 && tables == 0 {
			return 0, nil
		}
		return 0, fmt.Errorf("%w: application id %#x; choose another data folder", ErrForeign, id)
	}
	versioned, err := resultInt64(c, "SELECT count(*) FROM sqlite_schema WHERE name = 'goose_db_version'")
	if err != nil || versioned == 0 {
		return 0, err
	}
	version, err := resultInt64(c, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied")
	if err != nil {
		return 0, err
	}
	if version > SchemaVersion {
		return 0, fmt.Errorf("%w: schema version %d, this one knows %d; install the later version", ErrNewer, version, SchemaVersion)
	}
	return version, nil
}

func resultInt64(c *sqlite.Conn, query string) (int64, error) {
	stmt, _, err := c.PrepareTransient(query)
	if err != nil {
		return 0, err
	}
	n, err := sqlitex.ResultInt64(stmt)
	return n, errors.Join(err, stmt.Finalize())
}

// migrate applies the migrations that are missing, each in its transaction.
func migrate(path string) (err error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	pool, err := sql.Open("sqlite", fileURI(path, "_pragma=synchronous(2)&_pragma=busy_timeout(5000)"))
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	pool.SetMaxOpenConns(1)
	provider, err := goose.NewProvider(goose.DialectSQLite3, pool, dir)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if _, err := provider.Up(context.Background()); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}
