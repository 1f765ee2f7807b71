package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
)

// sealEvery is how often a log that grew gets a checkpoint.
const sealEvery = time.Second

// A sealer signs checkpoints and publishes the latest one as a file.
type sealer struct {
	gate   *gate.Gate
	file   string
	caller kernel.Caller
	log    *slog.Logger

	published string // what the file holds; empty: not known
	problem   string // what was last complained about
}

// seal signs a checkpoint if the log grew. The note is in the store before it
// is in the file: a crash between the two leaves the file one checkpoint
// behind, the other order would publish what the store does not know.
func (s *sealer) seal(ctx context.Context) {
	note, err := s.gate.Checkpoint(ctx, s.caller)
	if err == nil && note != s.published {
		if err = writeFile(s.file, []byte(note), 0o600); err == nil {
			s.published = note
		}
	}
	if errors.Is(err, context.Canceled) {
		return
	}
	s.complain(err)
}

// complain says what is wrong when that changes, not every second.
func (s *sealer) complain(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != s.problem && err != nil {
		s.log.Error("no checkpoint could be signed; decisions go on", "error", err)
	}
	if text == "" && s.problem != "" {
		s.log.Info("checkpoints are signed again")
	}
	s.problem = text
}
