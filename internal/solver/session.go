package solver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel/internal/smt"
)

// An Outcome is what a solver says of a question.
type Outcome uint8

// The outcomes. The zero Outcome decides nothing.
const (
	Unknown Outcome = iota
	Satisfiable
	Unsatisfiable
)

// String returns the word that solvers use.
func (o Outcome) String() string {
	return [...]string{"unknown", "sat", "unsat"}[min(o, Unsatisfiable)]
}

// An Answer is the outcome of one question.
type Answer struct {
	Outcome Outcome
	Model   map[*smt.Term]smt.Value // of the variables that are known, with Satisfiable
	Core    []*smt.Term             // assumptions that suffice, with Unsatisfiable
	Why     string                  // with Unknown: why
}

// A Session asks one solver after another question about one set of facts. It
// is for one goroutine at a time. A solver that hangs or breaks is replaced,
// and told again what it knew.
type Session struct {
	binary  Binary
	limits  Limits
	process *process
	printer *smt.Printer
	base    string // the commands that every question builds on
	vars    []*smt.Term
	undo    string        // what the next question begins with
	patient time.Duration // how long the process takes for a question
	asked   int
	starts  int
}

// New returns a session. The solver starts with the first question.
func New(b Binary, l Limits) *Session {
	if l.Timeout <= 0 {
		l.Timeout = DefaultTimeout
	}
	if l.Memory <= 0 {
		l.Memory = DefaultMemory
	}
	return &Session{binary: b, limits: l, printer: smt.NewPrinter()}
}

// Binary returns the solver of the session.
func (s *Session) Binary() Binary { return s.binary }

// Asked returns how many questions the solver was asked, and Starts how often
// it was started.
func (s *Session) Asked() int { return s.asked }

// Starts returns how often the solver was started.
func (s *Session) Starts() int { return s.starts }

const prologue = "(set-option :print-success false)\n(set-option :produce-models true)\n(set-option :produce-unsat-assumptions true)\n(set-logic ALL)\n"

// Begin forgets everything and makes facts known: what follows is asked of
// them. The answers to the same questions after the same Begin are the same,
// whatever was asked before.
func (s *Session) Begin(vars, facts []*smt.Term) {
	s.stop()
	s.printer = smt.NewPrinter()
	s.vars = vars
	s.printer.Declare(vars...)
	for _, f := range facts {
		s.printer.Assert(f, "")
	}
	s.base = prologue + s.printer.Take()
}

// Script returns a question as anybody can ask it again.
func (s *Session) Script(question *smt.Term, words string) string {
	s.printer.Push()
	s.printer.Assert(question, words)
	text := s.printer.Take()
	s.printer.Pop()
	s.printer.Take()
	return strings.Replace(s.base+text, "(push 1)\n", "", 1) + "(check-sat)\n"
}

// Check asks whether a question can be true with the facts, and where it can,
// for the values of all variables. It fails only when the context ends or
// when there is no solver to start.
func (s *Session) Check(ctx context.Context, question *smt.Term) (Answer, error) {
	return s.CheckAssuming(ctx, question, nil)
}

// CheckWithin is Check for less time than the limits allow.
func (s *Session) CheckWithin(ctx context.Context, question *smt.Term, most time.Duration) (Answer, error) {
	return s.check(ctx, question, nil, min(most, s.limits.Timeout))
}

// CheckAssuming is Check under further assumptions; when nothing is possible
// it says which of them suffice for that.
func (s *Session) CheckAssuming(ctx context.Context, question *smt.Term, assumptions []*smt.Term) (Answer, error) {
	return s.check(ctx, question, assumptions, s.limits.Timeout)
}

