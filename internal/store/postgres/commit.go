package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strixlabs/execution-kernel/internal/store"
)

// maxTries is how often a transaction is begun that the server breaks off
// before it is asked to commit it.
const maxTries = 3

// Commit implements store.Store: one transaction in two messages. The first, a
// pipeline, brings everything and learns whether it holds; the second is COMMIT
// alone, so that whatever ends before it is certain not to be committed. The
// context can end the first; once COMMIT is sent only our own deadline does.
func (db *DB) Commit(ctx context.Context, b *store.Batch) (store.Outcome, error) {
	out := store.Outcome{Status: store.NotCommitted}
	err := b.Check()
	if err != nil {
		return out, err
	}
	if db.readOnly {
		return out, fmt.Errorf("commit batch %s: %w", b.ID, errReadOnly)
	}
	ctx, cancel := context.WithTimeout(ctx, db.timeout)
	defer cancel()
	for range maxTries {
		// Where no connection can be had, nothing is committed.
		out = store.Outcome{Status: store.NotCommitted}
		err = db.with(ctx, 1, func(ctx context.Context, c *pgxpool.Conn) (err error) {
			out, err = db.attempt(ctx, c.Conn(), b)
			return err
		})
		if out.Status != store.NotCommitted || !brokenOff(err) {
			break
		}
	}
	if err != nil {
		err = fmt.Errorf("commit batch %s: %w", b.ID, full(err))
	}
	return out, err
}

func (db *DB) attempt(ctx context.Context, c *pgx.Conn, b *store.Batch) (store.Outcome, error) {
	w := writing{batch: b, prune: db.commits.Add(1)%pruneStep == 0}
	if err := w.send(ctx, c); err != nil {
		return store.Outcome{Status: store.NotCommitted}, errors.Join(err, rollback(ctx, c))
	}
	failed := w.failed()
	switch {
	case w.known:
		// By an earlier call. Whether that reached the standbys is for Lookup.
		if err := rollback(ctx, c); err != nil {
			return store.Outcome{}, err
		}
		status, err := db.settle(ctx, c, b.ID)
		return store.Outcome{Status: status}, err
	case len(failed) > 0:
		return store.Outcome{Status: store.Conflict, Keys: failed}, rollback(ctx, c)
	}
	status, err := finish(ctx, c, db.timeout)
	return store.Outcome{Status: status}, err
}

// rollback ends a transaction that is not to be. Where it fails the connection
// is given up, and the server rolls back by itself.
func rollback(ctx context.Context, c *pgx.Conn) error {
	if c.IsClosed() || c.PgConn().TxStatus() == 'I' {
		return nil
	}
	if _, err := c.Exec(ctx, "ROLLBACK"); err != nil {
		return fmt.Errorf("roll back: %w", err)
	}
	return nil
}

// finish sends COMMIT and says how it ended. The caller's giving up must not
// make it unknown: only our own deadline does.
func finish(ctx context.Context, c *pgx.Conn, timeout time.Duration) (store.Status, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	delete(c.PgConn().CustomData(), warned)
	tag, err := c.Exec(ctx, "COMMIT")
	if err != nil {
		return afterCommit(err), err
	}
	if text, doubt := c.PgConn().CustomData()[warned]; doubt {
		return store.Unknown, fmt.Errorf("the server commits with a warning: %s", text)
	}
	if tag.String() != "COMMIT" { // of a transaction that had failed: ROLLBACK
		return store.NotCommitted, fmt.Errorf("the server answers %s to COMMIT", tag)
	}
	return store.Committed, nil
}

// afterCommit says what an error of COMMIT means. An ERROR of the server comes
// before the commit record: nothing that fails after it is reported as one.
// After anything else (a lost connection, a deadline, a server that ends) the
// record may have been written.
func afterCommit(err error) store.Status {
	var server *pgconn.PgError
	if errors.As(err, &server) && server.SeverityUnlocalized == "ERROR" &&
		!strings.HasPrefix(server.Code, "08") && !strings.HasPrefix(server.Code, "57") {
		return store.NotCommitted
	}
	return store.Unknown
}

// warned is where a connection keeps the last warning of its server. With one,
// a server whose wait for a standby was cut short reports success.
const warned = "warning"

func notice(c *pgconn.PgConn, n *pgconn.Notice) {
	if n.SeverityUnlocalized == "WARNING" {
		c.CustomData()[warned] = fmt.Sprintf("%s (%s)", n.Message, n.Code)
	}
}

// brokenOff reports whether a transaction failed before its COMMIT for a reason
// that another try may not meet: a deadlock, another transaction's lock, a
// connection that had died while it lay idle.
func brokenOff(err error) bool {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		switch server.Code {
		case "40001", "40P01", "55P03": // serialization_failure, deadlock_detected, lock_not_available
			return true
		case "57P01", "57P02", "57P03": // the server is stopping or starting
			return true
		}
		return false
	}
	return pgconn.SafeToRetry(err) || errors.Is(err, errLost)
}

// errLost marks an error that came with the end of the connection.
var errLost = errors.New("the connection was lost")

// full marks the errors that say that there is no space left.
func full(err error) error {
	var server *pgconn.PgError
	if errors.As(err, &server) && server.Code == "53100" {
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return err
}

// Lookup implements store.Store. The last 65,536 commits or more are known.
//
// It tries to commit under the batch's ID itself. That waits for a transaction
// that is still doing so, however late; and when the row is there, it writes it
// again: what is flushed after a commit, here and on the standbys, vouches for
// what was flushed before.
func (db *DB) Lookup(ctx context.Context, batchID string) (status store.Status, err error) {
	err = db.with(ctx, 1, func(ctx context.Context, c *pgxpool.Conn) (err error) {
		if db.readOnly {
			return errReadOnly
		}
		status, err = db.settle(ctx, c.Conn(), batchID)
		return err
	})
	if err != nil {
		return store.Unknown, fmt.Errorf("look up batch %s: %w", batchID, err)
	}
	return status, nil
}

func (db *DB) settle(ctx context.Context, c *pgx.Conn, id string) (store.Status, error) {
	var fresh, waits bool
	var b pgx.Batch
	b.Queue("BEGIN")
	b.Queue(`INSERT INTO kernel.batches AS b (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET id = b.id
		RETURNING xmax = 0, current_setting('synchronous_commit') IN ('on', 'remote_apply')`, id).
		QueryRow(func(row pgx.Row) error { return row.Scan(&fresh, &waits) })
	err := c.SendBatch(ctx, &b).Close()
	if err != nil || fresh || !waits {
		if err == nil && !waits {
			err = fmt.Errorf("%w: synchronous_commit was switched off", ErrUnsafe)
		}
		if err = errors.Join(err, rollback(ctx, c)); err != nil {
			return store.Unknown, err
		}
		return store.NotCommitted, nil
	}
	if status, err := finish(ctx, c, db.timeout); status != store.Committed {
		return store.Unknown, err
	}
	return store.Committed, nil
}
