package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/sqlite"
)

// A disk is the log's store, watched for the failure after which only a new
// process can tell what is on the disk.
type disk struct {
	*sqlite.DB
	failed chan error // receives the first such failure
}

var _ store.Store = (*disk)(nil)

func (d *disk) Commit(ctx context.Context, b *store.Batch) (store.Outcome, error) {
	out, err := d.DB.Commit(ctx, b)
	d.notice(out.Status == store.Unknown, err)
	return out, err
}

func (d *disk) Lookup(ctx context.Context, batchID string) (store.Status, error) {
	status, err := d.DB.Lookup(ctx, batchID)
	d.notice(false, err)
	return status, err
}

func (d *disk) notice(unknown bool, err error) {
	if err == nil || !unknown && !errors.Is(err, sqlite.ErrBroken) {
		return
	}
	select {
	case d.failed <- err:
	default: // the first is enough
	}
}

// wait returns the failure, or nil when ctx ends first.
func (d *disk) wait(ctx context.Context) error {
	select {
	case err := <-d.failed:
		return fmt.Errorf("the disk failed, and only a new process can tell what is on it: %w", err)
	case <-ctx.Done():
		return nil
	}
}
