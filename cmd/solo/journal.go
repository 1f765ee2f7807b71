package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// A journal is .solo/ship.log: one JSON object a line, only ever appended to,
// flushed before solo goes on. With it solo keeps the constraint
// log_all_actions.
type journal struct {
	file *os.File
	base record
}

// A record is one line: a step that begins or has ended.
type record struct {
	Time        time.Time `json:"time"`
	Decision    string    `json:"decision"`
	Agent       string    `json:"agent"`
	Artifact    string    `json:"artifact"`
	Type        string    `json:"type"`
	Environment string    `json:"environment"`
	Event       string    `json:"event"` // started, finished
	Step        string    `json:"step"`
	Command     string    `json:"command"`
	ExitCode    *int      `json:"exit_code,omitempty"`   // finished
	DurationMS  *int64    `json:"duration_ms,omitempty"` // finished
}

// record is what the lines of one ship have in common.
func (s *session) record() record {
	return record{
		Decision: s.report.Decision.ID, Agent: s.cfg.Agent,
		Artifact: s.cfg.Artifact.Name, Type: s.cfg.Artifact.Type, Environment: s.env,
	}
}

func openJournal(dir string, base record) (*journal, error) {
	folder := filepath.Join(dir, ".solo")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(folder, "ship.log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &journal{file: f, base: base}, nil
}

func (j *journal) started(st step, now time.Time) error {
	r := j.base
	r.Time, r.Event, r.Step, r.Command = now.UTC(), "started", st.Name, st.Run
	return j.append(r)
}

func (j *journal) finished(st step, now time.Time, code int, took time.Duration) error {
	r, ms := j.base, took.Milliseconds()
	r.Time, r.Event, r.Step, r.Command = now.UTC(), "finished", st.Name, st.Run
	r.ExitCode, r.DurationMS = &code, &ms
	return j.append(r)
}

func (j *journal) append(r record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	// One write a line: two solos in one folder do not mix theirs.
	_, err = j.file.Write(append(line, '\n'))
	return errors.Join(err, j.file.Sync())
}

// close has nothing left to lose: every line is flushed as it is written.
func (j *journal) close() { _ = j.file.Close() }
