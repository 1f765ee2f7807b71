package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/postgres"
)

// stalled makes every commit of a database's server wait for a standby that
// never answers, until the returned function is called.
func stalled(t *testing.T) (release func()) {
	t.Helper()
	set := func(names string) {
		cluster.Exec(t, "postgres", "ALTER SYSTEM SET synchronous_standby_names = '"+names+"'")
		cluster.Exec(t, "postgres", "SELECT pg_reload_conf()")
	}
	set("nobody")
	done := false
	release = func() {
		if !done {
			done = true
			set("")
		}
	}
	t.Cleanup(release)
	time.Sleep(100 * time.Millisecond) // until every process has read the setting
	return release
}

const waiting = "FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query = 'COMMIT'"

func quick(t *testing.T, url string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), url, postgres.Config{Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func note(id string) *store.Batch {
	return &store.Batch{ID: id, Transitions: []store.Transition{{RecordKey: store.RecordKey{Kind: "k", Key: id}, Value: []byte("v")}}}
}

// What waits for a standby is unknown, whoever ends the waiting: our deadline,
// the caller, or an administrator who cancels it, which the server calls a
// success with a warning.
func TestACommitThatItsStandbyNeverSawIsUnknown(t *testing.T) {
	for name, end := range map[string]func(cancel func()){
		"by our deadline":       func(func()) {},
		"by the caller":         func(cancel func()) { cancel() },
		"by a cancel request":   func(func()) { cluster.Exec(t, "postgres", "SELECT pg_cancel_backend(pid) "+waiting) },
		"by ending the backend": func(func()) { cluster.Exec(t, "postgres", "SELECT pg_terminate_backend(pid) "+waiting) },
	} {
		t.Run(name, func(t *testing.T) {
			url := database(t)
			db := quick(t, url)
			if out, err := db.Commit(t.Context(), note("before")); out.Status != store.Committed {
				t.Fatal(out, err)
			}
			release := stalled(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			time.AfterFunc(100*time.Millisecond, func() { end(cancel) })
			b := note("stalled")
			if out, err := db.Commit(ctx, b); out.Status != store.Unknown || err == nil {
				t.Errorf("Commit = %v, %v, want Unknown and why", out, err)
			}
			if status, err := db.Lookup(t.Context(), b.ID); status != store.Unknown || err == nil {
				t.Errorf("Lookup = %v, %v, want Unknown: the standby has not seen it yet", status, err)
			}
			if out, err := db.Commit(t.Context(), b); out.Status == store.Committed {
				t.Errorf("the same Commit = %v, %v, want anything but Committed", out, err)
			}
			release()
			eventually(t, func() error { _, err := db.Lookup(t.Context(), b.ID); return err })
			if status, err := db.Lookup(t.Context(), b.ID); status != store.Committed || err != nil {
				t.Errorf("Lookup with the standby back = %v, %v, want Committed", status, err)
			}
		})
	}
}

func TestACommitIsSynchronousWhateverTheDefaults(t *testing.T) {
	url := database(t)
	cluster.Exec(t, "postgres", "ALTER DATABASE "+databaseOf(t, url)+" SET synchronous_commit = off")
	db := quick(t, url)
	if out, err := db.Commit(t.Context(), note("a")); out.Status != store.Committed {
		t.Fatalf("Commit = %v, %v, want Committed", out, err)
	}
	// The setting was changed on the way in: with it changed back, nothing is committed.
	if err := db.Exec(t.Context(), "SET synchronous_commit = off"); err != nil {
		t.Fatal(err)
	}
	if out, err := db.Commit(t.Context(), note("b")); out.Status != store.NotCommitted || err == nil {
		t.Errorf("Commit without waiting = %v, %v, want NotCommitted and why", out, err)
	}
	if status, err := db.Lookup(t.Context(), "a"); status != store.Unknown || err == nil {
		t.Errorf("Lookup without waiting = %v, %v, want Unknown and why", status, err)
	}
}
