package gate_test

import (
	"sync/atomic"
	"testing"
	"time"

	kernel "github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// What a node reserved that is gone for good, another gives back some time after.
func TestReservationsOfANodeThatIsGoneAreGivenBack(t *testing.T) {
	var later atomic.Int64
	m := &storetest.Memory{Clock: time.Now}
	f := &cluster{
		open: func() store.Store { return m }, signer: signerOf(t),
		clock: func() time.Time { return time.Now().Add(time.Duration(later.Load())) },
	}
	there := f.nodes(t, limited)[1]
	gone := f.node(t, 3, func(c *gate.Config) {
		granting(t)(c)
		c.GrantLife = 30 * time.Second
	})
	for i := range 5 {
		if d := patiently(t, gone, withGrant(act("agent-001", ""))); d.Grant == nil {
			t.Fatalf("the %dth call got no grant: %v", i+1, d)
		}
	}
	deny := func(why string) {
		t.Helper()
		if d := patiently(t, there, act("agent-001", "")); d.Decision == kernel.Allow {
			t.Error(why)
		}
	}
	deny("allowed beside five reservations")
	gone.closeNow(t)
	later.Store(int64(35 * time.Second))
	deny("given back although the node that issued the grants may only be slow")
	later.Store(int64(45 * time.Second))
	for i := range 5 {
		if d := patiently(t, there, act("agent-001", "")); d.Decision != kernel.Allow {
			t.Fatalf("call %d after the reservations expired: %v", i+1, d)
		}
	}
	deny("a sixth is allowed")
}
