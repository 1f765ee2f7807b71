package prove

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/strixlabs/execution-kernel/internal/formula"
	"github.com/strixlabs/execution-kernel/internal/smt"
	"github.com/strixlabs/execution-kernel/internal/solver"
)

// A desk is where one cell is worked on: its formulas, solvers that know them,
// and the inputs that have been found so far. What happens at one desk hangs on
// nothing that happened at another, so that it does not matter how many there
// are.
type desk struct {
	config   *Config
	sessions []*solver.Session
	e        *formula.Encoding
	facts    []*smt.Term
	found    []situation // inputs of the cell, in the order in which they were found
	begun    []bool      // by session
	scripts  []Script
	asked    int
}

// parallel works on the parts of a task, each at a desk of its own.
func (p *Prover) parallel(ctx context.Context, parts int, work func(ctx context.Context, d *desk, part int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next, done := make(chan int), make(chan finished)
	var workers sync.WaitGroup
	for range min(p.config.Workers, parts) {
		workers.Go(func() { p.worker(ctx, cancel, next, done, work) })
	}
	go func() {
		defer close(next)
		for i := range parts {
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	go func() { workers.Wait(); close(done) }()
	p.collect(parts, done)
	return context.Cause(ctx)
}

// A finished part, and what solvers were asked for it.
type finished struct {
	part    int
	scripts []Script
}

// collect reports progress, and exports questions in the order of the parts.
func (p *Prover) collect(parts int, done <-chan finished) {
	scripts, count, exported := make([]*finished, parts), 0, 0
	for f := range done {
		count++
		if p.config.Progress != nil {
			p.config.Progress(count, parts)
		}
		scripts[f.part] = &f
		for exported < parts && scripts[exported] != nil {
			for _, s := range scripts[exported].scripts {
				p.config.Export(s)
			}
			exported++
		}
	}
}

func (p *Prover) worker(ctx context.Context, cancel context.CancelCauseFunc, next <-chan int, done chan<- finished, work func(context.Context, *desk, int) error) {
	sessions := make([]*solver.Session, len(p.config.Solvers))
	for i, b := range p.config.Solvers {
		sessions[i] = solver.New(b, p.config.Limits)
		defer sessions[i].Close()
	}
	for part := range next {
		d := &desk{config: &p.config, sessions: sessions, begun: make([]bool, len(sessions))}
		if err := work(ctx, d, part); err != nil {
			cancel(err)
			return
		}
		done <- finished{part, d.scripts}
	}
}

// sit begins work on a cell whose formulas have all been made.
func (d *desk) sit(e *formula.Encoding) {
	d.e, d.facts = e, e.Facts()
	d.begun = make([]bool, len(d.sessions))
}

// An answer is what solvers say of a question.
type answer struct {
	solver.Answer
	by []string // who decided
}

// ask asks solvers whether something can be. Solvers are asked in an order that
// hangs on the formulas alone; with a cross-check all of them are, and have to
// agree.
func (d *desk) ask(ctx context.Context, question *smt.Term, words string) (answer, error) {
	if question.IsFalse() {
		return answer{Answer: solver.Answer{Outcome: solver.Unsatisfiable}}, nil
	}
	if len(d.sessions) > 1 && !d.config.CrossCheck {
		a, err := d.askAll(ctx, question, words, d.config.Limits.Timeout/hasty)
		if err != nil || a.Outcome == solver.Unsatisfiable || a.Outcome == solver.Satisfiable && a.by[0] == d.sessions[d.order()[0]].Binary().Name {
			return a, err
		}
	}
	return d.askAll(ctx, question, words, d.config.Limits.Timeout)
}

// hasty is how much less time solvers have first where there is more than one:
// what one of them does not exclude in the wink of an eye, another often does.
// What is possible is left to the first, if it finds it in time at all, so that
// examples do not hang on how fast the machine is.
const hasty = 8

// askAll asks one solver after the other, each for so long.
func (d *desk) askAll(ctx context.Context, question *smt.Term, words string, most time.Duration) (answer, error) {
	var best answer
	for _, i := range d.order() {
		a, err := d.askOne(ctx, i, question, words, most)
		if err != nil {
			return answer{}, err
		}
		name := d.sessions[i].Binary().Name
		switch {
		case a.Outcome == solver.Unknown:
			if best.Outcome == solver.Unknown && best.Why == "" {
				best.Why = a.Why
			}
		case best.Outcome == solver.Unknown:
			best = answer{a, []string{name}}
		case best.Outcome != a.Outcome:
			return answer{Answer: solver.Answer{Why: fmt.Sprintf("solvers disagree: %s says %v, %s says %v", best.by[0], best.Outcome, name, a.Outcome)}}, nil
		default:
			best.by = append(best.by, name)
		}
		if best.Outcome != solver.Unknown && !d.config.CrossCheck {
			break
		}
	}
	slices.Sort(best.by)
	return best, nil
}

// order prefers cvc5 where characters matter, and z3 where they do not.
func (d *desk) order() []int {
	prefer := solver.Z3
	for _, v := range d.e.Variables() {
		if v.Sort() == smt.String {
			prefer = solver.CVC5
		}
	}
	var order []int
	for _, preferred := range []bool{true, false} {
		for i, s := range d.sessions {
			if (s.Binary().Name == prefer) == preferred {
				order = append(order, i)
			}
		}
	}
	return order
}

func (d *desk) askOne(ctx context.Context, i int, question *smt.Term, words string, most time.Duration) (solver.Answer, error) {
	s := d.sessions[i]
	if !d.begun[i] {
		s.Begin(d.e.Variables(), d.facts)
		d.begun[i] = true
	}
	a, err := s.CheckWithin(ctx, question, most)
	if err == nil && a.Outcome == solver.Unknown && most < d.config.Limits.Timeout {
		return a, nil // it will be asked again
	}
	d.asked++
	if err == nil && d.config.Export != nil {
		d.scripts = append(d.scripts, Script{words, s.Script(question, words), a.Outcome.String()})
	}
	return a, err
}
