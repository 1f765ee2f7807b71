package sqlite

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/strixlabs/execution-kernel/internal/store"
)

// checkSpace refuses before the disk is full: what a full disk leaves undone
// is harder to tell than what was never begun.
func (db *DB) checkSpace() error {
	if db.floor <= 0 {
		return nil
	}
	var s unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(db.path), &s); err != nil {
		return fmt.Errorf("free space: %w", err)
	}
	free := s.Bavail * uint64(s.Bsize)
	if free < uint64(db.floor) {
		return fmt.Errorf("%w: %d MiB free, %d MiB are kept free; delete something or extend the disk",
			store.ErrFull, free>>20, db.floor>>20)
	}
	return nil
}
