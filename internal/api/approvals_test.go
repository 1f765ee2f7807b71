package api_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/token"
)

// withPeople registers two approvers and one who is none any more, and makes
// their tokens, by id.
func (h *house) withPeople() map[string]string {
	h.t.Helper()
	const before = `{"registry": "v1", "people": {
		"person-001": {"roles": ["approver"]}, "person-002": {"roles": ["approver"]}, "person-003": {"roles": ["approver"]}}}`
	h.register(before)
	secrets := map[string]string{}
	for _, id := range []string{"person-001", "person-002", "person-003"} {
		var err error
		secrets[id], _, err = h.gate.CreateToken(h.t.Context(), admin, token.Spec{Name: id, Role: kernel.RoleApprover, Principal: id})
		must(h.t, err)
	}
	h.register(strings.Replace(before, `"person-003": {"roles": ["approver"]}`, `"person-003": {"roles": ["reader"]}`, 1))
	return secrets
}

func (h *house) register(document string) {
	h.t.Helper()
	tree, err := kernel.DecodeJSON([]byte(document))
	must(h.t, err)
	doc, err := registry.ReadDocument(tree)
	must(h.t, err)
	_, err = h.gate.Apply(h.t.Context(), admin, doc, gate.ApplyOptions{})
	must(h.t, err)
}

func (h *house) with(secret, method, path, body string) *http.Request {
	r := h.request(method, path, body)
	r.Header.Set("Authorization", "Bearer "+secret)
	return r
}

type approvalBody struct {
	ID     string `json:"id"`
	State  string `json:"state"`
	Digest string `json:"request_digest"`
	Votes  []struct{ By string }
}

// pending waits until one approval is pending, and returns it.
func (h *house) pending() approvalBody {
	h.t.Helper()
	for {
		a := h.do(h.as(kernel.RoleAdmin, "GET", "/v1/approvals?state=PENDING", ""))
		if list := into[struct{ Approvals []approvalBody }](h.t, a).Approvals; len(list) == 1 {
			return list[0]
		}
	}
}

func (h *house) approves(secret string, a approvalBody) answer {
	h.t.Helper()
	return h.do(h.with(secret, "POST", "/v1/approvals/"+a.ID+":approve", `{"request_digest":"`+a.Digest+`"}`))
}

type answeredBody struct {
	grantedBody
	Answers  string
	Approval struct{ State, Decision string }
}

// TestACallThatWaitsIsAnsweredWithWhatPeopleAllowed: only a call that waited
// has an answer that was not there when it came.
func TestACallThatWaitsIsAnsweredWithWhatPeopleAllowed(t *testing.T) {
	h := newHouse(t, nil)
	people := h.withPeople()
	got := make(chan answer, 2)
	go func() {
		got <- h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions", deployTo("production", `,"grant":true,"wait":"60s"`)))
	}()
	asked := h.pending()
	go func() { got <- h.do(h.as(kernel.RoleGateway, "GET", "/v1/decisions/"+asked.ID+"?wait=60s", "")) }()
	h.approves(people["person-001"], asked)
	if a := h.approves(people["person-002"], asked); a.status != http.StatusOK || !strings.Contains(a.body, `"APPROVED"`) {
		t.Fatalf("the second vote: %d %s", a.status, a.body)
	}
	for range 2 {
		d := into[answeredBody](t, <-got)
		if d.Decision == kernel.RequireApproval && d.Approval.State == "APPROVED" {
			continue // the second call came when it was over: it has what became of it
		}
		if d.Decision != kernel.Allow || d.Answers != asked.ID || d.Grant.Token == "" || d.Grant.ID != d.ID {
			t.Errorf("the answer is %+v", d)
		}
	}
}

// TestWhoseTokenWasRevokedWhileItWaitedIsToldNothing: what people allow later
// is not for who has no token any more.
func TestWhoseTokenWasRevokedWhileItWaitedIsToldNothing(t *testing.T) {
	h := newHouse(t, nil)
	people := h.withPeople()
	h.do(h.as(kernel.RoleAgent, "POST", "/v1/decisions", deployTo("production", `,"grant":true`)))
	asked := h.pending()
	secret, tok, err := h.gate.CreateToken(t.Context(), admin, token.Spec{Name: "second", Role: kernel.RoleAgent, Agent: "agent-001"})
	must(t, err)
	got := make(chan answer, 1)
	go func() { got <- h.do(h.with(secret, "GET", "/v1/decisions/"+asked.ID+"?wait=60s", "")) }()
	time.Sleep(300 * time.Millisecond) // whether it waits by then or is refused at once, it is told nothing
	must(t, h.gate.RevokeToken(t.Context(), admin, tok.ID))
	h.approves(people["person-001"], asked)
	if a := h.approves(people["person-002"], asked); a.status != http.StatusOK || !strings.Contains(a.body, `"APPROVED"`) {
		t.Fatalf("the second vote: %d %s", a.status, a.body)
	}
	isProblem(t, "the call that waited", <-got, http.StatusUnauthorized, kernel.Unauthenticated)
}

