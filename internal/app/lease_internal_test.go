package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// A skewed store has a clock that is off.
type skewed struct {
	store.Store
	by  time.Duration
	err error
}

func (s skewed) Commit(context.Context, *store.Batch) (store.Outcome, error) {
	return store.Outcome{Status: store.Committed}, nil
}

func (s skewed) Now(context.Context) (time.Time, error) { return Clock().Add(s.by), s.err }

func TestANodeTakesItsOwnShardThenOneThatIsFreeThenANewOne(t *testing.T) {
	held := func(shard int, owner string) store.Lease {
		return store.Lease{Shard: shard, Owner: owner, Epoch: 1, Left: time.Second}
	}
	over := func(shard int, owner string) store.Lease { return store.Lease{Shard: shard, Owner: owner, Epoch: 1} }
	for _, c := range []struct {
		leases []store.Lease
		want   []int
	}{
		{nil, []int{0}},
		{[]store.Lease{held(0, "a"), held(1, "b")}, []int{2}},
		{[]store.Lease{held(0, "a"), over(1, "b"), held(2, "c")}, []int{1, 3}},
		{[]store.Lease{over(0, "a"), over(1, "me"), over(2, "c")}, []int{1, 0, 2, 3}},
		{[]store.Lease{over(0, "a"), held(3, "me")}, []int{3, 0, 1}},
	} {
		if got := choices(c.leases, "me"); !slices.Equal(got, c.want) {
			t.Errorf("choices(%v) = %v, want %v", c.leases, got, c.want)
		}
	}
}

// Nodes that start at the same time take a shard each.
func TestNodesThatStartTogetherTakeAShardEach(t *testing.T) {
	db := &storetest.Memory{Clock: time.Now}
	var taken [8]store.Lease
	var starts sync.WaitGroup
	for i := range taken {
		starts.Go(func() {
			var err error
			if taken[i], err = acquire(t.Context(), db, fmt.Sprint("node-", i)); err != nil {
				t.Error(err)
			}
		})
	}
	starts.Wait()
	seen := map[int]bool{}
	for _, l := range taken {
		seen[l.Shard] = true
	}
	if len(seen) != len(taken) {
		t.Errorf("%d nodes took the shards %v", len(taken), seen)
	}
}

func TestANodeWhoseClockIsOffIsNotReady(t *testing.T) {
	away := errors.New("away")
	l := &leased{log: slog.New(slog.DiscardHandler)}
	for _, c := range []struct {
		store skewed
		ready bool
	}{
		{skewed{}, true},
		{skewed{by: 300 * time.Millisecond}, true},
		{skewed{by: -300 * time.Millisecond}, true},
		{skewed{by: 2 * time.Second}, false},
		{skewed{err: away}, false}, // which says nothing new
		{skewed{}, true},
		{skewed{by: -2 * time.Second}, false},
		{skewed{}, true},
	} {
		l.Store = c.store
		l.compareClocks(t.Context())
		err := l.probe(t.Context())
		var ours *kernel.Error
		if (err == nil) != c.ready || err != nil && (!errors.As(err, &ours) || ours.Code != kernel.Unavailable) {
			t.Errorf("%+v: probe = %v, want ready %v", c.store, err, c.ready)
		}
		out, err := l.Commit(t.Context(), &store.Batch{})
		if (err == nil) != c.ready || (out.Status == store.Committed) != c.ready {
			t.Errorf("%+v: Commit = %v, %v, want it committed %v", c.store, out, err, c.ready)
		}
	}
}
