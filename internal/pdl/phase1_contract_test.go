package pdl_test

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// TestAnImportedMatrixAnswersAsTheShippedBundle asks both about every cell and
// about what lies outside; the shipped one has its own tests.
func TestAnImportedMatrixAnswersAsTheShippedBundle(t *testing.T) {
	matrix, err := os.ReadFile("testdata/phase1/policies.json")
	if err != nil {
		t.Fatal(err)
	}
	text, err := pdl.ConvertPhase1(matrix)
	if err != nil {
		t.Fatal(err)
	}
	bundle := compilePhase1(t, text)
	imported, shipped := program(t, bundle), program(t, shippedBundle(t))
	if report := eval.RunTests(imported, bundle.Tests); report.Failed != 0 || report.Passed != 18 {
		t.Errorf("RunTests: %d passed, %d failed, want 18 and 0: %+v", report.Passed, report.Failed, report.Cases)
	}
	asked := 0
	for _, typ := range []string{"webapp", "page", "automation", "app", "integration", "content", "WebApp", "any", "*", ""} {
		for _, env := range []any{"production", "staging", "development", "Production", "qa", "*", "", nil} {
			in := phase1Input(typ, env)
			got, errGot := imported.Decide(in)
			want, errWant := shipped.Decide(in)
			// What a Phase 1 answer carries: the version is another one, and the
			// advice lists the environments in the order they are declared.
			got.PolicyVersion, got.Advice = want.PolicyVersion, want.Advice
			if errGot != nil || errWant != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("Decide(%s, %v) = %+v, %v, want %+v, %v", typ, env, got, errGot, want, errWant)
			}
			asked++
		}
	}
	if asked != 80 {
		t.Errorf("asked %d questions, want 80", asked)
	}
}

func phase1Input(typ string, env any) eval.Input {
	req := kernel.Request{
		Agent: kernel.Agent{ID: "anonymous"}, Action: "ship",
		Resource: kernel.Resource{Type: typ, ID: typ, Attributes: map[string]any{}},
		Params:   map[string]any{"actions": []any{"build", "modify_db_schema"}},
	}
	if env != nil {
		req.Resource.Attributes["environment"] = env
	}
	return eval.Input{Request: req, Now: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), Phase1: true}
}

func program(t *testing.T, b *pdl.Bundle) *eval.Program {
	t.Helper()
	p, err := eval.New(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func shippedBundle(t *testing.T) *pdl.Bundle {
	t.Helper()
	names, err := filepath.Glob("../../policies/shipping/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var files []pdl.File
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, pdl.File{Name: name, Data: data})
	}
	b, diagnostics := pdl.Compile(files)
	if len(diagnostics) > 0 {
		t.Fatalf("the shipped bundle does not compile: %v", diagnostics)
	}
	return b
}
