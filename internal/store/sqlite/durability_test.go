package sqlite_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	lib "modernc.org/sqlite/lib"

	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/sqlite"
)

// A writer commits decisions and remembers what was acknowledged.
type writer struct {
	db   *sqlite.DB
	head store.Head // the last acknowledged
	n    int
	pad  int // bytes added to every request
}

// next makes a batch of so many decisions.
func (w *writer) next(t testing.TB, size int) *store.Batch {
	t.Helper()
	b, err := w.build(size)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (w *writer) build(size int) (*store.Batch, error) {
	build, err := ledger.Extend(0, w.head)
	if err != nil {
		return nil, err
	}
	for i := range size {
		e, private := decided(int(w.head.Size) + i)
		if w.pad > 0 {
			private = ledger.NewPrivate(salt, []byte(`"`+strings.Repeat("p", w.pad)+`"`))
		}
		if _, err := build.Append(e, private); err != nil {
			return nil, err
		}
	}
	w.n++
	return &store.Batch{
		ID: fmt.Sprintf("batch-%d", w.n), PrevSize: w.head.Size, Next: build.Head(), Entries: build.Entries(),
		Transitions: []store.Transition{{RecordKey: store.RecordKey{Kind: "k", Key: fmt.Sprint(w.n)}, Value: []byte("v")}},
	}, nil
}

// commit commits a batch that must be committed.
func (w *writer) commit(t testing.TB, b *store.Batch) {
	t.Helper()
	out, err := w.db.Commit(t.Context(), b)
	if err != nil || out.Status != store.Committed {
		t.Fatalf("Commit(%s) = %v, %v, want Committed", b.ID, out, err)
	}
	w.head = b.Next
}

// check reports what is wrong with a log in a folder that should hold at least
// `least` entries: fewer, gaps, or a head that does not follow from them.
func check(t testing.TB, dir string, least uint64) error {
	t.Helper()
	db, err := sqlite.Open(filepath.Join(dir, "kernel.db"), noFloor)
	if err != nil {
		return err
	}
	defer db.Close()
	head, err := db.Head(t.Context(), 0)
	if err != nil {
		return err
	}
	if head.Size < least {
		return fmt.Errorf("%d entries are there, %d were acknowledged", head.Size, least)
	}
	report, err := ledger.Verify(t.Context(), db, ledger.Trust{})
	if err != nil {
		return err
	}
	if !report.OK() {
		return fmt.Errorf("the log does not verify: %v", report.List)
	}
	if report.Entries != head.Size {
		return fmt.Errorf("%d entries are there, the head says %d", report.Entries, head.Size)
	}
	return nil
}

// flushesEachCommit reports a commit that was acknowledged without a flush.
func flushesEachCommit(t *testing.T, weaken string) error {
	dir := t.TempDir()
	d := watch(t, dir)
	w := &writer{db: open(t, filepath.Join(dir, "kernel.db"))}
	defer w.db.Close()
	if err := w.db.Exec(weaken); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		since := d.mark()
		w.commit(t, w.next(t, 1+i))
		if d.syncs("kernel.db-wal", since) == 0 {
			return fmt.Errorf("commit %d was acknowledged without a flush", i)
		}
	}
	return nil
}

// survivesPowerCuts cuts the power at many moments of a run of commits and
// checkpoints, and reports a log that then lacks what was acknowledged.
func survivesPowerCuts(t *testing.T, weaken string) error {
	dir := t.TempDir()
	d := watch(t, dir)
	w := &writer{db: open(t, filepath.Join(dir, "kernel.db")), pad: 3000}
	if err := w.db.Exec(weaken); err != nil {
		t.Fatal(err)
	}
	acknowledged := []uint64{} // by the number of events
	note := func() {
		for len(acknowledged) <= d.mark() {
			acknowledged = append(acknowledged, w.head.Size)
		}
	}
	note() // so far nothing, but a log cut short while it is made must open again
	for i := range 24 {
		b := w.next(t, 1+i%5)
		out, err := w.db.Commit(t.Context(), b)
		if err != nil || out.Status != store.Committed {
			t.Fatal(out, err)
		}
		// Everything up to here happened before the answer; only from here on
		// is it promised.
		for len(acknowledged) < d.mark() {
			acknowledged = append(acknowledged, w.head.Size)
		}
		w.head = b.Next
		note()
		if i%7 == 6 {
			if err := w.db.Checkpoint(); err != nil {
				t.Fatal(err)
			}
			note()
		}
	}
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	note()
	for n := 1; n <= d.mark(); n++ {
		for seed, keep := range []func() bool{keepNothing, keepSome(uint64(n))} {
			// Every moment after a flush, an answer or a deletion counts; the
			// middle of a run of writes is like its neighbours.
			if seed > 0 && n%5 != 0 || d.events[n-1].op == opWrite && n%7 != 0 {
				continue
			}
			if err := check(t, restart(t, d.cut(n, keep)), acknowledged[n]); err != nil {
				return fmt.Errorf("power cut after event %d (%v), seed %d: %w", n, d.events[n-1], seed, err)
			}
		}
	}
	return nil
}

