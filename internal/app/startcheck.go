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

// checkLog compares the log with the checkpoint that was last published, and
// reads what was written since and what is in force ([ledger.CheckStart]). The
// gate compares it with the last one in the store; a database put back from a
// backup knows nothing of what was published after.
func (s *service) checkLog(ctx context.Context, db engine, signer *ledger.Signer) error {
	published, err := s.vouched(ctx, db, signer)
	if err != nil {
		return err
	}
	signed, err := ledger.OpenNote(signer.VerifierKey(), published)
	if err != nil {
		return fmt.Errorf("%s: %w; put the file back, and run %s", s.folder.CheckpointFile(), err, s.cfg.verifyCommand(s.folder))
	}
	if stored, err := lastStored(ctx, db); err != nil {
		return err
	} else if stored != published {
		if _, err := ledger.NewSealer(ctx, db, signer, 0, published); err != nil {
			return s.explain(ctx, db, signer, err)
		}
	}
	return s.explain(ctx, db, signer, ledger.CheckStart(ctx, db, signed.Size))
}

// vouched returns the published note. The empty log is signed when it is made,
// before anything is written to it: a log without a note is one that lost it.
func (s *service) vouched(ctx context.Context, db engine, signer *ledger.Signer) (string, error) {
	published, err := s.folder.published()
	if err != nil || published != "" {
		return published, err
	}
	head, err := db.Head(ctx, 0)
	if err != nil {
		return "", err
	}
	last, err := lastStored(ctx, db)
	if err != nil {
		return "", err
	}
	if head.Size > 0 || last != "" {
		return "", fmt.Errorf("the log is not served: %s is missing, which vouches for the log; put the file back, and run %s",
			s.folder.CheckpointFile(), s.cfg.verifyCommand(s.folder))
	}
	note, err := signer.Sign(merkle.Checkpoint{Origin: signer.Origin(), Root: (&merkle.Tree{}).Root()})
	if err != nil {
		return "", err
	}
	return note, writeFile(s.folder.CheckpointFile(), []byte(note))
}

// published returns the note in log.checkpoint, or "" when there is none.
func (f Folder) published() (string, error) {
	there, err := exists(f.CheckpointFile())
	if err != nil || !there {
		return "", err
	}
	note, err := readBounded(f.CheckpointFile(), maxKeyFile)
	if err == nil && len(note) == 0 {
		err = fmt.Errorf("%s is empty, which it never is: put the file back, and run \"kernel log verify --data %s\"", f.CheckpointFile(), f.Path)
	}
	return string(note), err
}

func lastStored(ctx context.Context, db store.Reader) (note string, err error) {
	for r, err := range db.Records(ctx, ledger.RecordCheckpoint, "") {
		if err != nil {
			return "", fmt.Errorf("read the stored checkpoints: %w", err)
		}
		note = string(r.Value)
	}
	return note, nil
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

// trust is what the data folder itself vouches for: the published checkpoint.
func (f Folder) trust(verifier string) ledger.Trust {
	t := ledger.Trust{VerifierKey: verifier, Records: true}
	if note, err := os.ReadFile(f.CheckpointFile()); err == nil {
		t.Checkpoints = []string{string(note)}
	}
	return t
}
