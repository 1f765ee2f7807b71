package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/api"
)

// activate makes a compiled bundle the one that decides; the change is an
// entry when its version is another one.
func (s *service) activate(ctx context.Context, c Compiled) error {
	return s.gate.Activate(ctx, self(), c.Program, c.Source.kept())
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
		path: s.cfg.Policies, log: s.log, activate: s.activate, changed: counted.changed, dealt: f, seen: f,
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
