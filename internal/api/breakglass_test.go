package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/token"
)

const glassBundle = `pdl: v1
kind: schema
name: s
resources: {service: {}}
actions: {deploy: {resource: service}}
---
pdl: v1
kind: approval
name: pair
of: [{role: sre}]
break_glass: {of: [{role: lead}], review: {of: [{role: security}], within: 24h}}
---
pdl: v1
kind: policy
name: p
rules:
  - {id: ask, match: {action: deploy}, effect: REQUIRE_APPROVAL, approval: pair}
`

const glassPeople = `{"registry": "v1",
  "people": {"person-001": {"roles": ["approver", "lead"]}, "person-002": {"roles": ["approver", "security"]}},
  "agents": {"agent-001": {"capabilities": {"all": {"actions": ["*"], "resources": [{"type": "*", "id": "*"}]}}}}}`

// TestAGlassIsBrokenAndReviewedOverHTTP: each step by whom it is for, and what
// others are told instead.
func TestAGlassIsBrokenAndReviewedOverHTTP(t *testing.T) {
	h := newHouse(t, nil)
	files := []pdl.File{{Name: "b.yaml", Data: []byte(glassBundle)}}
	b, diagnostics := pdl.Compile(files)
	if b == nil {
		t.Fatal(diagnostics)
	}
	program, err := eval.New(b)
	must(t, err)
	must(t, h.gate.Activate(t.Context(), admin, program, files))
	h.register(glassPeople)
	secrets := map[string]string{}
	for _, id := range []string{"person-001", "person-002"} {
		secrets[id], _, err = h.gate.CreateToken(t.Context(), admin, token.Spec{Name: id, Role: kernel.RoleApprover, Principal: id})
		must(t, err)
	}
	h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions", `{"agent":{"id":"agent-001"},"action":"deploy","resource":{"type":"service","id":"svc/a"}}`))
	asked := h.pending()
	breaks := func(secret, reason string) answer {
		return h.do(h.with(secret, "POST", "/v1/approvals/"+asked.ID+":breakglass", `{"request_digest":"`+asked.Digest+`","reason":"`+reason+`"}`))
	}
	reviews := func(secret, body string) answer {
		return h.do(h.with(secret, "POST", "/v1/approvals/"+asked.ID+":review", body))
	}
	const seen = `{"outcome":"unjustified","note":"the team was there"}`
	for _, c := range []struct {
		name   string
		got    func() answer
		status int
		text   string
	}{
		{"a review of nothing", func() answer { return reviews(secrets["person-001"], seen) }, http.StatusConflict, "nobody broke the glass"},
		{"without a reason", func() answer { return breaks(secrets["person-001"], "") }, http.StatusBadRequest, "$.reason"},
		{"by whom it does not exist for", func() answer { return breaks(secrets["person-002"], "checkout is down") }, http.StatusNotFound, "no approval"},
		{"by a gateway", func() answer { return breaks(h.secrets[kernel.RoleGateway], "checkout is down") }, http.StatusForbidden, "role"},
		{"by a lead", func() answer { return breaks(secrets["person-001"], "checkout is down") }, http.StatusOK, `"code":"BREAK_GLASS"`},
		{"again", func() answer { return breaks(secrets["person-001"], "checkout is down") }, http.StatusConflict, "APPROVED already"},
		{"reviews that are open", func() answer {
			return h.do(h.with(secrets["person-002"], "GET", "/v1/approvals?review=open&for=me", ""))
		}, http.StatusOK, `"may_review":true`},
		{"reviews of a state that is none", func() answer { return h.do(h.as(kernel.RoleAdmin, "GET", "/v1/approvals?review=late", "")) }, http.StatusBadRequest, "open or overdue"},
		{"reviewed by who broke it", func() answer { return reviews(secrets["person-001"], seen) }, http.StatusForbidden, "whoever broke the glass"},
		{"reviewed without an outcome", func() answer { return reviews(secrets["person-002"], `{"note":"fine"}`) }, http.StatusBadRequest, "$.outcome"},
		{"reviewed without a note", func() answer { return reviews(secrets["person-002"], `{"outcome":"justified"}`) }, http.StatusBadRequest, "$.note"},
		{"reviewed in somebody's name", func() answer {
			return reviews(secrets["person-002"], `{"outcome":"justified","note":"fine","by":"person-003"}`)
		}, http.StatusBadRequest, "by"},
		{"reviewed", func() answer { return reviews(secrets["person-002"], seen) }, http.StatusOK, `"justified":false`},
	} {
		if a := c.got(); a.status != c.status || !strings.Contains(a.body, c.text) {
			t.Errorf("%s: %d %s, want %d with %s", c.name, a.status, a.body, c.status, c.text)
		}
	}
	if e := h.last(); e.Glass == nil || e.Glass.Change != ledger.GlassReviewed {
		t.Errorf("the last entry is %+v", e)
	}
}
