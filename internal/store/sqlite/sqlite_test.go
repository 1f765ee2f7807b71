package sqlite_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
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

// copyOut copies a file of an open database by another process: closing any
// descriptor of it in this one would drop SQLite's locks.
func copyOut(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", from, to).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
}

// digest tells whether the evidence in a folder changed. The shared memory is
// none: SQLite makes it anew from the write-ahead log.
func digest(t *testing.T, dir string) [32]byte {
	t.Helper()
	h := sha256.New()
	for _, name := range []string{"kernel.db", "kernel.db-wal"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		fmt.Fprintf(h, "%s %d\n", name, len(data))
		h.Write(data)
	}
	return [32]byte(h.Sum(nil))
}
