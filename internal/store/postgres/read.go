package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strixlabs/execution-kernel/internal/canonical"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// read lends a connection, and a second one where the first had died while it
// lay idle.
func (db *DB) read(ctx context.Context, factor int, use func(context.Context, *pgxpool.Conn) error) error {
	attempt := func() (lost bool, err error) {
		err = db.with(ctx, factor, func(ctx context.Context, c *pgxpool.Conn) error {
			err := use(ctx, c)
			lost = c.Conn().IsClosed() && ctx.Err() == nil
			return err
		})
		return lost, err
	}
	lost, err := attempt()
	if lost && err != nil {
		_, err = attempt()
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return store.ErrNotFound
	}
	return err
}

// Shards implements store.Reader.
func (db *DB) Shards(ctx context.Context) (list []int, err error) {
	err = db.read(ctx, 1, func(ctx context.Context, c *pgxpool.Conn) error {
		rows, err := c.Query(ctx, "SELECT shard FROM kernel.heads WHERE size > 0 UNION SELECT shard FROM kernel.leases ORDER BY shard")
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowTo[int])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the shards: %w", err)
	}
	return list, nil
}

// Head implements store.Reader.
func (db *DB) Head(ctx context.Context, shard int) (head store.Head, err error) {
	err = db.read(ctx, 1, func(ctx context.Context, c *pgxpool.Conn) error {
		var size int64
		var root, hashes []byte
		err := c.QueryRow(ctx, `SELECT size, root, "range" FROM kernel.heads WHERE shard = $1`, int64(shard)).Scan(&size, &root, &hashes)
		if err != nil {
			return err
		}
		head, err = newHead(size, root, hashes)
		return err
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.Head{}, fmt.Errorf("read head of shard %d: %w", shard, err)
	}
	return head, nil
}

func newHead(size int64, root, hashes []byte) (store.Head, error) {
	if size < 0 || len(root) != 32 || len(hashes)%32 != 0 {
		return store.Head{}, fmt.Errorf("the row is damaged: size %d, %d bytes of root, %d of range", size, len(root), len(hashes))
	}
	head := store.Head{Size: uint64(size), Root: [32]byte(root)}
	for ; len(hashes) > 0; hashes = hashes[32:] {
		head.Range = append(head.Range, [32]byte(hashes))
	}
	return head, nil
}

// Entry implements store.Reader.
func (db *DB) Entry(ctx context.Context, shard int, seq uint64) (store.Entry, error) {
	if seq > canonical.MaxInteger {
		return store.Entry{}, fmt.Errorf("read entry %d of shard %d: %w", seq, shard, store.ErrNotFound)
	}
	e, err := db.entry(ctx, " WHERE e.shard = $1 AND e.seq = $2"+inLog, int64(shard), int64(seq))
	if err != nil {
		return store.Entry{}, fmt.Errorf("read entry %d of shard %d: %w", seq, shard, err)
	}
	return e, nil
}

// EntryByID implements store.Reader.
func (db *DB) EntryByID(ctx context.Context, id string) (store.Entry, error) {
	e, err := db.entry(ctx, " WHERE e.id = $1 AND e.id <> ''"+inLog, id)
	if err != nil {
		return store.Entry{}, fmt.Errorf("read entry of decision %q: %w", id, err)
	}
	return e, nil
}

func (db *DB) entry(ctx context.Context, where string, args ...any) (e store.Entry, err error) {
	err = db.read(ctx, 1, func(ctx context.Context, c *pgxpool.Conn) error {
		e, err = readEntry(c.QueryRow(ctx, selectEntries+where, args...))
		return err
	})
	return e, err
}

const (
	entryColumns   = "e.shard, e.seq, e.instant, e.kind, e.id, e.caller, e.agent, e.action, e.decision, e.leaf, e.body"
	privateColumns = ", p.request, p.salt, p.digest"
	noPrivate      = ", NULL::bytea, NULL::bytea, NULL::text"
	joinPrivate    = " LEFT JOIN kernel.private AS p ON p.shard = e.shard AND p.seq = e.seq"
	// A row that no commit put there is not in the log, whatever it says.
	inLog         = " AND e.seq < (SELECT size FROM kernel.heads AS h WHERE h.shard = e.shard)"
	selectEntries = "SELECT " + entryColumns + privateColumns + " FROM kernel.entries AS e" + joinPrivate
)

func readEntry(row pgx.Row) (store.Entry, error) {
	var e store.Entry
	var seq int64
	var leaf, request, salt []byte
	var digest *string
	err := row.Scan(&e.Shard, &seq, &e.Instant, &e.Kind, &e.ID, &e.Caller, &e.Agent, &e.Action, &e.Decision, &leaf, &e.Body,
		&request, &salt, &digest)
	if err != nil {
		return store.Entry{}, err
	}
	if seq < 0 || len(leaf) != len(e.Leaf) {
		return store.Entry{}, fmt.Errorf("the row of entry %d is damaged: %d bytes of leaf", seq, len(leaf))
	}
	e.Seq, e.Leaf = uint64(seq), [32]byte(leaf)
	if digest != nil {
		e.Private = &store.Private{Request: request, Salt: salt, Digest: *digest}
	}
	return e, nil
}

// Record implements store.Reader.
func (db *DB) Record(ctx context.Context, key store.RecordKey) (record store.Record, err error) {
	hash := sha256.Sum256([]byte(key.Key))
	err = db.read(ctx, 1, func(ctx context.Context, c *pgxpool.Conn) error {
		record, err = readRecord(key.Kind, c.QueryRow(ctx,
			"SELECT key, version, value, expires FROM kernel.records WHERE kind = $1 AND hash = $2", key.Kind, hash[:]))
		return err
	})
	if err == nil && record.Key != key.Key {
		err = errors.New("the row is damaged: it is kept under the hash of another key")
	}
	if err != nil {
		return store.Record{}, fmt.Errorf("read %s record %q: %w", key.Kind, key.Key, err)
	}
	return record, nil
}

// Versions implements store.Reader.
func (db *DB) Versions(ctx context.Context, list []store.RecordKey) ([]uint64, error) {
	if len(list) == 0 {
		return nil, nil
	}
	var k keys
	for _, key := range list {
		k.add(key, 0, nil, 0)
	}
	versions := make([]uint64, len(list))
	err := db.read(ctx, 1, func(ctx context.Context, c *pgxpool.Conn) error {
		rows, err := c.Query(ctx, `SELECT k.n, r.version FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS k (kind, hash, n)
			JOIN kernel.records AS r ON r.kind = k.kind AND r.hash = k.hash`, k.kinds, k.hashes)
		if err != nil {
			return err
		}
		var n, version int64
		_, err = pgx.ForEachRow(rows, []any{&n, &version}, func() error {
			versions[n-1] = uint64(version)
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the versions of %d records: %w", len(list), err)
	}
	return versions, nil
}

func readRecord(kind string, row pgx.Row) (store.Record, error) {
	r := store.Record{RecordKey: store.RecordKey{Kind: kind}}
	var version int64
	err := row.Scan(&r.Key, &version, &r.Value, &r.Expires)
	r.Version = uint64(version)
	return r, err
}

// Iterations read pages, each of one state of the database, so that no
// connection waits for a slow consumer: at most this many rows and about as
// many bytes.
const (
	pageRows  = 256
	pageBytes = 1 << 20
	leafRows  = 8192
)

// A page reads rows. It is told how many at most, and reports how many bytes
// each was.
type page[T any] struct {
	sql  string
	args []any
	rows int
	read func(pgx.Row) (v T, bytes int, err error)
}

// pages yields what next asks for, page after page, until it asks for none.
func pages[T any](ctx context.Context, db *DB, what string, next func(context.Context, *pgxpool.Conn) (*page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			var list []T
			more := false
			err := db.with(ctx, 10, func(ctx context.Context, c *pgxpool.Conn) (err error) {
				p, err := next(ctx, c)
				if err != nil || p == nil {
					return err
				}
				list, more, err = p.fill(ctx, c)
				return err
			})
			if err != nil { // nothing of a page that ended early counts
				var none T
				yield(none, fmt.Errorf("read %s: %w", what, err))
				return
			}
			for _, v := range list {
				if !yield(v, nil) {
					return
				}
			}
			if !more {
				return
			}
		}
	}
}

func (p *page[T]) fill(ctx context.Context, c *pgxpool.Conn) (list []T, more bool, err error) {
	rows, err := c.Query(ctx, p.sql, p.args...)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for bytes := 0; rows.Next(); {
		v, n, err := p.read(rows)
		if err != nil {
			return nil, false, err
		}
		list = append(list, v)
		if bytes += n; bytes >= pageBytes {
			return list, true, nil
		}
	}
	return list, len(list) == p.rows, rows.Err()
}

// errOrder ends an iteration that a damaged index would lead in circles.
var errOrder = errors.New("the rows are not in the order of their index; run `kernel log verify`")

// Records implements store.Reader.
func (db *DB) Records(ctx context.Context, kind, after string) iter.Seq2[store.Record, error] {
	return pages(ctx, db, kind+" records", func(context.Context, *pgxpool.Conn) (*page[store.Record], error) {
		last := after
		return &page[store.Record]{
			sql: `SELECT key, version, value, expires FROM kernel.records WHERE kind = $1 AND (left(key, 200), key) > (left($2, 200), $2)
				ORDER BY left(key, 200), key LIMIT $3`,
			args: []any{kind, after, pageRows}, rows: pageRows,
			read: func(row pgx.Row) (store.Record, int, error) {
				r, err := readRecord(kind, row)
				if err == nil && r.Key <= last {
					err = errOrder
				}
				last = r.Key
				after = last
				return r, len(r.Value), err
			},
		}, nil
	})
}

// Kinds implements store.KindLister.
func (db *DB) Kinds(ctx context.Context) (kinds []string, err error) {
	err = db.read(ctx, 10, func(ctx context.Context, c *pgxpool.Conn) error {
		rows, err := c.Query(ctx, "SELECT DISTINCT kind FROM kernel.records ORDER BY kind")
		if err != nil {
			return err
		}
		kinds, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the kinds of records: %w", err)
	}
	return kinds, nil
}

// Leaves implements store.LeafReader.
func (db *DB) Leaves(ctx context.Context, shard int, from uint64) iter.Seq2[store.Leaf, error] {
	return leaves(ctx, db, shard, from, "SELECT seq, leaf", leafRows, func(row pgx.Row) (leaf store.Leaf, seq int64, n int, err error) {
		leaf, seq, err = readLeaf(row)
		return leaf, seq, len(leaf.Hash), err
	})
}

// Bodies implements store.LeafReader.
func (db *DB) Bodies(ctx context.Context, shard int, from uint64) iter.Seq2[store.Body, error] {
	return leaves(ctx, db, shard, from, "SELECT seq, leaf, body", pageRows, func(row pgx.Row) (b store.Body, seq int64, n int, err error) {
		b.Leaf, seq, err = readLeaf(row, &b.Body)
		return b, seq, len(b.Body), err
	})
}

func readLeaf(row pgx.Row, more ...any) (leaf store.Leaf, seq int64, err error) {
	var hash []byte
	if err := row.Scan(append([]any{&seq, &hash}, more...)...); err != nil {
		return leaf, 0, err
	}
	if seq < 0 || len(hash) != 32 {
		return leaf, 0, errOrder
	}
	return store.Leaf{Seq: uint64(seq), Hash: [32]byte(hash)}, seq, nil
}

func leaves[T any](ctx context.Context, db *DB, shard int, from uint64, columns string, rows int, read func(pgx.Row) (v T, seq int64, bytes int, err error)) iter.Seq2[T, error] {
	return pages(ctx, db, fmt.Sprintf("leaves of shard %d", shard), func(context.Context, *pgxpool.Conn) (*page[T], error) {
		return &page[T]{
			sql:  columns + " FROM kernel.entries WHERE shard = $1 AND seq >= $2 ORDER BY seq LIMIT $3",
			args: []any{int64(shard), place(from), rows}, rows: rows,
			read: func(row pgx.Row) (T, int, error) {
				v, seq, n, err := read(row)
				if err == nil && seq < place(from) {
					err = errOrder
				}
				from = uint64(seq) + 1
				return v, n, err
			},
		}, nil
	})
}

// place is a seq as the server counts it.
func place(seq uint64) int64 { return int64(min(seq, math.MaxInt64)) }
