package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/postgres"
)

// A writer commits one batch after the other, as a gate does, until it is
// stopped.
type writer struct {
	db           *postgres.DB
	head         store.Head // the last acknowledged
	n            int        // batches
	acknowledged uint64     // entries
	ends         map[store.Status]int
}

func (w *writer) run(stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		build, err := ledger.Extend(0, w.head)
		if err != nil {
			return err
		}
		for i := range 3 {
			if _, err := build.Append(refused(int(w.head.Size)+i), nil); err != nil {
				return err
			}
		}
		w.n++
		b := &store.Batch{ID: fmt.Sprint("batch-", w.n), PrevSize: w.head.Size, Next: build.Head(), Entries: build.Entries()}
		out, err := w.db.Commit(context.Background(), b)
		w.ends[out.Status]++
		for out.Status == store.Unknown {
			time.Sleep(10 * time.Millisecond)
			out.Status, _ = w.db.Lookup(context.Background(), b.ID)
		}
		switch {
		case out.Status == store.Committed:
			w.head, w.acknowledged = b.Next, b.Next.Size
		case errors.Is(err, store.ErrHeadMoved):
			return err
		}
	}
}

func TestKill9OfTheServerLosesNothingAcknowledged(t *testing.T) {
	url := database(t)
	w := &writer{db: quick(t, url), ends: map[store.Status]int{}}
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- w.run(stop) }()
	for range 3 {
		time.Sleep(400 * time.Millisecond)
		if err := cluster.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cluster.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(400 * time.Millisecond)
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	report, err := ledger.Verify(t.Context(), w.db, ledger.Trust{})
	if err != nil || !report.OK() || report.Entries != w.acknowledged || w.acknowledged == 0 {
		t.Errorf("Verify = %d entries, %v, %v, want the %d that were acknowledged", report.Entries, report.List, err, w.acknowledged)
	}
	if w.ends[store.Committed] == 0 || w.ends[store.NotCommitted] == 0 {
		t.Errorf("the commits ended as %v, want some that were killed and some that were not", w.ends)
	}
}
