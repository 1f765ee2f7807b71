package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// maxHead bounds the head of a request, in bytes. What is longer is 431.
const maxHead = 64 << 10

// NewServer returns a server for the handler, with every time-out set. Zero
// limits have the defaults of [Limits]; a nil log logs nothing.
func NewServer(h http.Handler, l Limits, log *slog.Logger) *http.Server {
	l = l.withDefaults()
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: l.Header,
		WriteTimeout:      l.Header + l.Body + l.Call + dropTime, // beyond what the handler itself can take
		IdleTimeout:       l.Idle,
		MaxHeaderBytes:    maxHead,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),

		DisableGeneralOptionsHandler: true,
	}
	if d, ok := h.(*door); ok {
		s.RegisterOnShutdown(d.stop)
	}
	return s
}

// Serve answers on the listener until ctx ends. Then no new calls are taken,
// and those under way have the time of grace to end. It returns nil when they
// all did; calls that did not are cut off.
func Serve(ctx context.Context, s *http.Server, l net.Listener, grace time.Duration) error {
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := s.Shutdown(late); err != nil {
		return errors.Join(fmt.Errorf("calls were still under way after %v: %w", grace, err), s.Close())
	}
	return nil
}
