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

// A lease lasts for leaseLife after it was renewed last. Longer is a longer
// wait after a node died; shorter is a node that loses its shard when the
// database hesitates.
const (
	leaseLife  = 5 * time.Second
	renewEvery = time.Second
)

// A leased store is a database of which this node has the log's lease.
type leased struct {
	store.Store
	lease  store.Lease
	log    *slog.Logger
	failed chan error             // receives why the lease is lost
	clock  atomic.Pointer[string] // why this machine's clock is not to be trusted; nil: it is
	stop   context.CancelFunc
	ended  chan struct{} // closed when nothing is renewed any more
}

// takeLease takes the log's lease, or waits for one whose node may have died.
func takeLease(ctx context.Context, s store.Store, owner string, log *slog.Logger) (*leased, error) {
	waiting, cancel := context.WithTimeout(ctx, leaseLife+renewEvery)
	defer cancel()
	lease, err := s.Acquire(ctx, 0, owner, leaseLife)
	if errors.Is(err, store.ErrHeld) {
		log.Warn("another node has the log's lease; waiting until it expires", "error", err)
	}
	for errors.Is(err, store.ErrHeld) && pause(waiting, renewEvery/5) {
		lease, err = s.Acquire(ctx, 0, owner, leaseLife)
	}
	switch {
	case errors.Is(err, store.ErrHeld):
		return nil, kernel.Errorf(kernel.Internal, "another kernel writes the log of this database: %v", err).
			WithHint("stop it first; \"kernel store status\" shows who has the lease")
	case err != nil:
		return nil, storeError(err)
	}
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	l := &leased{Store: s, lease: lease, log: log, failed: make(chan error, 1), stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(l.ended)
		every(renewing, renewEvery, func(ctx context.Context) {
			l.renew(ctx)
			l.compareClocks(ctx)
		})
	}()
	return l, nil
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
		l.log.Warn("the log's lease could not be renewed", "error", err)
	}
}

func (l *leased) lost(err error) {
	select {
	case l.failed <- fmt.Errorf("another node took the log over: %w", err):
	default: // the first is enough
	}
}

// Commit commits under the lease.
func (l *leased) Commit(ctx context.Context, b *store.Batch) (store.Outcome, error) {
	under := *b
	under.Epoch = l.lease.Epoch
	out, err := l.Store.Commit(ctx, &under)
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
		l.log.Warn("the log's lease was not released; it expires by itself", "error", err)
	}
	return nil
}
