package storetest

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/store"
)

func isNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }

func commitsWhole(t *testing.T, x *exam) {
	b := x.batch(0, entry(0), note(1), entry(2))
	b.Transitions = []store.Transition{{RecordKey: key("token", "a"), Value: []byte("v"), Expires: 77}}
	x.commit(b)
	x.unchanged(0)
	x.record(key("token", "a"), &store.Record{Version: 1, Value: []byte("v"), Expires: 77})
	for _, want := range b.Entries {
		got, err := x.Entry(x.ctx(), 0, want.Seq)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Entry(%d) = %+v, %v, want %+v", want.Seq, got, err, want)
		}
		if want.ID == "" {
			continue
		}
		got, err = x.EntryByID(x.ctx(), want.ID)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("EntryByID(%s) = %+v, %v, want %+v", want.ID, got, err, want)
		}
	}
	x.commit(x.batch(0, entry(3)))
	x.commit(x.batch(0)) // a batch may have no entries
	x.unchanged(0)
}

func emptyStore(t *testing.T, x *exam) {
	x.unchanged(0)
	x.unchanged(5)
	if _, err := x.Entry(x.ctx(), 0, 0); !isNotFound(err) {
		t.Errorf("Entry = %v, want ErrNotFound", err)
	}
	for _, id := range []string{"", "x"} {
		if _, err := x.EntryByID(x.ctx(), id); !isNotFound(err) {
			t.Errorf("EntryByID(%q) = %v, want ErrNotFound", id, err)
		}
	}
	x.record(key("a", "b"), nil)
	for r, err := range x.Records(x.ctx(), "a", "") {
		t.Errorf("Records yields %v, %v", r, err)
	}
	x.commit(x.batch(0, note(0)))
	if _, err := x.EntryByID(x.ctx(), ""); !isNotFound(err) {
		t.Errorf("EntryByID(%q) finds an entry without an id: %v", "", err)
	}
	if _, err := x.Entry(x.ctx(), 0, 1<<63); !isNotFound(err) {
		t.Errorf("Entry(1<<63) = %v, want ErrNotFound", err)
	}
}

func refusesMalformed(t *testing.T, x *exam) {
	x.commit(x.batch(0, entry(0), entry(1)))
	for name, spoil := range map[string]func(b *store.Batch){
		"no id":                   func(b *store.Batch) { b.ID = "" },
		"U+0000 in the id":        func(b *store.Batch) { b.ID = "a\x00b" },
		"negative shard":          func(b *store.Batch) { b.Shard = -1 },
		"another shard":           func(b *store.Batch) { b.Entries[1].Shard = 1 },
		"a gap":                   func(b *store.Batch) { b.Entries[1].Seq++ },
		"the wrong first":         func(b *store.Batch) { b.Entries[0].Seq-- },
		"a head too large":        func(b *store.Batch) { b.Next.Size++ },
		"a range too short":       func(b *store.Batch) { b.Next.Range = nil },
		"no body":                 func(b *store.Batch) { b.Entries[0].Body = nil },
		"a body that is not text": func(b *store.Batch) { b.Entries[0].Body = []byte("\xff") },
		"no kind":                 func(b *store.Batch) { b.Entries[0].Kind = "" },
		"an agent not UTF-8":      func(b *store.Batch) { b.Entries[0].Agent = "a\xff" },
		"U+0000 in the action":    func(b *store.Batch) { b.Entries[0].Action = "a\x00" },
		"a request not UTF-8":     func(b *store.Batch) { b.Entries[0].Private.Request = []byte("\xc0") },
		"instants that go back":   func(b *store.Batch) { b.Entries[1].Instant = b.Entries[0].Instant - 1 },
		"a record without kind":   func(b *store.Batch) { b.Transitions[0].Kind = "" },
		"a record without key":    func(b *store.Batch) { b.Transitions[0].Key = "" },
		"a guard without key":     func(b *store.Batch) { b.Guards = []store.Guard{{RecordKey: key("a", "")}} },
		"two transitions of one":  func(b *store.Batch) { b.Transitions = append(b.Transitions, b.Transitions[0]) },
	} {
		b := x.batch(0, entry(2), entry(3))
		b.Transitions = []store.Transition{{RecordKey: key("token", "a"), Value: []byte("v")}}
		spoil(b)
		out, err := x.Commit(x.ctx(), b)
		if out.Status != store.NotCommitted || err == nil {
			t.Errorf("%s: Commit = %v, %v, want NotCommitted and why", name, out, err)
		}
	}
	x.unchanged(0)
	x.record(key("token", "a"), nil)
}

