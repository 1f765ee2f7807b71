package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/mod/sumdb/note"

	"github.com/strixlabs/execution-kernel/internal/store"
)

// Verify reads the whole log, every shard of it, and reports everything that is
// not as the kernel writes it: entries missing, added, changed or out of order,
// rows that disagree with their entry, requests that are not what was committed
// to, a head that does not follow from the entries, a log that is not the one
// that was signed, and a shard that is gone although a checkpoint or an entry of
// another shard knows it. It may run beside kernels that write.
//
// The error says why it could not verify; a log that fails is no error but a
// report that is not OK.
func Verify(ctx context.Context, r store.Reader, trust Trust) (Report, error) {
	v := newVerification(r)
	if trust.Records {
		v.history = newHistory()
	}
	if trust.VerifierKey != "" {
		key, err := note.NewVerifier(trust.VerifierKey)
		if err != nil {
			return v.Report, fmt.Errorf("the verifier key is not one: %w", err)
		}
		v.Trust.Log = key.Name()
	}
	for _, step := range []func(context.Context) error{
		v.examine,
		v.list,
		func(ctx context.Context) error { return v.claims(ctx, trust) },
		v.witnesses,
		v.read,
		v.records,
	} {
		if err := step(ctx); err != nil {
			return v.Report, err
		}
	}
	v.summarise(trust)
	return v.Report, nil
}

// A verification is a run of Verify.
type verification struct {
	Report
	reader  store.Reader
	history *history           // what the entries so far said; nil: it is not checked
	parts   map[int]*shardRead // by shard
	strict  bool               // what cannot be read is an error, not a finding
}

func newVerification(r store.Reader) *verification {
	v := &verification{reader: r, parts: map[int]*shardRead{}}
	v.Kinds = map[Kind]uint64{}
	v.part(0) // always there, if empty
	return v
}

// part is what is known of a shard.
func (v *verification) part(shard int) *shardRead {
	p := v.parts[shard]
	if p == nil {
		p = newShardRead(v, shard)
		v.parts[shard] = p
	}
	return p
}

// all are the shards in order.
func (v *verification) all() []*shardRead {
	list := make([]*shardRead, 0, len(v.parts))
	for _, shard := range slices.Sorted(maps.Keys(v.parts)) {
		list = append(list, v.parts[shard])
	}
	return list
}

// list asks the store for the shards there are.
func (v *verification) list(ctx context.Context) error {
	shards, err := v.reader.Shards(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := v.unreadable(nil, "the shards could not be listed", err); err != nil {
		return err
	}
	for _, shard := range shards {
		v.part(shard)
	}
	return nil
}

// unreadable makes what could not be read a finding, about a shard or the log.
func (v *verification) unreadable(p *shardRead, what string, err error) error {
	switch {
	case err == nil || v.strict:
		return err
	case p != nil:
		p.log("%s: %v", what, err)
	default:
		v.log("%s: %v", what, err)
	}
	return nil
}

// read reads every shard once. With several, all heads are read first and then
// what changed policies, tokens and the registry anywhere: a decision up to one
// of those heads rests on nothing that was committed later.
func (v *verification) read(ctx context.Context) error {
	for _, p := range v.all() {
		if err := p.begin(ctx); err != nil {
			return err
		}
	}
	if err := v.foresee(ctx); err != nil {
		return err
	}
	for _, p := range v.all() {
		if err := p.entries(ctx); err != nil {
			return err
		}
		if err := p.end(ctx); err != nil {
			return err
		}
	}
	return nil
}

// summarise says what was read and what it rests on.
func (v *verification) summarise(trust Trust) {
	for _, p := range v.all() {
		s := ShardReport{Shard: p.shard, Entries: p.count, Root: p.root, Signed: p.signed}
		v.Entries += p.count
		v.Shards = append(v.Shards, s)
		v.Trust.Checkpoints += p.checkpoints
		if trust.Records && trust.VerifierKey != "" && p.count > 0 && p.checkpoints == 0 {
			p.log("no signed checkpoint: only the log's own hashes were used, so a log rewritten as a whole would not be noticed")
		}
	}
	v.Root, v.Trust.Size = v.Shards[0].Root, v.Shards[0].Signed
	v.Trust.shards = v.Shards
}

// examine asks the engine about damage that reading entries does not show.
func (v *verification) examine(ctx context.Context) error {
	engine, ok := v.reader.(store.Examiner)
	if !ok {
		return nil
	}
	damages, err := engine.Examine(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, d := range damages {
		v.log("%s", d)
	}
	if err != nil {
		v.log("the store could not be examined: %v", err)
	}
	return nil
}
