package sqlite

import (
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// The write-ahead log is copied into the database each time this many bytes
// were committed. Pages are larger than what is new on them, so the file grows
// to a small multiple.
const checkpointBytes = 4 << 20

// committed counts what a commit added, and wakes the checkpointer.
func (db *DB) committed(bytes int64) {
	if db.backlog += bytes; db.backlog < checkpointBytes {
		return
	}
	select {
	case db.kick <- struct{}{}:
		db.backlog = 0
	default: // it is still at work
	}
}

// checkpointer keeps the write-ahead log short, on a connection of its own.
//
// It copies in two steps: nearly all while commits go on, the rest between two
// commits, so that the log can begin again at its start instead of growing as
// long as there is load.
func (db *DB) checkpointer() {
	for {
		select {
		case <-db.stop:
			return
		case <-db.kick:
		}
		err := db.checkpoint()
		select {
		case <-db.stop:
			return
		case <-db.gate:
		}
		if err == nil && db.broken == nil {
			err = db.checkpoint()
		}
		// A full disk or a busy reader passes: nothing is lost, the next
		// checkpoint copies it. After another error the disk cannot be trusted.
		if sqlite.ErrCode(err).ToPrimary() == sqlite.ResultIOErr && db.broken == nil {
			db.broken = fmt.Errorf("%w: checkpoint: %w", ErrBroken, err)
		}
		db.gate <- struct{}{}
	}
}

func (db *DB) checkpoint() error {
	return sqlitex.Execute(db.keeper, "PRAGMA wal_checkpoint(PASSIVE)", nil)
}
