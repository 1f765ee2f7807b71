package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/sqlite"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

var noFloor = sqlite.Config{FreeBytesFloor: -1}

func open(t testing.TB, path string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(path, noFloor)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestSQLitePassesTheExam(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, filepath.Join(t.TempDir(), "log ü?#%41.db")) })
}
