package app_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/app"
	"github.com/strixlabs/execution-kernel/internal/store/pgtest"
)

// TestAPartitionBetweenKernelAndDatabase drops every packet between them, under
// load: each call is answered UNAVAILABLE, the service comes back by itself, and
// what was acknowledged is in the log.
func TestAPartitionBetweenKernelAndDatabase(t *testing.T) {
	if testing.Short() {
		t.Skip("LEFT OUT with -short: it cuts a network for some seconds; make test runs it")
	}
	t.Parallel()
	postgresql.Cluster(t) // skips without PostgreSQL
	line, err := pgtest.StartBehindLine()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := line.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Log("the line is one of", line.How)
	near := line.Database(t)
	if _, err := app.MigrateStore(t.Context(), app.Config{Store: near}); err != nil {
		t.Fatal(err)
	}
	over, err := line.Over(near)
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	p := start(t, data, "", "KERNEL_STORE="+over, "KERNEL_BUDGET_MS=1500")
	p.govern()
	load := loaded(t, p.admin())
	load.more(t, 20)
	if err := line.Cut(); err != nil {
		t.Fatal(err)
	}
	refused := load.refused.Load()
	eventually(t, "calls are refused", func() bool { return load.refused.Load() >= refused+2*callers })
	if err := line.Mend(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it decides again", func() bool {
		_, err := p.admin().Decide(t.Context(), deploy("staging"))
		return err == nil
	})
	load.more(t, 20)
	ids := load.end()
	t.Logf("%d acknowledged, %d refused", len(ids), load.refused.Load())
	p.stop()
	log, err := app.OpenLog(t.Context(), app.Config{Data: data, Store: near}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for _, id := range ids {
		if _, err := log.Show(t.Context(), 0, id); err != nil {
			t.Errorf("Show(%s) = %v, want every acknowledged decision", id, err)
		}
	}
	verified(t, data, near)
}

const callers = 6

// A load is some callers that go on asking.
type load struct {
	stop    context.CancelFunc
	done    sync.WaitGroup
	refused atomic.Int64

	mu  sync.Mutex
	ids []string
}

// loaded asks until it is ended. A call that is not answered at all while a
// kernel of little patience could have refused it many times is an error.
func loaded(t *testing.T, c *client.Client) *load {
	ctx, stop := context.WithCancel(t.Context())
	l := &load{stop: stop}
	for range callers {
		l.done.Go(func() {
			for ctx.Err() == nil {
				patience, cancel := context.WithTimeout(ctx, 30*time.Second)
				d, err := c.Decide(patience, deploy("staging"))
				cancel()
				var ours *kernel.Error
				switch {
				case err == nil:
					l.mu.Lock()
					l.ids = append(l.ids, d.ID)
					l.mu.Unlock()
				case errors.As(err, &ours) && ours.Code == kernel.Unavailable:
					l.refused.Add(1)
				case ctx.Err() == nil:
					t.Errorf("Decide = %v, want a decision or UNAVAILABLE", err)
				}
			}
		})
	}
	return l
}

func (l *load) acknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.ids)
}

// more waits for some decisions more.
func (l *load) more(t *testing.T, n int) {
	t.Helper()
	until := l.acknowledged() + n
	eventually(t, "decisions are acknowledged", func() bool { return l.acknowledged() >= until })
}

func (l *load) end() []string {
	l.stop()
	l.done.Wait()
	return l.ids
}
