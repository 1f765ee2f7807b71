package app

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/merkle"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// checkLog compares every shard of the log with the checkpoints that were last
// published and stored, and reads what was written since and what is in force
// ([ledger.CheckStart]). The gate compares its own shard with the last one in
// the store; a database put back from a backup knows nothing of what was
// published after.
func (s *service) checkLog(ctx context.Context, db engine, signer *ledger.Signer) error {
	published, err := s.vouched(ctx, db, signer)
	if err != nil {
		return err
	}
	stored, err := lastStored(ctx, db)
	if err != nil {
		return err
	}
	signed := map[int]uint64{}
	for shard, note := range published {
		size, err := openPublished(signer, shard, note)
		if err != nil {
			return fmt.Errorf("%s: %w; put the file back, and run %s", s.folder.ShardCheckpoint(shard), err, s.cfg.verifyCommand(s.folder))
		}
		signed[shard] = size
		if note == stored[shard] {
			continue
		}
		if _, err := ledger.NewSealer(ctx, db, signer, shard, note); err != nil {
			return s.explain(ctx, db, signer, err)
		}
	}
	for shard, note := range stored {
		if shard == s.shard() {
			continue // the gate does
		}
		sealer, err := ledger.NewSealer(ctx, db, signer, shard, note)
		if err != nil {
			return s.explain(ctx, db, signer, err)
		}
		_, signed[shard] = sealer.Latest()
	}
	return s.explain(ctx, db, signer, ledger.CheckStart(ctx, db, signed))
}

func openPublished(signer *ledger.Signer, shard int, note string) (size uint64, err error) {
	of, c, err := ledger.OpenShardNote(signer.VerifierKey(), note)
	if err == nil && of != shard {
		err = fmt.Errorf("it holds a checkpoint of shard %d", of)
	}
	return c.Size, err
}

// shard is the one that this node writes.
func (s *service) shard() int {
	if l, shared := s.store.(*leased); shared {
		return l.lease.Shard
	}
	return 0
}

// vouched returns the published notes, by shard. An empty shard is signed when
// it is made, before anything is written to it: a log without a note is one that
// lost it. A node that was told of the log by any shard's note may go on with
// another shard by its stored one.
func (s *service) vouched(ctx context.Context, db engine, signer *ledger.Signer) (map[int]string, error) {
	published, err := s.folder.published()
	shard := s.shard()
	if err != nil || published[shard] != "" {
		return published, err
	}
	head, err := db.Head(ctx, shard)
	if err != nil {
		return nil, err
	}
	stored, err := lastStored(ctx, db)
	if err != nil {
		return nil, err
	}
	note := stored[shard]
	empty := head.Size == 0 && note == ""
	if len(published) == 0 && (!empty || shard > 0) || !empty && note == "" {
		return nil, fmt.Errorf("the log is not served: %s is missing, which vouches for the log; put the file back, and run %s",
			s.folder.ShardCheckpoint(shard), s.cfg.verifyCommand(s.folder))
	}
	if empty {
		note, err = signer.Sign(merkle.Checkpoint{Origin: ledger.ShardOrigin(signer.Origin(), shard), Root: (&merkle.Tree{}).Root()})
		if err != nil {
			return nil, err
		}
	}
	published[shard] = note
	return published, writeFile(s.folder.ShardCheckpoint(shard), []byte(note))
}

// published returns the notes in the folder, by shard.
func (f Folder) published() (map[int]string, error) {
	notes := map[int]string{}
	for shard, path := range f.checkpoints() {
		note, err := readBounded(path, maxKeyFile)
		if err == nil && len(note) == 0 {
			err = fmt.Errorf("%s is empty, which it never is: put the file back, and run \"kernel log verify --data %s\"", path, f.Path)
		}
		if err != nil {
			return nil, err
		}
		notes[shard] = string(note)
	}
	return notes, nil
}

// lastStored returns the note of the largest stored checkpoint of each shard.
func lastStored(ctx context.Context, db store.Reader) (map[int]string, error) {
	notes := map[int]string{}
	for r, err := range db.Records(ctx, ledger.RecordCheckpoint, "") {
		if err != nil {
			return nil, fmt.Errorf("read the stored checkpoints: %w", err)
		}
		shard, _, err := ledger.ParseCheckpointKey(r.Key)
		if err != nil {
			return nil, fmt.Errorf("read the stored checkpoints: %w", err)
		}
		notes[shard] = string(r.Value) // among a shard's keys, byte order is that of the sizes
	}
	return notes, nil
}

// explain says of a log that was changed which entry differs. Other errors,
// and none, it returns as they are.
func (s *service) explain(ctx context.Context, db engine, signer *ledger.Signer, err error) error {
	if !errors.Is(err, ledger.ErrDiffers) {
		return err
	}
	report, verifyErr := ledger.Verify(ctx, db, s.folder.trust(signer.VerifierKey()))
	if verifyErr != nil || report.OK() {
		return fmt.Errorf("the log is not served: %w", err)
	}
	return fmt.Errorf("the log is not served, it was changed: %s; %s says all that was found",
		report.List[0], s.cfg.verifyCommand(s.folder))
}

// trust is what the data folder itself vouches for: the published checkpoints.
func (f Folder) trust(verifier string) ledger.Trust {
	t := ledger.Trust{VerifierKey: verifier, Records: true}
	for _, path := range f.checkpoints() {
		if note, err := os.ReadFile(path); err == nil {
			t.Checkpoints = append(t.Checkpoints, string(note))
		}
	}
	return t
}
