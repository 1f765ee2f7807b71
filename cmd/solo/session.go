package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
)

// A session is one question with everything it needs, and its report.
type session struct {
	question
	cfg     config
	address string
	secret  string // the token, which no step may see
	kernel  *client.Client
	report  *report
	out     *os.File // where people read
	stdout  *os.File // where --json goes
}

// open reads everything there is to read. Nothing is asked yet.
func (q question) open(command string, stdout, stderr *os.File) (*session, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	cfg, err := loadConfig(q.file)
	if err != nil {
		return nil, err
	}
	s := &session{question: q, cfg: cfg, report: newReport(command, cfg, q.env), out: stdout, stdout: stdout}
	if q.json {
		s.out = stderr
	}
	if s.address, err = q.address(cfg); err != nil {
		return nil, err
	}
	if s.secret, err = q.token(); err != nil {
		return nil, err
	}
	if s.kernel, err = client.New(s.address, s.secret); err != nil {
		f, e := failf(exitMisuse, "%v", err), (*kernel.Error)(nil)
		if errors.As(err, &e) {
			f = f.withHint("%s", e.Hint)
		}
		return nil, f
	}
	return s, nil
}

// permission asks, shows the answer, and is nil when solo may run the steps.
func (s *session) permission(ctx context.Context) error {
	fmt.Fprintf(s.out, "asking %s: may %s ship %s (%s) to %s?\n",
		printable(s.address), printable(s.cfg.Agent), printable(s.cfg.Artifact.Name), printable(s.cfg.Artifact.Type), printable(s.env))
	req := request(s.cfg, s.env)
	req.Grant = s.report.Command == "ship"
	d, err := ask(ctx, s.kernel, req, s.timeout)
	if err != nil {
		return err
	}
	s.report.Decision = &d
	describe(s.out, d)
	if s.wait > 0 && d.Decision == kernel.RequireApproval && d.Approval != nil {
		if d, err = s.awaitPeople(ctx, d); err != nil {
			return err
		}
		s.report.Decision = &d
	}
	return permit(d)
}

// end reports how it ended, and returns the error it was given.
func (s *session) end(err error, success string) error {
	s.report.close(err, success)
	if !s.json {
		return err
	}
	if werr := s.report.write(s.stdout); werr != nil && err == nil {
		return failf(exitFailed, "write the report: %v", werr)
	}
	return err
}
