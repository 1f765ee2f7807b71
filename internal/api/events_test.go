package api_test

import (
	"net/http"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/api"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/token"
)

// reporting makes a house whose policy counts what a service reports.
func reporting(t *testing.T) (h *house, secret string) {
	t.Helper()
	h = newHouse(t, nil)
	files := []pdl.File{{Name: "b.yaml", Data: []byte("pdl: v1\nkind: schema\nname: s\nagents: any\nresources: {service: {}}\nactions: {deploy: {resource: service}}\n" +
		"events: {tested: {reporters: [\"role:ci\"], resource: service, params: {version: string(..20)}}}\n" +
		"facts:\n  n: {event: tested, by: [resource.id], count: true, within: 1h}\n" +
		"---\npdl: v1\nkind: policy\nname: p\nrules: [{id: r, match: {action: deploy}, when: facts.n > 0, effect: ALLOW}]\n")}}
	r, err := h.gate.Push(t.Context(), admin, gate.Push{Files: files})
	must(t, err)
	must(t, h.gate.ActivatePushed(t.Context(), admin, gate.Activation{Version: r.Version, Previous: h.gate.PolicyVersion()}))
	tree, err := kernel.DecodeJSON([]byte(`{"registry":"v1","services":{"ci-001":{"roles":["reporter","ci"]}}}`))
	must(t, err)
	d, err := registry.ReadDocument(tree)
	must(t, err)
	_, err = h.gate.Apply(t.Context(), admin, d, gate.ApplyOptions{})
	must(t, err)
	secret, _, err = h.gate.CreateToken(t.Context(), admin, token.Spec{Name: "ci", Role: kernel.RoleReporter, Principal: "ci-001"})
	must(t, err)
	return h, secret
}

func TestAServiceReportsAndDecisionsCountIt(t *testing.T) {
	h, secret := reporting(t)
	ask := func() string {
		a := h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions", `{"agent":{"id":"agent-001"},"action":"deploy","resource":{"type":"service","id":"s"}}`))
		return into[struct{ Decision string }](t, a).Decision
	}
	report := func(body string) answer {
		r := h.request("POST", "/v1/events", body)
		r.Header.Set("Authorization", "Bearer "+secret)
		return h.do(r)
	}
	if before := ask(); before != "DENY" {
		t.Errorf("before it is %s", before)
	}
	good := `{"event":"tested","resource":{"type":"service","id":"s"},"params":{"version":"1.4.2"},"agent":{"id":"agent-001"}}`
	if a := report(good); a.status != http.StatusCreated {
		t.Fatalf("report: %d %s", a.status, a.body)
	}
	if after := ask(); after != "ALLOW" {
		t.Errorf("after it is %s", after)
	}
	for _, c := range []struct {
		body, path string
		code       kernel.Code
	}{
		{`[]`, "$", kernel.Invalid},
		{`{"event":"tested","event":"tested"}`, "$.event", kernel.Malformed},
		{`{"resource":{"type":"service","id":"s"}}`, "$.event", kernel.Invalid},
		{`{"event":7,"resource":{"type":"service","id":"s"}}`, "$.event", kernel.Invalid},
		{`{"event":"teste","resource":{"type":"service","id":"s"}}`, "$.event", kernel.Invalid},
		{`{"event":"tested"}`, "$.resource", kernel.Invalid},
		{`{"event":"tested","resource":{"type":"service"}}`, "$.resource.id", kernel.Invalid},
		{`{"event":"tested","resource":{"type":"service","id":"s","more":1}}`, "$.resource.more", kernel.Invalid},
		{`{"event":"tested","resource":{"type":"service","id":"s"},"params":{"version":1.5}}`, "$.params.version", kernel.Invalid},
		{`{"event":"tested","resource":{"type":"service","id":"s"},"params":{"version":"1"},"agent":{"id":"a","role":"x"}}`, "$.agent.role", kernel.Invalid},
		{`{"event":"tested","resource":{"type":"service","id":"s"},"params":{"version":"1"},"agent":"a"}`, "$.agent", kernel.Invalid},
		{`{"event":"tested","resource":{"type":"service","id":"s"},"params":{"version":"1"},"context":{}}`, "$.context", kernel.Invalid},
	} {
		p := isProblem(t, c.body, report(c.body), http.StatusBadRequest, c.code)
		if p.Path != c.path || h.last().Refusal == nil {
			t.Errorf("%s: at %s, want %s; recorded %+v", c.body, p.Path, c.path, h.last())
		}
	}
	for role := range h.secrets {
		isProblem(t, string(role), h.do(h.as(role, "POST", "/v1/events", good)), http.StatusForbidden, kernel.Forbidden)
	}
}

func TestDevReportsNothing(t *testing.T) {
	h := newHouse(t, func(c *api.Config) { c.Dev = true })
	isProblem(t, "everybody speaks for agents", h.do(h.request("POST", "/v1/events", `{"event":"tested","resource":{"type":"service","id":"s"}}`)),
		http.StatusForbidden, kernel.Forbidden)
}
