package sqlite

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/strixlabs/execution-kernel/internal/store"
)

// ErrBroken accompanies every commit after one whose flush failed. What the
// disk holds is only known to a process that starts anew: restart it.
var ErrBroken = errors.New("the disk failed; restart the process")

var errClosed = errors.New("the log is closed")

// Commit implements store.Store. The context can end the wait for the commit
// before; once SQLite has begun to commit, it is waited for.
func (db *DB) Commit(ctx context.Context, b *store.Batch) (store.Outcome, error) {
	if err := b.Check(); err != nil {
		return store.Outcome{Status: store.NotCommitted}, err
	}
	if err := db.enter(ctx); err != nil {
		return store.Outcome{Status: store.NotCommitted}, fmt.Errorf("commit batch %s: %w", b.ID, err)
	}
	defer func() { db.gate <- struct{}{} }()
	out, err := db.commit(ctx, b)
	if err != nil {
		err = fmt.Errorf("commit batch %s: %w", b.ID, err)
	}
	return out, err
}

// enter waits for the right to commit, and checks that committing makes sense.
func (db *DB) enter(ctx context.Context) error {
	if err := db.wait(ctx); err != nil {
		return err
	}
	err := db.ready()
	if err != nil {
		db.gate <- struct{}{}
	}
	return err
}

// wait takes the token of the gate.
func (db *DB) wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-db.gate:
		return nil
	}
}

func (db *DB) ready() error {
	switch {
	case db.closed:
		return errClosed
	case db.broken != nil:
		return db.broken
	}
	return db.checkSpace()
}

func (db *DB) commit(ctx context.Context, b *store.Batch) (store.Outcome, error) {
	out, err := db.write(ctx, b)
	if out.Status == store.Unknown {
		db.broken = fmt.Errorf("%w: %w", ErrBroken, err)
	}
	// After some errors SQLite has rolled back by itself; then there is
	// nothing to roll back and saying so would be another error.
	if !db.writer.AutocommitEnabled() {
		if failed := run(db.stmts.rollback); failed != nil && db.broken == nil {
			db.broken = fmt.Errorf("%w: roll back: %w", ErrBroken, failed)
		}
	}
	if sqlite.ErrCode(err).ToPrimary() == sqlite.ResultFull {
		err = fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return out, err
}

// write runs the transaction. Until COMMIT is run every end is NotCommitted.
func (db *DB) write(ctx context.Context, b *store.Batch) (store.Outcome, error) {
	not := store.Outcome{Status: store.NotCommitted}
	if err := run(db.stmts.begin); err != nil {
		return not, err
	}
	done, err := db.stmts.isCommitted(b.ID)
	if err != nil {
		return not, err
	}
	if done { // by an earlier call; the transaction is empty
		return store.Outcome{Status: store.Committed}, nil
	}
	if err := db.leases.checkEpoch(b); err != nil {
		return not, err
	}
	if err := db.stmts.checkHead(b); err != nil {
		return not, err
	}
	failed, err := db.stmts.unmet(b)
	if err != nil {
		return not, err
	}
	if len(failed) > 0 {
		return store.Outcome{Status: store.Conflict, Keys: failed}, nil
	}
	size, err := db.stmts.insert(b)
	if err != nil {
		return not, err
	}
	if err := ctx.Err(); err != nil {
		return not, err
	}
	if err := run(db.stmts.commit); err != nil {
		return store.Outcome{Status: afterCommit(err)}, err
	}
	db.committed(size)
	db.announced.raise(b.Announce)
	return store.Outcome{Status: store.Committed}, nil
}

// afterCommit says what an error of COMMIT means. SQLITE_FULL comes from a
// write that did not reach the end of the transaction, and SQLITE_BUSY before
// any: the transaction is not in the file. After any other error a flush may
// have failed, with all of it written.
func afterCommit(err error) store.Status {
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultFull, sqlite.ResultBusy:
		return store.NotCommitted
	}
	return store.Unknown
}

// Lookup implements store.Store. The last 4,096 commits or more are known.
func (db *DB) Lookup(ctx context.Context, batchID string) (store.Status, error) {
	if err := db.wait(ctx); err != nil {
		return store.Unknown, err
	}
	defer func() { db.gate <- struct{}{} }()
	switch {
	case db.closed:
		return store.Unknown, errClosed
	case db.broken != nil:
		// The page cache may say yes and the disk no, or the other way round.
		return store.Unknown, db.broken
	}
	done, err := db.stmts.isCommitted(batchID)
	switch {
	case err != nil:
		return store.Unknown, fmt.Errorf("look up batch %s: %w", batchID, err)
	case done:
		return store.Committed, nil
	}
	return store.NotCommitted, nil
}
