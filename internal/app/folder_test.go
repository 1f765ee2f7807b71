package app_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/app"
)

func TestCreateFolderClosesItToOthers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	f, mended, err := app.CreateFolder(dir)
	if err != nil || len(mended) != 0 || mode(t, dir) != 0o700 {
		t.Fatalf("CreateFolder = %v, %v, mode %o, want nothing to mend and 700", mended, err, mode(t, dir))
	}
	for _, path := range []string{f.Database(), f.AdminToken()} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{dir, f.AdminToken()} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	_, mended, err = app.CreateFolder(dir)
	if err != nil || len(mended) != 2 || mode(t, dir) != 0o700 || mode(t, f.AdminToken()) != 0o600 {
		t.Errorf("CreateFolder = %v, %v, modes %o and %o, want two mended, 700 and 600", mended, err, mode(t, dir), mode(t, f.AdminToken()))
	}
}

func TestCreateFolderLeavesOtherFoldersAlone(t *testing.T) {
	dir := tree(t, "photo.jpg")
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	_, _, err := app.CreateFolder(dir)
	wantError(t, "a folder of something else", err, "it holds photo.jpg", "--data DIR")
	if mode(t, dir) != 0o755 {
		t.Errorf("its mode is %o, want it left at 755", mode(t, dir))
	}
	_, _, err = app.CreateFolder(filepath.Join(dir, "photo.jpg"))
	if err == nil {
		t.Error("CreateFolder(a file) = nil, want an error")
	}
}

func TestSecondLockIsRefusedAndNamesTheFirst(t *testing.T) {
	f, _, err := app.CreateFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	first, err := app.TakeLock(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Announce(app.Holder{PID: os.Getpid(), URL: "http://127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	_, err = app.TakeLock(f)
	if err == nil || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) || !strings.Contains(err.Error(), "http://127.0.0.1:1") {
		t.Errorf("TakeLock = %v, want an error with the first one's process and address", err)
	}
	if h, running, err := app.Running(f); err != nil || !running || h.URL != "http://127.0.0.1:1" || h.PID != os.Getpid() {
		t.Errorf("Running = %+v, %v, %v, want this process", h, running, err)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	if _, running, err := app.Running(f); err != nil || running {
		t.Errorf("after the release Running = %v, %v, want false", running, err)
	}
	second, err := app.TakeLock(f)
	if err != nil {
		t.Fatalf("after the release TakeLock = %v, want the lock", err)
	}
	second.Release()
}

func TestLockOfAKilledProcessIsFree(t *testing.T) {
	f, _, err := app.CreateFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	holder := exec.Command(os.Args[0])
	holder.Env = append(os.Environ(), "TEST_HOLD_LOCK="+f.Path)
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other process holds the lock", func() bool {
		h, running, err := app.Running(f)
		return err == nil && running && h.PID == holder.Process.Pid
	})
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait() // killed: that it failed is known
	lock, err := app.TakeLock(f)
	if err != nil {
		t.Fatalf("TakeLock after kill -9 = %v, want the lock", err)
	}
	lock.Release()
}

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

// eventually polls until cond holds, and fails the test after 15 s.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 15 s in vain: %s", what)
		}
	}
}
