package ledger_test

import (
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// A saying is one entry of a log that was made up: who, what, when.
type saying struct {
	caller string
	after  time.Duration // since the batch before
	grant  ledger.GrantChange
	allow  bool // a decision of that id that allows, in the batch of the next entry
	deny   bool
}

// made writes a log of two agents' tokens, a gateway's, and what a test makes up.
func made(t *testing.T, said []saying) *storetest.Memory {
	t.Helper()
	b, err := ledger.Extend(0, store.Head{})
	if err != nil {
		t.Fatal(err)
	}
	at, batch := time.Unix(1_800_000_000, 0).UTC(), 0
	add := func(e ledger.Entry, private *store.Private) {
		t.Helper()
		e.Instant, e.Node, e.Batch = at, "node-1", string(rune('a'+batch))
		if _, err := b.Append(e, private); err != nil {
			t.Fatal(err)
		}
	}
	for id, agent := range map[string]string{"A1": "agent-001", "A2": "agent-002"} {
		add(ledger.Entry{Token: &ledger.TokenChange{Change: "created", ID: id, Name: "n", Roles: []kernel.Role{kernel.RoleAgent}, Agent: agent}}, nil)
	}
	for _, id := range []string{"G1", "G2"} {
		add(ledger.Entry{Token: &ledger.TokenChange{Change: "created", ID: id, Name: "n", Roles: []kernel.Role{kernel.RoleGateway}, SpeaksFor: []string{"agent-*"}}}, nil)
	}
	batch++
	for _, s := range said {
		at = at.Add(s.after)
		if s.allow || s.deny {
			e, private := sample()
			e.Caller, e.Decision.ID, e.Decision.Agent, e.Decision.Action = s.caller, s.grant.ID, "agent-001", "deploy"
			e.Decision.Verdict.Decision, e.Decision.Verdict.ApprovalsRequired = kernel.Allow, 0
			if s.deny {
				e.Decision.Verdict.Decision = kernel.Deny
			}
			add(e, private)
			continue
		}
		g := s.grant
		if g.Agent == "" {
			g.Agent = "agent-001"
		}
		g.Action = "deploy"
		if g.Change == ledger.GrantIssued && g.Expires.IsZero() {
			g.Expires = at.Add(time.Minute)
		}
		add(ledger.Entry{Caller: s.caller, Grant: &g}, nil)
		batch++
	}
	var s storetest.Memory
	if out, err := s.Commit(t.Context(), &store.Batch{ID: "b", Next: b.Head(), Entries: b.Entries()}); err != nil || out.Status != store.Committed {
		t.Fatal(out, err)
	}
	return &s
}

func TestAnAuditNamesEveryBrokenPromise(t *testing.T) {
	const gateway, other, own = "token:G1", "token:G2", "token:A1"
	const g1, g2 = "01KB000000000000000000000A", "01KB000000000000000000000B"
	allow := saying{caller: gateway, allow: true, grant: ledger.GrantChange{ID: g1}}
	change := func(caller, what string, after time.Duration) saying {
		g := ledger.GrantChange{ID: g1, Change: what}
		if what == ledger.GrantSettled {
			g.Outcome = "succeeded"
		}
		return saying{caller: caller, after: after, grant: g}
	}
	issued := change(gateway, ledger.GrantIssued, 0)
	redeemed := change(gateway, ledger.GrantRedeemed, time.Second)
	settled := change(gateway, ledger.GrantSettled, time.Hour)
	expired := change("node-1", ledger.GrantExpired, time.Minute)
	with := func(s saying, f func(*saying)) saying { f(&s); return s }
	for _, c := range []struct {
		name string
		said []saying
		want string // "": every promise is kept
	}{
		{"redeemed and settled", []saying{allow, issued, redeemed, settled}, ""},
		{"never redeemed", []saying{allow, issued, expired}, ""},
		{"still open", []saying{allow, issued}, ""},
		{"redeemed by the agent itself", []saying{allow, issued, change(own, ledger.GrantRedeemed, 0)}, ""},
		{"redeemed twice", []saying{allow, issued, redeemed, redeemed}, "was redeemed before, in entry 6"},
		{"redeemed twice by different callers", []saying{allow, issued, redeemed, change(other, ledger.GrantRedeemed, 0)}, "was redeemed before"},
		{"redeemed without a grant", []saying{redeemed}, "no entry issued it"},
		{"settled without a grant", []saying{settled}, "no entry issued it"},
		{"another grant's redemption", []saying{allow, issued, with(redeemed, func(s *saying) { s.grant.ID = g2 })}, "grant " + g2 + " was redeemed, and no entry issued it"},
		{"issued without a decision", []saying{issued}, "was not issued together with a decision"},
		{"issued with a DENY", []saying{with(allow, func(s *saying) { s.allow, s.deny = false, true }), issued}, "was not issued together with a decision"},
		{"issued for another decision", []saying{with(allow, func(s *saying) { s.grant.ID = g2 }), issued}, "was not issued together with a decision"},
		{"issued twice", []saying{allow, issued, issued}, "was issued before"},
		{"issued for a day", []saying{allow, with(issued, func(s *saying) { s.grant.Expires = time.Unix(1_800_086_400, 0).UTC() })}, "lasts longer than"},
		{"issued for another agent", []saying{allow, with(issued, func(s *saying) { s.grant.Agent = "agent-002" })}, "another agent or action"},
		{"redeemed for another agent", []saying{allow, issued, with(redeemed, func(s *saying) { s.grant.Agent = "agent-002" })}, "another agent or action"},
		{"redeemed after it expired", []saying{allow, issued, change(gateway, ledger.GrantRedeemed, time.Minute)}, "was redeemed after it expired"},
		{"redeemed after it was ended", []saying{allow, issued, expired, change(gateway, ledger.GrantRedeemed, 0)}, "expired, but it was redeemed"},
		{"ended before its time", []saying{allow, issued, change("node-1", ledger.GrantExpired, time.Second)}, "was ended before it expired"},
		{"ended after it was redeemed", []saying{allow, issued, redeemed, expired}, "expired, but it was redeemed"},
		{"ended twice", []saying{allow, issued, expired, expired}, "was expired before"},
		{"redeemed by another agent", []saying{allow, issued, change("token:A2", ledger.GrantRedeemed, 0)}, `may not act for agent "agent-001"`},
		{"redeemed by nobody's token", []saying{allow, issued, change("token:A9", ledger.GrantRedeemed, 0)}, "which no entry made a token of"},
		{"redeemed by the kernel", []saying{allow, issued, change("kernel", ledger.GrantRedeemed, 0)}, "which no entry made a token of"},
		{"settled by another", []saying{allow, issued, redeemed, change(other, ledger.GrantSettled, 0)}, `was settled by "token:G2", but redeemed by "token:G1"`},
		{"settled and not redeemed", []saying{allow, issued, settled}, "and nobody redeemed it"},
		{"settled before it was redeemed", []saying{allow, issued, with(settled, func(s *saying) { s.after = 0 }), redeemed}, "was settled before it was redeemed"},
		{"settled twice", []saying{allow, issued, redeemed, settled, settled}, "was settled before"},
		{"released by its agent", []saying{allow, issued, change(own, ledger.GrantRedeemed, 0), with(change(own, ledger.GrantSettled, 0), func(s *saying) {
			s.grant.Outcome, s.grant.Released = "failed", true
		})}, "was released by the agent that it is about"},
	} {
		report, err := ledger.Audit(t.Context(), made(t, c.said), nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.want == "" {
			if !report.OK() || report.Grants != 1 {
				t.Errorf("%s: %d grants, %v, want 1 and no finding", c.name, report.Grants, report.List)
			}
			continue
		}
		var all []string
		for _, f := range report.List {
			all = append(all, f.String())
		}
		if !strings.Contains(strings.Join(all, "; "), c.want) {
			t.Errorf("%s: found %q, want %q", c.name, all, c.want)
		}
	}
}

func TestAnAuditNamesWhatItCannotRead(t *testing.T) {
	s := made(t, nil)
	changed := faulty{Store: s, entries: edit(func(e *store.Entry) bool {
		if e.Seq == 1 {
			e.Body = []byte("{}")
		}
		return true
	})}
	report, err := ledger.Audit(t.Context(), changed, nil)
	if err != nil || report.OK() || report.List[0].Seq != 1 {
		t.Errorf("Audit = %+v, %v", report.List, err)
	}
}
