package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// A lease lasts for leaseLife after it was renewed last. Longer is a longer wait
// until another node signs the last entries of one that died; shorter is a node
// that can lose its shard when the database hesitates.
const (
	leaseLife  = 5 * time.Second
	renewEvery = time.Second
)

// A leased store is a database of which this node writes one shard.
type leased struct {
	store.Store
	lease  store.Lease
	log    *slog.Logger
	failed chan error             // receives why the lease is lost
	clock  atomic.Pointer[string] // why this machine's clock is not to be trusted; nil: it is
	stop   context.CancelFunc
	ended  chan struct{} // closed when nothing is renewed any more
}

// takeLease takes a shard that no other node holds, and keeps it.
func takeLease(ctx context.Context, s store.Store, owner string, log *slog.Logger) (*leased, error) {
	lease, err := acquire(ctx, s, owner)
	if err != nil {
		return nil, storeError(err)
	}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	l := &leased{Store: s, lease: lease, log: log, failed: make(chan error, 1), stop: stop, ended: make(chan struct{})}
	l.compareClocks(ctx)
	go func() {
		defer close(l.ended)
		every(renewing, renewEvery, func(ctx context.Context) {
			l.renew(ctx)
			l.compareClocks(ctx)
		})
	}()
	return l, nil
}

// acquire tries shards until one is this node's. Other nodes that start at the
// same time may be faster at each of them, so it looks again.
func acquire(ctx context.Context, s store.Store, owner string) (store.Lease, error) {
	for {
		leases, err := s.Leases(ctx)
		if err != nil {
			return store.Lease{}, err
		}
		for _, shard := range choices(leases, owner) {
			lease, err := s.Acquire(ctx, shard, owner, leaseLife)
			if !errors.Is(err, store.ErrHeld) {
				return lease, err
			}
		}
		if !pause(ctx, renewEvery/5) {
			return store.Lease{}, ctx.Err()
		}
	}
}

// choices lists the shards that a node may take, the best first: its own of
// before, those whose node is gone, whose last entries somebody has to sign,
// and one that nobody ever took.
func choices(leases []store.Lease, owner string) []int {
	var own, free []int
	fresh := 0
	for _, l := range leases { // by shard
		switch {
		case l.Owner == owner:
			own = append(own, l.Shard)
		case l.Left <= 0:
			free = append(free, l.Shard)
		}
		if l.Shard == fresh {
			fresh++
		}
	}
	return append(append(own, free...), fresh)
}

// pause waits, and reports whether ctx still goes on.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// A ticker is a store that tells its own time.
type ticker interface {
	Now(ctx context.Context) (time.Time, error)
}

// maxSkew is how far this machine's clock may be off the database's: nodes
// that take over from each other decide by one time.
const maxSkew = 500 * time.Millisecond

// compareClocks asks the database for its time, which it told at some moment
// between the question and the answer.
func (l *leased) compareClocks(ctx context.Context) {
	t, tells := l.Store.(ticker)
	if !tells {
		return
	}
	before := Clock()
	there, err := t.Now(ctx)
	if err != nil {
		return // that the database is away is said elsewhere
	}
	problem := skew(before, Clock(), there)
	if old := l.clock.Swap(problem); problem != nil && old == nil {
		l.log.Error(*problem)
	}
}

// skew says how far a time is outside of the moments it was told between, or
// nil when that is not too far.
func skew(before, after, there time.Time) *string {
	off := max(before.Sub(there), there.Sub(after))
	if off <= maxSkew {
		return nil
	}
	problem := fmt.Sprintf("this machine's clock is at least %s off the database's; set both by NTP", off.Round(time.Millisecond))
	return &problem
}

// probe says that this node's time is not the database's.
func (l *leased) probe(context.Context) error {
	if problem := l.clock.Load(); problem != nil {
		return kernel.Errorf(kernel.Unavailable, "%s", *problem)
	}
	return nil
}

// renew keeps the lease. Whether a lease that could not be renewed in time is
// lost, the database says: nothing is committed under one that is.
func (l *leased) renew(ctx context.Context) {
	_, err := l.Renew(ctx, l.lease, leaseLife)
	switch {
	case errors.Is(err, store.ErrFenced):
		l.lost(err)
	case err != nil && ctx.Err() == nil:
		l.log.Warn("the lease of the shard could not be renewed", "shard", l.lease.Shard, "error", err)
	}
}

func (l *leased) lost(err error) {
	select {
	case l.failed <- fmt.Errorf("another node took shard %d over: %w", l.lease.Shard, err):
	default: // the first is enough
	}
}

// Commit refuses where this node's time is not the database's: other nodes
// decide from what it records, at its instants. It notices that the lease is lost.
func (l *leased) Commit(ctx context.Context, b *store.Batch) (store.Outcome, error) {
	if err := l.probe(ctx); err != nil {
		return store.Outcome{Status: store.NotCommitted}, err
	}
	out, err := l.Store.Commit(ctx, b)
	if errors.Is(err, store.ErrFenced) {
		l.lost(err)
	}
	return out, err
}

func (l *leased) wait(ctx context.Context) error {
	select {
	case err := <-l.failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// release lets the next node take over at once.
func (l *leased) release(ctx context.Context) error {
	l.stop()
	<-l.ended
	if err := l.Release(ctx, l.lease); err != nil {
		l.log.Warn("the lease of the shard was not released; it expires by itself", "shard", l.lease.Shard, "error", err)
	}
	return nil
}
