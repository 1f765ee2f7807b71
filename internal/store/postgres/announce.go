package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// queueAnnouncements raises revisions, and sends a hint when it is committed.
// To send one costs every other commit, so only batches that announce do.
func (w *writing) queueAnnouncements(p *pgx.Batch) {
	if len(w.batch.Announce) == 0 {
		return
	}
	kinds := slices.Compact(slices.Sorted(slices.Values(w.batch.Announce))) // in the order in which every node locks them
	p.Queue(`INSERT INTO kernel.revisions AS r (kind, n) SELECT kind, 1 FROM unnest($1::text[]) AS k (kind)
		ON CONFLICT (kind) DO UPDATE SET n = r.n + 1`, kinds)
	p.Queue("SELECT pg_notify('kernel', '')")
}

// Revision implements store.Announcer.
func (db *DB) Revision(ctx context.Context, kind string) (revision uint64, err error) {
	err = db.read(ctx, 1, func(ctx context.Context, c *pgxpool.Conn) error {
		var n int64
		err := c.QueryRow(ctx, "SELECT coalesce((SELECT n FROM kernel.revisions WHERE kind = $1), 0)", kind).Scan(&n)
		revision = uint64(n)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("read the revision of %s records: %w", kind, err)
	}
	return revision, nil
}

// An ear is the connection that listens for hints, made when it is first needed.
type ear struct {
	mu     sync.Mutex // held while somebody listens
	conn   *pgx.Conn
	closed chan struct{}
	once   sync.Once
}

func (e *ear) close() { e.once.Do(func() { close(e.closed) }) }

// Announced implements store.Announcer. One caller listens at a time.
func (db *DB) Announced(ctx context.Context) error {
	e := &db.ear
	e.mu.Lock()
	defer e.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-e.closed:
			cancel(errors.New("the store is closed"))
		case <-stop:
		}
	}()
	err := db.listen(ctx)
	if err == nil {
		_, err = e.conn.WaitForNotification(ctx)
	}
	if err != nil && e.conn != nil {
		_ = e.conn.Close(context.WithoutCancel(ctx)) // of no use any more
		e.conn = nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (db *DB) listen(ctx context.Context) (err error) {
	if db.ear.conn != nil {
		return nil
	}
	config := db.pool.Config().ConnConfig
	if db.ear.conn, err = pgx.ConnectConfig(ctx, config); err != nil {
		return inOneLine(err)
	}
	_, err = db.ear.conn.Exec(ctx, "LISTEN kernel")
	return err
}