// TestWhoAskedAndWaitsWithARevokedTokenIsNoCallerAnyMore: nor is it recorded as
// one that was refused.
func TestWhoAskedAndWaitsWithARevokedTokenIsNoCallerAnyMore(t *testing.T) {
	h := newHouse(t, nil)
	people := h.withPeople()
	got := make(chan answer, 1)
	go func() {
		got <- h.do(h.as(kernel.RoleAgent, "POST", "/v1/decisions", deployTo("production", `,"grant":true,"wait":"60s"`)))
	}()
	asked := h.pending()
	must(t, h.gate.RevokeToken(t.Context(), admin, tokenOf(t, h, "agent-001")))
	h.approves(people["person-001"], asked)
	if a := h.approves(people["person-002"], asked); a.status != http.StatusOK || !strings.Contains(a.body, `"REQUESTER_REVOKED"`) {
		t.Fatalf("the second vote: %d %s", a.status, a.body)
	}
	isProblem(t, "the call that waited", <-got, http.StatusUnauthorized, kernel.Unauthenticated)
	if e := h.last(); e.Refusal != nil {
		t.Errorf("the last entry is %+v", e)
	}
}

func TestACallThatWaitsIsToldThatItWasWithdrawn(t *testing.T) {
	h := newHouse(t, nil)
	h.withPeople()
	got := make(chan answer, 1)
	go func() {
		got <- h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions", deployTo("production", `,"wait":"60s"`)))
	}()
	asked := h.pending()
	if a := h.do(h.as(kernel.RoleGateway, "POST", "/v1/approvals/"+asked.ID+":cancel", `{}`)); a.status != http.StatusOK {
		t.Fatalf("cancel: %d %s", a.status, a.body)
	}
	if d := into[answeredBody](t, <-got); d.ID != asked.ID || d.Decision != kernel.RequireApproval || d.Approval.State != "CANCELLED" || d.Grant.Token != "" {
		t.Errorf("the answer is %+v", d)
	}
}

// TestAnApprovalItsDecisionAndItsGrantAreOneCommit: no crash leaves one of
// them without the others.
func TestAnApprovalItsDecisionAndItsGrantAreOneCommit(t *testing.T) {
	h := newHouse(t, nil)
	people := h.withPeople()
	h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions", deployTo("production", "")))
	asked := h.pending()
	h.approves(people["person-001"], asked)
	var mu sync.Mutex
	var kinds []string
	h.store.OnCommit(func(b *store.Batch) {
		mu.Lock()
		defer mu.Unlock()
		var all []string
		for _, row := range b.Entries {
			e, err := ledger.Decode(row.Body)
			must(t, err)
			switch {
			case e.Decision != nil:
				all = append(all, e.Decision.Verdict.Decision.String())
			case e.Approval != nil:
				all = append(all, e.Approval.Change)
			case e.Grant != nil:
				all = append(all, e.Grant.Change)
			}
		}
		for _, r := range b.Transitions {
			all = append(all, "record "+r.Kind)
		}
		kinds = append(kinds, strings.Join(all, ", "))
	})
	h.approves(people["person-002"], asked)
	mu.Lock()
	defer mu.Unlock()
	const want = "voted, ALLOW, issued, settled"
	if len(kinds) != 1 || !strings.HasPrefix(kinds[0], want) || !strings.Contains(kinds[0], "record grant") || !strings.Contains(kinds[0], "record approval") {
		t.Errorf("the commits are %q, want one: %s, and the records", kinds, want)
	}
}

// A stream is one GET /v1/approvals/stream that is read event by event.
type stream struct {
	t    *testing.T
	resp *http.Response
	in   *bufio.Scanner
}

