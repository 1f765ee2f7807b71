package sqlite_test

import (
	"path/filepath"
	"testing"

	lib "modernc.org/sqlite/lib"

	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// Each commit meets a disk that fails at its next write or flush: the first of
// them, the second, and so on, with each code, until one gets through. Each is
// met twice: nothing is written, and some of it.
func TestSQLiteKeepsItsWordThroughFaults(t *testing.T) {
	for name, code := range map[string]int32{
		"full": lib.SQLITE_FULL, "write": lib.SQLITE_IOERR | 3<<8, "flush": lib.SQLITE_IOERR | 4<<8,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d := watch(t, dir)
			path := filepath.Join(dir, "kernel.db")
			db := open(t, path)
			met := true
			ends := storetest.RunFaults(t, storetest.Breaker{
				Store: db,
				Break: func(step int) bool {
					if !met { // the last commit had fewer steps
						return false
					}
					met = false
					left := step / 2
					d.failWith(func(event) (int32, int) {
						if left--; left >= 0 {
							return 0, 0
						}
						met = true
						return code, step % 2 * 100
					})
					return true
				},
				Mend: func() store.Store {
					d.failWith(nil)
					_ = db.Close() // a broken one says so
					db = open(t, path)
					return db
				},
			})
			if ends[store.NotCommitted]+ends[store.Unknown] < 3 || ends[store.Committed] != 1 {
				t.Errorf("the commits ended as %v, want several faults and one that none met", ends)
			}
		})
	}
}
