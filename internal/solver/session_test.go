package solver_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/smt"
	"github.com/strixlabs/execution-kernel/internal/solver"
)

func installed(t *testing.T) []solver.Binary {
	t.Helper()
	list, err := solver.Find(context.Background(), "both")
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skipf("LEFT OUT: %v", err)
	}
	return list
}

func TestWhatIsFoundSaysWhoItIs(t *testing.T) {
	for i, b := range installed(t) {
		if b.Name != []string{solver.CVC5, solver.Z3}[i] || !strings.Contains(b.Version, ".") || len(b.SHA256) != 64 || !filepath.IsAbs(b.Path) {
			t.Errorf("found %+v", b)
		}
	}
}

func TestWithoutASolverThereIsAHint(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, setting := range []string{"", "z3", "both", filepath.Join(t.TempDir(), "none")} {
		_, err := solver.Find(context.Background(), setting)
		var e *kernel.Error
		if !errors.As(err, &e) || e.Code != kernel.Unavailable || !strings.Contains(e.Hint, "apt-get install") {
			t.Errorf("Find(%q) = %v, want UNAVAILABLE with a hint", setting, err)
		}
	}
}

func TestWhatIsNoSolverIsRefused(t *testing.T) {
	path := script(t, `echo "frobnicator 1.0"`)
	if _, err := solver.Find(context.Background(), path); err == nil || !strings.Contains(err.Error(), "neither cvc5 nor z3") {
		t.Errorf("Find = %v", err)
	}
}

func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "solver")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestQuestionsHaveAnswersAndModels(t *testing.T) {
	for _, b := range installed(t) {
		s := solver.New(b, solver.Limits{})
		defer s.Close()
		f := smt.NewBuilder()
		x, text, yes := f.Variable(smt.Int, "x"), f.Variable(smt.String, "s"), f.Variable(smt.Bool, "b")
		s.Begin(f.Variables(), []*smt.Term{f.Less(f.Int(-5), x), f.Less(x, f.Int(-3)), yes})
		a, err := s.Check(context.Background(), f.Equal(text, f.Text("é\"\\\n")))
		if err != nil || a.Outcome != solver.Satisfiable || a.Model[x].Int.Int64() != -4 || a.Model[text].Text != "é\"\\\n" || !a.Model[yes].Bool {
			t.Errorf("%s: %v %+v", b.Name, err, a)
		}
		if a, err = s.Check(context.Background(), f.Equal(x, f.Int(0))); err != nil || a.Outcome != solver.Unsatisfiable {
			t.Errorf("%s: %v %+v, want unsat", b.Name, err, a)
		}
		one, two := f.Equal(x, f.Int(1)), yes
		if a, err = s.CheckAssuming(context.Background(), f.True(), []*smt.Term{two, one}); err != nil || a.Outcome != solver.Unsatisfiable || len(a.Core) != 1 || a.Core[0] != one {
			t.Errorf("%s: %v %+v, want the assumption that cannot be", b.Name, err, a)
		}
	}
}

// TestASolverThatFailsIsReplaced has stand-ins that hang, die, talk nonsense or
// too much: the question is then not decided, and the next one is asked anew.
func TestASolverThatFailsIsReplaced(t *testing.T) {
	for name, body := range map[string]string{
		"it hangs":               `while read -r line; do case "$line" in *echo*) echo ok;; *check-sat*) sleep 60;; esac; done`,
		"it dies":                `while read -r line; do case "$line" in *echo*) echo ok;; *check-sat*) exit 3;; esac; done`,
		"it says an error":       `while read -r line; do case "$line" in *echo*) echo ok;; *check-sat*) echo '(error "no")'; echo sat;; esac; done`,
		"it says what is none":   `while read -r line; do case "$line" in *echo*) echo ok;; *check-sat*) echo maybe;; esac; done`,
		"its model is too short": `while read -r line; do case "$line" in *echo*) echo ok;; *check-sat*) echo sat;; *get-value*) echo '()';; esac; done`,
		"its model is of others": `while read -r line; do case "$line" in *echo*) echo ok;; *check-sat*) echo sat;; *get-value*) echo '((w 1))';; esac; done`,
		"its model is no number": `while read -r line; do case "$line" in *echo*) echo ok;; *check-sat*) echo sat;; *get-value*) echo '((v0 "1"))';; esac; done`,
	} {
		t.Run(name, func(t *testing.T) {
			s := solver.New(solver.Binary{Name: solver.Z3, Path: script(t, body)}, solver.Limits{Timeout: 100 * time.Millisecond})
			defer s.Close()
			f := smt.NewBuilder()
			x := f.Variable(smt.Int, "x")
			s.Begin(f.Variables(), nil)
			for n := range 2 {
				a, err := s.Check(context.Background(), f.Less(x, f.Int(3)))
				if err != nil || a.Outcome != solver.Unknown || a.Why == "" {
					t.Errorf("Check = %+v, %v, want that it is unknown, and why", a, err)
				}
				if s.Starts() != n+1 {
					t.Errorf("it was started %d times, want %d", s.Starts(), n+1)
				}
			}
		})
	}
}

