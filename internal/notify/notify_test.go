package notify_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

func TestAnApprovalIsToldFromItsBeginningToItsEnd(t *testing.T) {
	h := open(t)
	r := receive(t, h.clock)
	h.ask() // before there was an endpoint: nobody is told
	n := h.notifier(r.endpoint("pager"))
	d := h.ask()
	h.turn(n, "pager")
	h.vote(d, "person-001", true)
	h.pass(31 * time.Minute)
	must(t, h.Due(t.Context()))
	h.vote(d, "person-002", true)
	h.vote(h.ask(), "person-001", false)
	must(t, h.Kill(t.Context(), admin, registry.ScopeAgent, "agent-001", "incident 42"))
	must(t, h.Lift(t.Context(), admin, registry.ScopeAgent, "agent-001", ""))
	cancelled := h.ask()
	_, err := h.Cancel(t.Context(), asker, cancelled.ID, "not needed")
	must(t, err)
	h.ask()
	h.pass(5 * time.Hour)
	must(t, h.Due(t.Context()))
	h.turn(n, "pager")
	h.turn(n, "pager")

	got := r.kinds()
	for _, kind := range []string{"opened voted escalated", "voted approved", "opened rejected", "kill.engaged kill.lifted", "opened cancelled opened", "expired"} {
		if !strings.Contains(sorted(r), kind) {
			t.Errorf("told: %s, want %q in it", sorted(r), kind)
		}
	}
	seen := map[string]bool{}
	for _, m := range r.messages() {
		if seen[m.id] {
			t.Errorf("%s was told twice", m.id)
		}
		seen[m.id] = true
		if strings.Contains(m.body, "a secret of the request") || strings.Contains(m.body, "words of") {
			t.Errorf("a message tells more than it should: %s", m.body)
		}
	}
	first := r.messages()[0]
	a := first.data["approval"].(map[string]any)
	if first.kind != "approval.opened" || a["id"] != d.ID || a["agent"] != "agent-001" || a["owner"] != "person-003" || a["action"] != "deploy" || a["state"] != "PENDING" ||
		a["request_digest"] != d.RequestDigest || a["reason"] != "Two look at it." || a["resource"].(map[string]any)["id"] != "svc/a" || a["request"] != nil {
		t.Errorf("the first message is %s", first.body)
	}
	if to, _ := a["link"].(string); !strings.HasPrefix(to, "https://kernel.example.org/a/"+d.ID+"?d=") || strings.Contains(to, "&w=1") {
		t.Errorf("the link of the first message is %q, want one that does not show the request", to)
	}
	for _, m := range r.messages() {
		told, _ := m.data["approval"].(map[string]any)
		if pending := told["state"] == "PENDING"; pending != (told["link"] != nil) {
			t.Errorf("%s: a link is for what is pending", m.body)
		}
	}
	if v := h.view("pager"); v.Pending != 0 || v.Dead != 0 {
		t.Errorf("left: %+v, told: %s", v, got)
	}
}

