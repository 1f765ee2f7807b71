// Package sqlite keeps the log in one SQLite file: the store of a single
// machine.
//
// It promises that a batch reported as committed has been flushed to the disk,
// and that whatever it cannot promise it reports as not committed or unknown.
//
// No other code of the process may open the file: closing any descriptor of it
// drops the POSIX locks that SQLite holds (https://sqlite.org/howtocorrupt.html §2.2).
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/strixlabs/execution-kernel/internal/store"
)

// Config holds what is rare; its zero value works.
type Config struct {
	// FreeBytesFloor is the space kept free on the file system: commits are
	// refused with store.ErrFull below it, before the disk is full. Negative:
	// none; 0: DefaultFreeBytesFloor.
	FreeBytesFloor int64
}

// DefaultFreeBytesFloor leaves room for a checkpoint of the write-ahead log.
const DefaultFreeBytesFloor = 64 << 20

const (
	readConns   = 4
	busyTimeout = 5 * time.Second // for another process that holds the file
)

// A DB is a store in a file.
type DB struct {
	path  string
	floor int64 // bytes; ≤ 0: none

	gate   chan struct{} // holds one token: who has it may commit
	writer *sqlite.Conn
	stmts  statements
	broken error  // why nothing may be committed any more; guarded by gate
	closed bool   // guarded by gate
	leases leases // guarded by gate

	announced announced

	readers *sqlitex.Pool
	guard   func() error // what a reader must find still true; nil: nothing
	cleanup func() error // after closing; nil: nothing

	keeper  *sqlite.Conn  // the checkpointer's
	backlog int64         // bytes committed since the last checkpoint; guarded by gate
	kick    chan struct{} // wakes the checkpointer
	stop    chan struct{}
	stopped sync.WaitGroup
}

var (
	_ store.Store      = (*DB)(nil)
	_ store.Examiner   = (*DB)(nil)
	_ store.LeafReader = (*DB)(nil)
)

// Open opens the store in a file, creates it when there is none, and migrates
// it when it is of an earlier version. It refuses a file of a later version,
// one that another program made, and an SQLite with known corruption bugs. The
// caller makes sure that no other process writes.
func Open(path string, config Config) (*DB, error) {
	floor := config.FreeBytesFloor
	if floor == 0 {
		floor = DefaultFreeBytesFloor
	}
	db := &DB{
		path: path, floor: floor, gate: make(chan struct{}, 1),
		kick: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	if err := db.open(); err != nil {
		return nil, fmt.Errorf("open log %s: %w", path, errors.Join(err, db.closeConns()))
	}
	db.gate <- struct{}{}
	db.stopped.Go(db.checkpointer)
	return db, nil
}

func (db *DB) open() error {
	if _, err := LibraryVersion(); err != nil {
		return err
	}
	if err := createFile(db.path); err != nil {
		return err
	}
	err := registerGathering()
	if err != nil {
		return err
	}
	db.writer, err = sqlite.OpenConn(fileURI(db.path, "vfs="+gatheringVFS), sqlite.OpenReadWrite|sqlite.OpenURI)
	if err != nil {
		return err
	}
	db.writer.SetBusyTimeout(busyTimeout)
	if err := prepareFile(db.writer, db.path); err != nil {
		return err
	}
	if err := os.Chmod(db.path, 0o600); err != nil { // only now is it known to be ours
		return err
	}
	if err := pragmas(db.writer, writerPragmas...); err != nil {
		return err
	}
	if err := settle(db.writer); err != nil {
		return err
	}
	if err := db.stmts.prepare(db.writer); err != nil {
		return err
	}
	if db.keeper, err = sqlite.OpenConn(db.path, sqlite.OpenReadWrite); err != nil {
		return err
	}
	db.keeper.SetBusyTimeout(0)
	if err := pragmas(db.keeper, keeperPragmas...); err != nil {
		return err
	}
	db.readers, err = sqlitex.NewPool(db.path, sqlitex.PoolOptions{
		Flags: sqlite.OpenReadOnly, PoolSize: readConns, PrepareConn: prepareReader,
	})
	return err
}

// settle makes sure that what is read from here on is what will be found again.
// After a failed flush and a restart the last commits may be readable from the
// page cache and yet not be on the disk, where no later flush brings them. So
// the write-ahead log is copied into the database, begun anew, and its new
// beginning flushed: until then a power cut could bring the old one back.
func settle(c *sqlite.Conn) error {
	busy, err := resultInt64(c, "PRAGMA wal_checkpoint(TRUNCATE)")
	if err != nil {
		return err
	}
	if busy != 0 {
		return errors.New("another process is reading the log; start again when it has ended")
	}
	opened, err := resultInt64(c, "PRAGMA user_version")
	if err != nil {
		return err
	}
	// Any change does; counting how often the file was opened is a harmless one.
	return pragmas(c, fmt.Sprintf("user_version=%d", (opened+1)%(1<<31)))
}

// createFile makes an empty file that only its owner may read, and its name
// durable. SQLite gives its side files the same mode.
func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Every statement is run on the connection that commits.
var writerPragmas = []string{
	"journal_mode=WAL",
	"synchronous=FULL", // each commit waits for the flush, which what is gathered needs too
	"fullfsync=ON",     // on macOS fsync alone does not reach the disk
	"checkpoint_fullfsync=ON",
	"secure_delete=ON",
	"wal_autocheckpoint=0", // the checkpointer's work, off the commit path
	"journal_size_limit=67108864",
	"cache_size=-16384",
	"temp_store=MEMORY",
	"trusted_schema=OFF",
	"cell_size_check=ON",
}

var keeperPragmas = []string{"synchronous=FULL", "checkpoint_fullfsync=ON", "wal_autocheckpoint=0"}

const readerCache = "cache_size=-16384"

var readerPragmas = []string{"query_only=ON", readerCache, "temp_store=MEMORY", "trusted_schema=OFF", "cell_size_check=ON"}

func prepareReader(c *sqlite.Conn) error {
	return pragmas(c, readerPragmas...)
}

func pragmas(c *sqlite.Conn, list ...string) error {
	for _, p := range list {
		if err := sqlitex.ExecuteTransient(c, "PRAGMA "+p, nil); err != nil {
			return fmt.Errorf("pragma %s: %w", p, err)
		}
	}
	return nil
}

// Close ends the checkpointer and closes the file. After a failed flush it
// leaves the file as it is: only a new process may touch it again.
func (db *DB) Close() error {
	<-db.gate
	defer func() { db.gate <- struct{}{} }()
	if db.closed {
		return nil
	}
	db.closed = true
	close(db.stop)
	db.stopped.Wait()
	if db.broken != nil && db.writer != nil {
		return fmt.Errorf("close log %s: %w", db.path, db.broken)
	}
	return db.closeConns()
}

func (db *DB) closeConns() error {
	var errs []error
	if db.readers != nil {
		errs = append(errs, db.readers.Close())
	}
	for _, c := range []*sqlite.Conn{db.keeper, db.writer} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	if db.cleanup != nil {
		errs = append(errs, db.cleanup())
	}
	return errors.Join(errs...)
}

// read lends a connection that sees one state of the file.
func (db *DB) read(ctx context.Context, use func(*sqlite.Conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if db.guard != nil {
		if err := db.guard(); err != nil {
			return err
		}
	}
	c, err := db.readers.Take(ctx)
	if err != nil {
		return cause(ctx, err)
	}
	defer db.readers.Put(c)
	return cause(ctx, use(c))
}

// cause prefers the context's error to SQLite's "interrupted".
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
