package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
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

	mu        sync.Mutex
	published string // what the file holds; empty: not known
	problem   error  // why the last seal failed; nil: it did not
}

// seal signs a checkpoint if the log grew, and makes sure that the file holds
// the latest one.
func (s *sealer) seal(ctx context.Context) {
	note, err := s.gate.Checkpoint(ctx, s.caller)
	if err == nil {
		err = s.publish(note)
	}
	if !errors.Is(err, context.Canceled) {
		s.settle(err)
	}
}

// publish writes a note that is in the store into the file. A crash between
// the two leaves the file one checkpoint behind; the other order would publish
// what the store does not know.
func (s *sealer) publish(note string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if note == s.published {
		return nil
	}
	if err := writeFile(s.file, []byte(note)); err != nil {
		return fmt.Errorf("publish the checkpoint: %w", err)
	}
	s.published = note
	return nil
}

// settle keeps why sealing fails, and says so when that changes.
func (s *sealer) settle(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil && (s.problem == nil || err.Error() != s.problem.Error()):
		s.log.Error("no checkpoint could be signed", "error", err)
	case err == nil && s.problem != nil:
		s.log.Info("checkpoints are signed again")
	}
	s.problem = err
}

// probe says that the log cannot be signed: what is decided now could not be
// proved later.
func (s *sealer) probe(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.problem == nil {
		return nil
	}
	return kernel.Errorf(kernel.Unavailable, "no checkpoint of the log could be signed; the kernel's log says why")
}
