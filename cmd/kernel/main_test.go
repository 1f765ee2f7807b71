package main

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/strixlabs/execution-kernel/internal/app"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kernel": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":     exits,
			"listening": listening,
			"stop":      stop,
			"sql":       sql,
			"copydata":  copydata,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("KERNEL_DATA", filepath.Join(env.WorkDir, "data"))
			return nil
		},
	})
}

// exits runs a command and wants its exit code: exits 3 kernel eval ….
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// listening waits until a kernel answers on a data folder, and puts its
// address into $URL and its process id into $PID.
func listening(ts *testscript.TestScript, _ bool, args []string) {
	folder := app.Folder{Path: ts.MkAbs(args[0])}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		h, running, err := app.Running(folder)
		ts.Check(err)
		if running && h.URL != "" {
			ts.Setenv("URL", h.URL)
			ts.Setenv("PID", strconv.Itoa(h.PID))
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no kernel answers on %s", folder.Path)
		}
	}
}

// stop tells the kernel that was last waited for to end.
func stop(ts *testscript.TestScript, _ bool, _ []string) {
	pid, err := strconv.Atoi(ts.Getenv("PID"))
	ts.Check(err)
	ts.Check(syscall.Kill(pid, syscall.SIGTERM))
}