// sorted lists what was received by where the log has it: what is sent at the
// same time may come in any order.
func sorted(r *receiver) string {
	list := r.messages()
	at := func(m message) float64 { return m.data["entry"].(map[string]any)["seq"].(float64) }
	for i := range list {
		for j := i; j > 0 && at(list[j]) < at(list[j-1]); j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
	var kinds []string
	for _, m := range list {
		kinds = append(kinds, strings.TrimPrefix(m.kind, "approval."))
	}
	return strings.Join(kinds, " ")
}

func TestABrokenGlassIsTold(t *testing.T) {
	h := open(t)
	r := receive(t, h.clock)
	e := r.endpoint("alerts")
	e.Events = []string{"breakglass.*"}
	n := h.notifier(e)
	d := h.ask()
	lead := kernel.Caller{Principal: "token:lead", Roles: []kernel.Role{kernel.RoleApprover}, StandsFor: "person-004"}
	_, err := h.BreakGlass(t.Context(), lead, gate.Breaking{ID: d.ID, Digest: d.RequestDigest, Reason: "the site is down, incident 42"})
	must(t, err)
	h.turn(n, "alerts")
	h.pass(25 * time.Hour)
	must(t, h.Due(t.Context()))
	h.turn(n, "alerts")
	if got := sorted(r); got != "breakglass.broken breakglass.overdue" {
		t.Fatalf("told: %s", got)
	}
	first := r.messages()[0].data["breakglass"].(map[string]any)
	if first["approval"] != d.ID || first["by"] != "person-004" || strings.Contains(r.messages()[0].body, "incident 42") || first["agent"] != "agent-001" || first["decision"] == "" {
		t.Errorf("the first message is %v", first)
	}
}

func TestTheRequestIsSentOnlyWhereItIsAskedFor(t *testing.T) {
	h := open(t)
	r := receive(t, h.clock)
	e := r.endpoint("pager")
	e.Request, e.Events = true, []string{"approval.opened"}
	n := h.notifier(e)
	h.vote(h.ask(), "person-001", false)
	h.turn(n, "pager")
	if r.kinds() != "opened" || !strings.Contains(r.messages()[0].body, `"note":"a secret of the request"`) {
		t.Errorf("told: %v", r.messages())
	}
}

// TestAFailingEndpointIsTriedAgainAndHoldsNobodyUp goes by an injected clock.
func TestAFailingEndpointIsTriedAgainAndHoldsNobodyUp(t *testing.T) {
	h := open(t)
	bad, good := receive(t, h.clock), receive(t, h.clock)
	bad.answer = always(http.StatusInternalServerError)
	n := h.notifier(bad.endpoint("bad"), good.endpoint("good"))
	h.ask()
	h.turn(n, "bad")
	h.turn(n, "bad") // not due
	h.turn(n, "good")
	if bad.kinds() != "opened" || good.kinds() != "opened" {
		t.Fatalf("told: %q and %q", bad.kinds(), good.kinds())
	}
	h.ask() // a later message does not wait for the first
	h.turn(n, "bad")
	if bad.kinds() != "opened opened" || bad.messages()[0].id == bad.messages()[1].id {
		t.Fatalf("told: %v", bad.messages())
	}
	before := h.clock()
	for v := h.view("bad"); v.Dead < 2; v = h.view("bad") {
		if wait := v.Messages[len(v.Messages)-1].Next.Sub(h.clock()); wait > 8*time.Hour {
			t.Fatalf("it waits for %s: %+v", wait, v)
		}
		h.pass(time.Minute)
		h.turn(n, "bad")
		if h.clock().Sub(before) > 48*time.Hour {
			t.Fatalf("it is not given up: %+v", v)
		}
	}
	if took := h.clock().Sub(before); took < 12*time.Hour {
		t.Errorf("it was given up after %s", took)
	}
	counts := map[string]int{}
	for _, m := range bad.messages() {
		counts[m.id]++
	}
	for id, attempts := range counts {
		if attempts != 12 {
			t.Errorf("%s was tried %d times", id, attempts)
		}
	}
	m := h.view("bad").Messages[0]
	if len(counts) != 2 || m.State != "dead" || m.Attempts != 12 || m.Last != "answered 500" {
		t.Errorf("given up: %+v", m)
	}

	// It is sent again by hand, under the same id.
	bad.answer = nil
	again, err := h.Resend(t.Context(), admin, "bad", m.ID)
	must(t, err)
	h.turn(n, "bad")
	if last := bad.messages()[len(bad.messages())-1]; again != 1 || last.id != m.ID {
		t.Errorf("Resend = %d, received %s, want %s", again, last.id, m.ID)
	}
	if again, err = h.Resend(t.Context(), admin, "bad", ""); err != nil || again != 1 {
		t.Errorf("Resend = %d, %v, want the other one", again, err)
	}
	h.turn(n, "bad")
	if v := h.view("bad"); v.Dead != 0 || v.Pending != 0 {
		t.Errorf("left: %+v", v)
	}
	if v := h.view("good"); v.Pending != 0 || good.kinds() != "opened" {
		h.turn(n, "good")
	}
}

func TestAReceiverThatIsGoneIsToldNothingMore(t *testing.T) {
	h := open(t)
	r := receive(t, h.clock)
	r.answer = always(http.StatusGone)
	n := h.notifier(r.endpoint("pager"))
	h.ask()
	h.turn(n, "pager")
	h.ask()
	h.turn(n, "pager")
	v := h.view("pager")
	if r.kinds() != "opened" || v.Stopped.IsZero() || v.Dead != 2 || v.Pending != 0 {
		t.Fatalf("told: %s, kept: %+v", r.kinds(), v)
	}
	r.answer = nil
	if again, err := h.Resend(t.Context(), admin, "pager", ""); err != nil || again != 2 {
		t.Fatalf("Resend = %d, %v", again, err)
	}
	h.turn(n, "pager")
	if v := h.view("pager"); r.kinds() != "opened opened opened" || !v.Stopped.IsZero() || v.Dead != 0 || v.Pending != 0 {
		t.Errorf("told: %s, kept: %+v", r.kinds(), v)
	}
}

func TestWhatTheReceiverAsksForCounts(t *testing.T) {
	h := open(t)
	r := receive(t, h.clock)
	r.answer = func(w http.ResponseWriter, _ int) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	}
	n := h.notifier(r.endpoint("pager"))
	h.ask()
	h.turn(n, "pager")
	if m := h.view("pager").Messages[0]; !m.Next.Equal(h.clock().Add(time.Hour)) || m.Last != "answered 429" {
		t.Errorf("after Retry-After: 3600: %+v", m)
	}
}

// TestACrashAfterAMessageWasSent: what was sent and not noted is sent again,
// under the same id.
func TestACrashAfterAMessageWasSent(t *testing.T) {
	h := open(t)
	r := receive(t, h.clock)
	h.notifier(r.endpoint("pager"))
	h.ask()
	box, err := h.Outbox(t.Context(), "pager", func(string) bool { return true })
	must(t, err)
	_, err = box.TakeUp(t.Context())
	must(t, err)
	claimed, _, err := box.Claim(t.Context(), 4, time.Hour)
	must(t, err)
	if len(claimed) != 1 {
		t.Fatalf("claimed: %v", claimed)
	}
	if again, _, err := box.Claim(t.Context(), 4, time.Hour); err != nil || len(again) != 0 {
		t.Errorf("claimed twice: %v, %v", again, err)
	}
	h.reopen()
	n := h.notifier(r.endpoint("pager"))
	h.turn(n, "pager")
	if got := r.messages(); len(got) != 1 || got[0].id != claimed[0].ID {
		t.Errorf("received: %v, want %s", got, claimed[0].ID)
	}
}
