package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// ErrEmpty is returned, wrapped, for a file without a log.
var ErrEmpty = errors.New("there is no log in it")

// ErrOlder is returned, wrapped, when a file that may only be read would have
// to be migrated first.
var ErrOlder = errors.New("made by an earlier version of this program; `kernel serve` migrates it")

var errReadOnly = errors.New("the log was opened for reading only")

// errAppeared ends reading a file that was nobody's when it was opened.
var errAppeared = errors.New("a kernel has begun to write the log meanwhile; run the command again")

// OpenReadOnly opens the store in a file to read it: beside a process that
// writes, after a crash, or from a copy of a data folder. Nothing is written to
// the file or beside it, except by SQLite to the shared memory (-shm) of a
// write-ahead log that has one already.
func OpenReadOnly(path string) (*DB, error) {
	db := &DB{path: path, gate: make(chan struct{}, 1), stop: make(chan struct{}), broken: errReadOnly}
	if err := db.openReadOnly(); err != nil {
		return nil, fmt.Errorf("open log %s: %w", path, errors.Join(err, db.closeConns()))
	}
	db.gate <- struct{}{}
	return db, nil
}

func (db *DB) openReadOnly() error {
	if _, err := LibraryVersion(); err != nil {
		return err
	}
	info, err := os.Stat(db.path)
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return ErrEmpty
	}
	uri, err := db.source()
	if err != nil {
		return err
	}
	db.readers, err = sqlitex.NewPool(uri, sqlitex.PoolOptions{
		Flags: sqlite.OpenReadOnly | sqlite.OpenURI, PoolSize: readConns, PrepareConn: prepareReader,
	})
	if err != nil {
		return err
	}
	c, err := db.readers.Take(context.Background())
	if err != nil {
		return err
	}
	defer db.readers.Put(c)
	switch version, err := fileVersion(c); {
	case err != nil:
		return err
	case version == 0:
		return ErrEmpty
	case version < SchemaVersion:
		return fmt.Errorf("%w: schema version %d, this one reads %d", ErrOlder, version, SchemaVersion)
	}
	return checkSchema(c)
}

// source says what to open, by what lies beside the file.
//
//   - No write-ahead log: nobody has the file open, and all is in it. It is read
//     as immutable: SQLite then makes no files.
//   - A log and its shared memory: somebody writes, or was killed. SQLite knows
//     how to read beside the one and after the other.
//   - A log alone: a copy. SQLite would make the shared memory beside it, so
//     both are copied once more, to where that disturbs no evidence.
func (db *DB) source() (uri string, err error) {
	log, err := size(db.path + "-wal")
	if err != nil {
		return "", err
	}
	memory, err := size(db.path + "-shm")
	if err != nil {
		return "", err
	}
	switch {
	case log < 0 || log == 0 && memory < 0:
		db.guard = func() error {
			if now, err := size(db.path + "-wal"); err != nil || now != log {
				return errors.Join(errAppeared, err)
			}
			return nil
		}
		return fileURI(db.path, "immutable=1"), nil
	case memory >= 0:
		return fileURI(db.path, ""), nil
	}
	dir, err := os.MkdirTemp("", "kernel-log-")
	if err != nil {
		return "", err
	}
	db.cleanup = func() error { return os.RemoveAll(dir) }
	path := filepath.Join(dir, "kernel.db")
	return fileURI(path, ""), errors.Join(copyFile(db.path, path), copyFile(db.path+"-wal", path+"-wal"))
}

// size returns a file's size, −1 when there is none.
func size(path string) (int64, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return -1, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// fileURI spells a path so that none of its characters is taken for a parameter.
func fileURI(path, query string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: query}
	return u.String()
}
