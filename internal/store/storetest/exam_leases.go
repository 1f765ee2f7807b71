package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/store"
)

const longLife = time.Hour

// take acquires a shard that must be free, and writes it from here on.
func (x *exam) take(shard int, owner string, life time.Duration, epoch uint64) store.Lease {
	x.t.Helper()
	l, err := x.Acquire(x.ctx(), shard, owner, life)
	if err != nil || l.Shard != shard || l.Owner != owner || l.Epoch != epoch || l.Left <= 0 {
		x.t.Fatalf("Acquire(%d, %s) = %+v, %v, want epoch %d", shard, owner, l, err, epoch)
	}
	if l.Left > life && l.Left != store.Forever {
		x.t.Fatalf("Acquire(%d, %s, %v) = %+v, want at most that left", shard, owner, life, l)
	}
	x.write(l)
	return l
}

// write makes batches carry the epoch of a lease.
func (x *exam) write(l store.Lease) {
	if x.epochs == nil {
		x.epochs = map[int]uint64{}
	}
	x.epochs[l.Shard] = l.Epoch
}

// fenced checks that what carries an epoch is not committed.
func (x *exam) fenced(shard int, epoch uint64) {
	x.t.Helper()
	b := x.batch(shard, entry(100))
	b.Epoch = epoch
	b.Transitions = []store.Transition{{RecordKey: key("token", "fenced"), Value: []byte("x")}}
	if _, err := x.refuse(b, store.NotCommitted); !errors.Is(err, store.ErrFenced) {
		x.t.Fatalf("Commit with epoch %d = %v, want ErrFenced", epoch, err)
	}
	x.record(key("token", "fenced"), nil)
}

func leasesFence(t *testing.T, x *exam) {
	x.commit(x.batch(0, entry(0))) // nobody ever took the shard
	x.fenced(0, 1)
	a := x.take(0, "node-a", longLife, 1)
	x.fenced(0, 0)
	x.fenced(0, 2)
	x.commit(x.batch(0, entry(1)))
	if _, err := x.Acquire(x.ctx(), 0, "node-b", longLife); !errors.Is(err, store.ErrHeld) {
		t.Errorf("Acquire of a shard that is held = %v, want ErrHeld", err)
	}
	x.commit(x.batch(0, entry(2))) // which changed nothing
	if l, err := x.Renew(x.ctx(), a, longLife); err != nil || l.Epoch != 1 || l.Left <= 0 {
		t.Errorf("Renew = %+v, %v, want epoch 1", l, err)
	}
	again := x.take(0, "node-a", longLife, 2) // after a restart, say
	x.fenced(0, 1)
	if _, err := x.Renew(x.ctx(), a, longLife); !errors.Is(err, store.ErrFenced) {
		t.Errorf("Renew of an epoch that is over = %v, want ErrFenced", err)
	}
	if err := x.Release(x.ctx(), a); err != nil {
		t.Errorf("Release of an epoch that is over: %v", err)
	}
	if _, err := x.Acquire(x.ctx(), 0, "node-b", longLife); !errors.Is(err, store.ErrHeld) {
		t.Errorf("Acquire after another's Release = %v, want ErrHeld", err)
	}
	if err := x.Release(x.ctx(), again); err != nil {
		t.Fatalf("Release: %v", err)
	}
	x.commit(x.batch(0, entry(3))) // it may write until somebody else takes over
	b := x.take(0, "node-b", longLife, 3)
	x.fenced(0, 2)
	x.commit(x.batch(0, entry(4)))
	if _, err := x.Renew(x.ctx(), store.Lease{Shard: 0, Owner: "node-c", Epoch: b.Epoch}, longLife); !errors.Is(err, store.ErrFenced) {
		t.Errorf("Renew by another owner = %v, want ErrFenced", err)
	}
	x.unchanged(0)
}

func leasesOfShards(t *testing.T, x *exam) {
	if list, err := x.Leases(x.ctx()); err != nil || len(list) > 0 {
		t.Errorf("Leases = %v, %v, want none", list, err)
	}
	x.take(3, "node-a", longLife, 1)
	x.take(0, "node-b", longLife, 1)
	x.take(0, "node-b", longLife, 2)
	one := x.take(1, "node-ä", longLife, 1)
	x.commit(x.batch(0, entry(0)))
	x.commit(x.batch(3, entry(1)))
	x.commit(x.batch(7, entry(2)))
	x.fenced(3, 2)
	if err := x.Release(x.ctx(), one); err != nil {
		t.Fatal(err)
	}
	list, err := x.Leases(x.ctx())
	if err != nil || len(list) != 3 {
		t.Fatalf("Leases = %v, %v, want three", list, err)
	}
	for i, want := range []store.Lease{{Shard: 0, Owner: "node-b", Epoch: 2, Left: 1}, {Shard: 1, Owner: "node-ä", Epoch: 1}, {Shard: 3, Owner: "node-a", Epoch: 1, Left: 1}} {
		got := list[i]
		if got.Shard != want.Shard || got.Owner != want.Owner || got.Epoch != want.Epoch || (got.Left > 0) != (want.Left > 0) {
			t.Errorf("Leases[%d] = %+v, want %+v, where 1 left means some time", i, got, want)
		}
	}
	for _, bad := range []struct {
		shard int
		owner string
		life  time.Duration
	}{{-1, "a", longLife}, {0, "", longLife}, {0, "a\x00", longLife}, {0, "\xff", longLife}, {0, "a", 0}, {0, "a", -longLife}} {
		if l, err := x.Acquire(x.ctx(), bad.shard, bad.owner, bad.life); err == nil || errors.Is(err, store.ErrHeld) {
			t.Errorf("Acquire(%+v) = %v, %v, want it refused", bad, l, err)
		}
		if l, err := x.Renew(x.ctx(), store.Lease{Shard: bad.shard, Owner: bad.owner, Epoch: 1}, bad.life); err == nil {
			t.Errorf("Renew(%+v) = %v, want it refused", bad, l)
		}
	}
	ctx, cancel := context.WithCancel(x.ctx())
	cancel()
	if _, err := x.Acquire(ctx, 9, "a", longLife); !errors.Is(err, context.Canceled) {
		t.Errorf("Acquire = %v, want context.Canceled", err)
	}
}

