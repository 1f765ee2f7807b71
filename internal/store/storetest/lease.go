package storetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/strixlabs/execution-kernel/internal/store"
)

// leases are guarded by Memory.mu.
type leases struct {
	byShard map[int]held
}

type held struct {
	owner string
	epoch uint64
	until time.Time // by Memory.Clock
}

func (m *Memory) now() time.Time {
	if m.Clock == nil {
		return time.Time{}
	}
	return m.Clock()
}

// lease is a lease as it is now; of one that was released nothing is left.
func (m *Memory) lease(shard int, h held) store.Lease {
	l := store.Lease{Shard: shard, Owner: h.owner, Epoch: h.epoch}
	switch {
	case h.until.IsZero(): // released
	case m.Clock == nil:
		l.Left = store.Forever
	default:
		l.Left = max(0, h.until.Sub(m.now()))
	}
	return l
}

// until is when a lease that begins now ends; without a clock, some instant.
func (m *Memory) until(life time.Duration) time.Time { return m.now().Add(life) }

func (m *Memory) checkEpoch(b *store.Batch) error {
	if have := m.byShard[b.Shard].epoch; b.Epoch != have {
		return fmt.Errorf("%w: shard %d has epoch %d, the batch carries %d", store.ErrFenced, b.Shard, have, b.Epoch)
	}
	return nil
}

// Acquire implements store.Leaser.
func (m *Memory) Acquire(ctx context.Context, shard int, owner string, life time.Duration) (store.Lease, error) {
	if err := store.CheckLease(shard, owner, life); err != nil {
		return store.Lease{}, err
	}
	unlock, err := m.reading(ctx)
	if err != nil {
		return store.Lease{}, err
	}
	defer unlock()
	old := m.byShard[shard]
	if l := m.lease(shard, old); l.Left > 0 && l.Owner != owner {
		return store.Lease{}, fmt.Errorf("%w: shard %d is that of %s", store.ErrHeld, shard, l.Owner)
	}
	if m.byShard == nil {
		m.byShard = map[int]held{}
	}
	m.byShard[shard] = held{owner, old.epoch + 1, m.until(life)}
	return m.lease(shard, m.byShard[shard]), nil
}

// Renew implements store.Leaser.
func (m *Memory) Renew(ctx context.Context, l store.Lease, life time.Duration) (store.Lease, error) {
	if err := store.CheckLease(l.Shard, l.Owner, life); err != nil {
		return store.Lease{}, err
	}
	unlock, err := m.reading(ctx)
	if err != nil {
		return store.Lease{}, err
	}
	defer unlock()
	h, ours := m.own(l)
	if !ours {
		return store.Lease{}, fmt.Errorf("%w: shard %d has epoch %d and is that of %s", store.ErrFenced, l.Shard, h.epoch, h.owner)
	}
	h.until = m.until(life)
	m.byShard[l.Shard] = h
	return m.lease(l.Shard, h), nil
}

func (m *Memory) own(l store.Lease) (h held, ours bool) {
	h = m.byShard[l.Shard]
	return h, h.epoch == l.Epoch && h.owner == l.Owner
}

// Release implements store.Leaser.
func (m *Memory) Release(ctx context.Context, l store.Lease) error {
	unlock, err := m.reading(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if h, ours := m.own(l); ours {
		h.until = time.Time{}
		m.byShard[l.Shard] = h
	}
	return nil
}

// Leases implements store.Leaser.
func (m *Memory) Leases(ctx context.Context) (list []store.Lease, err error) {
	unlock, err := m.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	for _, shard := range slices.Sorted(maps.Keys(m.byShard)) {
		list = append(list, m.lease(shard, m.byShard[shard]))
	}
	return list, nil
}

// announced is guarded by Memory.mu.
type announced struct {
	revisions map[string]uint64
	waiting   chan struct{} // closed when something is announced; nil: nobody waits
}

func (m *Memory) announce(kinds []string) {
	if len(kinds) == 0 {
		return
	}
	if m.revisions == nil {
		m.revisions = map[string]uint64{}
	}
	for _, kind := range kinds {
		m.revisions[kind]++
	}
	if m.waiting != nil {
		close(m.waiting)
		m.waiting = nil
	}
}

// Revision implements store.Announcer.
func (m *Memory) Revision(ctx context.Context, kind string) (uint64, error) {
	unlock, err := m.reading(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	return m.revisions[kind], nil
}

// Announced implements store.Announcer.
func (m *Memory) Announced(ctx context.Context) error {
	unlock, err := m.reading(ctx)
	if err != nil {
		return err
	}
	if m.waiting == nil {
		m.waiting = make(chan struct{})
	}
	waiting := m.waiting
	unlock()
	select {
	case <-waiting:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
