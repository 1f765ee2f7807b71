package postgres

import "context"

// Exec runs a statement on one of the store's own connections, so that a test
// can weaken what must not be weakened.
func (db *DB) Exec(ctx context.Context, sql string) error {
	_, err := db.pool.Exec(ctx, sql)
	return err
}
