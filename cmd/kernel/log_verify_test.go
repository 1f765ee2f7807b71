package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/ledger"
)

// TestWhatNoCheckpointVouchesForIsSaid: a kernel that runs signs about once a
// second, so the last entries may not be signed yet.
func TestWhatNoCheckpointVouchesForIsSaid(t *testing.T) {
	for _, c := range []struct {
		trust ledger.TrustUsed
		want  string // "": nothing is said
		ok    bool
	}{
		{ledger.TrustUsed{Log: "kernel.example/log", Checkpoints: 1, Size: 8}, "", true},
		{ledger.TrustUsed{Log: "kernel.example/log", Checkpoints: 1, Size: 5}, "3 entries after it: own hashes only", true},
		{ledger.TrustUsed{Log: "kernel.example/log", Checkpoints: 1, Size: 7}, "1 entry after it: own hashes only", true},
		{ledger.TrustUsed{}, "", false},
	} {
		var out bytes.Buffer
		k := &cli{stdout: &out}
		err := k.printReport(ledger.Report{
			Entries: 8, Trust: c.trust, Shards: []ledger.ShardReport{{Entries: 8, Signed: c.trust.Size}},
		}, false, false)
		if (err == nil) != c.ok || strings.Contains(out.String(), "after it") != (c.want != "") || !strings.Contains(out.String(), c.want) {
			t.Errorf("%+v: %v, printed %q, want %q", c.trust, err, out.String(), c.want)
		}
	}
}

func TestPlural(t *testing.T) {
	for want, c := range map[string]struct {
		n    int
		noun string
	}{"1 grant key": {1, "grant key"}, "2 grant keys": {2, "grant key"}, "2 entries": {2, "entry"}, "0 accesses": {0, "access"}, "3 tokens": {3, "token"}} {
		if got := plural(c.n, c.noun); got != want {
			t.Errorf("%d of %q is %q, want %q", c.n, c.noun, got, want)
		}
	}
}