func TestEveryAcknowledgedCommitWasFlushed(t *testing.T) {
	if err := flushesEachCommit(t, "PRAGMA synchronous=FULL"); err != nil {
		t.Error(err)
	}
}

func TestAPowerCutLosesNothingAcknowledged(t *testing.T) {
	if err := survivesPowerCuts(t, "PRAGMA synchronous=FULL"); err != nil {
		t.Error(err)
	}
}

// What the two tests above are worth: with a weaker setting they must fail.
func TestAWeakerFlushIsNoticed(t *testing.T) {
	for _, weaken := range []string{"PRAGMA synchronous=NORMAL", "PRAGMA synchronous=OFF"} {
		if err := flushesEachCommit(t, weaken); err == nil {
			t.Errorf("%s: every commit was flushed, want it noticed that they are not", weaken)
		}
		if err := survivesPowerCuts(t, weaken); err == nil {
			t.Errorf("%s: power cuts lose nothing, want it noticed that they do", weaken)
		}
	}
}

func TestAfterAFailedFlushNothingIsCommitted(t *testing.T) {
	dir := t.TempDir()
	d := watch(t, dir)
	w := &writer{db: open(t, filepath.Join(dir, "kernel.db"))}
	w.commit(t, w.next(t, 3))
	d.failWith(func(e event) (int32, int) {
		if e.op == opSync {
			return lib.SQLITE_IOERR | 4<<8, 0 // SQLITE_IOERR_FSYNC
		}
		return 0, 0
	})
	lost := w.next(t, 2)
	out, err := w.db.Commit(t.Context(), lost)
	if out.Status != store.Unknown || err == nil {
		t.Fatalf("Commit = %v, %v, want Unknown and why", out, err)
	}
	d.failWith(nil)
	for _, b := range []*store.Batch{lost, w.next(t, 1)} {
		if out, err := w.db.Commit(t.Context(), b); out.Status != store.NotCommitted || !errors.Is(err, sqlite.ErrBroken) {
			t.Errorf("a later Commit = %v, %v, want NotCommitted and ErrBroken", out, err)
		}
	}
	if status, err := w.db.Lookup(t.Context(), lost.ID); status != store.Unknown || !errors.Is(err, sqlite.ErrBroken) {
		t.Errorf("Lookup = %v, %v, want Unknown and ErrBroken", status, err)
	}
	if head, err := w.db.Head(t.Context(), 0); err != nil || head.Size != 3 {
		t.Errorf("Head = %v, %v, want the last that was acknowledged", head, err)
	}
	before := d.mark()
	if err := w.db.Close(); !errors.Is(err, sqlite.ErrBroken) {
		t.Errorf("Close = %v, want ErrBroken", err)
	}
	if d.mark() != before {
		t.Errorf("after a failed flush Close touched the disk: %v", d.events[before:])
	}
	for seed := range uint64(8) {
		dir := restart(t, d.cut(d.mark(), keepSome(seed)))
		if err := check(t, dir, 3); err != nil {
			t.Errorf("after a restart: %v", err)
		}
		settled(t, dir, lost)
	}
}

