package app_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/app"
)

// TestWithoutASolverTheHintSaysHowToGetOne: it is the caller's to mend, and not
// a kernel that does not answer.
func TestWithoutASolverTheHintSaysHowToGetOne(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, c := range []app.ProveConfig{{}, {Solver: "z3"}, {Solver: "both"}, {CrossCheck: true}, {Solver: "/nowhere/cvc5"}} {
		_, err := app.NewProver(t.Context(), c)
		var ours *kernel.Error
		if !errors.As(err, &ours) || ours.Code != kernel.Invalid || !strings.Contains(ours.Hint, "apt-get install cvc5 z3") {
			t.Errorf("%+v: the error is %v, want one that says how to get a solver", c, err)
		}
	}
}

func examplesAreTests(t *testing.T, file string, proof *app.Proof) (shown int) {
	t.Helper()
	for _, q := range proof.Questions {
		for _, x := range q.Examples {
			if x.Test == "" && strings.Contains(string(x.Request), "null") {
				continue // which no test can hold
			}
			shown++
			pasteTest(t, file, q.Name, x)
		}
	}
	return shown
}

func pasteTest(t *testing.T, file, name string, x app.ProofExample) {
	t.Helper()
	folder := t.TempDir()
	bundle, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{"bundle.yaml": string(bundle), "found.yaml": x.Test} {
		if err := os.WriteFile(filepath.Join(folder, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sources, err := app.ReadBundles([]string{folder})
	if err != nil {
		t.Fatal(err)
	}
	report, err := app.RunTests(sources[0], false)
	if err != nil || !report.OK || report.Passed != 1 {
		t.Errorf("%s: the test of %s: %+v, %v\n%s", file, name, report.Cases, err, x.Test)
	}
}

// TestSARIFHasWhatReviewToolsNeed looks for the members that SARIF 2.1.0
// requires, and those that findings are placed by.
func TestSARIFHasWhatReviewToolsNeed(t *testing.T) {
	proof := &app.Proof{Task: "properties", Questions: []app.Question{
		{Bundle: "b", Name: "p/a", Kind: "never", Asked: "never ALLOW", Verdict: "PROVED", Outcome: app.Holds},
		{Bundle: "b", Name: "p/b", Kind: "never", Asked: "never ALLOW", Verdict: "COUNTEREXAMPLE", Outcome: app.Broken, Why: "the decision can be ALLOW", File: "a b/p.yaml", Line: 7, Col: 3},
		{Bundle: "b", Name: "p/c", Kind: "always", Asked: "always DENY", Verdict: "UNKNOWN", Outcome: app.Undecided, File: "/abs/p.yaml", Line: 9, Col: 1},
		{Bundle: "b", Name: "pay", Kind: "never", Asked: "never ALLOW", Verdict: "PROVED", Outcome: app.Noted},
	}}
	data, err := json.Marshal(proof.SARIF("v1.2.3"))
	if err != nil {
		t.Fatal(err)
	}
	var log struct {
		Schema  string `json:"$schema"`
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name, Version string
					Rules         []struct{ ID string }
				}
			}
			Results []struct {
				RuleID, Level string
				RuleIndex     int
				Message       struct{ Text string }
				Locations     []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine, StartColumn int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(data, &log); err != nil {
		t.Fatal(err)
	}
	if log.Version != "2.1.0" || !strings.Contains(log.Schema, "sarif-2.1.0") || len(log.Runs) != 1 || log.Runs[0].Tool.Driver.Name == "" {
		t.Fatalf("the head is %s", data)
	}
	run, got := log.Runs[0], ""
	for _, r := range run.Results {
		at := r.Locations[0].PhysicalLocation
		if run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID || r.Message.Text == "" || at.Region.StartColumn < 1 {
			t.Errorf("the result %+v has no rule, message or column", r)
		}
		got += strings.Join([]string{r.RuleID, r.Level, at.ArtifactLocation.URI, string(rune('0' + at.Region.StartLine))}, " ") + "\n"
	}
	want := "properties/never error a%20b/p.yaml 7\nproperties/always warning file:///abs/p.yaml 9\nproperties/never note b 1\n"
	if got != want {
		t.Errorf("results =\n%swant\n%s", got, want)
	}
}
