package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/strixlabs/execution-kernel/internal/store"
)

// ErrNotEmpty is returned, wrapped, for a database that holds something already.
var ErrNotEmpty = errors.New("there is a log in it already; name an empty database")

// A Source is a store that can be read as a whole.
type Source interface {
	store.Reader
	store.KindLister
}

// An Imported counts what an import brought.
type Imported struct{ Entries, Private, Records uint64 }

// importTime bounds COMMIT of an import: all of it may have to be flushed.
const importTime = 10 * time.Minute

// Import copies every shard and every record of a store that nobody writes into
// this one, which must be empty: entries, private parts, heads, and records with
// their versions and expiry. It is one transaction, and before it is committed
// every row is read back and compared. On an error nothing of it is there,
// unless the error says that the outcome of COMMIT is unknown.
func (db *DB) Import(ctx context.Context, from Source) (n Imported, err error) {
	if db.readOnly {
		return n, errReadOnly
	}
	pooled, err := db.pool.Acquire(ctx)
	if err != nil {
		return n, err
	}
	defer pooled.Release()
	c := pooled.Conn()
	if err := db.bring(ctx, c, from, &n); err != nil {
		return Imported{}, errors.Join(err, rollback(context.WithoutCancel(ctx), c))
	}
	switch status, err := finish(ctx, c, importTime); status {
	case store.Committed:
		return n, nil
	case store.NotCommitted:
		return Imported{}, err
	default:
		return Imported{}, fmt.Errorf("the outcome of COMMIT is unknown, \"kernel store status\" tells: %w", err)
	}
}

func (db *DB) bring(ctx context.Context, c *pgx.Conn, from Source, n *Imported) error {
	for _, sql := range []string{
		"BEGIN", "SET LOCAL idle_in_transaction_session_timeout = 0",
		"LOCK TABLE kernel.heads, kernel.entries, kernel.private, kernel.records IN SHARE ROW EXCLUSIVE MODE",
	} {
		if _, err := c.Exec(ctx, sql); err != nil {
			return err
		}
	}
	var full bool
	err := c.QueryRow(ctx, `SELECT EXISTS (SELECT FROM kernel.entries) OR EXISTS (SELECT FROM kernel.private) OR EXISTS (SELECT FROM kernel.records)
		OR EXISTS (SELECT FROM kernel.heads WHERE size > 0)`).Scan(&full)
	if err == nil && full {
		err = ErrNotEmpty
	}
	for _, step := range []func(context.Context, *pgx.Conn, Source, *Imported) error{
		bringEntries, bringPrivate, bringRecords, bringHeads, compareEntries, compareRecords,
	} {
		if err != nil {
			return err
		}
		err = step(ctx, c, from, n)
	}
	return err
}

// rows feeds COPY from an iteration.
func rows[T any](seq iter.Seq2[T, error], row func(T) []any) (pgx.CopyFromSource, func()) {
	next, stop := iter.Pull2(seq)
	return pgx.CopyFromFunc(func() ([]any, error) {
		for {
			v, err, more := next()
			if !more || err != nil {
				return nil, err
			}
			if columns := row(v); columns != nil {
				return columns, nil
			}
		}
	}), stop
}

func bringEntries(ctx context.Context, c *pgx.Conn, from Source, n *Imported) error {
	source, stop := rows(everyEntry(ctx, from, true), func(e store.Entry) []any {
		return []any{int32(e.Shard), int64(e.Seq), e.Instant, e.Kind, e.ID, e.Caller, e.Agent, e.Action, e.Decision, e.Leaf[:], e.Body}
	})
	defer stop()
	count, err := c.CopyFrom(ctx, pgx.Identifier{"kernel", "entries"},
		[]string{"shard", "seq", "instant", "kind", "id", "caller", "agent", "action", "decision", "leaf", "body"}, source)
	n.Entries = uint64(count)
	return err
}

func bringPrivate(ctx context.Context, c *pgx.Conn, from Source, n *Imported) error {
	source, stop := rows(everyEntry(ctx, from, false), func(e store.Entry) []any {
		if e.Private == nil {
			return nil
		}
		return []any{int32(e.Shard), int64(e.Seq), e.Private.Request, e.Private.Salt, e.Private.Digest}
	})
	defer stop()
	count, err := c.CopyFrom(ctx, pgx.Identifier{"kernel", "private"}, []string{"shard", "seq", "request", "salt", "digest"}, source)
	n.Private = uint64(count)
	return err
}

