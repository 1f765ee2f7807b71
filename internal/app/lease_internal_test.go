package app

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// A skewed store has a clock that is off.
type skewed struct {
	store.Store
	by  time.Duration
	err error
}

func (s skewed) Now(context.Context) (time.Time, error) { return Clock().Add(s.by), s.err }

func TestANodeWhoseClockIsOffIsNotReady(t *testing.T) {
	away := errors.New("away")
	l := &leased{log: slog.New(slog.DiscardHandler)}
	for _, c := range []struct {
		store skewed
		ready bool
	}{
		{skewed{}, true},
		{skewed{by: 300 * time.Millisecond}, true},
		{skewed{by: -300 * time.Millisecond}, true},
		{skewed{by: 2 * time.Second}, false},
		{skewed{err: away}, false}, // which says nothing new
		{skewed{}, true},
		{skewed{by: -2 * time.Second}, false},
		{skewed{}, true},
	} {
		l.Store = c.store
		l.compareClocks(t.Context())
		err := l.probe(t.Context())
		var ours *kernel.Error
		if (err == nil) != c.ready || err != nil && (!errors.As(err, &ours) || ours.Code != kernel.Unavailable) {
			t.Errorf("%+v: probe = %v, want ready %v", c.store, err, c.ready)
		}
	}
}
