package eval_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

const corpusFolder = "../../testdata/corpus"

// TestCorpus runs every bundle of the corpus with its own tests, and every
// case through the oracle. The corpus is not tied to this implementation.
func TestCorpus(t *testing.T) {
	total := 0
	for _, path := range corpusFiles(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			b := compile(t, pdl.File{Name: filepath.Base(path), Data: read(t, path)})
			p := lower(t, b)
			report := eval.RunTests(p, b.Tests)
			for _, c := range report.Cases {
				if !c.Pass {
					t.Errorf("%s:%d: %s: %s %v", c.Pos.File, c.Pos.Line, c.Name, c.Error, c.Diff)
				}
			}
			o := newOracle(t, b)
			for _, c := range b.Tests {
				o.agree(t, p, inputOf(t, c))
			}
			total += len(report.Cases)
		})
	}
	if total < 120 {
		t.Errorf("the corpus has %d cases, want more than 120", total)
	}
}

func corpusFiles(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(corpusFolder, "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no corpus in %s: %v", corpusFolder, err)
	}
	return paths
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func compile(t testing.TB, files ...pdl.File) *pdl.Bundle {
	t.Helper()
	b, diagnostics := pdl.Compile(files)
	if diagnostics.HasErrors() {
		var lines []string
		for _, d := range diagnostics {
			lines = append(lines, d.String())
		}
		t.Fatalf("compile:\n%s", strings.Join(lines, "\n"))
	}
	return b
}

func lower(t testing.TB, b *pdl.Bundle) *eval.Program {
	t.Helper()
	p, err := eval.New(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// program compiles one file of YAML.
func program(t testing.TB, source string) (*eval.Program, *pdl.Bundle) {
	t.Helper()
	b := compile(t, pdl.File{Name: "bundle.yaml", Data: []byte(source)})
	return lower(t, b), b
}

func inputOf(t testing.TB, c *pdl.Test) eval.Input {
	t.Helper()
	in := eval.Input{Request: c.Request, Facts: c.Facts, Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	if c.Now != "" {
		if err := in.Now.UnmarshalText([]byte(c.Now)); err != nil {
			t.Fatal(err)
		}
	}
	return in
}
