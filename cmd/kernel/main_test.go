package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/strixlabs/execution-kernel/internal/scripttest"
	"github.com/strixlabs/execution-kernel/internal/solver"
	"github.com/strixlabs/execution-kernel/internal/store/pgtest"
)

// postgresql is the server of the scripts that need one.
var postgresql pgtest.Shared

// closing stops the server after the tests.
type closing struct{ *testing.M }

func (c closing) Run() int {
	code := c.M.Run()
	if err := postgresql.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
		code = 1
	}
	return code
}

func TestMain(m *testing.M) {
	testscript.Main(closing{m}, map[string]func(){"kernel": main})
}

func TestScripts(t *testing.T) { scripts(t, "testdata", "") }

func TestScriptsOnPostgreSQL(t *testing.T) {
	files, err := filepath.Glob("testdata/store/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts in testdata/store: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			scripts(t, filepath.ToSlash(file), postgresql.Cluster(t).Database(t)+"&password=hunter2")
		})
	}
}

// TestScriptsOfProve needs both solvers: without them it is left out, loudly,
// and in CI it fails.
func TestScriptsOfProve(t *testing.T) {
	for _, name := range []string{solver.CVC5, solver.Z3} {
		if _, err := solver.Find(t.Context(), name); err != nil && os.Getenv("CI") == "true" {
			t.Fatal(err)
		} else if err != nil {
			t.Skipf("LEFT OUT: %v", err)
		}
	}
	scripts(t, "testdata/prove", "")
}

func scripts(t *testing.T, path, store string) {
	var files []string
	if strings.HasSuffix(path, ".txt") {
		path, files = "", []string{path}
	}
	scripttest.Run(t, testscript.Params{
		Dir:                 path,
		Files:               files,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                commands(),
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("STORE", store)
			env.Setenv("KERNEL_DATA", filepath.Join(env.WorkDir, "data"))
			return nil
		},
	})
}
