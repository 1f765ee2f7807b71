package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	failed chan error // receives why the lease is lost
	stop   context.CancelFunc
	ended  chan struct{} // closed when nothing is renewed any more
}

// takeLease takes the log's lease, or waits for one whose node may have died.
func takeLease(ctx context.Context, s store.Store, owner string, log *slog.Logger) (*leased, error) {
	waiting, cancel := context.WithTimeout(ctx, leaseLife+renewEvery)
	defer cancel()
	lease, err := s.Acquire(waiting, 0, owner, leaseLife)
	if errors.Is(err, store.ErrHeld) {
		log.Warn("another node has the log's lease; waiting until it expires", "error", err)
	}
	for errors.Is(err, store.ErrHeld) && pause(waiting, renewEvery/5) {
		lease, err = s.Acquire(waiting, 0, owner, leaseLife)
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
		every(renewing, renewEvery, l.renew)
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
