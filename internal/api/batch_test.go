package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/api"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// batchOf is the body of a batch.
func batchOf(requests ...string) string { return `{"requests":[` + strings.Join(requests, ",") + `]}` }

// An outcome is one item of the answer to a batch: nothing but what is there.
type outcome struct {
	decisionBody
	Error *problem
}

func (s *server) batch(r *http.Request) []outcome {
	s.t.Helper()
	a := s.do(r)
	if a.status != http.StatusOK {
		s.t.Fatalf("%d %s", a.status, a.body)
	}
	return into[struct{ Decisions []outcome }](s.t, a).Decisions
}

// agentOf replaces the agent of a request.
func agentOf(agent, request string) string { return strings.Replace(request, "agent-001", agent, 1) }

func TestABatchAnswersInOrderEachItemByItself(t *testing.T) {
	h := newHouse(t, nil)
	allow := deployTo("development", "")
	for _, c := range []struct {
		request string
		want    kernel.Effect
		code    kernel.Code // of the error; "": there is none
		path    string
	}{
		{request: allow, want: kernel.Allow},
		{request: deployTo("staging", ""), want: kernel.Deny},
		{request: deployTo("production", `,"context":{"ticket":"CHG-17"}`), want: kernel.RequireApproval},
		{`7`, 0, kernel.Invalid, "$.requests[3]"},
		{`{}`, 0, kernel.Invalid, "$.requests[3].action"},
		{`{"agent":{"id":"agent-001","id":"agent-002"}}`, 0, kernel.Malformed, "$.requests[3].agent.id"},
		{"{\"agent\":{\"id\":\"agent-\xff\"}}", 0, kernel.Malformed, "$.requests[3].agent.id"},
		{strings.Repeat(`{"a":`, 70) + `1` + strings.Repeat(`}`, 70), 0, kernel.Malformed, "$.requests[3]" + strings.Repeat(".a", 64)},
		{`{"agent":{"id":"agent-001"},"acton":"deploy"}`, 0, kernel.Invalid, "$.requests[3].acton"},
		{deployTo("moon", ""), 0, kernel.Invalid, "$.requests[3].resource.environment"},
		{deployTo("development", `,"wait":"10s"`), 0, kernel.Invalid, "$.requests[3].wait"},
		{deployTo("development", `,"grant":1`), 0, kernel.Invalid, "$.requests[3].grant"},
		{agentOf("other-001", allow), 0, kernel.Forbidden, "$.requests[3].agent.id"},
		{strings.Replace(allow, "deploy_service", "sink", 1), kernel.Deny, "", ""},
	} {
		h.pass(1e9) // refusals of their own second have entries of their own
		got := h.batch(h.as(kernel.RoleGateway, "POST", "/v1/decisions:batch", batchOf(allow, allow, allow, c.request, allow)))
		if len(got) != 5 || got[4].Decision != kernel.Allow || got[2].Entry.Seq+2-map[bool]uint64{true: 1}[c.code != ""] != got[4].Entry.Seq {
			t.Fatalf("%s: %+v", c.request, got)
		}
		item := got[3]
		if c.code == "" {
			if item.Error != nil || item.Decision != c.want || item.ID == "" {
				t.Errorf("%s: %+v, want %v", c.request, item, c.want)
			}
			continue
		}
		if item.Error == nil || item.Error.Code != c.code || item.Error.Path != c.path || item.ID != "" {
			t.Errorf("%s: %+v, want %s at %s", c.request, item, c.code, c.path)
		}
		if e := h.last(); e.Refusal == nil || e.Door != "batch" || e.Refusal.Code != c.code || !strings.HasPrefix(e.Refusal.Path, "$.requests[3]") {
			t.Errorf("%s: recorded %+v", c.request, e)
		}
	}
}

