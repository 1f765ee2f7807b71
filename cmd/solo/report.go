package main

import (
	"encoding/json"
	"io"

	"github.com/strixlabs/execution-kernel"
)

// Outcomes of a report.
const (
	outcomeAllowed     = "allowed"           // plan: ship would run the steps
	outcomeShipped     = "shipped"           // every step ran and ended with 0
	outcomeFailed      = "failed"            // a step failed or was interrupted, or could not be written down
	outcomeDenied      = "denied"            // the kernel refused, or asked for a constraint solo does not keep
	outcomePending     = "approval_required" // nothing ran
	outcomeUnreachable = "unreachable"       // no decision; nothing ran
)

// A report is what --json prints: one object, whatever happened.
type report struct {
	Command     string           `json:"command"` // plan or ship
	Artifact    artifact         `json:"artifact"`
	Environment string           `json:"environment"`
	Outcome     string           `json:"outcome"`
	ExitCode    int              `json:"exit_code"`
	Error       string           `json:"error,omitempty"`
	Hint        string           `json:"hint,omitempty"`
	Decision    *kernel.Decision `json:"decision,omitempty"` // absent where none could be had
	Steps       []stepReport     `json:"steps"`
}

// A stepReport is what became of one step. ExitCode is absent unless it ran.
type stepReport struct {
	Name       string `json:"name"`
	Command    string `json:"command"`
	State      string `json:"state"` // not_run, done, failed
	ExitCode   *int   `json:"exit_code,omitempty"`
	DurationMS int64  `json:"duration_ms"`
}

func newReport(command string, cfg config, env string) *report {
	r := &report{Command: command, Artifact: cfg.Artifact, Environment: env, Steps: []stepReport{}}
	for _, s := range cfg.Steps {
		r.Steps = append(r.Steps, stepReport{Name: s.Name, Command: s.Run, State: "not_run"})
	}
	return r
}

// close fills in how it ended.
func (r *report) close(err error, success string) {
	r.Outcome = success
	if err == nil {
		return
	}
	f := asFailure(err)
	r.ExitCode, r.Error, r.Hint = f.exit, f.message, f.hint
	switch f.exit {
	case exitDenied:
		r.Outcome = outcomeDenied
	case exitPending:
		r.Outcome = outcomePending
	case exitUnreachable:
		r.Outcome = outcomeUnreachable
	default:
		r.Outcome = outcomeFailed
	}
}

func (r *report) write(out io.Writer) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}