// TestMemoryIsBounded has a stand-in say how much it may have.
func TestMemoryIsBounded(t *testing.T) {
	s := solver.New(solver.Binary{Name: solver.Z3, Path: script(t, `while read -r line; do case "$line" in *echo*) echo ok;; *check-sat*) ulimit -v;; esac; done`)}, solver.Limits{Timeout: 10 * time.Second, Memory: 512})
	defer s.Close()
	f := smt.NewBuilder()
	x := f.Variable(smt.Bool, "x")
	s.Begin(f.Variables(), nil)
	if a, err := s.Check(context.Background(), x); err != nil || a.Outcome != solver.Unknown || !strings.Contains(a.Why, `"524288"`) {
		t.Errorf("Check = %+v, %v; want 512 MiB, in KiB", a, err)
	}
}

// TestWhatIsTooLongIsNotRead has a stand-in that never ends its answer.
func TestWhatIsTooLongIsNotRead(t *testing.T) {
	s := solver.New(solver.Binary{Name: solver.Z3, Path: script(t, `while read -r line; do case "$line" in *echo*) echo ok;; *check-sat*) echo sat;; *get-value*) yes '(((((((((((((((((((((((((((((((((((((((((((((((((';; esac; done`)}, solver.Limits{Timeout: 30 * time.Second})
	defer s.Close()
	f := smt.NewBuilder()
	x := f.Variable(smt.Bool, "x")
	s.Begin(f.Variables(), nil)
	if a, err := s.Check(context.Background(), x); err != nil || a.Outcome != solver.Unknown || !strings.Contains(a.Why, "too long") {
		t.Errorf("Check = %+v, %v; want that it is too long", a, err)
	}
}

func TestWhatCannotBeStartedIsAnError(t *testing.T) {
	s := solver.New(solver.Binary{Name: solver.Z3, Path: filepath.Join(t.TempDir(), "none")}, solver.Limits{})
	defer s.Close()
	f := smt.NewBuilder()
	s.Begin(nil, nil)
	if a, err := s.Check(context.Background(), f.Equal(f.Variable(smt.Bool, "x"), f.True())); err == nil && a.Outcome != solver.Unknown {
		t.Errorf("Check = %+v, %v", a, err)
	}
}

func TestACallerThatLeavesIsNotHeldUp(t *testing.T) {
	s := solver.New(solver.Binary{Name: solver.Z3, Path: script(t, `while read -r line; do case "$line" in *echo*) echo ok;; *check-sat*) sleep 60;; esac; done`)}, solver.Limits{Timeout: time.Minute})
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	f := smt.NewBuilder()
	x := f.Variable(smt.Bool, "x")
	s.Begin(f.Variables(), nil)
	if _, err := s.Check(ctx, x); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Check = %v, want that its time is over", err)
	}
}

// TestQuestionsCanBeAskedAgain runs an exported question in another process.
func TestQuestionsCanBeAskedAgain(t *testing.T) {
	for _, b := range installed(t) {
		s := solver.New(b, solver.Limits{})
		defer s.Close()
		f := smt.NewBuilder()
		x := f.Variable(smt.Int, "x; a comment\n(exit)")
		s.Begin(f.Variables(), []*smt.Term{f.Less(x, f.Int(3))})
		text := s.Script(f.Less(f.Int(5), x), "words\n(exit)")
		if !strings.Contains(text, "(check-sat)") || strings.Contains(text, "\n(exit)") {
			t.Errorf("the script is\n%s", text)
		}
	}
}