func bringRecords(ctx context.Context, c *pgx.Conn, from Source, n *Imported) error {
	source, stop := rows(allRecords(ctx, from), func(r store.Record) []any {
		hash := sha256.Sum256([]byte(r.Key))
		return []any{r.Kind, hash[:], r.Key, int64(r.Version), r.Value, r.Expires}
	})
	defer stop()
	count, err := c.CopyFrom(ctx, pgx.Identifier{"kernel", "records"}, []string{"kind", "hash", "key", "version", "value", "expires"}, source)
	n.Records = uint64(count)
	return err
}

// everyEntry yields the entries of every shard.
func everyEntry(ctx context.Context, from Source, bare bool) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		shards, err := from.Shards(ctx)
		if err != nil {
			yield(store.Entry{}, err)
			return
		}
		for _, shard := range shards {
			for e, err := range from.Entries(ctx, store.Query{Shard: shard, Bare: bare}) {
				if !yield(e, err) {
					return
				}
			}
		}
	}
}

// allRecords yields every record, by kind and key.
func allRecords(ctx context.Context, from Source) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		kinds, err := from.Kinds(ctx)
		if err != nil {
			yield(store.Record{}, err)
			return
		}
		for _, kind := range kinds {
			for r, err := range from.Records(ctx, kind, "") {
				if !yield(r, err) {
					return
				}
			}
		}
	}
}

func bringHeads(ctx context.Context, c *pgx.Conn, from Source, n *Imported) error {
	shards, err := from.Shards(ctx)
	if err != nil {
		return err
	}
	all := uint64(0)
	for _, shard := range shards {
		head, err := from.Head(ctx, shard)
		if err != nil {
			return err
		}
		all += head.Size
		if err := bringHead(ctx, c, shard, head); err != nil {
			return err
		}
	}
	if all != n.Entries {
		return fmt.Errorf("the heads say that there are %d entries, %d were read", all, n.Entries)
	}
	return nil
}

func bringHead(ctx context.Context, c *pgx.Conn, shard int, head store.Head) error {
	if head.Size == 0 {
		return nil
	}
	// The epoch of a lease that was taken before stays what it is.
	tag, err := c.Exec(ctx, `INSERT INTO kernel.heads (shard, size, root, "range", instant)
		SELECT $4::integer, $1::bigint, $2, $3, instant FROM kernel.entries WHERE shard = $4::integer AND seq = $1::bigint - 1
		ON CONFLICT (shard) DO UPDATE SET size = excluded.size, root = excluded.root, "range" = excluded."range", instant = excluded.instant`,
		int64(head.Size), head.Root[:], joined(head.Range), int32(shard))
	if err == nil && tag.RowsAffected() != 1 {
		err = fmt.Errorf("entry %d of shard %d is not there", head.Size-1, shard)
	}
	return err
}

// compareEntries reads back what was brought.
func compareEntries(ctx context.Context, c *pgx.Conn, from Source, _ *Imported) error {
	next, stop := iter.Pull2(everyEntry(ctx, from, false))
	defer stop()
	there, err := c.Query(ctx, selectEntries+" ORDER BY e.shard, e.seq")
	if err != nil {
		return err
	}
	defer there.Close()
	for there.Next() {
		got, err := readEntry(there)
		if err != nil {
			return err
		}
		if want, err, more := next(); err != nil || !more || !reflect.DeepEqual(got, want) {
			return errors.Join(fmt.Errorf("entry %d of shard %d is not what it was", got.Seq, got.Shard), err)
		}
	}
	if want, err, more := next(); more || err != nil {
		return errors.Join(fmt.Errorf("entry %d of shard %d is not there", want.Seq, want.Shard), err)
	}
	return there.Err()
}

func compareRecords(ctx context.Context, c *pgx.Conn, from Source, _ *Imported) error {
	next, stop := iter.Pull2(allRecords(ctx, from))
	defer stop()
	there, err := c.Query(ctx, "SELECT key, version, value, expires, kind FROM kernel.records ORDER BY kind, key")
	if err != nil {
		return err
	}
	defer there.Close()
	for there.Next() {
		var got store.Record
		var version int64
		if err := there.Scan(&got.Key, &version, &got.Value, &got.Expires, &got.Kind); err != nil {
			return err
		}
		got.Version = uint64(version)
		want, err, more := next()
		same := want.RecordKey == got.RecordKey && want.Version == got.Version && want.Expires == got.Expires && bytes.Equal(want.Value, got.Value)
		if err != nil || !more || !same {
			return errors.Join(fmt.Errorf("the %s record %q is not what it was", got.Kind, got.Key), err)
		}
	}
	if want, err, more := next(); more || err != nil {
		return errors.Join(fmt.Errorf("the %s record %q is not there", want.Kind, want.Key), err)
	}
	return there.Err()
}
