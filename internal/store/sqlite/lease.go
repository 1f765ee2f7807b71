package sqlite

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/strixlabs/execution-kernel/internal/store"
)

// leases lie in memory: one process has the file open, as the lock of the data
// folder sees to, and what it was told by itself dies with it. So they do not
// expire, and nobody waits after a crash.
type leases struct{ byShard map[int]store.Lease }

// checkEpoch holds a batch to the lease of its shard.
func (l *leases) checkEpoch(b *store.Batch) error {
	if have := l.byShard[b.Shard].Epoch; b.Epoch != have {
		return fmt.Errorf("%w: shard %d has epoch %d, the batch carries %d", store.ErrFenced, b.Shard, have, b.Epoch)
	}
	return nil
}

func (l *leases) set(lease store.Lease) store.Lease {
	if l.byShard == nil {
		l.byShard = map[int]store.Lease{}
	}
	l.byShard[lease.Shard] = lease
	return lease
}

// leasing runs f while nobody commits.
func (db *DB) leasing(ctx context.Context, f func(*leases) error) error {
	if err := db.wait(ctx); err != nil {
		return err
	}
	defer func() { db.gate <- struct{}{} }()
	switch {
	case db.closed:
		return errClosed
	case db.broken != nil:
		return db.broken
	}
	return f(&db.leases)
}

// Acquire implements store.Leaser.
func (db *DB) Acquire(ctx context.Context, shard int, owner string, life time.Duration) (lease store.Lease, err error) {
	if err := store.CheckLease(shard, owner, life); err != nil {
		return store.Lease{}, err
	}
	err = db.leasing(ctx, func(l *leases) error {
		old := l.byShard[shard]
		if old.Left > 0 && old.Owner != owner {
			return fmt.Errorf("%w: shard %d is that of %s", store.ErrHeld, shard, old.Owner)
		}
		lease = l.set(store.Lease{Shard: shard, Owner: owner, Epoch: old.Epoch + 1, Left: store.Forever})
		return nil
	})
	return lease, err
}

// Renew implements store.Leaser.
func (db *DB) Renew(ctx context.Context, lease store.Lease, life time.Duration) (renewed store.Lease, err error) {
	if err := store.CheckLease(lease.Shard, lease.Owner, life); err != nil {
		return store.Lease{}, err
	}
	err = db.leasing(ctx, func(l *leases) error {
		have := l.byShard[lease.Shard]
		if have.Epoch != lease.Epoch || have.Owner != lease.Owner {
			return fmt.Errorf("%w: shard %d has epoch %d and is that of %s", store.ErrFenced, lease.Shard, have.Epoch, have.Owner)
		}
		have.Left = store.Forever
		renewed = l.set(have)
		return nil
	})
	return renewed, err
}

// Release implements store.Leaser.
func (db *DB) Release(ctx context.Context, lease store.Lease) error {
	return db.leasing(ctx, func(l *leases) error {
		if have := l.byShard[lease.Shard]; have.Epoch == lease.Epoch && have.Owner == lease.Owner {
			have.Left = 0
			l.set(have)
		}
		return nil
	})
}

// Leases implements store.Leaser.
func (db *DB) Leases(ctx context.Context) (list []store.Lease, err error) {
	err = db.leasing(ctx, func(l *leases) error {
		for _, shard := range slices.Sorted(maps.Keys(l.byShard)) {
			list = append(list, l.byShard[shard])
		}
		return nil
	})
	return list, err
}

// announced are the revisions that this process announced, to itself.
type announced struct {
	mu        sync.Mutex
	revisions map[string]uint64
	waiting   chan struct{} // closed when something is announced
}

func (a *announced) raise(kinds []string) {
	if len(kinds) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.revisions == nil {
		a.revisions = map[string]uint64{}
	}
	for _, kind := range kinds {
		a.revisions[kind]++
	}
	if a.waiting != nil {
		close(a.waiting)
		a.waiting = nil
	}
}

func (a *announced) next() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting == nil {
		a.waiting = make(chan struct{})
	}
	return a.waiting
}

// Revision implements store.Announcer. It begins at 0 in each process.
func (db *DB) Revision(ctx context.Context, kind string) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	db.announced.mu.Lock()
	defer db.announced.mu.Unlock()
	return db.announced.revisions[kind], nil
}

// Announced implements store.Announcer.
func (db *DB) Announced(ctx context.Context) error {
	select {
	case <-db.announced.next():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
