package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// lookEvery is how often the policies are looked at. A change is taken up at
// the second look that finds it the same, so that files half written or half
// copied do not become a policy: at most a second after the last write.
const lookEvery = 500 * time.Millisecond

// A reloader keeps the active policy what the folder says, all or nothing: a
// bundle that is invalid changes nothing.
type reloader struct {
	path     string
	log      *slog.Logger
	activate func(context.Context, Compiled) error
	active   func() string // the version that decides
	changed  func(ok bool) // told of each bundle that was taken up or refused

	dealt, seen [sha256.Size]byte // fingerprints: what was dealt with last, what the last look found
	problem     atomic.Pointer[string]
	taken       string // the version that the folder last had; the loop's own
	pushed      atomic.Bool
}

// probe says that the folder does not say what the active policy does. Why is
// in the log: whoever may ask for readiness need not be shown policies.
func (r *reloader) probe(context.Context) error {
	switch {
	case r.problem.Load() != nil:
	case r.pushed.Load():
		return kernel.Errorf(kernel.Invalid, "the active policy was pushed, and is not what the folder says: it decides until the folder changes or the kernel starts again")
	default:
		return nil
	}
	return kernel.Errorf(kernel.Invalid, "the policies on disk were not taken up, those before them go on deciding; the kernel's log says why")
}

// look deals with a changed folder once it has stopped changing.
func (r *reloader) look(ctx context.Context) {
	files, err := ReadBundle(r.path)
	found := fingerprint(files)
	if err != nil {
		found = fingerprint([]pdl.File{{Name: "error", Data: []byte(err.Error())}})
	}
	r.compare()
	settled := found == r.seen
	r.seen = found
	if found == r.dealt || !settled {
		return
	}
	if err == nil {
		err = r.take(ctx, files)
	}
	r.dealt = found
	if err != nil {
		r.refuse(err)
	}
	if errors.As(err, new(notActivatedError)) {
		r.dealt = [sha256.Size]byte{} // not the bundle's fault: the next look tries again
	}
}

// compare notices that somebody activated another policy than the folder has.
// It goes on deciding: how else could one go back in a hurry?
func (r *reloader) compare() {
	active := r.active()
	if pushed := active != r.taken; r.pushed.Swap(pushed) != pushed && pushed {
		r.log.Warn("a policy that was pushed decides until the folder changes or the kernel starts again", "policy_version", active, "folder_version", r.taken)
	}
}

func (r *reloader) take(ctx context.Context, files []pdl.File) error {
	c, err := CompileToServe(BundleSource{Name: r.path, Files: files})
	if err != nil {
		return err
	}
	if err := r.activate(ctx, c); err != nil {
		return notActivatedError{err}
	}
	r.problem.Store(nil)
	r.taken = c.Program.Version()
	r.changed(true)
	r.log.Info("policies reloaded", "policy_version", c.Program.Version(), "rules", len(c.Bundle.Rules))
	return nil
}

// A notActivatedError says that a valid bundle could not be made the active one.
type notActivatedError struct{ error }

// refuse says once what is wrong, and that the old bundle goes on deciding.
func (r *reloader) refuse(err error) {
	text := err.Error()
	var invalid DiagnosticsError
	if errors.As(err, &invalid) && len(invalid.Diagnostics) > 0 {
		text += "; first: " + firstLine(invalid.Diagnostics[0].String())
	}
	if old := r.problem.Swap(&text); old != nil && *old == text {
		return
	}
	r.changed(false)
	r.log.Error("the changed policies were not taken up; the policies before them go on deciding", "error", err)
	for _, d := range invalid.Diagnostics {
		r.log.LogAttrs(context.Background(), slog.LevelError, "policy diagnostic", diagnosticOf(d)...)
	}
}