func (h *house) follow(secret string) *stream {
	h.t.Helper()
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(h.with(secret, "GET", "/v1/approvals/stream", ""))
	must(h.t, err)
	h.t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		h.t.Fatalf("the stream is %d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	return &stream{h.t, resp, bufio.NewScanner(resp.Body)}
}

// next is the next event; ok is false when the stream has ended.
func (s *stream) next() (a approvalBody, ok bool) {
	s.t.Helper()
	for s.in.Scan() {
		if data, found := strings.CutPrefix(s.in.Text(), "data: "); found {
			must(s.t, json.Unmarshal([]byte(data), &a))
			return a, true
		}
	}
	return a, false
}

func (s *stream) want(id, state string, votes int) {
	s.t.Helper()
	if a, ok := s.next(); !ok || a.ID != id || a.State != state || len(a.Votes) != votes {
		s.t.Fatalf("the event is %+v, %v, want %s %s with %d votes", a, ok, id, state, votes)
	}
}

func TestAStreamHasWhatIsPendingAndWhatChanges(t *testing.T) {
	h := newHouse(t, nil)
	people := h.withPeople()
	early := h.follow(people["person-001"]) // before there is anything
	first := into[decisionBody](t, h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions", deployTo("production", ""))))
	early.want(first.ID, "PENDING", 0)
	asked := h.pending()
	h.approves(people["person-001"], asked)
	early.want(first.ID, "PENDING", 1)
	early.resp.Body.Close()
	late := h.follow(people["person-002"]) // whoever connects again has it as it is now
	late.want(first.ID, "PENDING", 1)
	h.approves(people["person-002"], asked)
	late.want(first.ID, "APPROVED", 2)
	second := into[decisionBody](t, h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions", deployTo("production", ""))))
	late.want(second.ID, "PENDING", 0)
	h.follow(people["person-001"]).want(second.ID, "PENDING", 0) // and nothing of what is over
}

// TestAStreamHasOnlyWhatItsCallerMaySee: what others are asked is not in it, so
// that its first event is its own.
func TestAStreamHasOnlyWhatItsCallerMaySee(t *testing.T) {
	h := newHouse(t, nil)
	people := h.withPeople()
	agent := h.follow(h.secrets[kernel.RoleAgent])
	other := strings.Replace(deployTo("production", ""), "agent-001", "agent-002", 1)
	h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions", other))
	own := into[decisionBody](t, h.do(h.as(kernel.RoleAgent, "POST", "/v1/decisions", deployTo("production", ""))))
	agent.want(own.ID, "PENDING", 0)
	must(t, h.gate.RevokeToken(t.Context(), admin, tokenOf(t, h, "agent-001")))
	if a, ok := agent.next(); ok { // it ends with its token
		t.Errorf("after its token was revoked a stream has %+v", a)
	}
	for what, secret := range map[string]string{"nobody's": "kt_none", "a former approver's": people["person-003"]} {
		if a := h.do(h.with(secret, "GET", "/v1/approvals/stream", "")); a.status != http.StatusUnauthorized {
			t.Errorf("with %s token the stream is %d", what, a.status)
		}
	}
}

// TestOneCallerHasSomeStreams: each of them looks through all that is pending,
// every second; one that was closed makes room.
func TestOneCallerHasSomeStreams(t *testing.T) {
	h := newHouse(t, nil)
	people := h.withPeople()
	asks := func() answer { return h.do(h.with(h.secrets[kernel.RoleAgent], "GET", "/v1/approvals/stream", "")) }
	first := h.follow(h.secrets[kernel.RoleAgent])
	for range 7 {
		h.follow(h.secrets[kernel.RoleAgent])
	}
	isProblem(t, "a ninth", asks(), http.StatusServiceUnavailable, kernel.Unavailable)
	h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions", deployTo("production", "")))
	h.follow(people["person-001"]).want(h.pending().ID, "PENDING", 0)
	first.resp.Body.Close()
	for range 200 {
		resp, err := http.DefaultClient.Do(h.with(h.secrets[kernel.RoleAgent], "GET", "/v1/approvals/stream", ""))
		must(t, err)
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Error("one that was closed makes no room")
}

// tokenOf is the id of the token with a name.
func tokenOf(t *testing.T, h *house, name string) string {
	t.Helper()
	a := h.do(h.as(kernel.RoleAdmin, "GET", "/v1/tokens", ""))
	for _, one := range into[struct{ Tokens []struct{ ID, Name string } }](t, a).Tokens {
		if one.Name == name {
			return one.ID
		}
	}
	t.Fatalf("no token is called %q", name)
	return ""
}
