package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

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

// claims collects the checkpoints of trust and store, by size. Those that are
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
		v.claim(trust.VerifierKey, string(r.Value), "stored checkpoint "+strings.TrimLeft(r.Key, "0"), &r.RecordKey)
	}
	slices.SortStableFunc(v.pending, func(a, b claim) int { return compare(a.Size, b.Size) })
	v.conflicts()
	return nil
}

func compare(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (v *verification) claim(verifierKey, note, source string, key *store.RecordKey) {
	c, err := openClaim(verifierKey, note)
	switch {
	case err != nil:
		v.log("the %s is not to be believed: %v", source, err)
	case key != nil && *key != CheckpointKey(onlyShard, c.Size):
		v.log("the %s is kept under another size than the %d it is about", source, c.Size)
	default:
		v.pending = append(v.pending, claim{Checkpoint: c, source: source, signed: verifierKey != ""})
	}
}

// openClaim reads a note, without a key only its text: what nobody vouches for
// can still contradict the log.
func openClaim(verifierKey, note string) (merkle.Checkpoint, error) {
	if verifierKey != "" {
		return OpenNote(verifierKey, note)
	}
	text, _, found := strings.Cut(note, "\n\n")
	if !found {
		return merkle.Checkpoint{}, errors.New("not a signed note")
	}
	return merkle.ParseCheckpoint(text + "\n")
}

// conflicts finds two checkpoints that no one log can have.
func (v *verification) conflicts() {
	for i := 1; i < len(v.pending); i++ {
		a, b := v.pending[i-1], v.pending[i]
		if a.Size == b.Size && a.Root != b.Root {
			v.log("two logs were signed as %s: the %s and the %s are both of size %d and have different roots",
				a.Origin, a.source, b.source, a.Size)
		}
	}
}