func TestWhatIsNoBatchIsRefusedWhole(t *testing.T) {
	h := newHouse(t, nil)
	one := deployTo("development", "")
	for name, c := range map[string]struct {
		body string
		code kernel.Code
		path string
	}{
		"no object":       {`[` + one + `]`, kernel.Invalid, "$"},
		"nothing":         {`{}`, kernel.Invalid, "$.requests"},
		"an empty list":   {batchOf(), kernel.Invalid, "$.requests"},
		"no list":         {`{"requests":` + one + `}`, kernel.Invalid, "$.requests"},
		"1001 requests":   {batchOf(strings.Split(strings.Repeat("1 ", 1001)[:2001], " ")...), kernel.Invalid, "$.requests"},
		"unknown member":  {`{"requests":[` + one + `],"mode":"all"}`, kernel.Invalid, "$.mode"},
		"a single one":    {one, kernel.Invalid, "$.action"},
		"requests twice":  {`{"requests":[` + one + `],"requests":[{"a":1,"a":2}]}`, kernel.Malformed, ""},
		"a member beside": {`{"requests":[{"a":1,"a":2}],"more":1}`, kernel.Malformed, "$.requests[0].a"},
		"no end":          {`{"requests":[{"a":1,"a":2}]`, kernel.Malformed, "$.requests[0].a"},
		"no frame":        {`{"requests":[{"a":1,"a":2},{"b":}]}`, kernel.Malformed, "$.requests[0].a"},
		"no JSON":         {batchOf(one) + "x", kernel.Malformed, ""},
	} {
		p := isProblem(t, name, h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions:batch", c.body)), http.StatusBadRequest, c.code)
		if c.path != "" && p.Path != c.path || strings.Contains(h.everything(), `"kind":"decision"`) {
			t.Errorf("%s: at %s, want %s", name, p.Path, c.path)
		}
	}
	isProblem(t, "too large", h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions:batch", batchOf(`"`+strings.Repeat("x", 1<<20)+`"`))),
		http.StatusRequestEntityTooLarge, kernel.TooLarge)
}

func TestAThousandRequestsAreAnswered(t *testing.T) {
	h := newHouse(t, nil)
	requests := make([]string, 1000)
	for i := range requests {
		requests[i] = agentOf(fmt.Sprintf("agent-%d", i), deployTo("development", ""))
	}
	got := h.batch(h.as(kernel.RoleGateway, "POST", "/v1/decisions:batch", batchOf(requests...)))
	for i, item := range got {
		var req kernel.Request
		must(t, json.Unmarshal([]byte(requests[i]), &req))
		digest, err := req.Digest()
		must(t, err)
		if item.Decision != kernel.Allow || item.Digest != digest {
			t.Fatalf("item %d: %+v, want ALLOW for %s", i, item, digest)
		}
	}
	text := h.do(h.as(kernel.RoleAdmin, "GET", "/metrics", "")).body
	if len(got) != 1000 || !strings.Contains(text, `kernel_decisions_total{code="RULE",decision="ALLOW"} 1000`) ||
		!strings.Contains(text, "kernel_batch_requests_sum 1000") {
		t.Errorf("%d answers; metrics %s", len(got), grep(text, "kernel_decisions_total"))
	}
}

func TestAnAgentAsksForItselfInABatch(t *testing.T) {
	h := newHouse(t, nil)
	one := deployTo("development", "")
	got := h.batch(h.as(kernel.RoleAgent, "POST", "/v1/decisions:batch", batchOf(one, agentOf("agent-002", one), agentOf("Agent-001", one), one)))
	if got[0].Decision != kernel.Allow || got[3].Decision != kernel.Allow {
		t.Errorf("itself: %+v, %+v", got[0], got[3])
	}
	for _, item := range got[1:3] {
		if item.Error == nil || item.Error.Code != kernel.Forbidden || item.ID != "" {
			t.Errorf("another: %+v", item)
		}
	}
}

func TestARequestIDTwiceInABatchIsDecidedOnce(t *testing.T) {
	h := newHouse(t, nil)
	first := deployTo("development", `,"request_id":"r1"`)
	got := h.batch(h.as(kernel.RoleGateway, "POST", "/v1/decisions:batch",
		batchOf(first, first, deployTo("production", `,"request_id":"r1"`), agentOf("agent-002", first))))
	if got[0].Replayed || !got[1].Replayed || got[0].ID != got[1].ID || got[3].Replayed || got[3].ID == got[0].ID {
		t.Errorf("%+v", got)
	}
	if e := got[2].Error; e == nil || e.Code != kernel.Reused || e.Path != "$.requests[2].request_id" {
		t.Errorf("another request: %+v", got[2])
	}
	later := h.batch(h.as(kernel.RoleGateway, "POST", "/v1/decisions:batch", batchOf(first)))
	if !later[0].Replayed || later[0].ID != got[0].ID {
		t.Errorf("later: %+v", later)
	}
}

func TestABatchThatIsNotRecordedIsNoDecision(t *testing.T) {
	h := newHouse(t, nil)
	one := deployTo("development", "")
	h.store.Fail(storetest.Fault{Status: store.NotCommitted, Err: store.ErrFull})
	a := h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions:batch", batchOf(one, one)))
	p := isProblem(t, "nothing", a, http.StatusServiceUnavailable, kernel.Unavailable)
	if p.Decision != "DENY" || a.header.Get("Retry-After") == "" {
		t.Errorf("nothing: %+v", p)
	}
	h.store.Fail(storetest.Fault{Status: store.NotCommitted, Err: store.ErrFull})
	got := h.batch(h.as(kernel.RoleGateway, "POST", "/v1/decisions:batch", batchOf(one, `{}`)))
	if e := got[0].Error; e == nil || e.Code != kernel.Unavailable || e.Decision != "DENY" || e.Status != 503 || got[0].ID != "" {
		t.Errorf("beside an invalid one: %+v", got[0])
	}
	if strings.Contains(h.everything(), `"kind":"decision"`) {
		t.Error("something was recorded")
	}
}

// TestAnItemWithoutAnAnswerIsAnError: if the kernel answers less than was
// asked, nothing of it is taken for an answer to something else.
func TestAnItemWithoutAnAnswerIsAnError(t *testing.T) {
	s := serve(t, api.Config{Kernel: &fake{lost: 1}, Dev: true}, nil)
	one := deployTo("development", "")
	got := s.batch(s.request("POST", "/v1/decisions:batch", batchOf(`1`, one, one)))
	if got[1].Error != nil || got[2].Error == nil || got[2].Error.Code != kernel.Internal {
		t.Errorf("%+v", got)
	}
}

func TestADryRunIsTheVerdictAlone(t *testing.T) {
	h := newHouse(t, nil)
	size := h.size()
	a := h.do(h.as(kernel.RoleAuditor, "POST", "/v1/decisions:dryrun", deployTo("development", `,"request_id":"r1"`)))
	if a.status != http.StatusOK || strings.Contains(a.body, "decision_id") || strings.Contains(a.body, "entry") {
		t.Fatalf("%d %s", a.status, a.body)
	}
	dry := into[decisionBody](t, a)
	if e := h.last(); h.size() != size+1 || e.Access == nil || e.Access.What != "dryrun" {
		t.Errorf("left %d entries, the last %+v", h.size()-size, e)
	}
	real := into[decisionBody](t, h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions", deployTo("development", `,"request_id":"r1"`))))
	if real.Replayed || real.Decision != dry.Decision || real.Digest != dry.Digest || real.Reason != dry.Reason || dry.Decision != kernel.Allow {
		t.Errorf("dry %+v, then %+v", dry, real)
	}
	isProblem(t, "an invalid one", h.do(h.as(kernel.RoleAuditor, "POST", "/v1/decisions:dryrun", deployTo("moon", ""))), http.StatusBadRequest, kernel.Invalid)
	isProblem(t, "a gateway", h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions:dryrun", deployTo("development", ""))), http.StatusForbidden, kernel.Forbidden)
}
