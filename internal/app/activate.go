package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/api"
)

// decideBy makes the bundle of the folder the one that decides, or, without a
// folder, the one that was active last.
func (s *service) decideBy(ctx context.Context, policies Compiled, metrics *api.Metrics) error {
	if s.cfg.Policies != "" {
		s.warn(policies)
		if err := s.activate(ctx, policies); err != nil {
			return fmt.Errorf("activate the policies: %w", err)
		}
		if err := s.beginRegistry(ctx); err != nil {
			return fmt.Errorf("begin the registry: %w", err)
		}
		return s.watch(policies, metrics)
	}
	version, err := s.gate.Continue(ctx)
	switch {
	case err != nil:
		s.log.Error("no policy decides, and every request is refused: activate one that can", "error", err)
	case version == "":
		s.log.Warn("no policy is active, and every request is refused: \"kernel policies push\" one, and activate it")
	}
	return nil
}

// orPushed refuses to start without a folder where nothing can have been
// pushed: whoever forgot to name it should learn that at once.
func (s *service) orPushed() error {
	if s.cfg.Store != "" {
		return nil
	}
	folder, err := s.cfg.folder()
	if err != nil {
		return err
	}
	there, err := exists(folder.Database())
	if err == nil && !there {
		err = kernel.Errorf(kernel.Invalid, "no policies: a kernel without them could only refuse").
			WithHint("write some with \"kernel init policies\", then name them with --policies policies")
	}
	return err
}

// activate makes a compiled bundle the one that decides; the change is an
// entry when its version is another one.
func (s *service) activate(ctx context.Context, c Compiled) error {
	record, err := ReadRecord(s.cfg.Proof)
	if err != nil {
		return err
	}
	return s.gate.ActivateProved(ctx, self(), c.Program, c.Source.kept(), record)
}

// warn tells of the findings that do not keep a bundle from deciding.
func (s *service) warn(c Compiled) {
	for _, d := range c.Warnings {
		s.log.LogAttrs(context.Background(), slog.LevelWarn, "policy diagnostic", diagnosticOf(d)...)
	}
}

// watch keeps the active policy what the folder says from here on.
func (s *service) watch(policies Compiled, metrics *api.Metrics) error {
	counted, err := newReloadMetrics(metrics)
	if err != nil {
		return err
	}
	f := fingerprint(policies.Source.Files)
	s.policies = &reloader{
		path: s.cfg.Policies, log: s.log, activate: s.activate, active: s.gate.PolicyVersion, changed: counted.changed,
		dealt: f, seen: f, taken: policies.Program.Version(),
	}
	return nil
}

// adminTokenError says what to do when the data folder's token is worth
// nothing any more: somebody revoked it, and that must not be undone in silence.
func (s *service) adminTokenError(err error) error {
	var ours *kernel.Error
	if !errors.As(err, &ours) || ours.Code == kernel.Unavailable {
		return fmt.Errorf("make the admin token known: %w", err)
	}
	return kernel.Errorf(kernel.Invalid, "%s: %s", s.folder.AdminToken(), ours.Message).
		WithHint("remove the file to get a new admin token at the next start")
}
