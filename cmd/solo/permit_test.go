package main

import (
	"testing"

	"github.com/strixlabs/execution-kernel"
)

// TestSoloRefusesWhatItWouldHaveToKeep: who keeps a constraint decides.
func TestSoloRefusesWhatItWouldHaveToKeep(t *testing.T) {
	for by, runs := range map[string]bool{"": false, "door": false, "kernel": true, "caller": true} {
		d := kernel.Decision{Verdict: kernel.Verdict{Decision: kernel.Allow, Constraints: map[string]any{"attribution": true, "log_all_actions": true}}}
		if by != "" {
			d.KeptBy = kernel.KeptBy{"attribution": by}
		}
		if err := permit(d); (err == nil) != runs {
			t.Errorf("kept by %q: permit = %v, want it to run: %v", by, err, runs)
		}
	}
}
