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
}

// anchorEvery is how often a checkpoint's record stays for good. Those signed
// in between are replaced by the next: a log that grows all day would else
// gather a record a second. Each covers all that the ones before it covered.
const anchorEvery = 10 * time.Minute

// load continues from the last checkpoint that was persisted. It fails when
// the log is not the one that was signed.
func (s *seal) load(ctx context.Context, r store.Reader, signer *ledger.Signer, shard int) error {
	last := ""
	for rec, err := range r.Records(ctx, ledger.RecordCheckpoint, "") {
		if err != nil {
			return err
		}
		of, _, err := ledger.ParseCheckpointKey(rec.Key)
		if err != nil {
			return err
		}
		if of == shard {
			last = string(rec.Value)
		}
	}
	var err error
	s.sealer, err = ledger.NewSealer(ctx, r, signer, shard, last)
	return err
}

// LatestCheckpoint returns the latest signed note, or NotFound.
func (g *Gate) LatestCheckpoint(context.Context) (string, error) {
	g.seal.mu.Lock()
	defer g.seal.mu.Unlock()
	note, _ := g.seal.sealer.Latest()
	if note == "" {
		return "", kernel.Errorf(kernel.NotFound, "no checkpoint was signed yet").
			WithHint("kernel log checkpoint signs one")
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
