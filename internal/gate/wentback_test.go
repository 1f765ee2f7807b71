package gate_test

import (
	"testing"
	"time"

	kernel "github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// TestAVersionThatWentBackIsNoticed: a node that knew a later version of what it
// guards decides nothing any more.
func TestAVersionThatWentBackIsNoticed(t *testing.T) {
	for _, kind := range []string{"fact", "basis"} {
		m := &storetest.Memory{Clock: time.Now} // several gates may write it
		f := &cluster{open: func() store.Store { return m }, signer: signerOf(t)}
		f.setClock()
		nodes := f.nodes(t, limited)
		if err := nodes[0].Kill(t.Context(), dev, registry.ScopeAction, "pay", ""); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if d := patiently(t, nodes[0], act("agent-001", "")); d.Decision != kernel.Allow {
				t.Fatal(d.Reason)
			}
		}
		m.SetBack(kind)
		last := kernel.Unavailable
		for range 3 {
			_, err := nodes[0].Decide(t.Context(), dev, act("agent-001", ""))
			last = code(err)
		}
		if err := nodes[0].Ready(t.Context()); err == nil || last != kernel.Unavailable {
			t.Errorf("%s: a version was set back by one, and the node is ready (%v) and answers %q", kind, err, last)
		}
	}
}
