package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// SchemaVersion is the number of the last migration.
const SchemaVersion = 1

//go:embed migrations/*.sql
var migrations embed.FS

// ErrEmpty is returned, wrapped, for a database that [Migrate] never prepared.
var ErrEmpty = errors.New("there is no log in it; prepare it with `kernel store migrate`")

// ErrOlder is returned, wrapped, for a database that [Migrate] must bring up
// to date first. Nodes do not do it when they start: others of the earlier
// version may still be deciding.
var ErrOlder = errors.New("made by an earlier version of this program; `kernel store migrate` brings it up to date")

// ErrNewer is returned, wrapped, for a database that a later version prepared.
var ErrNewer = errors.New("made by a later version of this program")

// Version returns the schema version of the database at a URL, 0 for one that
// was never prepared.
func Version(ctx context.Context, url string) (version int64, err error) {
	err = alone(ctx, url, func(c *pgx.Conn) (err error) {
		version, err = schemaVersion(ctx, c)
		return err
	})
	return version, err
}

// Migrate prepares the database at a URL, or brings it up to date. Everything
// lies in the schema "kernel". Two that migrate at once do so one after the other.
func Migrate(ctx context.Context, url string) error {
	return alone(ctx, url, func(c *pgx.Conn) error {
		if err := lockSchema(ctx, c); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		if version, err := schemaVersion(ctx, c); err != nil || version > SchemaVersion {
			return errors.Join(err, newer(version))
		}
		if err := up(ctx, c.Config()); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		_, err := c.Exec(ctx, "COMMIT")
		return err
	})
}

// lockSchema makes the schema and holds it until the end of the transaction
// that it leaves open, or of the connection.
func lockSchema(ctx context.Context, c *pgx.Conn) error {
	for _, sql := range []string{
		"SET idle_in_transaction_session_timeout = 0", "SET lock_timeout = '1min'",
		"CREATE SCHEMA IF NOT EXISTS kernel", "CREATE TABLE IF NOT EXISTS kernel.migrating ()",
		"BEGIN", "LOCK TABLE kernel.migrating IN EXCLUSIVE MODE",
	} {
		_, err := c.Exec(ctx, sql)
		for range 3 { // IF NOT EXISTS does not see what another makes just now
			if !isDuplicate(err) {
				break
			}
			_, err = c.Exec(ctx, sql)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func isDuplicate(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && slices.Contains([]string{"23505", "42710", "42P06", "42P07"}, server.Code)
}

// alone runs f with a connection of its own.
func alone(ctx context.Context, url string, f func(*pgx.Conn) error) (err error) {
	config, err := poolConfig(url, DefaultTimeout)
	if err != nil {
		return err
	}
	c, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err == nil {
		err = checkServer(ctx, c)
		if err == nil {
			err = f(c)
		}
		err = errors.Join(err, c.Close(context.WithoutCancel(ctx)))
	}
	if err != nil {
		return fmt.Errorf("store %s: %w", Redact(url), inOneLine(err))
	}
	return nil
}

// up applies the migrations that are missing, each in its transaction.
func up(ctx context.Context, config *pgx.ConnConfig) (err error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	pool := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, pool.Close()) }()
	pool.SetMaxOpenConns(1)
	provider, err := goose.NewProvider(goose.DialectPostgres, pool, dir, goose.WithTableName("kernel.goose_db_version"))
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// rower is what asks for one row: a connection or a pool.
type rower interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func schemaVersion(ctx context.Context, c rower) (version int64, err error) {
	var there bool
	if err := c.QueryRow(ctx, "SELECT to_regclass('kernel.goose_db_version') IS NOT NULL").Scan(&there); err != nil || !there {
		return 0, err
	}
	err = c.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM kernel.goose_db_version WHERE is_applied").Scan(&version)
	return version, err
}

func newer(version int64) error {
	if version <= SchemaVersion {
		return nil
	}
	return fmt.Errorf("%w: schema version %d, this one knows %d; install the later version", ErrNewer, version, SchemaVersion)
}

// check makes sure that the database is ours, of this version, and unaltered.
func (db *DB) check(ctx context.Context) error {
	return db.with(ctx, 10, func(ctx context.Context, c *pgxpool.Conn) error {
		version, err := schemaVersion(ctx, c)
		switch {
		case err != nil:
			return err
		case version == 0:
			return ErrEmpty
		case version < SchemaVersion:
			return fmt.Errorf("%w: schema version %d, this one needs %d", ErrOlder, version, SchemaVersion)
		case version > SchemaVersion:
			return newer(version)
		}
		altered, err := alterations(ctx, c)
		if err == nil && len(altered) > 0 {
			err = fmt.Errorf("%w: %s", ErrAltered, altered[0])
		}
		return err
	})
}