// leasesExpire says nothing about a store whose leases do not.
func leasesExpire(t *testing.T, x *exam) {
	const life = 250 * time.Millisecond
	a := x.take(0, "node-a", life, 1)
	if a.Left == store.Forever {
		if _, err := x.Acquire(x.ctx(), 0, "node-b", life); !errors.Is(err, store.ErrHeld) {
			t.Errorf("Acquire = %v, want ErrHeld for ever", err)
		}
		return
	}
	for range 6 { // renewed, it outlives itself
		time.Sleep(life / 5)
		if _, err := x.Renew(x.ctx(), a, 40*life); err != nil {
			t.Fatalf("Renew: %v", err)
		}
		if _, err := x.Acquire(x.ctx(), 0, "node-b", life); !errors.Is(err, store.ErrHeld) {
			t.Fatalf("Acquire of a lease that is renewed = %v, want ErrHeld", err)
		}
	}
	if _, err := x.Renew(x.ctx(), a, time.Millisecond); err != nil {
		t.Fatalf("Renew: %v", err)
	}
	time.Sleep(20 * time.Millisecond)
	if list, err := x.Leases(x.ctx()); err != nil || list[0].Left != 0 {
		t.Errorf("Leases = %v, %v, want an expired one", list, err)
	}
	x.commit(x.batch(0, entry(0))) // nobody took over
	if _, err := x.Renew(x.ctx(), a, time.Millisecond); err != nil {
		t.Errorf("Renew of an expired lease that nobody took = %v, want it renewed", err)
	}
	time.Sleep(20 * time.Millisecond)
	x.take(0, "node-b", longLife, 2)
	x.fenced(0, 1)
	if _, err := x.Renew(x.ctx(), a, longLife); !errors.Is(err, store.ErrFenced) {
		t.Errorf("Renew of a lease that was taken over = %v, want ErrFenced", err)
	}
	x.commit(x.batch(0, entry(1)))
}

func announces(t *testing.T, x *exam) {
	revision := func(kind string) uint64 {
		t.Helper()
		n, err := x.Revision(x.ctx(), kind)
		if err != nil {
			t.Fatalf("Revision(%q): %v", kind, err)
		}
		return n
	}
	before := map[string]uint64{"policy": revision("policy"), "token": revision("token")}
	announce := func(kinds ...string) *store.Batch {
		b := x.batch(0, entry(len(x.all[0])))
		b.Announce = kinds
		return b
	}
	x.commit(announce())
	failing := announce("policy")
	failing.Guards = []store.Guard{{RecordKey: key("a", "b"), Version: 1}}
	x.conflict(failing, key("a", "b"))
	if revision("policy") != before["policy"] {
		t.Error("a batch that is not committed raises a revision")
	}
	heard := make(chan error, 1)
	ctx, cancel := context.WithCancel(x.ctx())
	defer cancel()
	go func() { heard <- x.Announced(ctx) }()
	for n := 0; ; n++ { // the first may come before it listens
		x.commit(announce("policy"))
		if revision("policy") <= before["policy"] || revision("token") != before["token"] {
			t.Fatalf("revisions are %d and %d, before %v, want only the first to grow", revision("policy"), revision("token"), before)
		}
		before["policy"] = revision("policy")
		select {
		case err := <-heard:
			if err != nil {
				t.Fatalf("Announced: %v", err)
			}
		case <-time.After(50 * time.Millisecond):
			if n == 100 {
				t.Fatal("Announced hears nothing")
			}
			continue
		}
		break
	}
	go func() { heard <- x.Announced(ctx) }()
	time.Sleep(20 * time.Millisecond)
	cancel()
	if err := <-heard; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Announced = %v, want context.Canceled", err)
	}
	x.commit(announce("policy", "token", "policy"))
	if revision("policy") <= before["policy"] || revision("token") <= before["token"] {
		t.Error("a batch that announces two kinds raises one revision at most")
	}
	bad := announce("")
	if out, err := x.Commit(x.ctx(), bad); out.Status != store.NotCommitted || err == nil {
		t.Errorf("Commit that announces %q = %v, %v, want NotCommitted and why", "", out, err)
	}
}
