package gate_test

import (
	"testing"
	"testing/synctest"
	"time"

	kernel "github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// Agents take turns at changing the registry, where that costs other nodes
// something; administrators do not.
func TestAgentsTakeTurnsAtChangingTheRegistry(t *testing.T) {
	signer := signerOf(t)
	synctest.Test(t, func(t *testing.T) {
		m := &storetest.Memory{Clock: time.Now}
		f := &cluster{open: func() store.Store { return m }, signer: signer, clock: time.Now}
		n := f.node(t, 0, func(c *gate.Config) { c.Budget = time.Second })
		if _, err := n.Apply(t.Context(), dev, document(t, fleetDocument), gate.ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
		lender := kernel.Caller{Principal: "a1", Roles: []kernel.Role{kernel.RoleAgent}, Agent: "agent-001"}
		lend := func(caller kernel.Caller) error {
			_, err := n.Lend(t.Context(), caller, registry.Delegation{From: "agent-001", To: "agent-002", Of: "ship", Capability: registry.Capability{
				Actions: []string{"read"}, Resources: []registry.Target{{Type: "service", ID: "svc/a"}}, Expires: time.Now().Add(time.Hour),
			}})
			return err
		}
		took := func(times int, caller kernel.Caller) time.Duration {
			begin := time.Now()
			for range times {
				if err := lend(caller); err != nil {
					t.Fatal(err)
				}
			}
			return time.Since(begin)
		}
		if d := took(4, lender); d != 300*time.Millisecond {
			t.Errorf("an agent lends four times in %s, want 300 ms", d)
		}
		if d := took(4, dev); d != 0 {
			t.Errorf("an administrator waits %s", d)
		}
		refused := 0
		answers := make(chan error)
		for range 20 {
			go func() { answers <- lend(lender) }()
		}
		for range 20 {
			if err := <-answers; isCode(err, kernel.Unavailable) {
				refused++
			} else if err != nil {
				t.Error(err)
			}
		}
		if refused != 10 { // ten turns lie within the budget
			t.Errorf("%d of 20 at once are refused, want 10", refused)
		}
	})
}
