package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/sqlite"
)

func TestAForeignFileIsRefusedAndLeftAlone(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		want error // nil: any
	}{
		{"another program's database", func(t *testing.T, path string) {
			create(t, path)
			alter(t, path, "CREATE TABLE photos (x); PRAGMA application_id = 77")
		}, sqlite.ErrForeign},
		{"a database of nobody in particular", func(t *testing.T, path string) {
			create(t, path)
			alter(t, path, "CREATE TABLE photos (x)")
		}, sqlite.ErrForeign},
		{"a later version", func(t *testing.T, path string) {
			makeLog(t, path)
			alter(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (3, 1)")
		}, sqlite.ErrNewer},
		{"a trigger", func(t *testing.T, path string) {
			makeLog(t, path)
			alter(t, path, "CREATE TRIGGER quiet AFTER INSERT ON entries WHEN new.kind = 'access' BEGIN DELETE FROM entries WHERE seq = new.seq; END")
		}, sqlite.ErrAltered},
		{"an index that is missing", func(t *testing.T, path string) {
			makeLog(t, path)
			alter(t, path, "DROP INDEX entries_by_id")
		}, sqlite.ErrAltered},
		{"an index that lies", func(t *testing.T, path string) {
			makeLog(t, path)
			alter(t, path, "DROP INDEX entries_by_agent; CREATE INDEX entries_by_agent ON entries (shard, seq >> 10, agent, seq) WHERE agent <> 'agent-000'")
		}, sqlite.ErrAltered},
		{"no database", func(t *testing.T, path string) {
			write(t, path, bytes.Repeat([]byte("text\n"), 1000))
		}, nil},
		{"a folder", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, nil},
	} {
		path := filepath.Join(t.TempDir(), "kernel.db")
		c.make(t, path)
		if err := os.Chmod(path, 0o750); err != nil {
			t.Fatal(err)
		}
		before, _ := os.ReadFile(path)
		for how, try := range openers {
			db, err := try(path)
			if err == nil {
				t.Errorf("%s: %s succeeds, want it refused", c.name, how)
				_ = db.Close()
				continue
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%s: %s = %v, want %v", c.name, how, err, c.want)
			}
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
			t.Errorf("%s: the file was changed", c.name)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o750 {
			t.Errorf("%s: its mode was changed", c.name)
		}
	}
}

var openers = map[string]func(path string) (*sqlite.DB, error){
	"Open":         func(path string) (*sqlite.DB, error) { return sqlite.Open(path, noFloor) },
	"OpenReadOnly": sqlite.OpenReadOnly,
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, path string) { t.Helper(); write(t, path, nil) }

// makeLog makes a log of three decisions.
func makeLog(t *testing.T, path string) {
	t.Helper()
	w := &writer{db: open(t, path)}
	w.commit(t, w.next(t, 3))
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kernel.db")
	w := &writer{db: open(t, path)}
	w.commit(t, w.next(t, 1))
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v; want 0600", name, info.Mode(), err)
		}
	}
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	db := open(t, path)
	defer db.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("after another Open: mode %v, %v; want 0600", info.Mode(), err)
	}
}

func TestTheLibraryIsFreeOfTheWALResetBug(t *testing.T) {
	if version, err := sqlite.LibraryVersion(); err != nil {
		t.Errorf("LibraryVersion = %s, %v", version, err)
	}
	for version, want := range map[string]bool{
		"3.51.2": false, "3.49.2": false, "2.99.99": false, "3.9.9": false, "": false, "3.51": false, "3.51.x": false,
		"3.51.3": true, "3.51.10": true, "3.52.0": true, "4.0.0": true,
	} {
		if got := sqlite.VersionAtLeast(version); got != want {
			t.Errorf("%s is new enough: %v, want %v", version, got, want)
		}
	}
}

