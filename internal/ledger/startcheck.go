package ledger

import (
	"context"
	"fmt"

	"github.com/strixlabs/execution-kernel/internal/store"
)

// CheckStart checks what a kernel must know of its log before it goes on with
// it, in every shard: every body is hashed again, the policies, tokens and
// everything from the entry that signed names on is read as [Verify] reads it,
// shards are what entries of others say, and the tokens and the active policy
// are what the entries say. signed has how many entries of a shard are those
// that were signed: that they are is for [NewSealer] to say. A log that was
// changed is [ErrDiffers]. Other kernels may write their shards meanwhile.
//
// It reads every entry: its time grows with the log.
func CheckStart(ctx context.Context, r store.Reader, signed map[int]uint64) error {
	v := newVerification(r)
	v.history, v.strict = newHistory(), true
	for _, step := range []func(context.Context) error{v.list, v.witnesses, func(ctx context.Context) error { return v.readLight(ctx, signed) }} {
		if err := step(ctx); err != nil {
			return err
		}
		if !v.OK() {
			return v.differs()
		}
	}
	if err := v.inForce(ctx); err != nil {
		return err
	}
	return v.differs()
}

// differs is the first finding as an error, nil when there is none.
func (v *verification) differs() error {
	if v.OK() {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrDiffers, v.List[0])
}

// readLight reads every shard, of the first part only the bodies.
func (v *verification) readLight(ctx context.Context, signed map[int]uint64) error {
	for _, p := range v.all() {
		p.light = signed[p.shard]
		if err := p.begin(ctx); err != nil {
			return err
		}
	}
	if err := v.foresee(ctx); err != nil {
		return err
	}
	for _, p := range v.all() {
		err := p.readBare(ctx)
		if err == nil {
			err = p.readFrom(ctx, p.next)
		}
		if err == nil {
			err = p.end(ctx)
		}
		if err != nil || !v.OK() {
			return err
		}
	}
	return nil
}

// readBare reads entries without their requests up to where the light part ends.
func (p *shardRead) readBare(ctx context.Context) error {
	p.reached()
	for row, err := range p.reader.Entries(ctx, store.Query{Shard: p.shard, Bare: true, Limit: int(min(p.light, maxInteger))}) {
		if err != nil {
			return err
		}
		if row.Seq >= p.light || !p.OK() {
			break
		}
		p.take(row)
	}
	return nil
}
