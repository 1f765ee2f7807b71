package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAFileOfAnotherUserIsNotTheKernels: who may give files away is root alone,
// so the test changes whom the folder belongs to.
func TestAFileOfAnotherUserIsNotTheKernels(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.token")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if what := planted(info, os.Geteuid(), "admin.token"); what != "" {
		t.Errorf("one's own file %s", what)
	}
	if what := planted(info, os.Geteuid()+1, "admin.token"); !strings.Contains(what, "does not belong to user") {
		t.Errorf("another's file: %q", what)
	}
}
