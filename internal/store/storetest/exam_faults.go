package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/store"
)

// A Breaker is a store that can be made to fail while it commits.
type Breaker struct {
	// Store is empty; RunFaults closes what Mend returned last.
	Store store.Store
	// Break makes the next commit meet the fault of a step, from 0. It returns
	// false when there is no such step.
	Break func(step int) bool
	// Mend ends the fault. The store it returns sees what is really there: the
	// same, or one that was opened anew.
	Mend func() store.Store
}

// RunFaults commits batch after batch, each into another fault, and holds the
// store to what it says: Committed is there, NotCommitted is not and never will
// be, Unknown is settled by Lookup, and either way committing the batch again
// brings it there once. It returns how the commits ended.
func RunFaults(t *testing.T, b Breaker) map[store.Status]int {
	t.Helper()
	x := &exam{Store: b.Store, t: t}
	defer func() {
		if err := x.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}()
	ends := map[store.Status]int{}
	x.commit(x.batch(0, entry(0)))
	for step := 0; b.Break(step); step++ {
		batch := x.faulty(step)
		out, err := x.Commit(x.ctx(), batch)
		ends[out.Status]++
		if (out.Status == store.Committed) != (err == nil) || out.Status == store.Conflict {
			t.Fatalf("step %d: Commit = %v, %v", step, out, err)
		}
		x.Store = b.Mend()
		status := x.settled(step, batch, out.Status)
		if status == store.Committed {
			x.note(batch)
		}
		x.holds(step, batch, status)
		if again, err := x.Commit(x.ctx(), batch); again.Status != store.Committed {
			t.Fatalf("step %d: after %v the same Commit = %v, %v, want Committed", step, out.Status, again, err)
		}
		if status != store.Committed {
			x.note(batch)
		}
		x.holds(step, batch, store.Committed)
	}
	return ends
}

// faulty is a batch with everything that a batch can have.
func (x *exam) faulty(step int) *store.Batch {
	e := entry(2 * (step + 1))
	e.ID = fmt.Sprintf("faulty-%d", step)
	b := x.batch(0, e, note(2*(step+1)+1))
	counter := key("counter", "of all")
	b.Guards = []store.Guard{{RecordKey: key("token", "none")}}
	b.Transitions = []store.Transition{
		{RecordKey: key("request", e.ID), Value: []byte("x")},
		{RecordKey: counter, From: uint64(step), Value: fmt.Append(nil, step)},
	}
	return b
}

// settled asks until the store can tell, and holds it to what it said before.
func (x *exam) settled(step int, b *store.Batch, said store.Status) store.Status {
	x.t.Helper()
	var status store.Status
	var err error
	for range 400 {
		if status, err = x.Lookup(x.ctx(), b.ID); err == nil {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	switch {
	case err != nil || status != store.Committed && status != store.NotCommitted:
		x.t.Fatalf("step %d: Lookup = %v, %v, want it to settle what Commit called %v", step, status, err, said)
	case said != store.Unknown && status != said:
		x.t.Fatalf("step %d: Commit = %v, Lookup = %v", step, said, status)
	}
	return status
}

// holds checks that a batch is there whole, or nothing of it.
func (x *exam) holds(step int, b *store.Batch, status store.Status) {
	x.t.Helper()
	x.unchanged(0)
	for _, t := range b.Transitions {
		want := store.Record{RecordKey: t.RecordKey, Version: t.From + 1, Value: t.Value}
		if status != store.Committed {
			want.Version--
			want.Value = fmt.Append(nil, step-1)
		}
		got, err := x.Record(x.ctx(), t.RecordKey)
		if want.Version == 0 {
			if !errors.Is(err, store.ErrNotFound) {
				x.t.Fatalf("step %d, %v: Record(%q) = %v, %v, want none", step, status, t.RecordKey, got, err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			x.t.Fatalf("step %d, %v: Record(%q) = %v, %v, want %v", step, status, t.RecordKey, got, err, want)
		}
	}
}