func refusesMovedHead(t *testing.T, x *exam) {
	stale := x.batch(0, entry(0))
	ahead := x.batch(0, entry(0))
	ahead.PrevSize, ahead.Next.Size, ahead.Entries[0].Seq = 2, 3, 2
	ahead.Next.Range = make([][32]byte, 2)
	x.commit(x.batch(0, entry(5)))
	stale.Transitions = []store.Transition{{RecordKey: key("token", "a"), Value: []byte("v")}}
	for _, b := range []*store.Batch{stale, ahead} {
		if _, err := x.refuse(b, store.NotCommitted); !errors.Is(err, store.ErrHeadMoved) {
			t.Errorf("Commit after %d on a head of 1 = %v, want ErrHeadMoved", b.PrevSize, err)
		}
	}
	x.record(key("token", "a"), nil)
}

func refusesInstantBack(t *testing.T, x *exam) {
	x.commit(x.batch(0, entry(10)))
	if _, err := x.refuse(x.batch(0, entry(1)), store.NotCommitted); !errors.Is(err, store.ErrInstantBack) {
		t.Errorf("Commit = %v, want ErrInstantBack", err)
	}
	x.commit(x.batch(0, entry(11))) // the same instant is fine
}

func refusesTakenID(_ *testing.T, x *exam) {
	x.commit(x.batch(0, entry(0)))
	x.refuse(x.batch(0, entry(1), entry(0)), store.NotCommitted)
	x.refuse(x.batch(0, entry(2), entry(2)), store.NotCommitted)
	x.commit(x.batch(0, entry(1), entry(2)))
	x.unchanged(0)
}

func commitsOnce(t *testing.T, x *exam) {
	b := x.batch(0, entry(0), entry(1))
	b.Transitions = []store.Transition{{RecordKey: key("token", "a"), Value: []byte("v")}}
	x.commit(b)
	x.commit(x.batch(0, entry(2)))
	for range 2 {
		out, err := x.Commit(x.ctx(), b)
		if err != nil || out.Status != store.Committed {
			t.Fatalf("the second Commit(%s) = %v, %v, want Committed", b.ID, out, err)
		}
	}
	x.unchanged(0)
	x.record(key("token", "a"), &store.Record{Version: 1, Value: []byte("v")})
}

func lookups(t *testing.T, x *exam) {
	look := func(id string, want store.Status) {
		t.Helper()
		if got, err := x.Lookup(x.ctx(), id); err != nil || got != want {
			t.Errorf("Lookup(%q) = %v, %v, want %v", id, got, err, want)
		}
	}
	look("batch-1", store.NotCommitted)
	b := x.batch(0, entry(0))
	x.commit(b)
	look(b.ID, store.Committed)
	look("BATCH-1", store.NotCommitted)
	stale := x.batch(0, entry(1))
	stale.PrevSize, stale.Entries, stale.Next = 0, nil, store.Head{}
	x.refuse(stale, store.NotCommitted)
	look(stale.ID, store.NotCommitted)
	conflict := x.batch(0, entry(1))
	conflict.Guards = []store.Guard{{RecordKey: key("a", "b"), Version: 3}}
	x.refuse(conflict, store.Conflict)
	look(conflict.ID, store.NotCommitted)
	conflict.Guards = nil
	x.commit(conflict) // the id of what was not committed is not used up
	look(conflict.ID, store.Committed)
}

func shardsApart(t *testing.T, x *exam) {
	listed := func(want ...int) {
		t.Helper()
		if got, err := x.Shards(x.ctx()); err != nil || !slices.Equal(got, want) {
			t.Fatalf("Shards = %v, %v, want %v", got, err, want)
		}
	}
	listed()
	x.commit(x.batch(0, entry(6), entry(7)))
	x.commit(x.batch(3, entry(2))) // instants are those of the shard
	x.commit(x.batch(0, entry(8)))
	x.commit(x.batch(3, note(3)))
	listed(0, 3)
	x.commit(x.batch(12, note(3)))
	x.commit(x.batch(2, note(3)))
	listed(0, 2, 3, 12) // by number
	for _, shard := range []int{0, 1, 3} {
		x.unchanged(shard)
	}
}