// reads checks that a log can be read, and what lies in its folder after.
func reads(t *testing.T, path string, want uint64, files ...string) {
	t.Helper()
	db, err := sqlite.OpenReadOnly(path)
	if err != nil {
		t.Error(err)
		return
	}
	report, err := ledger.Verify(t.Context(), db, ledger.Trust{})
	if err != nil || !report.OK() || report.Entries != want {
		t.Errorf("Verify = %d entries, %v, %v; want %d", report.Entries, report.List, err, want)
	}
	if out, err := db.Commit(t.Context(), &store.Batch{ID: "b"}); out.Status != store.NotCommitted || err == nil {
		t.Errorf("Commit = %v, %v, want NotCommitted", out, err)
	}
	if status, err := db.Lookup(t.Context(), "batch-1"); status != store.Unknown || err == nil {
		t.Errorf("Lookup = %v, %v, want Unknown", status, err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	var got []string
	list, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		got = append(got, f.Name())
	}
	if !slices.Equal(got, files) {
		t.Errorf("the folder holds %q after reading, want %q", got, files)
	}
}

func TestALogIsReadWithoutWriting(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "kernel.db")
	makeLog(t, path)
	t.Run("nobody has it open", func(t *testing.T) { reads(t, path, 3, "kernel.db") })

	w := &writer{db: open(t, path)}
	head, err := w.db.Head(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	w.head, w.n = head, 100
	t.Run("beside a writer that has just begun", func(t *testing.T) {
		reads(t, path, 3, "kernel.db", "kernel.db-shm", "kernel.db-wal")
	})
	w.commit(t, w.next(t, 4))
	t.Run("beside a writer", func(t *testing.T) {
		reads(t, path, 7, "kernel.db", "kernel.db-shm", "kernel.db-wal")
	})

	// The copies are made by another process: no descriptor of the file may
	// be closed in this one.
	for name, side := range map[string][]string{
		"a copy with the write-ahead log and the shared memory": {"kernel.db", "kernel.db-shm", "kernel.db-wal"},
		"a copy with the write-ahead log":                       {"kernel.db", "kernel.db-wal"},
	} {
		t.Run(name, func(t *testing.T) {
			to := t.TempDir()
			for _, f := range side {
				copyOut(t, filepath.Join(dir, f), filepath.Join(to, f))
			}
			before := digest(t, to)
			reads(t, filepath.Join(to, "kernel.db"), 7, side...)
			if after := digest(t, to); before != after {
				t.Errorf("reading changed the copy")
			}
		})
	}
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	t.Run("after the writer closed it", func(t *testing.T) { reads(t, path, 7, "kernel.db") })
}

func TestAKilledKernelsLogIsRead(t *testing.T) {
	dir := t.TempDir()
	size, err := killAfter(dir, 20)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.OpenReadOnly(filepath.Join(dir, "kernel.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	report, err := ledger.Verify(t.Context(), db, ledger.Trust{})
	if err != nil || !report.OK() || report.Entries < size {
		t.Errorf("Verify = %d entries, %v, %v; want at least %d", report.Entries, report.List, err, size)
	}
}

func TestReadingANobodysLogEndsWhenAWriterComes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kernel.db")
	makeLog(t, path)
	db, err := sqlite.OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w := open(t, path)
	defer w.Close()
	if _, err := db.Head(t.Context(), 0); err == nil {
		t.Error("Head succeeds on a file that somebody may be changing, want an error")
	}
}

func TestNothingIsReadWhereNothingIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kernel.db")
	if _, err := sqlite.OpenReadOnly(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("OpenReadOnly of no file = %v, want ErrNotExist", err)
	}
	create(t, path)
	if _, err := sqlite.OpenReadOnly(path); !errors.Is(err, sqlite.ErrEmpty) {
		t.Errorf("OpenReadOnly of an empty file = %v, want ErrEmpty", err)
	}
	db := open(t, path) // a file that nothing is in becomes a log
	defer db.Close()
	if head, err := db.Head(context.Background(), 0); err != nil || head.Size != 0 {
		t.Errorf("Head = %v, %v", head, err)
	}
}

func TestTheWriteAheadLogStaysShortUnderLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kernel.db")
	w := &writer{db: open(t, path), pad: 1 << 16}
	for range 60 {
		w.commit(t, w.next(t, 16)) // 60 MiB and more
	}
	info, err := os.Stat(path + "-wal")
	if err != nil || info.Size() > 40<<20 {
		t.Errorf("the write-ahead log has %d MiB (%v) after 60 MiB of entries, want it checkpointed", info.Size()>>20, err)
	}
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	reads(t, path, 960, "kernel.db")
}
