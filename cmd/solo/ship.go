package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func shipCommand(stdout, stderr *os.File) *cobra.Command {
	var q question
	c := &cobra.Command{
		Use:   "ship --env ENVIRONMENT",
		Short: "Ask the kernel, and run the steps when it allows them",
		Long: "ship asks the kernel before any step runs, and runs the steps of solo.yaml only\n" +
			"after an ALLOW that is on record and whose grant it redeemed; then it tells the\n" +
			"kernel how they ended. Every step is written to .solo/ship.log beside\n" +
			"solo.yaml before and after it runs.\n\n" +
			"Exit codes: 0 shipped, 1 a step failed, 2 misuse, 3 denied, 4 approvals required,\n5 no answer from the kernel. With 2 to 5 nothing ran.",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return ship(c.Context(), q, stdout, stderr) },
	}
	q.flags(c)
	c.Flags().DurationVar(&q.wait, "wait", 0, "how long to wait for people where they are asked, a `DURATION` such as 30m; then, or with Ctrl-C, the question is withdrawn")
	return c
}

func ship(ctx context.Context, q question, stdout, stderr *os.File) error {
	s, err := q.open("ship", stdout, stderr)
	if err != nil {
		return err
	}
	if err = s.permission(ctx); err == nil {
		err = s.redeem(ctx)
	}
	if err == nil {
		err = s.runSteps(ctx, stderr)
		s.settle(ctx, err)
	}
	return s.end(err, outcomeShipped)
}

// runSteps runs them in order and stops at the first that fails.
func (s *session) runSteps(ctx context.Context, stderr *os.File) error {
	began, p := time.Now(), painter(s.out)
	j, err := openJournal(s.cfg.dir, s.record())
	if err != nil {
		return failf(exitFailed, "solo cannot write its log, so nothing ran: %v", err)
	}
	defer j.close()
	r := runner{dir: s.cfg.dir, env: stepEnvironment(os.Environ(), s.secret), out: s.out, stderr: stderr}
	for i, st := range s.cfg.Steps {
		place := fmt.Sprintf("%d/%d %s", i+1, len(s.cfg.Steps), st.Name)
		// Who reads may have left: then this step is one too many.
		if _, err := fmt.Fprintf(s.out, "%s  %s\n", p.bold(place), p.dim(printable(firstLine(st.Run)))); err != nil {
			return failf(exitFailed, "step %q did not run: %v", st.Name, err)
		}
		took, err := s.runStep(ctx, r, j, i)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%s  %s\n", p.green(place+" done"), p.dim(took.Round(time.Millisecond).String()))
	}
	fmt.Fprintf(s.out, "%s %s to %s in %s\n", p.green(p.bold("shipped")), printable(s.cfg.Artifact.Name),
		printable(s.env), time.Since(began).Round(time.Millisecond))
	return nil
}

// runStep writes that a step begins, runs it, and writes how it ended. The
// first line is on disk before the step runs: a crash between the two leaves
// a step on record that may not have run, never one that ran unrecorded.
func (s *session) runStep(ctx context.Context, r runner, j *journal, i int) (time.Duration, error) {
	st, rep := s.cfg.Steps[i], &s.report.Steps[i]
	if ctx.Err() != nil {
		return 0, failf(exitFailed, "interrupted before step %q", st.Name)
	}
	if err := j.started(st, time.Now()); err != nil {
		return 0, failf(exitFailed, "step %q did not run: solo cannot write its log: %v", st.Name, err)
	}
	began := time.Now()
	code, runErr := r.run(ctx, st, s.stepVariables(st))
	took := time.Since(began)
	rep.State, rep.ExitCode, rep.DurationMS = "done", &code, took.Milliseconds()
	logErr := j.finished(st, time.Now(), code, took)
	switch {
	case runErr != nil:
		rep.State = "failed"
		return took, runErr
	case code != 0:
		rep.State = "failed"
		return took, failf(exitFailed, "step %q ended with exit code %d; the steps after it did not run", st.Name, code)
	case logErr != nil:
		return took, failf(exitFailed, "step %q ran, but solo cannot write its log: %v", st.Name, logErr).
			withHint("the steps after it did not run")
	}
	return took, nil
}

// stepVariables tell a step what it is part of.
func (s *session) stepVariables(st step) []string {
	return []string{
		"SOLO_ARTIFACT=" + s.cfg.Artifact.Name,
		"SOLO_ENVIRONMENT=" + s.env,
		"SOLO_STEP=" + st.Name,
		"SOLO_DECISION=" + s.report.Decision.ID,
	}
}

func firstLine(command string) string {
	line, more, cut := strings.Cut(strings.TrimSpace(command), "\n")
	if cut && strings.TrimSpace(more) != "" {
		return line + " …"
	}
	return line
}