func cancelled(t *testing.T, x *exam) {
	x.fill(0, 3)
	ctx, cancel := context.WithCancel(x.ctx())
	cancel()
	if out, err := x.Commit(ctx, x.batch(0, entry(8))); out.Status != store.NotCommitted || !errors.Is(err, context.Canceled) {
		t.Errorf("Commit = %v, %v, want NotCommitted and context.Canceled", out, err)
	}
	if status, err := x.Lookup(ctx, "batch-1"); status != store.Unknown || !errors.Is(err, context.Canceled) {
		t.Errorf("Lookup = %v, %v, want Unknown and context.Canceled", status, err)
	}
	if _, err := x.Head(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("Head = %v, want context.Canceled", err)
	}
	n := 0
	for _, err := range x.Entries(ctx, store.Query{}) {
		if n++; !errors.Is(err, context.Canceled) {
			t.Errorf("Entries yields %v, want context.Canceled", err)
		}
	}
	if n != 1 {
		t.Errorf("Entries yields %d times, want one error", n)
	}
	x.unchanged(0)
}

func largeValues(_ *testing.T, x *exam) {
	e := entry(0)
	e.Private.Request = []byte(`"` + strings.Repeat("ä", 1<<19) + `"`)
	b := x.batch(0, e, entry(1), entry(2))
	value := []byte(strings.Repeat("policy\x00\xff", 1<<17))
	b.Transitions = []store.Transition{{RecordKey: key("bundle", "v"), Value: value}, {RecordKey: key("bundle", "w"), Value: []byte{}}}
	x.commit(b)
	x.unchanged(0)
	x.record(key("bundle", "v"), &store.Record{Version: 1, Value: value})
	x.record(key("bundle", "w"), &store.Record{Version: 1, Value: []byte{}})
}

func leaves(t *testing.T, x *exam) {
	x.fill(0, 40)
	r, ok := x.Store.(store.LeafReader)
	if !ok {
		return // an engine may leave it out; readers then read entries
	}
	for _, from := range []uint64{0, 1, 39, 40, 1 << 62} {
		seq := from
		for leaf, err := range r.Leaves(x.ctx(), 0, from) {
			if err != nil || leaf.Seq != seq || leaf.Hash != x.all[0][seq].Leaf {
				t.Fatalf("Leaves(%d) yields %d %x, %v, want %d", from, leaf.Seq, leaf.Hash, err, seq)
			}
			seq++
		}
		if seq != max(from, 40) {
			t.Errorf("Leaves(%d) ends at %d, want 40", from, seq)
		}
		seq = from
		for b, err := range r.Bodies(x.ctx(), 0, from) {
			if want := x.all[0][seq]; err != nil || b.Seq != seq || b.Hash != want.Leaf || !bytes.Equal(b.Body, want.Body) {
				t.Fatalf("Bodies(%d) yields %d %x %s, %v, want %d %s", from, b.Seq, b.Hash, b.Body, err, seq, want.Body)
			}
			seq++
		}
		if seq != max(from, 40) {
			t.Errorf("Bodies(%d) ends at %d, want 40", from, seq)
		}
	}
}

func keepsCopies(_ *testing.T, x *exam) {
	b := x.batch(0, entry(0))
	value := []byte("value")
	b.Transitions = []store.Transition{{RecordKey: key("token", "a"), Value: value}}
	x.commit(b)
	x.all[0] = []store.Entry{entry(0)}
	b.Entries[0].Body[0], b.Entries[0].Private.Salt[0], value[0] = 'X', 'X', 'X'
	b.Next.Range[0][0]++
	x.unchanged(0)
	x.record(key("token", "a"), &store.Record{Version: 1, Value: []byte("value")})
	got, err := x.Entry(x.ctx(), 0, 0)
	if err != nil {
		x.t.Fatal(err)
	}
	got.Body[0], got.Private.Request[0] = 'Y', 'Y'
	x.unchanged(0)
}

func closedStore(t *testing.T, x *exam) {
	x.fill(0, 2)
	b := x.batch(0, entry(9))
	for range 2 {
		if err := x.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	if out, err := x.Commit(x.ctx(), b); out.Status != store.NotCommitted || err == nil {
		t.Errorf("Commit = %v, %v, want NotCommitted and why", out, err)
	}
	if status, err := x.Lookup(x.ctx(), b.ID); status != store.Unknown || err == nil {
		t.Errorf("Lookup = %v, %v, want Unknown and why", status, err)
	}
	if _, err := x.Head(x.ctx(), 0); err == nil {
		t.Error("Head succeeds, want an error")
	}
	if _, err := x.Entry(x.ctx(), 0, 0); err == nil || isNotFound(err) {
		t.Errorf("Entry = %v, want an error that is not ErrNotFound", err)
	}
	for e, err := range x.Entries(x.ctx(), store.Query{}) {
		if err == nil {
			t.Errorf("Entries yields %v, want an error", e)
		}
	}
}
