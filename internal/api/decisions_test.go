package api_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/api"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// deployTo is a good request.
func deployTo(environment, more string) string {
	return `{"agent":{"id":"agent-001"},"action":"deploy_service","resource":{"type":"service","id":"svc/checkout","environment":"` +
		environment + `"},"params":{"strategy":"rolling"}` + more + `}`
}

// decisionBody is what clients read of a decision.
type decisionBody struct {
	ID          string         `json:"decision_id"`
	Decision    kernel.Effect  `json:"decision"`
	RiskLevel   kernel.Risk    `json:"risk_level"`
	Approvals   int            `json:"approvals_required"`
	Constraints map[string]any `json:"constraints"`
	Reason      string         `json:"reason"`
	Code        kernel.Code    `json:"code"`
	Version     string         `json:"policy_version"`
	Digest      string         `json:"request_digest"`
	DecidedAt   time.Time      `json:"decided_at"`
	Replayed    bool           `json:"replayed"`
	Entry       kernel.EntryRef
}

func TestADecisionIsAnsweredAsItIsRecorded(t *testing.T) {
	h := newHouse(t, nil)
	for _, c := range []struct {
		body string
		want kernel.Effect
		code kernel.Code
	}{
		{deployTo("development", ""), kernel.Allow, kernel.CodeRule},
		{deployTo("staging", ""), kernel.Deny, kernel.CodeNoMatchingRule},
		{deployTo("production", `,"context":{"ticket":"CHG-17"}`), kernel.RequireApproval, kernel.CodeRule},
		{strings.Replace(deployTo("production", ""), "deploy_service", "delete_service", 1), kernel.Deny, kernel.CodeUnknownAction},
		{deployTo("development", `,"wait":"0s","grant":false`), kernel.Allow, kernel.CodeRule},
	} {
		a := h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions", c.body))
		if a.status != http.StatusOK {
			t.Errorf("%s: %d %s", c.body, a.status, a.body)
			continue
		}
		d := into[decisionBody](t, a)
		if d.Decision != c.want || d.Code != c.code || !d.DecidedAt.Equal(noon) {
			t.Errorf("%s: %v %s at %v, want %v %s", c.body, d.Decision, d.Code, d.DecidedAt, c.want, c.code)
		}
		req, err := kernel.DecodeRequest([]byte(c.body))
		must(t, err)
		digest, err := req.Digest()
		must(t, err)
		if e := h.last(); d.Digest != digest || e.Decision == nil || e.Decision.ID != d.ID || e.Door != "decisions" {
			t.Errorf("%s: answered %s, recorded %+v", c.body, a.body, e)
		}
		again := h.do(h.as(kernel.RoleGateway, "GET", "/v1/decisions/"+d.ID, ""))
		if again.status != http.StatusOK || again.body != a.body {
			t.Errorf("read back %d %s, want %s", again.status, again.body, a.body)
		}
	}
}

func TestARequestIDIsAnsweredOnce(t *testing.T) {
	h := newHouse(t, nil)
	ask := func(environment string) answer {
		return h.do(h.as(kernel.RoleAgent, "POST", "/v1/decisions", deployTo(environment, `,"request_id":"r-1"`)))
	}
	first := into[decisionBody](t, ask("development"))
	if second := into[decisionBody](t, ask("development")); !second.Replayed || second.ID != first.ID || first.Replayed {
		t.Errorf("asked again: %+v, want %+v replayed", second, first)
	}
	p := isProblem(t, "another request", ask("staging"), http.StatusConflict, kernel.Reused)
	if p.Path != "$.request_id" || h.last().Refusal == nil || h.last().Refusal.Code != kernel.Reused {
		t.Errorf("another request: %+v, recorded %+v", p, h.last())
	}
	h.pass(61 * time.Second)
	isProblem(t, "after a minute", ask("development"), http.StatusConflict, kernel.Spent)
}

