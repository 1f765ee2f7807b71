package gate

import (
	"bytes"
	"context"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// hearGlasses reads from the log, of which nobody can leave anything out unseen,
// what became of every broken glass, by the id of its approval.
func (g *Gate) hearGlasses(ctx context.Context) (map[string]approval.Glass, error) {
	heard := map[string]approval.Glass{}
	shards, err := g.shards(ctx)
	if err != nil {
		return nil, err
	}
	for _, shard := range shards {
		for row, err := range g.cfg.Store.Entries(ctx, store.Query{Shard: shard, Kind: string(ledger.KindGlass), Bare: true}) {
			if err != nil {
				return nil, unavailable("the log could not be read")
			}
			e, err := ledger.Read(row)
			if err != nil || e.Glass == nil {
				return nil, unavailable("entry %d of shard %d is not as it was written", row.Seq, row.Shard)
			}
			if before, known := heard[e.Glass.Glass.ID]; !known || e.Glass.Glass.Far() > before.Far() {
				heard[e.Glass.Glass.ID] = e.Glass.Glass
			}
		}
	}
	return heard, nil
}

// openByTheLog lists the broken glasses that have a review that is open, by the
// log: whoever can write the database must not be able to hide one.
func (g *Gate) openByTheLog(ctx context.Context) (list []approval.Glass, err error) {
	heard, err := g.hearGlasses(ctx)
	for _, id := range kernel.SortedKeys(heard) {
		if glass := heard[id]; !glass.Closed() {
			list = append(list, glass)
		}
	}
	return list, err
}

// believeGlass reads the record of a broken glass, which has to be what the log
// says of it: nobody reviews whom the database alone lets.
func (g *Gate) believeGlass(ctx context.Context, id string) (*versionedGlass, error) {
	for range maxHearings {
		glass, err := g.glassOf(ctx, id)
		if err != nil {
			return nil, err
		}
		heard, err := g.hearGlasses(ctx)
		if err != nil {
			return nil, err
		}
		is, err := glass.Encode()
		if err != nil {
			return nil, err
		}
		said, err := heard[id].Encode()
		if err != nil {
			return nil, err
		}
		if bytes.Equal(is, said) {
			return glass, nil
		}
	}
	return nil, unavailable("the record of the broken glass of approval %s is not what the log says became of it; run \"kernel log verify\"", id)
}
