package contest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
)

// A Runner is a contestant's process, seen from outside.
type Runner struct {
	Task  Task
	Ready Ready

	command *exec.Cmd
	stdin   io.WriteCloser
	answers *json.Decoder
}

// Start starts a process that calls [Serve], gives it the task, and waits
// until it is ready. It ends with the context, or with Close.
func Start(ctx context.Context, task Task, stderr io.Writer, name string, args ...string) (*Runner, error) {
	r := &Runner{Task: task, command: exec.CommandContext(ctx, name, args...)}
	r.command.Stderr = stderr
	var err error
	if r.stdin, err = r.command.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := r.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := r.command.Start(); err != nil {
		return nil, err
	}
	r.answers = json.NewDecoder(stdout)
	if r.Ready, err = exchange[Ready](r, task); err != nil {
		return nil, fmt.Errorf("%s: %w", task.Engine, joinClose(err, r))
	}
	return r, nil
}

// Measure runs one heat.
func (r *Runner) Measure(h Heat) (Cost, error) {
	cost, err := exchange[Cost](r, h)
	if err != nil {
		return Cost{}, fmt.Errorf("%s, %s, %d rules: %w", r.Task.Engine, h.Form, r.Task.Rules, err)
	}
	return cost, nil
}

// Close ends the process and waits for it.
func (r *Runner) Close() error {
	if err := r.stdin.Close(); err != nil {
		return err
	}
	return r.command.Wait()
}

func exchange[T any](r *Runner, question any) (T, error) {
	var answer message[T]
	if err := json.NewEncoder(r.stdin).Encode(question); err != nil {
		return answer.Value, err
	}
	if err := r.answers.Decode(&answer); err != nil {
		return answer.Value, fmt.Errorf("the process did not answer: %w", err)
	}
	if answer.Error != "" {
		return answer.Value, fmt.Errorf("%s", answer.Error)
	}
	return answer.Value, nil
}

func joinClose(err error, r *Runner) error {
	if ended := r.Close(); ended != nil {
		return fmt.Errorf("%w (its process: %w)", err, ended)
	}
	return err
}