func TestWhatCannotBeRecordedIsRefused(t *testing.T) {
	h := newHouse(t, nil)
	gone := storetest.Fault{Status: store.NotCommitted, Err: errors.New("the disk is gone")}
	h.store.Fail(gone, gone, gone) // two decisions and a probe
	size := h.size()
	for _, path := range []string{"/v1/decisions", "/evaluate"} {
		body := deployTo("development", "")
		if path == "/evaluate" {
			body = `{"artifact_type":"webapp","environment":"development"}`
		}
		a := h.do(h.as(kernel.RoleGateway, "POST", path, body))
		p := isProblem(t, path, a, http.StatusServiceUnavailable, kernel.Unavailable)
		if p.Decision != "DENY" || a.header.Get("Retry-After") != "1" || strings.Contains(a.body, "decision_id") || strings.Contains(a.body, "disk is gone") {
			t.Errorf("%s: %s, Retry-After %q", path, a.body, a.header.Get("Retry-After"))
		}
	}
	if h.size() != size {
		t.Errorf("%d entries were written", h.size()-size)
	}
	ready := h.do(h.request("GET", "/readyz", ""))
	if ready.status != http.StatusServiceUnavailable || !strings.Contains(ready.body, `"part":"log"`) {
		t.Errorf("GET /readyz: %d %s", ready.status, ready.body)
	}
	if ready := h.do(h.request("GET", "/readyz", "")); ready.status != http.StatusOK {
		t.Errorf("GET /readyz, when the disk is back: %d %s", ready.status, ready.body)
	}
	if a := h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions", deployTo("development", ""))); a.status != http.StatusOK {
		t.Errorf("a decision, when the disk is back: %d %s", a.status, a.body)
	}
}

func TestAnErrorOfOursTellsNothing(t *testing.T) {
	for name, decide := range map[string]func() error{
		"error": func() error { return errors.New("secret-7 in table tokens") },
		"panic": func() error { panic("secret-7 in table tokens") },
		"code":  func() error { return kernel.Errorf("no_such_code", "secret-7 in table tokens") },
	} {
		f := &fake{decide: func(context.Context, kernel.Caller, gate.Ask) (kernel.Decision, error) {
			return someDecision(), decide()
		}}
		s := serve(t, api.Config{Kernel: f}, nil)
		r := s.request("POST", "/v1/decisions", deployTo("development", ""))
		r.Header.Set("Authorization", "Bearer admin")
		a := s.do(r)
		isProblem(t, name, a, http.StatusInternalServerError, kernel.Internal)
		if strings.Contains(a.body, "secret-7") || strings.Contains(a.body, ".go:") || strings.Contains(a.body, "goroutine") {
			t.Errorf("%s: %s", name, a.body)
		}
		if name == "panic" && !strings.Contains(s.log.String(), "panic while answering") {
			t.Errorf("the panic is not in the log: %s", s.log)
		}
	}
}

func TestExplanationsAndReadingAreRecorded(t *testing.T) {
	h := newHouse(t, nil)
	a := h.do(h.as(kernel.RoleAuditor, "POST", "/v1/decisions:explain", deployTo("staging", "")))
	if a.status != http.StatusOK || !strings.Contains(a.body, `"rule":"deploys/staging"`) {
		t.Errorf("explain: %d %s", a.status, a.body)
	}
	if e := h.last(); e.Access == nil || e.Access.What != "explain" {
		t.Errorf("recorded %+v", e)
	}
	p := isProblem(t, "a bad request", h.do(h.as(kernel.RoleAuditor, "POST", "/v1/decisions:explain", `{}`)), http.StatusBadRequest, kernel.Invalid)
	if p.Path != "$.action" {
		t.Errorf("a bad request: %+v", p)
	}
	size := h.size()
	h.do(h.as(kernel.RoleAgent, "GET", "/v1/decisions", ""))
	if h.size() != size {
		t.Errorf("an agent that reads its own decisions left an entry: %+v", h.last())
	}
	h.do(h.as(kernel.RoleAuditor, "GET", "/v1/decisions?agent=agent-001", ""))
	if e := h.last(); e.Access == nil || e.Access.What != "decisions" || !strings.Contains(e.Access.Query, "agent=agent-001") {
		t.Errorf("recorded %+v", e)
	}
}

func TestDecisionsAreListedPageByPage(t *testing.T) {
	h := newHouse(t, nil)
	for range 5 {
		h.pass(time.Minute)
		for _, environment := range []string{"development", "production"} {
			h.do(h.as(kernel.RoleAgent, "POST", "/v1/decisions", deployTo(environment, "")))
		}
	}
	type page struct {
		Decisions []decisionBody
		Next      string `json:"next_cursor"`
	}
	list := func(query string) page {
		return into[page](t, h.do(h.as(kernel.RoleAuditor, "GET", "/v1/decisions"+query, "")))
	}
	var seqs []uint64
	for query := "?limit=4"; ; {
		p := list(query)
		for _, d := range p.Decisions {
			seqs = append(seqs, d.Entry.Seq)
		}
		if p.Next == "" {
			break
		}
		query = "?limit=4&cursor=" + p.Next
	}
	if len(seqs) != 10 {
		t.Fatalf("listed %v, want 10 decisions", seqs)
	}
	for i := 1; i < len(seqs); i++ {
		if seqs[i] >= seqs[i-1] {
			t.Errorf("listed %v, want the newest first, each once", seqs)
		}
	}
	at := func(minutes int) string {
		return url.QueryEscape(noon.Add(time.Duration(minutes) * time.Minute).In(time.FixedZone("", 3600)).Format(time.RFC3339))
	}
	for _, c := range []struct {
		query string
		want  int
	}{
		{"", 10},
		{"?decision=ALLOW", 5},
		{"?decision=DENY", 0},
		{"?action=deploy_service&agent=agent-001", 10},
		{"?agent=agent-002", 0},
		{"?since=" + at(4), 4},
		{"?until=" + at(4), 6},
		{"?since=" + at(2) + "&until=" + at(4), 4},
		{"?limit=1000", 10},
		{"?shard=0", 10},
	} {
		if p := list(c.query); len(p.Decisions) != c.want || p.Next != "" {
			t.Errorf("GET /v1/decisions%s: %d decisions, cursor %q, want %d", c.query, len(p.Decisions), p.Next, c.want)
		}
	}
}

