package app_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/app"
	"github.com/strixlabs/execution-kernel/internal/solver"
)

// comment expects.
type undecided struct {
	file, name, verdict string
}

var expected = regexp.MustCompile(`(?m)^  # (PROVED|COUNTEREXAMPLE|POSSIBLE|UNSUPPORTED): .+\n  - id: (\S+)$`)

// verificationCases reads the cases, by file.
func verificationCases(t *testing.T) (files []string, cases map[string]map[string]string) {
	t.Helper()
	files, err := filepath.Glob("../../testdata/prove/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	total := map[string]int{}
	cases = map[string]map[string]string{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cases[file] = map[string]string{}
		for _, m := range expected.FindAllStringSubmatch(string(data), -1) {
			cases[file]["q/"+m[2]] = m[1]
			total[m[1]]++
		}
	}
	if n := total["PROVED"] + total["COUNTEREXAMPLE"]; n < 100 || total["COUNTEREXAMPLE"] < 40 {
		t.Fatalf("the cases are %v, want 100 at least, 40 of them with a counterexample", total)
	}
	return files, cases
}

// undecidedBy lists the cases that a solver does not decide within its time.
var undecidedBy = map[string][]undecided{
	solver.Z3: {{"patterns.yaml", "q/anchored", "UNKNOWN"}, {"family-scopes.yaml", "q/left-out", "UNKNOWN"}},
}

// TestVerificationCases asks each solver for all cases, which were written from
// the documentation. The test document of every example that the first of them
// finds compiles with its bundle and passes.
func TestVerificationCases(t *testing.T) {
	files, cases := verificationCases(t)
	for _, name := range []string{solver.CVC5, solver.Z3} {
		t.Run(name, func(t *testing.T) {
			if name == solver.Z3 && testing.Short() {
				t.Skip("LEFT OUT with -short: z3 takes a minute for the patterns; make test asks it")
			}
			prover := proverOf(t, app.ProveConfig{Solver: name, Timeout: 10 * time.Second})
			shown := 0
			for _, file := range files {
				proof := verifyFile(t, prover, name, file, cases[file])
				if name == solver.CVC5 {
					shown += examplesAreTests(t, file, proof)
				}
			}
			if name == solver.CVC5 && shown < 40 {
				t.Errorf("only %d examples were shown", shown)
			}
		})
	}
}

// proverOf needs the solver: without it the test is left out, loudly, and in
// CI it fails.
func proverOf(t *testing.T, c app.ProveConfig) *app.Prover {
	t.Helper()
	prover, err := app.NewProver(t.Context(), c)
	switch {
	case err != nil && os.Getenv("CI") == "true":
		t.Fatal(err)
	case err != nil:
		t.Skipf("LEFT OUT: %v", err)
	}
	return prover
}

func verifyFile(t *testing.T, prover *app.Prover, name, file string, want map[string]string) *app.Proof {
	t.Helper()
	sources, err := app.ReadBundles([]string{file})
	if err != nil {
		t.Fatal(err)
	}
	proof, err := prover.Properties(t.Context(), sources)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	seen := map[string]bool{}
	for _, q := range proof.Questions {
		seen[q.Name] = true
		if string(q.Verdict) != want[q.Name] && !listed(name, filepath.Base(file), q.Name, string(q.Verdict)) {
			t.Errorf("%s: %s says %s of %s (%s), want %q", file, name, q.Verdict, q.Name, q.Why, want[q.Name])
		}
	}
	for id := range want {
		if !seen[id] {
			t.Errorf("%s: nobody was asked about %s", file, id)
		}
	}
	return proof
}

// listed reports an undecided case that is known to be one.
func listed(solver, file, name, verdict string) bool {
	for _, u := range undecidedBy[solver] {
		if fmt.Sprint(u) == fmt.Sprint(undecided{file, name, verdict}) {
			return true
		}
	}
	return false
}
