package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/postgres"
	"github.com/strixlabs/execution-kernel/internal/store/sqlite"
)

// filled is a file with decisions, other entries and records of several kinds,
// and a second shard with a seventh as many entries.
func filled(t *testing.T, batches int) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(filepath.Join(t.TempDir(), "kernel.db"), sqlite.Config{FreeBytesFloor: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	var head, second store.Head
	for n := range batches {
		build, err := ledger.Extend(2, second)
		if err == nil {
			_, err = build.Append(refused(n), nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		b := &store.Batch{ID: fmt.Sprint("second ", n), Shard: 2, PrevSize: second.Size, Next: build.Head(), Entries: build.Entries()}
		if out, err := db.Commit(t.Context(), b); out.Status != store.Committed {
			t.Fatal(out, err)
		}
		second = b.Next
		if build, err = ledger.Extend(0, head); err != nil {
			t.Fatal(err)
		}
		for i := range 7 {
			if _, err := build.Append(refused(7*n+i), nil); err != nil {
				t.Fatal(err)
			}
		}
		b = &store.Batch{ID: fmt.Sprint(n), PrevSize: head.Size, Next: build.Head(), Entries: build.Entries()}
		b.Entries[3].Private = &store.Private{Request: []byte(`{"ä":1}`), Salt: []byte{0, 255, byte(n)}, Digest: fmt.Sprint("sha256:", n)}
		b.Transitions = []store.Transition{
			{RecordKey: store.RecordKey{Kind: "counter", Key: "of all"}, From: uint64(n), Value: fmt.Append(nil, n)},
			{RecordKey: store.RecordKey{Kind: "réquest", Key: fmt.Sprintf("%s%d", strings.Repeat("k", n%300), n)}, Value: []byte{0, byte(n)}, Expires: int64(n + 1)},
		}
		if out, err := db.Commit(t.Context(), b); out.Status != store.Committed {
			t.Fatal(out, err)
		}
		head = b.Next
	}
	return db
}

func TestAnImportBringsEverything(t *testing.T) {
	from := filled(t, 200)
	db := open(t, database(t))
	defer db.Close()
	n, err := db.Import(t.Context(), from)
	if want := (postgres.Imported{Entries: 1600, Private: 200, Records: 201}); err != nil || n != want {
		t.Fatalf("Import = %+v, %v, want %+v", n, err, want)
	}
	var got store.Head
	for _, shard := range []int{2, 0} {
		want, err := from.Head(t.Context(), shard)
		if err != nil || want.Size == 0 {
			t.Fatal(want.Size, err)
		}
		if got, err = db.Head(t.Context(), shard); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("Head(%d) = %v, %v, want %v", shard, got, err, want)
		}
	}
	if r, err := db.Record(t.Context(), store.RecordKey{Kind: "counter", Key: "of all"}); err != nil || r.Version != 200 {
		t.Errorf("Record = %v, %v, want version 200", r, err)
	}
	if damages, err := db.Examine(t.Context()); err != nil || len(damages) > 0 {
		t.Errorf("Examine = %q, %v, want nothing", damages, err)
	}
	if _, err := db.Import(t.Context(), from); !errors.Is(err, postgres.ErrNotEmpty) {
		t.Errorf("a second Import = %v, want ErrNotEmpty", err)
	}
	// The log goes on where it ended.
	build, err := ledger.Extend(0, got)
	if err == nil {
		_, err = build.Append(refused(1400), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	b := &store.Batch{ID: "next", PrevSize: got.Size, Next: build.Head(), Entries: build.Entries()}
	if out, err := db.Commit(t.Context(), b); out.Status != store.Committed {
		t.Errorf("Commit = %v, %v, want Committed", out, err)
	}
}

// A liar is a source that changes between its first reading and its second.
type liar struct {
	*sqlite.DB
	entries, records int // reads before it lies; 0: never
}

func (l *liar) Entries(ctx context.Context, q store.Query) iter.Seq2[store.Entry, error] {
	l.entries--
	lie := l.entries == 0
	return func(yield func(store.Entry, error) bool) {
		for e, err := range l.DB.Entries(ctx, q) {
			if lie && e.Seq == 5 {
				e.Caller += "x"
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func (l *liar) Records(ctx context.Context, kind, after string) iter.Seq2[store.Record, error] {
	l.records--
	lie := l.records == 0
	return func(yield func(store.Record, error) bool) {
		for r, err := range l.DB.Records(ctx, kind, after) {
			if lie {
				r.Version++
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

func TestAnImportIsAllOrNothing(t *testing.T) {
	from := filled(t, 20)
	for name, c := range map[string]*liar{
		"an entry that is another":       {entries: 1},
		"a request that is another":      {entries: 5}, // of two shards, each read three times
		"a record that is another":       {records: 1},
		"a record that is another later": {records: 3},
	} {
		t.Run(name, func(t *testing.T) {
			c.DB = from
			db := open(t, database(t))
			defer db.Close()
			if n, err := db.Import(t.Context(), c); err == nil {
				t.Errorf("Import = %+v, want an error", n)
			}
			if head, err := db.Head(t.Context(), 0); err != nil || head.Size != 0 {
				t.Errorf("Head = %v, %v, want none", head, err)
			}
			if kinds, err := db.Kinds(t.Context()); err != nil || len(kinds) != 0 {
				t.Errorf("Kinds = %v, %v, want none", kinds, err)
			}
			if _, err := db.Import(t.Context(), from); err != nil {
				t.Errorf("another Import: %v", err)
			}
		})
	}
}