func TestABadQueryNamesItsParameter(t *testing.T) {
	h := newHouse(t, nil)
	for _, c := range []struct{ path, parameter string }{
		{"/v1/decisions?agnet=x", "agnet"},
		{"/v1/decisions?Agent=x", "Agent"},
		{"/v1/decisions?agent=a&agent=b", "agent"},
		{"/v1/decisions?agent=", "agent"},
		{"/v1/decisions?agent=%00", "agent"},
		{"/v1/decisions?agent=%ff", "agent"},
		{"/v1/decisions?agent=" + strings.Repeat("x", kernel.MaxName+1), "agent"},
		{"/v1/decisions?action=%0a", "action"},
		{"/v1/decisions?decision=allow", "decision"},
		{"/v1/decisions?since=yesterday", "since"},
		{"/v1/decisions?since=2026-11-23", "since"},
		{"/v1/decisions?since=0001-01-01T00:00:00Z", "since"},
		{"/v1/decisions?until=9999-01-01T00:00:00Z", "until"},
		{"/v1/decisions?since=2026-11-23T10:00:00+01:00", "since"},
		{"/v1/decisions?limit=0", "limit"},
		{"/v1/decisions?limit=1001", "limit"},
		{"/v1/decisions?limit=-1", "limit"},
		{"/v1/decisions?limit=1e2", "limit"},
		{"/v1/decisions?limit=99999999999999999999", "limit"},
		{"/v1/decisions?cursor=nonsense", "cursor"},
		{"/v1/decisions?cursor=MA", "cursor"},
		{"/v1/decisions?cursor=WzEsMCwtMV0", "cursor"}, // [1,0,-1]
		{"/v1/decisions?cursor=WzEsMCwgMV0", "cursor"}, // [1,0, 1]
		{"/v1/decisions?shard=-1", "shard"},
		{"/v1/decisions?shard=00", "shard"},
		{"/v1/decisions?shard=2147483648", "shard"},
		{"/v1/decisions?shard=1", "shard"}, // there is none
		{"/v1/log/checkpoint?shard=one", "shard"},
		{"/v1/log/checkpoint?shard=1", "shard"},
		{"/v1/decisions/01K?expand=1", "expand"},
		{"/v1/tokens?role=admin", "role"},
		{"/readyz?verbose", "verbose"},
		{"/v1/decisions?%24.agent=x", "?.agent"},
		{"/v1/decisions?" + strings.Repeat("y", 1000) + "=x", strings.Repeat("y", 64)},
		{"/v1/decisions?=x", "?"},
	} {
		p := isProblem(t, c.path, h.do(h.as(kernel.RoleAdmin, "GET", c.path, "")), http.StatusBadRequest, kernel.Invalid)
		if p.Parameter != c.parameter || p.Path != "" {
			t.Errorf("%.80s: parameter %q, path %q, want %q", c.path, p.Parameter, p.Path, c.parameter)
		}
	}
	isProblem(t, "a malformed query", h.do(h.as(kernel.RoleAdmin, "GET", "/v1/decisions?a=%zz", "")), http.StatusBadRequest, kernel.Invalid)
	isProblem(t, "a semicolon", h.do(h.as(kernel.RoleAdmin, "GET", "/v1/decisions?agent=a;b", "")), http.StatusBadRequest, kernel.Invalid)
	r := h.as(kernel.RoleGateway, "POST", "/v1/decisions?dryrun=true", deployTo("development", ""))
	isProblem(t, "a query on POST", h.do(r), http.StatusBadRequest, kernel.Invalid)
	if e := h.last(); e.Refusal == nil || e.Refusal.Path != "" {
		t.Errorf("recorded %+v", e)
	}
}
