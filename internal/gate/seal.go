package gate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// A seal guards the log's sealer: one checkpoint is signed at a time.
type seal struct {
	mu     sync.Mutex
	sealer *ledger.Sealer

	anchored time.Time       // when the last checkpoint that stays was signed
	passing  store.RecordKey // the record of the latest checkpoint, unless it stays

	seen map[int]sighting // of other shards
}

// A sighting is what was last witnessed of another shard.
type sighting struct {
	size uint64
	at   time.Time
}

// anchorEvery is how often a checkpoint's record stays for good. Those signed
// in between are replaced by the next: a log that grows all day would else
// gather a record a second. Each covers all that the ones before it covered.
const anchorEvery = 10 * time.Minute

// load continues from the last checkpoint that was persisted. It fails when
// the log is not the one that was signed.
func (s *seal) load(ctx context.Context, r store.Reader, signer *ledger.Signer, shard int) error {
	last, err := lastNote(ctx, r, shard, 0)
	if err != nil {
		return err
	}
	s.sealer, err = ledger.NewSealer(ctx, r, signer, shard, last)
	return err
}

// LatestCheckpoint returns the latest signed note of a shard, or NotFound; of
// the one that this gate writes where none is named.
func (g *Gate) LatestCheckpoint(ctx context.Context, shard *int) (string, error) {
	note := ""
	if shard == nil || *shard == g.shard() {
		g.seal.mu.Lock()
		defer g.seal.mu.Unlock()
		note, _ = g.seal.sealer.Latest()
	} else {
		if _, err := g.shardsOf(ctx, shard); err != nil {
			return "", err
		}
		var err error
		if note, err = lastNote(ctx, g.cfg.Store, *shard, 0); err != nil {
			return "", unavailable("the checkpoints could not be read")
		}
	}
	if note == "" {
		return "", kernel.Errorf(kernel.NotFound, "no checkpoint was signed yet").
			WithHint("kernel log checkpoint signs one")
	}
	return note, nil
}

// lastNote returns the stored checkpoint of a shard with the largest size, from
// a size on; "" when there is none.
func lastNote(ctx context.Context, r store.Reader, shard int, from uint64) (note string, err error) {
	after := ""
	if from > 0 {
		after = ledger.CheckpointKey(shard, from-1).Key
	}
	for rec, err := range r.Records(ctx, ledger.RecordCheckpoint, after) {
		if err != nil {
			return "", err
		}
		of, _, err := ledger.ParseCheckpointKey(rec.Key)
		if err != nil {
			return "", err
		}
		if of == shard {
			note = string(rec.Value) // among a shard's keys, byte order is that of the sizes
		}
	}
	return note, nil
}

// Checkpoint signs the log as it is now: the new entries are read back from
// the store and must extend the last checkpoint. The note is persisted before
// it is published. Without new entries the last note is returned. Only an
// admin may.
func (g *Gate) Checkpoint(ctx context.Context, caller kernel.Caller) (string, error) {
	if !caller.Is(kernel.RoleAdmin) {
		return "", adminOnly()
	}
	g.seal.mu.Lock()
	defer g.seal.mu.Unlock()
	note, err := g.sign(ctx)
	if err == nil {
		err = g.witness(ctx)
	}
	return note, err
}

func (g *Gate) sign(ctx context.Context) (string, error) {
	if note, size := g.seal.sealer.Latest(); note != "" && size == g.Size() {
		return note, nil
	}
	sealed, err := g.seal.sealer.Seal(ctx)
	if errors.Is(err, ledger.ErrDiffers) {
		g.changed.Store(true) // what is on disk is not what was decided: decide nothing more
		g.cfg.Log.Error("the log was changed; every request is refused", "error", err)
	}
	if err != nil {
		return "", fmt.Errorf("sign a checkpoint: %w", err)
	}
	// Persisted before it is published: a crash between the two costs a copy
	// of the note; the other order would promise what the log does not keep.
	if err := g.keep(ctx, sealed); err != nil {
		return "", err
	}
	g.seal.sealer.Keep(sealed)
	if g.cfg.OnPublish != nil {
		err = g.cfg.OnPublish(sealed.Note)
	}
	return sealed.Note, err
}

// signEmpty signs a later shard before anything is written to it: one that has
// entries and no checkpoint lost it. Shard 0 has a published one from the start.
func (g *Gate) signEmpty(ctx context.Context) error {
	if note, _ := g.seal.sealer.Latest(); note != "" || g.shard() == 0 || g.Size() > 0 {
		return nil
	}
	g.seal.mu.Lock()
	defer g.seal.mu.Unlock()
	if _, err := g.sign(ctx); err != nil {
		return fmt.Errorf("sign the empty shard: %w", err)
	}
	return nil
}

// keep persists a checkpoint, in place of the one before unless that stays.
func (g *Gate) keep(ctx context.Context, s ledger.Seal) error {
	key := ledger.CheckpointKey(g.shard(), s.Size)
	passing := g.seal.passing
	g.seal.passing = store.RecordKey{} // if the commit fails nobody knows what is there
	var now time.Time
	// A call that is given up still has its checkpoint persisted: the last one
	// of a process must not fall between two stools.
	err := g.submit(context.WithoutCancel(ctx), &job{apply: func(b *batch) error {
		now = b.now
		have, err := recordOrNone(g.cfg.Store, key)
		if err != nil {
			return err
		}
		if string(have.Value) == s.Note {
			return nil // of a commit whose answer nobody waited for
		}
		b.change(store.Transition{RecordKey: key, Value: []byte(s.Note)})
		if passing.Key != "" {
			b.change(store.Transition{RecordKey: passing, From: 1})
		}
		return nil
	}})
	if err != nil {
		return err
	}
	g.seal.passing = key
	if now.Sub(g.seal.anchored) >= anchorEvery {
		g.seal.anchored, g.seal.passing = now, store.RecordKey{}
	}
	return nil
}
