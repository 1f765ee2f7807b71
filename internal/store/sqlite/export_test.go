package sqlite

import (
	"zombiezen.com/go/sqlite/sqlitex"
)

// Exec runs a statement on the connection that commits, so that a test can
// weaken what must not be weakened, and see that it is noticed.
func (db *DB) Exec(sql string) error {
	<-db.gate
	defer func() { db.gate <- struct{}{} }()
	return sqlitex.ExecuteTransient(db.writer, sql, nil)
}

// Checkpoint copies the write-ahead log now, as the checkpointer does.
func (db *DB) Checkpoint() error {
	<-db.gate
	defer func() { db.gate <- struct{}{} }()
	return db.checkpoint()
}

// VersionAtLeast is versionAtLeast.
func VersionAtLeast(version string) bool { return versionAtLeast(version, minVersion) }