// settled checks that a restart settles what became of a batch, one way or the
// other, and that committing it again comes to the same.
func settled(t *testing.T, dir string, lost *store.Batch) {
	t.Helper()
	db := open(t, filepath.Join(dir, "kernel.db"))
	defer db.Close()
	head, err := db.Head(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	want := store.NotCommitted
	if head.Size == lost.Next.Size {
		want = store.Committed
	}
	if status, err := db.Lookup(t.Context(), lost.ID); status != want || err != nil {
		t.Errorf("Lookup after a restart = %v, %v; the head has size %d", status, err, head.Size)
	}
	mustCommit(t, db, lost)
	if head, err := db.Head(t.Context(), 0); err != nil || head.Size != lost.Next.Size {
		t.Errorf("Head after committing again = %d, %v, want %d", head.Size, err, lost.Next.Size)
	}
}

// A full disk may stop a commit after any part of what it writes.
func TestAFullDiskCommitsNothingAndRecovers(t *testing.T) {
	for room := 0; ; room += 1499 {
		dir := t.TempDir()
		d := watch(t, dir)
		w := &writer{db: open(t, filepath.Join(dir, "kernel.db"))}
		w.commit(t, w.next(t, 2))
		full, left := w.next(t, 4), room
		d.failWith(func(e event) (int32, int) {
			if e.op != opWrite {
				return 0, 0
			}
			if left -= len(e.data); left >= 0 {
				return 0, 0
			}
			return lib.SQLITE_FULL, left + len(e.data)
		})
		out, err := w.db.Commit(t.Context(), full)
		if left >= 0 { // there was room for all of it
			if err != nil || out.Status != store.Committed || room < 20_000 {
				t.Errorf("with room for %d bytes: Commit = %v, %v", room, out, err)
			}
			if err := w.db.Close(); err != nil {
				t.Error(err)
			}
			return
		}
		if out.Status != store.NotCommitted || !errors.Is(err, store.ErrFull) {
			t.Fatalf("full after %d bytes: Commit = %v, %v, want NotCommitted and ErrFull", room, out, err)
		}
		if status, err := w.db.Lookup(t.Context(), full.ID); status != store.NotCommitted || err != nil {
			t.Errorf("full after %d bytes: Lookup = %v, %v, want NotCommitted", room, status, err)
		}
		if err := check(t, restart(t, d.cut(d.mark(), keepSome(uint64(room)))), 2); err != nil {
			t.Errorf("full after %d bytes, then a power cut: %v", room, err)
		}
		d.failWith(nil)
		w.commit(t, full)
		w.commit(t, w.next(t, 1))
		if err := check(t, restart(t, d.cut(d.mark(), keepNothing)), 7); err != nil {
			t.Errorf("full after %d bytes, then space, then a power cut: %v", room, err)
		}
		if err := w.db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}

// Pages that overflow SQLite's cache are in the log before their transaction
// ends, and those of one that is undone are written over.
func TestATransactionLargerThanTheCacheIsWholeOrNotThere(t *testing.T) {
	dir := t.TempDir()
	d := watch(t, dir)
	w := &writer{db: open(t, filepath.Join(dir, "kernel.db"))}
	if err := w.db.Exec("PRAGMA cache_size=8"); err != nil {
		t.Fatal(err)
	}
	few := w.next(t, 2)
	w.commit(t, few)
	w.pad = 50_000
	large := w.next(t, 40) // two megabytes
	undone := *large
	undone.Entries = slices.Clone(large.Entries)
	undone.Entries[39].ID = few.Entries[0].ID // the last of them does not fit
	since := d.mark()
	if out, err := w.db.Commit(t.Context(), &undone); out.Status != store.NotCommitted || d.mark() == since {
		t.Fatalf("Commit = %v, %v after doing %d things to the disk, want NotCommitted after several", out, err, d.mark()-since)
	}
	w.commit(t, large)
	if err := check(t, restart(t, d.cut(d.mark(), keepNothing)), 42); err != nil {
		t.Errorf("a power cut after a large commit: %v", err)
	}
	w.pad = 0
	w.commit(t, w.next(t, 1))
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := check(t, dir, 43); err != nil {
		t.Error(err)
	}
}

// A commit costs one write of the log, not two for each of its pages.
func TestACommitIsWrittenInOnePiece(t *testing.T) {
	dir := t.TempDir()
	d := watch(t, dir)
	w := &writer{db: open(t, filepath.Join(dir, "kernel.db"))}
	defer w.db.Close()
	w.commit(t, w.next(t, 2))
	since := d.mark()
	w.commit(t, w.next(t, 4))
	if wrote := d.mark() - since; wrote != 2 {
		t.Errorf("a commit did %d things to the disk, want a write and a flush:\n%v", wrote, d)
	}
}

func TestAFailedWriteIsUnknownAndNeverAnswered(t *testing.T) {
	dir := t.TempDir()
	d := watch(t, dir)
	w := &writer{db: open(t, filepath.Join(dir, "kernel.db"))}
	w.commit(t, w.next(t, 2))
	d.failWith(func(e event) (int32, int) {
		if e.op == opWrite && e.name == "kernel.db-wal" {
			return lib.SQLITE_IOERR | 3<<8, 0 // SQLITE_IOERR_WRITE
		}
		return 0, 0
	})
	if out, err := w.db.Commit(t.Context(), w.next(t, 2)); out.Status != store.Unknown || err == nil {
		t.Fatalf("Commit = %v, %v, want Unknown and why", out, err)
	}
	if _, err := w.db.Commit(t.Context(), w.next(t, 1)); !errors.Is(err, sqlite.ErrBroken) {
		t.Errorf("a later Commit = %v, want ErrBroken", err)
	}
}

func TestAFailedCheckpointStopsCommits(t *testing.T) {
	dir := t.TempDir()
	d := watch(t, dir)
	w := &writer{db: open(t, filepath.Join(dir, "kernel.db")), pad: 1 << 20}
	d.failWith(func(e event) (int32, int) {
		if e.op == opSync && e.name == "kernel.db" {
			return lib.SQLITE_IOERR | 4<<8, 0
		}
		return 0, 0
	})
	for range 100 { // the checkpointer comes along after some
		out, err := w.db.Commit(t.Context(), w.next(t, 1))
		if errors.Is(err, sqlite.ErrBroken) {
			if out.Status != store.NotCommitted {
				t.Errorf("Commit = %v, %v, want NotCommitted", out, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		w.head = w.next(t, 1).Next
	}
	t.Error("a hundred commits after a failed checkpoint, want them refused")
}

// The limit on pages is SQLite's own way to be full.
func TestAFileAtItsLimitIsFull(t *testing.T) {
	w := &writer{db: open(t, filepath.Join(t.TempDir(), "kernel.db"))}
	w.commit(t, w.next(t, 1))
	if err := w.db.Exec("PRAGMA max_page_count=40"); err != nil {
		t.Fatal(err)
	}
	w.pad = 1 << 18
	big := w.next(t, 3)
	if out, err := w.db.Commit(t.Context(), big); out.Status != store.NotCommitted || !errors.Is(err, store.ErrFull) {
		t.Fatalf("Commit = %v, %v, want NotCommitted and ErrFull", out, err)
	}
	w.pad = 0
	w.commit(t, w.next(t, 1))
	if err := w.db.Exec("PRAGMA max_page_count=1000000"); err != nil {
		t.Fatal(err)
	}
	w.pad = 1 << 18
	w.commit(t, w.next(t, 3))
	if err := w.db.Close(); err != nil {
		t.Error(err)
	}
}

func TestSpaceBelowTheFloorRefusesBeforeTheDiskIsFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kernel.db")
	db, err := sqlite.Open(path, sqlite.Config{FreeBytesFloor: 1 << 62})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w := &writer{db: db}
	b := w.next(t, 1)
	if out, err := db.Commit(t.Context(), b); out.Status != store.NotCommitted || !errors.Is(err, store.ErrFull) {
		t.Errorf("Commit = %v, %v, want NotCommitted and ErrFull", out, err)
	}
	if status, err := db.Lookup(t.Context(), b.ID); status != store.NotCommitted || err != nil {
		t.Errorf("Lookup = %v, %v, want NotCommitted", status, err)
	}
}

func TestOldBatchesAreForgotten(t *testing.T) {
	w := &writer{db: open(t, filepath.Join(t.TempDir(), "kernel.db"))}
	defer w.db.Close()
	if err := w.db.Exec("PRAGMA synchronous=OFF"); err != nil { // this is about numbers
		t.Fatal(err)
	}
	for range 7000 {
		w.commit(t, w.next(t, 0))
	}
	known := 0
	for n := 1; n <= 7000; n++ {
		status, err := w.db.Lookup(t.Context(), fmt.Sprintf("batch-%d", n))
		if err != nil {
			t.Fatal(err)
		}
		if status == store.Committed {
			known++
		} else if n > 7000-4096 {
			t.Errorf("batch %d of 7000 is forgotten", n)
		}
	}
	if known > 4096+1024 {
		t.Errorf("%d batches are known, want the older forgotten", known)
	}
}
