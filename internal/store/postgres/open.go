// Package postgres keeps the log in a PostgreSQL database: the store of
// several nodes.
//
// It promises that a batch reported as committed was flushed by the server,
// and by its synchronous standbys where there are any, and that whatever it
// cannot promise it reports as not committed or unknown.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strixlabs/execution-kernel/internal/store"
)

// Config holds what is rare; its zero value works.
type Config struct {
	// Timeout is how long a commit, a lookup or a read of one thing may take;
	// 0: DefaultTimeout. statement_timeout of the server would not do: it does
	// not fire while a commit waits for a standby.
	Timeout time.Duration
}

// DefaultTimeout is longer than a caller waits for its decision: a commit that
// is given up has to be settled before the next one.
const DefaultTimeout = time.Second

// maxConns is how many connections a node has at most; the URL may say
// otherwise (pool_max_conns).
const maxConns = 8

// A DB is a store in a PostgreSQL database.
type DB struct {
	pool     *pgxpool.Pool
	timeout  time.Duration
	readOnly bool
	commits  atomic.Uint64 // tries at committing, by this process
	ear      ear
}

var (
	_ store.Store      = (*DB)(nil)
	_ store.Examiner   = (*DB)(nil)
	_ store.LeafReader = (*DB)(nil)
	_ store.KindLister = (*DB)(nil)
)

// Open opens the store at a URL (postgres://…). It refuses a server that would
// lose what it acknowledged, and a database that [Migrate] has not made or that
// a later version of this program has.
func Open(ctx context.Context, url string, config Config) (*DB, error) {
	return open(ctx, url, config, false)
}

// OpenReadOnly opens the store to read it beside the kernels that write.
func OpenReadOnly(ctx context.Context, url string, config Config) (*DB, error) {
	return open(ctx, url, config, true)
}

func open(ctx context.Context, url string, config Config, readOnly bool) (*DB, error) {
	db := &DB{timeout: config.Timeout, readOnly: readOnly, ear: ear{closed: make(chan struct{})}}
	if db.timeout <= 0 {
		db.timeout = DefaultTimeout
	}
	pool, err := poolConfig(url, db.timeout)
	if err != nil {
		return nil, err
	}
	if readOnly {
		pool.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
	}
	if db.pool, err = pgxpool.NewWithConfig(ctx, pool); err != nil {
		return nil, fmt.Errorf("open store %s: %w", Redact(url), err)
	}
	if err := db.check(ctx); err != nil {
		db.pool.Close()
		return nil, fmt.Errorf("open store %s: %w", Redact(url), err)
	}
	return db, nil
}

// poolConfig says how to connect: to the server that writes, with our own
// deadlines, and never with a handler that sends cancel requests. One of those
// makes a commit that waits for its standby succeed without it.
func poolConfig(url string, timeout time.Duration) (*pgxpool.Config, error) {
	config, err := parse(url)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = maxConns
	}
	config.AfterConnect = checkServer
	c := config.ConnConfig
	c.ConnectTimeout = 5 * timeout
	c.OnNotice = notice
	if c.ValidateConnect == nil {
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
	}
	c.RuntimeParams = map[string]string{
		"application_name": "execution-kernel",
		"client_encoding":  "UTF8",
		"search_path":      "pg_catalog", // every other name is written with its schema
		"timezone":         "UTC",
		"jit":              "off",
		// Half of the time: then the other half is left to say so.
		"lock_timeout": milliseconds(timeout / 2),
		// A node cut off in the middle of a transaction holds its shard's lock.
		"idle_in_transaction_session_timeout": milliseconds(2 * timeout),
	}
	return config, nil
}

func milliseconds(d time.Duration) string { return fmt.Sprint(max(1, d.Milliseconds())) }

// ErrUnsafe is returned, wrapped, for a server that may lose what it acknowledged.
var ErrUnsafe = errors.New("the server may lose what it acknowledged")

const minServer = 150000 // PostgreSQL 15

// checkServer looks at each new connection before it is used.
func checkServer(ctx context.Context, c *pgx.Conn) error {
	var version int
	var fsync, pages, encoding, commit string
	err := c.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('fsync'),
		current_setting('full_page_writes'), current_setting('server_encoding'), current_setting('synchronous_commit')`,
	).Scan(&version, &fsync, &pages, &encoding, &commit)
	switch {
	case err != nil:
		return err
	case version < minServer:
		return fmt.Errorf("PostgreSQL %d is too old; 15 or later is needed", version/10000)
	case fsync != "on" || pages != "on":
		return fmt.Errorf("%w: fsync is %s and full_page_writes is %s; both must be on", ErrUnsafe, fsync, pages)
	case encoding != "UTF8":
		return fmt.Errorf("the database has the encoding %s; create one with UTF8", encoding)
	case !synchronous(commit):
		_, err = c.Exec(ctx, "SET synchronous_commit = on")
	}
	return err
}

// synchronous reports whether a commit under this setting waits for the flush,
// here and on the standbys that are synchronous.
func synchronous(setting string) bool { return setting == "on" || setting == "remote_apply" }

// Close ends every connection.
func (db *DB) Close() error {
	db.ear.close()
	db.pool.Close()
	return nil
}

// with lends a connection for at most the time that one thing may take, times
// `factor`.
func (db *DB) with(ctx context.Context, factor int, use func(context.Context, *pgxpool.Conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, time.Duration(factor)*db.timeout)
	defer cancel()
	c, err := db.pool.Acquire(limited)
	if err == nil {
		defer c.Release()
		err = use(limited, c)
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return inOneLine(err)
}
