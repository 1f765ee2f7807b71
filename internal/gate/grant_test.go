package gate_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/grant"
	"github.com/strixlabs/execution-kernel/internal/ledger"
)

// granting has grants on, with a key that is the same for every gate of a test.
func granting(t *testing.T) func(*gate.Config) {
	t.Helper()
	seed := make([]byte, 32)
	if _, err := rand.Read(seed); err != nil {
		t.Fatal(err)
	}
	key, err := grant.NewKey(seed)
	if err != nil {
		t.Fatal(err)
	}
	return func(cfg *gate.Config) { cfg.Grants = key }
}

// openGranting is openLimited with grants.
func openGranting(t *testing.T) *house {
	t.Helper()
	h := openLimited(t, granting(t))
	if err := h.KnowGrantKey(t.Context(), "folder-1"); err != nil {
		t.Fatal(err)
	}
	return h
}

func withGrant(ask gate.Ask) gate.Ask {
	ask.Request.Grant = true
	return ask
}

// grant asks for an ALLOW that carries a grant.
func (h *house) grant(t *testing.T, ask gate.Ask) kernel.Decision {
	t.Helper()
	d, err := h.Decide(t.Context(), gateway, withGrant(ask))
	if err != nil || d.Decision != kernel.Allow || d.Grant == nil || d.Grant.Token == "" {
		t.Fatalf("Decide = %v %s, grant %v, %v", d.Decision, d.Reason, d.Grant, err)
	}
	return d
}

func (h *house) redeem(caller kernel.Caller, d kernel.Decision) (grant.Record, error) {
	return h.Redeem(context.Background(), caller, d.Grant.ID, gate.Redemption{Token: d.Grant.Token})
}

