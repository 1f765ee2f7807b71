package storetest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

func TestMemoryPassesTheExam(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return &storetest.Memory{Clock: time.Now} })
}

func TestMemoryWithoutAClockPassesTheExam(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return &storetest.Memory{} })
}

func records(id string) *store.Batch {
	return &store.Batch{ID: id, Transitions: []store.Transition{{RecordKey: store.RecordKey{Kind: "k", Key: id}, Value: []byte("v")}}}
}

func TestMemoryFailsOnDemand(t *testing.T) {
	ctx := context.Background()
	disk := errors.New("disk on fire")
	for _, c := range []struct {
		fault storetest.Fault
		err   error
		there bool
	}{
		{storetest.Fault{Status: store.NotCommitted, Err: store.ErrFull}, store.ErrFull, false},
		{storetest.Fault{Status: store.Unknown, Err: disk}, disk, false},
		{storetest.Fault{Status: store.Unknown, Written: true, Err: disk}, disk, true},
	} {
		var m storetest.Memory
		m.Fail(c.fault)
		out, err := m.Commit(ctx, records("a"))
		if out.Status != c.fault.Status || !errors.Is(err, c.err) {
			t.Errorf("%+v: Commit = %v, %v", c.fault, out, err)
		}
		if c.fault.Status == store.Unknown {
			if out, err := m.Commit(ctx, records("b")); out.Status != store.NotCommitted || err == nil {
				t.Errorf("%+v: another Commit before Lookup = %v, %v, want NotCommitted", c.fault, out, err)
			}
		}
		m.FailLookups(disk)
		if status, err := m.Lookup(ctx, "a"); status != store.Unknown || !errors.Is(err, disk) {
			t.Errorf("%+v: Lookup = %v, %v, want it to fail", c.fault, status, err)
		}
		m.FailLookups(nil)
		want := store.NotCommitted
		if c.there {
			want = store.Committed
		}
		if status, err := m.Lookup(ctx, "a"); status != want || err != nil {
			t.Errorf("%+v: Lookup = %v, %v, want %v", c.fault, status, err, want)
		}
		if out, err := m.Commit(ctx, records("b")); out.Status != store.Committed || err != nil {
			t.Errorf("%+v: Commit after Lookup = %v, %v, want Committed", c.fault, out, err)
		}
	}
}

func TestMemoryLetsOneWatchCommitsAndFailReads(t *testing.T) {
	var m storetest.Memory
	seen := ""
	m.OnCommit(func(b *store.Batch) { seen += b.ID })
	if _, err := m.Commit(context.Background(), records("a")); err != nil || seen != "a" {
		t.Errorf("Commit: %v, watched %q, want a", err, seen)
	}
	away := errors.New("away")
	m.FailReads(away)
	if _, err := m.Head(context.Background(), 0); !errors.Is(err, away) {
		t.Errorf("Head = %v, want %v", err, away)
	}
}

func TestMemoryKeepsItsWordThroughFaults(t *testing.T) {
	var m storetest.Memory
	faults := []storetest.Fault{
		{Status: store.NotCommitted}, {Status: store.Unknown}, {Status: store.Unknown, Written: true}, {Status: store.NotCommitted, Err: store.ErrFull},
	}
	ends := storetest.RunFaults(t, storetest.Breaker{
		Store: &m,
		Break: func(step int) bool {
			if step < len(faults) {
				m.Fail(faults[step])
			}
			return step < len(faults)
		},
		Mend: func() store.Store { return &m },
	})
	if ends[store.NotCommitted] != 2 || ends[store.Unknown] != 2 {
		t.Errorf("the commits ended as %v", ends)
	}
}
