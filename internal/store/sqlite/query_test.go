package sqlite_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/sqlite"
)

// In the index an agent has a place for each thousand entries.
func TestAnAgentIsFoundInEveryBlock(t *testing.T) {
	w := &writer{db: open(t, filepath.Join(t.TempDir(), "kernel.db"))}
	defer w.db.Close()
	w.commit(t, w.next(t, 3000)) // agent-007 has 7, 507, 1007, …
	for _, q := range []store.Query{
		{}, {Limit: 1}, {Limit: 3}, {From: 507}, {From: 508, Limit: 2}, {From: 2508}, {From: 9000},
		{Newest: true}, {Newest: true, Limit: 4}, {Newest: true, From: 1007}, {Newest: true, From: 7}, {Newest: true, From: 1008, Limit: 2},
		{Since: decidedAt(1000), Until: decidedAt(2007)}, {Newest: true, Since: decidedAt(8), Until: decidedAt(2508)},
	} {
		var want []uint64
		for n := uint64(7); n < 3000; n += 500 {
			if at := decidedAt(int(n)); q.Since <= at && (q.Until == 0 || at < q.Until) && (q.Newest && (q.From == 0 || n < q.From) || !q.Newest && n >= q.From) {
				want = append(want, n)
			}
		}
		if q.Newest {
			slices.Reverse(want)
		}
		if q.Limit > 0 {
			want = want[:min(len(want), q.Limit)]
		}
		q.Agent = "agent-007"
		if got := seqs(t, w.db, q); !slices.Equal(got, want) {
			t.Errorf("Entries(%+v) = %v, want %v", q, got, want)
		}
		if q.Agent = "agent-999"; len(seqs(t, w.db, q)) > 0 {
			t.Errorf("Entries(%+v) finds an agent that never asked", q)
		}
	}
}

func decidedAt(n int) int64 {
	e, _ := decided(n)
	return e.Instant.UnixNano()
}

func seqs(t *testing.T, db *sqlite.DB, q store.Query) (list []uint64) {
	t.Helper()
	for e, err := range db.Entries(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e.Seq)
	}
	return list
}

func TestAFileOfTheFirstVersionIsMigrated(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kernel.db")
	makeLog(t, path)
	alter(t, path, `DROP INDEX entries_by_agent; CREATE INDEX entries_by_agent ON entries (shard, agent, seq) WHERE agent <> '';
		CREATE INDEX entries_by_instant ON entries (shard, instant, seq);
		DELETE FROM goose_db_version WHERE version_id > 1`)
	if _, err := sqlite.OpenReadOnly(path); err == nil {
		t.Error("OpenReadOnly of a file of the first version succeeds, want it refused until it is migrated")
	}
	db := open(t, path)
	defer db.Close()
	if got := seqs(t, db, store.Query{Agent: "agent-001"}); !slices.Equal(got, []uint64{1}) {
		t.Errorf("after the migration agent-001 has %v, want entry 1", got)
	}
}
