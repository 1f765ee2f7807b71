package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// grace is how long a step has between being asked to stop and being killed.
const grace = 5 * time.Second

// A runner runs commands in a folder, each in a session of its own: it has no
// terminal to wait at, and everything it starts can be stopped with it.
type runner struct {
	dir    string
	env    []string
	out    *os.File
	stderr *os.File
}

// run runs one step to its end and returns its exit code, 128 + n where signal
// n ended it. The error says that it could not be run or was interrupted.
func (r runner) run(ctx context.Context, st step, variables []string) (int, error) {
	cmd := exec.Command("sh", "-c", st.Run)
	cmd.Dir, cmd.Env = r.dir, slices.Concat(r.env, variables, []string{"PWD=" + r.dir})
	cmd.Stdout, cmd.Stderr = r.out, r.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return 127, failf(exitFailed, "step %q could not be started: %v", st.Name, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		err = stopGroup(cmd.Process.Pid, ended)
		return exitCode(err), failf(exitFailed, "interrupted in step %q; the steps after it did not run", st.Name)
	}
	return exitCode(err), nil
}

// stopGroup asks everything a step started to stop, and kills what has not
// stopped after a while or when the user asks again.
func stopGroup(pid int, ended <-chan error) error {
	patience, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	patience, stop := signal.NotifyContext(patience, os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Errors of Kill mean that nothing is left to stop.
	_ = syscall.Kill(-pid, syscall.SIGTERM)
	for patience.Err() == nil && syscall.Kill(-pid, 0) == nil {
		time.Sleep(10 * time.Millisecond)
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL)
	return <-ended
}

func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &exit):
		return 127
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return exit.ExitCode()
}

// stepEnvironment is what the steps may know of solo's environment: everything
// but the kernel's token, under whatever name.
func stepEnvironment(environ []string, secret string) []string {
	var env []string
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if name == "KERNEL_TOKEN" || secret != "" && strings.Contains(value, secret) {
			continue
		}
		env = append(env, pair)
	}
	return env
}
