package app_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/app"
)

// TestAPlantedFileKeepsTheKernelFromStarting: a data folder that was open to
// others may hold what they put there. The error names the file, and nothing
// of what a link leads to is touched.
func TestAPlantedFileKeepsTheKernelFromStarting(t *testing.T) {
	for _, name := range []string{"lock", "log.key", "log.pub", "log.checkpoint", "admin.token", "kernel.db", "kernel.db-wal", "kernel.db-shm", "kernel.db-journal"} {
		for how, plant := range map[string]func(victim, path string) error{
			"symbolic link":                 os.Symlink,
			"not a regular file":            func(_, path string) error { return os.Mkdir(path, 0o700) },
			"a pipe: is not a regular file": func(_, path string) error { return unix.Mkfifo(path, 0o600) },
			"by other users (mode 0666)":    func(_, path string) error { return errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o666)) },
			"by other users (mode 0620)":    func(_, path string) error { return errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o620)) },
			"hard links":                    os.Link,
		} {
			if how == "hard links" && strings.HasPrefix(name, "kernel.db") {
				continue // copies of a folder may share the database
			}
			dir := t.TempDir()
			victim := filepath.Join(t.TempDir(), "victim")
			for _, path := range []string{filepath.Join(dir, "kernel.db"), victim} {
				if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			path := filepath.Join(dir, name)
			if name == "kernel.db" {
				must(t, os.Remove(path))
			}
			must(t, plant(victim, path))
			_, _, err := app.CreateFolder(dir)
			if err == nil || !strings.HasPrefix(err.Error(), path+" ") || !strings.Contains(err.Error(), strings.TrimPrefix(how, "a pipe: ")) {
				t.Errorf("%s: %s: CreateFolder = %v", name, how, err)
			}
			if got, err := os.ReadFile(victim); err != nil || string(got) != "precious" {
				t.Errorf("%s: %s: what it leads to holds %q, %v", name, how, got, err)
			}
		}
	}
}

func TestALockThatLeadsElsewhereIsNeitherTakenNorBelieved(t *testing.T) {
	dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
	must(t, os.WriteFile(victim, []byte("pid 1\nurl https://evil.example\n"), 0o600))
	f := app.Folder{Path: dir}
	for how, plant := range map[string]func(string, string) error{"symbolic link": os.Symlink, "hard links": os.Link} {
		must(t, plant(victim, f.LockFile()))
		lock, err := app.TakeLock(f)
		wantError(t, "TakeLock", err, how, "find out who put it there")
		if lock != nil {
			t.Errorf("%s: the lock is taken", how)
		}
		_, _, err = app.Running(f)
		wantError(t, "Running", err, how, "find out who put it there")
		if got, _ := os.ReadFile(victim); !strings.HasPrefix(string(got), "pid 1") {
			t.Errorf("%s: what it leads to holds %q", how, got)
		}
		must(t, os.Remove(f.LockFile()))
	}
	must(t, unix.Mkfifo(f.LockFile(), 0o600))
	_, _, err := app.Running(f) // must not wait for a writer
	wantError(t, "Running", err, "not a regular file", "find out")
}

func TestAPlantedAdminTokenIsNotShownToAnybody(t *testing.T) {
	f, _, err := app.CreateFolder(t.TempDir())
	must(t, err)
	lock, err := app.TakeLock(f)
	must(t, err)
	must(t, lock.Announce(app.Holder{PID: os.Getpid(), URL: "http://127.0.0.1:1"}))
	t.Cleanup(func() { must(t, lock.Release()) })
	other := filepath.Join(t.TempDir(), "token")
	must(t, os.WriteFile(other, []byte("kt_0123456789012345678901234567890123456789012\n"), 0o600))
	must(t, os.Symlink(other, f.AdminToken()))
	_, err = app.Connect(app.Config{Data: f.Path})
	wantError(t, "Connect", err, "admin.token is a symbolic link", "find out")
}

func TestAPlantedLogKeySignsNothing(t *testing.T) {
	f, _, err := app.CreateFolder(t.TempDir())
	must(t, err)
	must(t, os.WriteFile(f.Database(), nil, 0o600))
	must(t, os.Symlink(filepath.Join(t.TempDir(), "key"), f.LogKey()))
	_, err = app.SignCheckpoint(context.Background(), app.Config{Data: f.Path})
	var e *kernel.Error
	if !errors.As(err, &e) || !strings.Contains(err.Error(), "log.key is a symbolic link") {
		t.Errorf("SignCheckpoint = %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
