package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/strixlabs/execution-kernel/internal/scripttest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"solo": main})
}

// TestScripts runs the real command against real kernels, and against servers
// that answer what no kernel should.
func TestScripts(t *testing.T) {
	scripttest.Run(t, testscript.Params{
		Dir:   "testdata",
		Setup: setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":      exits,
			"kernel":     startKernel,
			"storefront": storefront,
			"recorded":   recorded,
			"fake":       startFake,
			"asked":      asked,
			"waitfile":   waitFile,
			"gone":       gone,
			"people":     people,
			"vote":       vote,
			"refuse":     refuse,
			"approvals":  inState,
			"settled":    settled,
		},
		RequireUniqueNames: true,
	})
}

// setup gives scripts a home of their own, and Go its usual cache.
func setup(env *testscript.Env) error {
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		return fmt.Errorf("ask go for its cache: %w", err)
	}
	env.Setenv("GOCACHE", strings.TrimSpace(string(cache)))
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("LC_ALL", "C")
	return nil
}

// storefront FOLDER copies the example there, without what it may have made
// where it is.
func storefront(ts *testscript.TestScript, _ bool, args []string) {
	source, to := "../../examples/storefront", ts.MkAbs(args[0])
	ts.Check(os.CopyFS(to, os.DirFS(source)))
	for _, made := range []string{"build", "deployed", ".solo"} {
		ts.Check(os.RemoveAll(filepath.Join(to, made)))
	}
}

// exits CODE COMMAND… runs a command that must end with this exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("run %q: %v", args[1:], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%q ended with exit code %d, want %d", args[1:], got, want)
	}
}

// waitFile FILE waits until the file is there.
func waitFile(ts *testscript.TestScript, _ bool, args []string) {
	for range 500 {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%s did not appear within 10s", args[0])
}

// gone FILE waits until the process whose id the file holds is no more.
func gone(ts *testscript.TestScript, _ bool, args []string) {
	pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(args[0])))
	ts.Check(err)
	for range 500 {
		if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) || zombie(pid) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("process %d of %s still runs", pid, args[0])
}

// zombie reports whether a process has ended and nobody has asked how; where
// there is no /proc it says no.
func zombie(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	_, rest, found := strings.Cut(string(stat), ") ")
	return err == nil && found && strings.HasPrefix(rest, "Z")
}