func (s *Session) check(ctx context.Context, question *smt.Term, assumptions []*smt.Term, most time.Duration) (Answer, error) {
	if err := ctx.Err(); err != nil {
		return Answer{}, err
	}
	s.asked++
	s.printer.Push()
	s.printer.Assert(question, "")
	names := make([]string, len(assumptions))
	for i, a := range assumptions {
		names[i] = s.printer.Assume(i, a)
	}
	check := "(check-sat)\n"
	if len(names) > 0 {
		check = "(check-sat-assuming (" + strings.Join(names, " ") + "))\n"
	}
	answer, err := s.answer(ctx, s.printer.Take()+check, assumptions, most)
	s.printer.Pop()
	s.undo = s.printer.Take()
	switch {
	case err == nil:
		return answer, nil
	case ctx.Err() != nil:
		s.stop()
		return Answer{}, ctx.Err()
	}
	s.stop()
	if s.starts == 0 {
		return Answer{}, fmt.Errorf("solver %s: %w", s.binary.Path, err)
	}
	return Answer{Why: err.Error()}, nil
}

// answer asks and reads what comes back.
func (s *Session) answer(ctx context.Context, commands string, assumptions []*smt.Term, most time.Duration) (Answer, error) {
	if s.process == nil {
		if err := s.start(); err != nil {
			return Answer{}, err
		}
	}
	word, err := s.process.ask(ctx, s.undo+s.hurry(most)+commands, most+min(grace, 2*most))
	if err != nil {
		return Answer{}, err
	}
	switch word = strings.TrimSpace(word); word {
	case "sat":
		return s.model(ctx)
	case "unsat":
		return s.core(ctx, assumptions)
	case "unknown", "timeout":
		return Answer{Why: fmt.Sprintf("%s gave up after %v", s.binary.Name, most)}, nil
	}
	return Answer{}, fmt.Errorf("%s says %q", s.binary.Name, clip(word))
}

// hurry tells the solver how long it may take, where that changes.
func (s *Session) hurry(most time.Duration) string {
	if most == s.patient {
		return ""
	}
	s.patient = most
	return s.binary.hurry(most)
}

func (s *Session) model(ctx context.Context) (Answer, error) {
	a := Answer{Outcome: Satisfiable, Model: map[*smt.Term]smt.Value{}}
	if len(s.vars) == 0 {
		return a, nil
	}
	names := make([]string, len(s.vars))
	for i, v := range s.vars {
		names[i] = v.Symbol()
	}
	text, err := s.process.ask(ctx, "(get-value ("+strings.Join(names, " ")+"))\n", s.limits.Timeout+grace)
	if err != nil {
		return Answer{}, err
	}
	if a.Model, err = smt.ParseModel(text, s.vars); err != nil {
		return Answer{}, err
	}
	return a, nil
}

func (s *Session) core(ctx context.Context, assumptions []*smt.Term) (Answer, error) {
	a := Answer{Outcome: Unsatisfiable}
	if len(assumptions) == 0 {
		return a, nil
	}
	text, err := s.process.ask(ctx, "(get-unsat-assumptions)\n", s.limits.Timeout+grace)
	if err != nil {
		return Answer{}, err
	}
	e, err := smt.ParseExpr(text)
	if err != nil {
		return Answer{}, err
	}
	named := map[string]bool{}
	for _, x := range e.List {
		named[x.Atom] = true
	}
	for i, t := range assumptions {
		if named[smt.Assumption(i)] {
			a.Core = append(a.Core, t)
		}
	}
	return a, nil
}

// tell sends commands that have no answer, and waits until they were taken.
func (s *Session) tell(commands string) error {
	ctx, cancel := context.WithTimeout(context.Background(), beginning)
	defer cancel()
	text, err := s.process.ask(ctx, commands+"(echo \"ok\")\n", beginning)
	switch {
	case err != nil:
		return err
	case strings.Trim(strings.TrimSpace(text), `"`) != "ok":
		return errors.New("it says " + clip(text))
	}
	return nil
}

// beginning is how long a solver may take to start and to read what is known,
// also on a machine that has much else to do.
const beginning = 20 * time.Second

func (s *Session) start() error {
	var err error
	if s.process, err = start(s.binary, s.limits); err != nil {
		s.process = nil
		return err
	}
	s.starts++
	s.patient = s.limits.Timeout
	return s.tell(s.base)
}

func (s *Session) stop() {
	s.undo = ""
	if s.process != nil {
		s.process.stop()
		s.process = nil
	}
}

// Close ends the solver.
func (s *Session) Close() { s.stop() }
