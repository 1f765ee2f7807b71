package starter_test

import (
	"io/fs"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/app/starter"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

func TestTheStarterBundleChecksAndPassesItsTestsWithEveryRuleDecisive(t *testing.T) {
	names, err := fs.Glob(starter.Files, "*")
	if err != nil {
		t.Fatal(err)
	}
	var files []pdl.File
	for _, name := range names {
		data, err := starter.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if f := (pdl.File{Name: name, Data: data}); !pdl.IsRegistryFile(f) {
			files = append(files, f)
		}
	}
	bundle, diagnostics := pdl.Compile(files)
	if len(diagnostics) > 0 {
		t.Fatalf("Compile: %v", diagnostics)
	}
	program, err := eval.New(bundle)
	if err != nil {
		t.Fatal(err)
	}
	report := eval.RunTests(program, bundle.Tests)
	if report.Failed != 0 || report.Passed == 0 {
		t.Errorf("RunTests: %d passed, %d failed: %+v", report.Passed, report.Failed, report.Cases)
	}
	if c := report.Coverage; len(c.NeverMatched) > 0 || len(c.NeverDecisive) > 0 {
		t.Errorf("RunTests: rules never matched %v, never decisive %v", c.NeverMatched, c.NeverDecisive)
	}
}