func code(err error) kernel.Code {
	var e *kernel.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestAnAllowCarriesAGrantWhereItIsAskedFor(t *testing.T) {
	h := openGranting(t)
	d := h.grant(t, pay("agent-001", 100))
	if d.Grant.ID != d.ID || !d.Grant.ExpiresAt.Equal(noon.Add(time.Minute)) {
		t.Errorf("grant %+v of decision %s at %s", d.Grant, d.ID, d.DecidedAt)
	}
	plain, err := h.Decide(t.Context(), gateway, act("agent-001", ""))
	if err != nil || plain.Grant != nil {
		t.Errorf("a decision without: %v, %v", plain.Grant, err)
	}
	denied, err := h.Decide(t.Context(), gateway, withGrant(pay("agent-001", 200_000)))
	if err != nil || denied.Decision != kernel.Deny || denied.Grant != nil {
		t.Errorf("a DENY: %v %v, %v", denied.Decision, denied.Grant, err)
	}
	many := h.DecideBatch(t.Context(), gateway, []gate.Ask{withGrant(act("agent-001", "")), act("agent-001", "")})
	if many[0].Err != nil || many[0].Decision.Grant == nil || many[0].Decision.Grant.Token == "" || many[1].Decision.Grant != nil {
		t.Errorf("DecideBatch = %+v", many)
	}
}

func TestAGrantIsRedeemedOnceAndSettledByItsRedeemer(t *testing.T) {
	h := openGranting(t)
	d := h.grant(t, pay("agent-001", 100))
	if _, err := h.Settle(t.Context(), gateway, d.ID, grant.Settlement{Outcome: grant.Succeeded}); code(err) != kernel.GrantNotRedeemed {
		t.Errorf("settled before it was redeemed: %v", err)
	}
	r, err := h.redeem(gateway, d)
	if err != nil || r.State != grant.Redeemed || r.RedeemedBy != "gw" || !r.RedeemedAt.Equal(noon) {
		t.Fatalf("Redeem = %+v, %v", r, err)
	}
	if _, err := h.redeem(gateway, d); code(err) != kernel.GrantRedeemed {
		t.Errorf("redeemed twice: %v", err)
	}
	result := "sha256:" + strings.Repeat("ab", 32)
	if _, err := h.Settle(t.Context(), agent1, d.ID, grant.Settlement{Outcome: grant.Failed}); code(err) != kernel.GrantWrongRedeemer {
		t.Errorf("settled by another: %v", err)
	}
	done := grant.Settlement{Outcome: grant.Succeeded, Result: result}
	for range 2 { // the same again changes nothing
		if r, err = h.Settle(t.Context(), gateway, d.ID, done); err != nil || r.State != grant.Settled || r.Outcome != grant.Succeeded || r.Result != result {
			t.Errorf("Settle = %+v, %v", r, err)
		}
	}
	if _, err := h.Settle(t.Context(), gateway, d.ID, grant.Settlement{Outcome: grant.Failed}); code(err) != kernel.GrantSettled {
		t.Errorf("settled twice: %v", err)
	}
	var changes []string
	for _, e := range h.entries(t) {
		if e.Grant != nil && e.Grant.ID == d.ID {
			changes = append(changes, e.Grant.Change+" by "+e.Caller)
		}
	}
	if got := strings.Join(changes, ", "); got != "issued by gw, redeemed by gw, settled by gw" {
		t.Errorf("the log says: %s", got)
	}
	if r, err := h.Grant(t.Context(), agent1, d.ID); err != nil || r.State != grant.Settled {
		t.Errorf("Grant for its agent = %+v, %v", r, err)
	}
	other := kernel.Caller{Principal: "a2", Roles: []kernel.Role{kernel.RoleAgent}, Agent: "agent-002"}
	if _, err := h.Grant(t.Context(), other, d.ID); code(err) != kernel.NotFound {
		t.Errorf("Grant for another agent: %v", err)
	}
}

func TestThirtyTwoClientsRedeemAGrantOnce(t *testing.T) {
	h := openGranting(t)
	activate(t, h, strings.Replace(limited, "facts.acts_1h < 5 && facts.tries_1h < 1000", "true", 1))
	const count, clients = 300, 32
	grants := make([]kernel.Decision, count)
	for i := range grants {
		grants[i] = h.grant(t, act("agent-001", ""))
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := map[string]int{}
	for client := range clients {
		wg.Go(func() {
			for i := range grants {
				d := grants[(i+client*7)%count]
				_, err := h.redeem(gateway, d)
				switch code(err) {
				case "":
					mu.Lock()
					won[d.ID]++
					mu.Unlock()
				case kernel.GrantRedeemed, kernel.Unavailable: // after three conflicts
				default:
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	redeemed := map[string]int{}
	for _, e := range h.entries(t) {
		if e.Grant != nil && e.Grant.Change == ledger.GrantRedeemed {
			redeemed[e.Grant.ID]++
		}
	}
	for _, d := range grants {
		if won[d.ID] != 1 || redeemed[d.ID] != 1 {
			t.Errorf("grant %s: %d clients were told that they redeemed it, the log has %d", d.ID, won[d.ID], redeemed[d.ID])
		}
	}
}

// TestAGrantOfOthersDoesNotExist for whoever has nothing to do with it.
func TestAGrantOfOthersDoesNotExist(t *testing.T) {
	h := openGranting(t)
	d := h.grant(t, act("agent-001", ""))
	strangers := []kernel.Caller{
		{Principal: "a2", Roles: []kernel.Role{kernel.RoleAgent}, Agent: "agent-002"},
		{Principal: "gw2", Roles: []kernel.Role{kernel.RoleGateway}, SpeaksFor: []string{"other-*"}},
	}
	for range 2 { // issued, and redeemed
		for _, c := range strangers {
			if _, err := h.Settle(t.Context(), c, d.ID, grant.Settlement{Outcome: grant.Failed, NoEffect: true}); code(err) != kernel.NotFound {
				t.Errorf("%s settles it: %v", c.Principal, err)
			}
		}
		_, _ = h.redeem(gateway, d) // the second time it is redeemed already
	}
}

// TestAGrantIsNotProlongedInTheDatabase: its token says when it ends, too.
func TestAGrantIsNotProlongedInTheDatabase(t *testing.T) {
	h := openGranting(t)
	d := h.grant(t, act("agent-001", ""))
	h.forge(t, "grant", d.ID, `"expires_at":"2026`, `"expires_at":"2027`)
	h.pass(2 * time.Minute)
	if _, err := h.redeem(gateway, d); code(err) != kernel.GrantExpired && code(err) != kernel.Unavailable {
		t.Errorf("redeemed after its time: %v", err)
	}
}
