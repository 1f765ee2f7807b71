package gate

import (
	"context"
	"fmt"
	"time"

	"github.com/strixlabs/execution-kernel/internal/ledger"
)

// witness enters what the other shards of the log were signed as: each when it
// is seen first, and again every [anchorEvery] while it grows by more than what
// the shards enter of each other. So a shard cannot vanish, or lose its tail,
// without being missed by the others. The caller holds the lock of the seal.
func (g *Gate) witness(ctx context.Context) error {
	if g.cfg.Lease.Epoch == 0 {
		return nil // nobody else writes the store
	}
	shards, err := g.shardsOf(ctx, nil)
	if err != nil {
		return err
	}
	now := g.cfg.Clock()
	for _, shard := range shards {
		last, seen := g.seal.seen[shard]
		if shard == g.shard() || seen && now.Sub(last.at) < anchorEvery {
			continue
		}
		beyond := uint64(0)
		if seen {
			beyond = last.size + uint64(len(shards))
		}
		if err := g.sight(ctx, shard, beyond, now); err != nil {
			return fmt.Errorf("witness shard %d: %w", shard, err)
		}
	}
	return nil
}

// sight enters the last checkpoint of a shard if it is larger than one of a size.
func (g *Gate) sight(ctx context.Context, shard int, beyond uint64, now time.Time) error {
	note, err := lastNote(ctx, g.cfg.Store, shard, beyond+1)
	if err != nil || note == "" {
		return err
	}
	of, c, err := ledger.OpenShardNote(g.cfg.Signer.VerifierKey(), note)
	if err == nil && of != shard {
		err = fmt.Errorf("its checkpoint is of shard %d", of)
	}
	if err != nil {
		return err
	}
	err = g.submit(context.WithoutCancel(ctx), &job{apply: func(b *batch) error {
		_, err := b.log.Append(ledger.Entry{
			Instant: b.now, Node: g.cfg.Node, Batch: b.id, Caller: g.cfg.Node,
			Witness: &ledger.Witnessed{Shard: shard, Size: c.Size, Root: c.Root},
		}, nil)
		return err
	}})
	if err != nil {
		return err
	}
	if g.seal.seen == nil {
		g.seal.seen = map[int]sighting{}
	}
	g.seal.seen[shard] = sighting{c.Size, now}
	return nil
}
