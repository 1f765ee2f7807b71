package app

import (
	"context"
	"errors"
	"log/slog"

	"github.com/strixlabs/execution-kernel/internal/api"
)

// SignCheckpoint signs the log as it is now and returns the note: by the
// kernel that runs, or with the folder's key when none does.
func SignCheckpoint(ctx context.Context, cfg Config) (string, error) {
	if cfg.Server == "" {
		folder, err := cfg.reading()
		if err != nil {
			return "", err
		}
		if _, running, err := Running(folder); err != nil || !running {
			return signOffline(ctx, cfg, err)
		}
	}
	k, err := Connect(cfg)
	if err != nil {
		return "", err
	}
	return k.SignCheckpoint(ctx)
}

// signOffline is a kernel without a door, for the time of one signature.
func signOffline(ctx context.Context, cfg Config, err error) (string, error) {
	if err != nil {
		return "", err
	}
	s := &service{cfg: cfg, log: slog.New(slog.DiscardHandler)}
	if _, err := s.takeFolder(); err != nil {
		return "", errors.Join(err, s.close())
	}
	if err := s.openLog(ctx, api.NewMetrics("")); err != nil {
		return "", errors.Join(err, s.close())
	}
	note, err := s.gate.Checkpoint(ctx, self())
	return note, errors.Join(err, s.close())
}
