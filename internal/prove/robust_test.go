package prove_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/prove"
	"github.com/strixlabs/execution-kernel/internal/solver"
)

// fiveActions is a policy with five parts to work on.
func fiveActions() string {
	var b strings.Builder
	b.WriteString("pdl: v1\nkind: schema\nname: five\nagents: any\nresources: {thing: {}}\nactions:\n")
	for i := range 5 {
		fmt.Fprintf(&b, "  act%d: {resource: thing, params: {n: int(0..100)}}\n", i)
	}
	b.WriteString("---\npdl: v1\nkind: policy\nname: p\nrules:\n")
	for i := range 5 {
		fmt.Fprintf(&b, "  - {id: few%d, match: {action: act%d}, when: params.n < %d, effect: ALLOW}\n", i, i, 10+i)
		fmt.Fprintf(&b, "  - {id: most%d, match: {action: act%d}, when: params.n < %d, effect: ALLOW}\n", i, i, 9+2*i)
	}
	return b.String()
}

// TestAnyNumberOfWorkersFindsTheSame compares findings, and the questions that
// led to them.
func TestAnyNumberOfWorkersFindsTheSame(t *testing.T) {
	pol := policy(t, fiveActions())
	var first []prove.Finding
	var asked []string
	for _, workers := range []int{1, 2, 7} {
		var scripts []string
		p := prover(t, prove.Config{Solvers: solvers(t, solver.Z3), Workers: workers, Export: func(s prove.Script) { scripts = append(scripts, s.Question+s.Text) }})
		findings, err := p.Lint(t.Context(), pol)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first, asked = findings, scripts
		}
		if len(findings) == 0 || !reflect.DeepEqual(findings, first) {
			t.Errorf("%d workers find\n%v\none worker\n%v", workers, findings, first)
		}
		if len(scripts) == 0 || !reflect.DeepEqual(scripts, asked) {
			t.Errorf("%d workers ask %d questions, one worker %d, or others", workers, len(scripts), len(asked))
		}
	}
}

func TestProgressCountsToTheEnd(t *testing.T) {
	var seen []string
	p := prover(t, prove.Config{Workers: 3, Progress: func(done, total int) { seen = append(seen, fmt.Sprint(done, "/", total)) }})
	if _, err := p.Lint(t.Context(), policy(t, fiveActions())); err != nil {
		t.Fatal(err)
	}
	for i, s := range seen {
		if want := fmt.Sprint(i+1, "/", len(seen)); s != want {
			t.Errorf("progress %d is %s, want %s", i, s, want)
		}
	}
	if len(seen) != 5 {
		t.Errorf("progress was told %d times, want one for each action", len(seen))
	}
}

// standIn is a solver that is none.
func standIn(t *testing.T, name, atCheck string) solver.Binary {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	body := "#!/bin/sh\nwhile read -r line; do case \"$line\" in *echo*) echo ok;; *check-sat*) " + atCheck + ";; esac; done\n"
	if err := os.WriteFile(path, []byte(body), 0o700); err != nil {
		t.Fatal(err)
	}
	return solver.Binary{Name: name, Path: path}
}

// TestASolverThatFailsProvesNothing: what it leaves open is unknown, and no
// error; and where another solver works that one answers.
func TestASolverThatFailsProvesNothing(t *testing.T) {
	never := []prove.Property{{Name: "q/large", Claim: prove.Never, Decisions: []kernel.Effect{kernel.Deny, kernel.RequireApproval, kernel.Allow}, Actions: []string{"refund"}}}
	for name, atCheck := range map[string]string{"it dies": "exit 3", "it hangs": "sleep 60", "it lies in its words": "echo perhaps", "it says too little": "echo sat"} {
		t.Run(name, func(t *testing.T) {
			broken := standIn(t, solver.CVC5, atCheck)
			p, err := prove.New(prove.Config{Solvers: []solver.Binary{broken}, Limits: solver.Limits{Timeout: 50 * time.Millisecond}})
			if err != nil {
				t.Fatal(err)
			}
			results, err := p.Properties(context.Background(), policy(t, refunds), never)
			if err != nil || results[0].Verdict != prove.Unknown || results[0].Why == "" {
				t.Errorf("Properties = %+v, %v; want UNKNOWN, and why", results, err)
			}
		})
	}
	working := solvers(t, solver.Z3)
	p, err := prove.New(prove.Config{Solvers: append([]solver.Binary{standIn(t, solver.CVC5, "exit 3")}, working...), Limits: solver.Limits{Timeout: 10 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	results, err := p.Properties(context.Background(), policy(t, refunds), never)
	if err != nil || results[0].Verdict != prove.Counterexample || !reflect.DeepEqual(results[0].Solvers, []string{solver.Z3}) {
		t.Errorf("Properties = %+v, %v; want a counterexample by z3", results, err)
	}
}
