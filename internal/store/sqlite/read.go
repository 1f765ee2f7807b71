package sqlite

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"runtime"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/strixlabs/execution-kernel/internal/canonical"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// Shards implements store.Reader.
func (db *DB) Shards(ctx context.Context) (list []int, err error) {
	err = db.read(ctx, func(c *sqlite.Conn) error {
		list = nil
		return sqlitex.Execute(c, "SELECT shard FROM heads WHERE size > 0 ORDER BY shard", &sqlitex.ExecOptions{
			ResultFunc: func(stmt *sqlite.Stmt) error {
				list = append(list, int(stmt.ColumnInt64(0)))
				return nil
			},
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list the shards: %w", err)
	}
	return list, nil
}

// Head implements store.Reader.
func (db *DB) Head(ctx context.Context, shard int) (head store.Head, err error) {
	err = db.read(ctx, func(c *sqlite.Conn) error {
		stmt, err := c.Prepare(`SELECT size, root, "range" FROM heads WHERE shard = ?`)
		if err != nil {
			return err
		}
		stmt.BindInt64(1, int64(shard))
		var shape error
		_, err = row(stmt, func() { head, shape = readHead(stmt) })
		return errors.Join(err, shape)
	})
	if err != nil {
		return store.Head{}, fmt.Errorf("read head of shard %d: %w", shard, err)
	}
	return head, nil
}

func readHead(stmt *sqlite.Stmt) (store.Head, error) {
	root, hashes := columnBytes(stmt, 1), columnBytes(stmt, 2)
	size := stmt.ColumnInt64(0)
	if size < 0 || len(root) != 32 || len(hashes)%32 != 0 {
		return store.Head{}, fmt.Errorf("the row is damaged: size %d, %d bytes of root, %d of range", size, len(root), len(hashes))
	}
	head := store.Head{Size: uint64(size), Root: [32]byte(root)}
	for ; len(hashes) > 0; hashes = hashes[32:] {
		head.Range = append(head.Range, [32]byte(hashes))
	}
	return head, nil
}

func columnBytes(stmt *sqlite.Stmt, col int) []byte {
	n := stmt.ColumnLen(col)
	buf := make([]byte, n)
	stmt.ColumnBytes(col, buf)
	return buf
}

// Entry implements store.Reader.
func (db *DB) Entry(ctx context.Context, shard int, seq uint64) (store.Entry, error) {
	if seq > canonical.MaxInteger {
		return store.Entry{}, fmt.Errorf("read entry %d of shard %d: %w", seq, shard, store.ErrNotFound)
	}
	e, err := db.entry(ctx, " WHERE e.shard = ? AND e.seq = ?"+inLog, func(stmt *sqlite.Stmt) {
		stmt.BindInt64(1, int64(shard))
		stmt.BindInt64(2, int64(seq))
	})
	if err != nil {
		return store.Entry{}, fmt.Errorf("read entry %d of shard %d: %w", seq, shard, err)
	}
	return e, nil
}

// EntryByID implements store.Reader.
func (db *DB) EntryByID(ctx context.Context, id string) (store.Entry, error) {
	e, err := db.entry(ctx, " WHERE e.id = ? AND e.id <> ''"+inLog, func(stmt *sqlite.Stmt) { stmt.BindText(1, id) })
	if err != nil {
		return store.Entry{}, fmt.Errorf("read entry of decision %q: %w", id, err)
	}
	return e, nil
}

func (db *DB) entry(ctx context.Context, where string, bind func(*sqlite.Stmt)) (e store.Entry, err error) {
	err = db.read(ctx, func(c *sqlite.Conn) error {
		stmt, err := c.Prepare(selectEntries + where)
		if err != nil {
			return err
		}
		bind(stmt)
		found, err := row(stmt, func() { e = readEntry(stmt) })
		if err == nil && !found {
			err = store.ErrNotFound
		}
		return err
	})
	return e, err
}

const (
	entryColumns   = "e.shard, e.seq, e.instant, e.kind, e.id, e.caller, e.agent, e.action, e.decision, e.leaf, e.body"
	privateColumns = ", p.request, p.salt, p.digest"
	noPrivate      = ", NULL, NULL, NULL"
	joinPrivate    = " LEFT JOIN private AS p ON p.shard = e.shard AND p.seq = e.seq"
	// A row that no commit put there is not in the log, whatever it says.
	inLog         = " AND e.seq >= 0 AND e.seq < (SELECT size FROM heads WHERE heads.shard = e.shard)"
	selectEntries = "SELECT " + entryColumns + privateColumns + " FROM entries AS e" + joinPrivate
)

func readEntry(stmt *sqlite.Stmt) store.Entry {
	e := store.Entry{
		Shard:    int(stmt.ColumnInt64(0)),
		Seq:      uint64(stmt.ColumnInt64(1)),
		Instant:  stmt.ColumnInt64(2),
		Kind:     stmt.ColumnText(3),
		ID:       stmt.ColumnText(4),
		Caller:   stmt.ColumnText(5),
		Agent:    stmt.ColumnText(6),
		Action:   stmt.ColumnText(7),
		Decision: stmt.ColumnText(8),
		Body:     columnBytes(stmt, 10),
	}
	stmt.ColumnBytes(9, e.Leaf[:])
	if !stmt.ColumnIsNull(11) {
		e.Private = &store.Private{
			Request: columnBytes(stmt, 11), Salt: columnBytes(stmt, 12), Digest: stmt.ColumnText(13),
		}
	}
	return e
}

// Record implements store.Reader.
func (db *DB) Record(ctx context.Context, key store.RecordKey) (record store.Record, err error) {
	err = db.read(ctx, func(c *sqlite.Conn) error {
		stmt, err := c.Prepare("SELECT kind, key, version, value, expires FROM records WHERE kind = ? AND key = ?")
		if err != nil {
			return err
		}
		stmt.BindText(1, key.Kind)
		stmt.BindText(2, key.Key)
		found, err := row(stmt, func() { record = readRecord(stmt) })
		if err == nil && !found {
			err = store.ErrNotFound
		}
		return err
	})
	if err != nil {
		return store.Record{}, fmt.Errorf("read %s record %q: %w", key.Kind, key.Key, err)
	}
	return record, nil
}

// Versions implements store.Reader.
func (db *DB) Versions(ctx context.Context, keys []store.RecordKey) ([]uint64, error) {
	versions := make([]uint64, len(keys))
	err := db.read(ctx, func(c *sqlite.Conn) error {
		stmt, err := c.Prepare("SELECT version FROM records WHERE kind = ? AND key = ?")
		for i := 0; i < len(keys) && err == nil; i++ {
			stmt.BindText(1, keys[i].Kind)
			stmt.BindText(2, keys[i].Key)
			versions[i] = 0
			_, err = row(stmt, func() { versions[i] = uint64(stmt.ColumnInt64(0)) })
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the versions of %d records: %w", len(keys), err)
	}
	return versions, nil
}

func readRecord(stmt *sqlite.Stmt) store.Record {
	return store.Record{
		RecordKey: store.RecordKey{Kind: stmt.ColumnText(0), Key: stmt.ColumnText(1)},
		Version:   uint64(stmt.ColumnInt64(2)), Value: columnBytes(stmt, 3), Expires: stmt.ColumnInt64(4),
	}
}

// A read transaction would keep the write-ahead log from starting anew for as
// long as a slow consumer iterates. So iterations read pages, each of one
// state of the file, of at most this many rows and about as many bytes.
const (
	pageRows  = 256
	pageBytes = 1 << 20
	leafRows  = 8192
)

// pages yields what fill reads, page after page. fill reports whether there
// may be more; it is called without a connection held in between.
func pages[T any](ctx context.Context, db *DB, what string, fill func(c *sqlite.Conn, page []T) ([]T, bool, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var page []T
		for more := true; more; {
			err := db.read(ctx, func(c *sqlite.Conn) (err error) {
				page, more, err = fill(c, page[:0])
				return err
			})
			for _, v := range page {
				if !yield(v, nil) {
					return
				}
			}
			runtime.Gosched() // whoever waits for an answer goes first
			if err != nil {
				var none T
				yield(none, fmt.Errorf("read %s: %w", what, err))
				return
			}
		}
	}
}

// errOrder ends an iteration that a damaged index would lead in circles.
var errOrder = errors.New("the rows are not in the order of their index; run `kernel log verify`")

// fillPage steps through a statement until its end or the end of the page.
func fillPage[T any](stmt *sqlite.Stmt, page []T, limit int, read func() (v T, bytes int, err error)) ([]T, bool, error) {
	for bytes := 0; len(page) < limit && bytes < pageBytes; {
		found, err := stmt.Step()
		if err != nil {
			return page, false, err
		}
		if !found {
			return page, false, stmt.Reset()
		}
		v, n, err := read()
		if err != nil {
			return page, false, errors.Join(err, stmt.Reset())
		}
		page = append(page, v)
		bytes += n
	}
	return page, true, stmt.Reset()
}

// Records implements store.Reader.
func (db *DB) Records(ctx context.Context, kind, after string) iter.Seq2[store.Record, error] {
	return pages(ctx, db, kind+" records", func(c *sqlite.Conn, page []store.Record) ([]store.Record, bool, error) {
		stmt, err := c.Prepare("SELECT kind, key, version, value, expires FROM records WHERE kind = ? AND key > ? ORDER BY key")
		if err != nil {
			return page, false, err
		}
		stmt.BindText(1, kind)
		stmt.BindText(2, after)
		return fillPage(stmt, page, pageRows, func() (store.Record, int, error) {
			r := readRecord(stmt)
			if r.Key <= after {
				return r, 0, errOrder
			}
			after = r.Key
			return r, len(r.Value), nil
		})
	})
}

// Kinds implements store.KindLister.
func (db *DB) Kinds(ctx context.Context) (kinds []string, err error) {
	err = db.read(ctx, func(c *sqlite.Conn) error {
		return sqlitex.Execute(c, "SELECT DISTINCT kind FROM records ORDER BY kind", &sqlitex.ExecOptions{
			ResultFunc: func(stmt *sqlite.Stmt) error {
				kinds = append(kinds, stmt.ColumnText(0))
				return nil
			},
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the kinds of records: %w", err)
	}
	return kinds, nil
}

// Leaves implements store.LeafReader.
func (db *DB) Leaves(ctx context.Context, shard int, from uint64) iter.Seq2[store.Leaf, error] {
	return leaves(ctx, db, shard, from, "SELECT seq, leaf", leafRows, func(_ *sqlite.Stmt, leaf store.Leaf) (store.Leaf, int) {
		return leaf, len(leaf.Hash)
	})
}

// Bodies implements store.LeafReader.
func (db *DB) Bodies(ctx context.Context, shard int, from uint64) iter.Seq2[store.Body, error] {
	return leaves(ctx, db, shard, from, "SELECT seq, leaf, body", pageRows, func(stmt *sqlite.Stmt, leaf store.Leaf) (store.Body, int) {
		b := store.Body{Leaf: leaf, Body: columnBytes(stmt, 2)}
		return b, len(b.Body)
	})
}

func leaves[T any](ctx context.Context, db *DB, shard int, from uint64, columns string, rows int, read func(*sqlite.Stmt, store.Leaf) (T, int)) iter.Seq2[T, error] {
	return pages(ctx, db, fmt.Sprintf("leaves of shard %d", shard), func(c *sqlite.Conn, page []T) ([]T, bool, error) {
		stmt, err := c.Prepare(columns + " FROM entries WHERE shard = ? AND seq >= ? ORDER BY seq")
		if err != nil {
			return page, false, err
		}
		stmt.BindInt64(1, int64(shard))
		stmt.BindInt64(2, seq(from))
		return fillPage(stmt, page, rows, func() (v T, n int, err error) {
			leaf := store.Leaf{Seq: uint64(stmt.ColumnInt64(0))}
			stmt.ColumnBytes(1, leaf.Hash[:])
			if leaf.Seq < from || leaf.Seq == math.MaxUint64 {
				return v, 0, errOrder
			}
			from = leaf.Seq + 1
			v, n = read(stmt, leaf)
			return v, n, nil
		})
	})
}
