package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/strixlabs/execution-kernel/internal/merkle"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// RecordCheckpoint is the kind of the records that keep signed notes, under
// [CheckpointKey].
const RecordCheckpoint = "checkpoint"

// Trust is what a verifier believes beforehand. The zero Trust believes
// nothing, and a log rewritten as a whole passes.
type Trust struct {
	VerifierKey string   // of the log, obtained from elsewhere than the log
	Records     bool     // the store is a kernel's own: its records, and what entries say of each other, are checked too
	Checkpoints []string // signed notes besides those in the store: the published file, an auditor's copy
}

// A claim is what some checkpoint says the log was.
type claim struct {
	merkle.Checkpoint
	source string // for the report
	signed bool   // by the verifier key
}

// claims collects the checkpoints of trust and store. Those that are
// not what they should be are findings.
func (v *verification) claims(ctx context.Context, trust Trust) error {
	for i, note := range trust.Checkpoints {
		if trust.VerifierKey == "" {
			return errors.New("a checkpoint is worth nothing without the verifier key of its log")
		}
		v.claim(trust.VerifierKey, note, fmt.Sprintf("given checkpoint %d", i+1), nil)
	}
	for r, err := range v.reader.Records(ctx, RecordCheckpoint, "") {
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			v.log("the stored checkpoints could not be read: %v", err)
			break
		}
		v.claim(trust.VerifierKey, string(r.Value), storedName(r.Key), &r.RecordKey)
	}
	return nil
}

func (p *shardRead) sortClaims() {
	slices.SortStableFunc(p.pending, func(a, b claim) int { return cmp.Compare(a.Size, b.Size) })
	p.conflicts()
}

func (v *verification) claim(verifierKey, note, source string, key *store.RecordKey) {
	shard, c, err := openClaim(verifierKey, note)
	switch {
	case err != nil:
		v.log("the %s is not to be believed: %v", source, err)
	case key != nil && *key != CheckpointKey(shard, c.Size):
		v.log("the %s is kept under another size than the %d it is about, or as one of another shard than %d", source, c.Size, shard)
	default:
		p := v.part(shard)
		p.pending = append(p.pending, claim{Checkpoint: c, source: source, signed: verifierKey != ""})
	}
}

// storedName is how reports call a stored checkpoint.
func storedName(key string) string {
	switch shard, size, err := ParseCheckpointKey(key); {
	case err != nil:
		return fmt.Sprintf("stored checkpoint %q", key)
	case shard > 0:
		return fmt.Sprintf("stored checkpoint %d of shard %d", size, shard)
	default:
		return fmt.Sprintf("stored checkpoint %d", size)
	}
}

// openClaim reads a note, without a key only its text: what nobody vouches for
// can still contradict the log.
func openClaim(verifierKey, note string) (int, merkle.Checkpoint, error) {
	if verifierKey == "" {
		return openUnsigned(note)
	}
	return OpenShardNote(verifierKey, note)
}

// conflicts finds two checkpoints that no one log can have.
func (p *shardRead) conflicts() {
	for i := 1; i < len(p.pending); i++ {
		a, b := p.pending[i-1], p.pending[i]
		if a.Size == b.Size && a.Root != b.Root {
			p.log("two logs were signed as %s: the %s and the %s are both of size %d and have different roots",
				cmp.Or(a.Origin, b.Origin), a.source, b.source, a.Size)
		}
	}
}

// witnesses collects what entries of one shard say of another. They make a
// shard that is gone as a whole one whose tail was cut off at its beginning.
func (v *verification) witnesses(ctx context.Context) error {
	for _, from := range v.all() {
		err := controls(ctx, v.reader, from.shard, 0, maxInteger, KindWitness, func(e Entry) {
			w, p := e.Witness, v.part(e.Witness.Shard)
			source := Finding{Shard: e.Shard, Seq: e.Seq, HasSeq: true}.place()
			p.pending = append(p.pending, claim{Checkpoint: merkle.Checkpoint{Size: w.Size, Root: w.Root}, source: source})
		})
		if err := v.orFinding(ctx, err); err != nil {
			return err
		}
	}
	for _, p := range v.all() {
		p.sortClaims()
	}
	return nil
}
