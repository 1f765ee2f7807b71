package eval_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/prove"
	"github.com/strixlabs/execution-kernel/internal/solver"
)

// TestLintOfRandomBundles attacks what is proved of random bundles with random
// inputs: a rule that never matches, errs or matters must not do so for any of
// them. What two solvers say must not differ, and no model may be one that the
// evaluator does not confirm unless something is over-approximated.
func TestLintOfRandomBundles(t *testing.T) {
	const inputs = 150
	proved, undecided := 0, 0
	for seed := range uint64(rounds(2)) {
		b, p := randomBundle(t, seed)
		if b == nil {
			continue
		}
		first := lintWith(t, b, solver.Z3, 1)
		second := lintWith(t, b, solver.CVC5, 3)
		agree(t, seed, first, second)
		for _, f := range append(first, second...) {
			if strings.Contains(f.Why, "fault of the prover") {
				t.Errorf("seed %d: %s %s%s: %s", seed, f.Kind, f.Rule, f.Action, f.Why)
			}
			if f.Kind == prove.Undecided {
				undecided++
			}
		}
		proved += attack(t, seed, b, p, first, inputs)
		proved += attack(t, seed, b, p, second, inputs)
	}
	t.Logf("%d proofs attacked, %d questions not decided", proved, undecided)
	if proved == 0 {
		t.Error("nothing was proved: the generator does not reach it")
	}
}

func randomBundle(t *testing.T, seed uint64) (*pdl.Bundle, *eval.Program) {
	t.Helper()
	source := (&gen{data: randomBytes(seed, 300)}).bundle()
	b, diagnostics := pdl.Compile([]pdl.File{{Name: "fuzz.yaml", Data: []byte(source)}})
	if diagnostics.HasErrors() {
		return nil, nil
	}
	p, err := eval.New(b)
	if err != nil {
		t.Fatal(err)
	}
	return b, p
}

func lintWith(t *testing.T, b *pdl.Bundle, name string, workers int) []prove.Finding {
	t.Helper()
	list, err := solver.Find(context.Background(), name)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skipf("LEFT OUT: %v", err)
	}
	p, err := prove.New(prove.Config{Solvers: list, Workers: workers, Limits: solver.Limits{Timeout: 400 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := prove.NewPolicy(b)
	if err != nil {
		t.Fatal(err)
	}
	findings, err := p.Lint(context.Background(), policy)
	if err != nil {
		t.Fatal(err)
	}
	return findings
}

// agree compares the findings of two solvers, where both decided.
func agree(t *testing.T, seed uint64, a, b []prove.Finding) {
	t.Helper()
	of := func(list []prove.Finding) (found map[string]bool, open map[string]bool) {
		found, open = map[string]bool{}, map[string]bool{}
		for _, f := range list {
			if f.Kind == prove.Undecided {
				open[f.Rule+f.Action] = true
			} else {
				found[string(f.Kind)+" "+f.Rule+f.Action] = true
			}
		}
		return found, open
	}
	x, openX := of(a)
	y, openY := of(b)
	for _, list := range []map[string]bool{x, y} {
		for name := range list {
			_, about, _ := strings.Cut(name, " ")
			if x[name] != y[name] && !openX[about] && !openY[about] {
				t.Errorf("seed %d: one solver finds %q, the other does not", seed, name)
			}
		}
	}
}

// attack looks for an input that contradicts what was proved.
func attack(t *testing.T, seed uint64, b *pdl.Bundle, p *eval.Program, findings []prove.Finding, inputs int) (proved int) {
	t.Helper()
	reduced := map[string]*eval.Program{}
	for _, f := range findings {
		if f.Verdict != prove.Proved {
			continue
		}
		proved++
		if f.Kind == prove.Redundant || f.Kind == prove.Overridden {
			reduced[f.Rule] = withoutRule(t, b, f.Rule)
		}
	}
	g := &gen{data: randomBytes(seed+2_000_000, 60*inputs)}
	for range inputs {
		in := g.input()
		trace, err := p.Explain(in)
		var problem *kernel.Error
		if errors.As(err, &problem) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range findings {
			if f.Verdict == prove.Proved {
				contradicts(t, seed, f, in, trace, reduced[f.Rule])
			}
		}
	}
	return proved
}

func contradicts(t *testing.T, seed uint64, f prove.Finding, in eval.Input, trace eval.Trace, reduced *eval.Program) {
	t.Helper()
	v, wrong := trace.Verdict, false
	switch held := resultOf(trace, f.Rule) == eval.ResultTrue; f.Kind {
	case prove.NeverMatches:
		wrong = held
	case prove.Overridden:
		wrong = held && v.Decision.String() == f.Effect
	case prove.Redundant:
		w, err := reduced.Decide(in)
		wrong = err == nil && (w.Decision != v.Decision || w.ApprovalsRequired != v.ApprovalsRequired || w.RiskLevel != v.RiskLevel || text(t, w.Constraints) != text(t, v.Constraints))
	case prove.NeverAllowed:
		wrong = trace.Action == f.Action && v.Decision != kernel.Deny
	}
	if wrong {
		t.Errorf("seed %d: %s is proved of %s%s, and yet %s %v is decided %v (%v)", seed, f.Kind, f.Rule, f.Action, text(t, in.Request), in.Facts, v.Decision, v.Rules)
	}
}

func withoutRule(t *testing.T, b *pdl.Bundle, name string) *eval.Program {
	t.Helper()
	reduced := *b
	reduced.Rules = nil
	for _, r := range b.Rules {
		if r.Name != name {
			reduced.Rules = append(reduced.Rules, r)
		}
	}
	p, err := eval.New(&reduced)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
