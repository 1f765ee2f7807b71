package store

import (
	"context"
	"errors"
	"math"
	"time"
)

// A Lease is the right of one node to write one shard.
type Lease struct {
	Shard int
	Owner string        // the node
	Epoch uint64        // from 1, one more each time the shard is taken: what every batch for it carries
	Left  time.Duration // until it expires by the store's clock, as it was when the store answered; 0: it has
}

// Forever is what is left of a lease that does not expire: that of a store
// which only one process can have open.
const Forever = time.Duration(math.MaxInt64)

// ErrHeld is returned, wrapped, when a shard is another owner's.
var ErrHeld = errors.New("the shard belongs to another node")

// ErrFenced accompanies NotCommitted when a batch carries another epoch than
// its shard has, and is returned by Renew: somebody else writes the shard now.
// The node must stop writing it.
var ErrFenced = errors.New("the shard was taken over")

// A Leaser gives shards to nodes. A shard that nobody ever took has epoch 0
// and is written without a lease.
type Leaser interface {
	// Acquire takes a shard for an owner and a time: one that is free, whose
	// lease has expired, or that is the owner's already. Else it is ErrHeld.
	// When it returns no batch of an earlier epoch will be committed any more.
	Acquire(ctx context.Context, shard int, owner string, life time.Duration) (Lease, error)
	// Renew makes a lease last for a time from now, or is ErrFenced. A lease
	// that has expired is renewed as long as nobody else took the shard.
	Renew(ctx context.Context, l Lease, life time.Duration) (Lease, error)
	// Release makes a lease expire at once; one that is over is left alone.
	Release(ctx context.Context, l Lease) error
	// Leases returns the last lease of every shard that was ever taken, by shard.
	Leases(ctx context.Context) ([]Lease, error)
}

// An Announcer tells nodes that records which all of them hold in memory
// changed: policies, tokens, the kill switch.
type Announcer interface {
	// Revision returns a number that grows with every batch that announces the
	// kind. To poll it is the guarantee.
	Revision(ctx context.Context, kind string) (uint64, error)
	// Announced waits until a batch may have announced something, or ctx ends.
	// It is a hint: what was announced between two calls may go unnoticed.
	Announced(ctx context.Context) error
}

// CheckLease reports why no engine could give a lease: a negative shard, an
// owner that is empty, not UTF-8 or holds U+0000, no time.
func CheckLease(shard int, owner string, life time.Duration) error {
	switch err := checkName("owner of a lease", owner); {
	case err != nil:
		return err
	case shard < 0 || shard > math.MaxInt32:
		return errors.New("a lease is of shard 0 or a later one")
	case life < time.Millisecond:
		return errors.New("a lease lasts for a millisecond at least")
	}
	return nil
}
