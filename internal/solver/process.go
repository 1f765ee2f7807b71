package solver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel/internal/smt"
)

// Limits bound what one solver may take.
type Limits struct {
	Timeout time.Duration // for one question; 0: [DefaultTimeout]
	Memory  int           // mebibytes of address space; 0: [DefaultMemory]
}

// Defaults of Limits.
const (
	DefaultTimeout = 3 * time.Second
	DefaultMemory  = 4096
)

// grace is how much longer than its time-out a solver may take to say that it
// has given up, before it is stopped.
const grace = 2 * time.Second

// maxAnswer bounds what is read of one answer.
const maxAnswer = 64 << 20

// A process is one running solver.
type process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan answer
	done  chan struct{} // closed by stop: nobody reads lines any more
}

type answer struct {
	text string
	err  error
}

// arguments are what makes a solver read commands and answer one at a time.
func (b Binary) arguments(l Limits) []string {
	ms := strconv.FormatInt(l.Timeout.Milliseconds(), 10)
	if b.Name == Z3 {
		return []string{"-in", "-smt2", "-t:" + ms, "-memory:" + strconv.Itoa(l.Memory)}
	}
	return []string{"--lang=smt2", "--incremental", "--produce-models", "--produce-unsat-assumptions", "--strings-exp", "--tlimit-per=" + ms}
}

// hurry is the command that changes how long a question may take.
func (b Binary) hurry(most time.Duration) string {
	name := ":tlimit-per"
	if b.Name == Z3 {
		name = ":timeout"
	}
	return "(set-option " + name + " " + strconv.FormatInt(most.Milliseconds(), 10) + ")\n"
}

// start runs a solver. A shell sets the bound of its memory and becomes it.
func start(b Binary, l Limits) (*process, error) {
	script := `ulimit -v "$1" 2>/dev/null; shift; exec "$@"`
	args := append([]string{"-c", script, "sh", strconv.Itoa(l.Memory * 1024), b.Path}, b.arguments(l)...)
	p := &process{cmd: exec.Command("/bin/sh", args...), lines: make(chan answer), done: make(chan struct{})}
	p.cmd.WaitDelay = time.Second
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", b.Path, err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", b.Path, err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", b.Path, err)
	}
	go p.read(bufio.NewReaderSize(out, 1<<16))
	return p, nil
}

// read hands over one whole answer at a time.
func (p *process) read(out *bufio.Reader) {
	var text strings.Builder
	var scanner smt.Scanner
	for {
		line, err := out.ReadString('\n')
		text.WriteString(line)
		if text.Len() > maxAnswer {
			err = errors.New("the answer is too long")
		}
		if !scanner.Complete(line) && err == nil {
			continue
		}
		select {
		case p.lines <- answer{text.String(), err}:
		case <-p.done:
			return
		}
		if err != nil {
			return
		}
		text.Reset()
		scanner = smt.Scanner{}
	}
}

// ask sends commands that have one answer, and waits for it.
func (p *process) ask(ctx context.Context, commands string, most time.Duration) (string, error) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(p.in, commands)
		sent <- err
	}()
	for {
		select {
		case err := <-sent:
			if err != nil {
				return "", fmt.Errorf("write to the solver: %w", err)
			}
			sent = nil
		case a := <-p.lines:
			if a.err != nil {
				return "", fmt.Errorf("the solver stopped: %w", a.err)
			}
			return a.text, nil
		case <-timer.C:
			return "", errTimeout
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

var errTimeout = errors.New("the solver does not answer")

// stop ends the process, whatever it does.
func (p *process) stop() {
	close(p.done)
	_ = p.in.Close()
	_ = p.cmd.Process.Kill() // it may have ended already
	_ = p.cmd.Wait()         // its exit code says nothing we need
}
