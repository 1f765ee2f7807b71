package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

const fleetBundle = `
pdl: v1
kind: schema
name: fleet
agent:
  role: "enum(junior, sre)"
  team: string
  owner?: string
resources:
  service:
    environment: {type: "enum(staging, production)", from: registry}
  webapp:
    environment: "enum(staging, production)"
actions:
  deploy: {resource: service}
  ship: {resource: webapp, params: {"actions?": list(string)}}
---
pdl: v1
kind: policy
name: p
rules:
  - {id: sre, match: {action: [deploy, ship], agent.role: sre}, effect: ALLOW}
`

const fleetDocument = `{"document": {"registry": "v1", "people": {"person-001": {}}, "agents": {
  "agent-001": {"attributes": {"role": "sre", "team": "core"}, "capabilities": {
    "ship": {"actions": ["deploy", "ship"], "resources": [{"type": "*", "id": "*"}], "lend": 2}}},
  "agent-002": {"attributes": {"role": "sre", "team": "core"}, "capabilities": {
    "late": {"actions": ["*"], "resources": [{"type": "*", "id": "*"}], "expires": "2026-11-23T12:00:00Z"}}},
  "agent-003": {"attributes": {"role": "sre", "team": "core"}},
  "agent-004": {"attributes": {"role": "sre", "team": "core"}, "status": "suspended", "capabilities": {
    "ship": {"actions": ["*"], "resources": [{"type": "*", "id": "*"}]}}},
  "agent-005": {"attributes": {"role": "sre", "team": "core"}, "status": "retired", "capabilities": {
    "ship": {"actions": ["*"], "resources": [{"type": "*", "id": "*"}]}}},
  "agent-006": {"attributes": {"role": "wizard", "team": "core"}, "capabilities": {
    "ship": {"actions": ["*"], "resources": [{"type": "*", "id": "*"}]}}}},
  "resources": {"service": {"svc/a": {"environment": "staging"}}, "webapp": {"webapp": {"environment": "production"}}}}}`

// fleetHouse is a house whose agents are registered.
func fleetHouse(t *testing.T) *house {
	t.Helper()
	h := newHouse(t, nil)
	files := []pdl.File{{Name: "fleet.yaml", Data: []byte(fleetBundle)}}
	b, diags := pdl.Compile(files)
	if b == nil {
		t.Fatal(diags)
	}
	program, err := eval.New(b)
	must(t, err)
	must(t, h.gate.Activate(t.Context(), admin, program, files))
	if a := h.do(h.as(kernel.RoleAdmin, "POST", "/v1/registry:apply", fleetDocument)); a.status != http.StatusOK {
		t.Fatal(a.body)
	}
	return h
}

// deployBy is a request of an agent with more members of the agent and other
// ones of the resource.
func deployBy(agent, more, resource string) string {
	if more != "" {
		more = ", " + more
	}
	if resource == "" {
		resource = `"type": "service", "id": "svc/a"`
	}
	return `{"agent": {"id": ` + agent + more + `}, "action": "deploy", "resource": {` + resource + `}}`
}

// said is the code of a decision, a verdict or a problem.
func said(t *testing.T, body string) (code, effect string) {
	t.Helper()
	var got struct {
		Code     string `json:"code"`
		Decision string `json:"decision"`
		Verdict  *struct {
			Code     string `json:"code"`
			Decision string `json:"decision"`
		} `json:"verdict"`
		Decisions []json.RawMessage `json:"decisions"`
		Error     json.RawMessage   `json:"error"`
	}
	must(t, json.Unmarshal([]byte(body), &got))
	switch {
	case got.Verdict != nil:
		return got.Verdict.Code, got.Verdict.Decision
	case len(got.Decisions) == 1:
		return said(t, string(got.Decisions[0]))
	case got.Error != nil:
		return said(t, string(got.Error))
	}
	return got.Code, got.Decision
}

// TestTrustedAttributesCannotBeSpoofed tries what a caller can say through
// every door that takes a request. Each attempt is refused with its own code,
// by every door alike, and is in the log.
func TestTrustedAttributesCannotBeSpoofed(t *testing.T) {
	h := fleetHouse(t)
	const one, gateway, self, anyone = `"agent-001"`, kernel.RoleGateway, kernel.RoleAgent, kernel.RoleAdmin
	if a := h.do(h.as(self, "POST", "/v1/decisions", deployBy(one, `"role": "sre", "team": "core"`, ""))); !strings.Contains(a.body, `"decision":"ALLOW"`) {
		t.Fatalf("the truth is refused: %s", a.body)
	}
	explained := h.do(h.as(kernel.RoleAuditor, "POST", "/v1/decisions:explain", deployBy(one, "", "")))
	if want := `"registry":{"version":1,"status":"active","agent":{"role":"sre","team":"core"},"resource":{"environment":"staging"},"capability":"ship"}`; !strings.Contains(explained.body, want) {
		t.Errorf("the explanation %s does not hold %s", explained.body, want)
	}
	for _, c := range []struct {
		name string
		role kernel.Role
		body string
		want kernel.Code
	}{
		{"another value", self, deployBy(one, `"role": "junior"`, ""), kernel.CodeAttributeConflict},
		{"a value where there is none", self, deployBy(one, `"owner": "person-001"`, ""), kernel.CodeAttributeConflict},
		{"a space at the end", self, deployBy(one, `"team": "core "`, ""), kernel.CodeAttributeConflict},
		{"another case of a text", self, deployBy(one, `"team": "Core"`, ""), kernel.CodeAttributeConflict},
		{"a letter that looks alike", self, deployBy(one, `"team": "c\u043Ere"`, ""), kernel.CodeAttributeConflict},
		{"a space of no width", self, deployBy(one, `"team": "core\u200b"`, ""), kernel.CodeAttributeConflict},
		{"an escaped name", self, deployBy(one, `"\u0072ole": "junior"`, ""), kernel.CodeAttributeConflict},
		{"an empty text", self, deployBy(one, `"team": ""`, ""), kernel.CodeAttributeConflict},
		{"another type", self, deployBy(one, `"role": 1`, ""), kernel.Invalid},
		{"a list", self, deployBy(one, `"role": ["sre"]`, ""), kernel.Invalid},
		{"an object", self, deployBy(one, `"role": {"is": "sre"}`, ""), kernel.Invalid},
		{"null", self, deployBy(one, `"role": null`, ""), kernel.Invalid},
		{"a value that is none", self, deployBy(one, `"role": "SRE"`, ""), kernel.Invalid},
		{"another case of the name", self, deployBy(one, `"Role": "sre"`, ""), kernel.Invalid},
		{"a name from the registry's own form", self, deployBy(one, `"attributes": {"role": "sre"}`, ""), kernel.Invalid},
		{"a status of its own", self, deployBy(one, `"status": "active"`, ""), kernel.Invalid},
		{"a name twice", self, deployBy(one, `"role": "sre", "role": "junior"`, ""), kernel.Malformed},
		{"a name twice, once escaped", self, deployBy(one, `"role": "sre", "\u0072ole": "junior"`, ""), kernel.Malformed},
		{"an id twice", self, deployBy(one, `"id": "agent-002"`, ""), kernel.Malformed},
		{"another environment", self, deployBy(one, "", `"type": "service", "id": "svc/a", "environment": "production"`), kernel.CodeAttributeConflict},
		{"an environment of an unknown resource", self, deployBy(one, "", `"type": "service", "id": "svc/b", "environment": "staging"`), kernel.CodeAttributeConflict},
		{"an unknown resource", self, deployBy(one, "", `"type": "service", "id": "svc/b"`), kernel.CodeAttributeMissing},
		{"a path to a resource", self, deployBy(one, "", `"type": "service", "id": "svc/x/../a"`), kernel.CodeAttributeMissing},
		{"another case of a resource", self, deployBy(one, "", `"type": "service", "id": "SVC/a"`), kernel.CodeAttributeMissing},
		{"a registered value that does not fit", gateway, deployBy(`"agent-006"`, "", ""), kernel.CodeAttributeMissing},
		{"another agent of an agent", self, deployBy(`"agent-002"`, "", ""), kernel.Forbidden},
		{"another agent of a gateway", gateway, deployBy(`"person-001"`, "", ""), kernel.Forbidden},
		{"an agent in another case", gateway, deployBy(`"Agent-001"`, "", ""), kernel.Forbidden},
		{"a person", anyone, deployBy(`"person-001"`, "", ""), kernel.CodeUnknownAgent},
		{"an agent with a space", gateway, deployBy(`"agent-001 "`, "", ""), kernel.CodeUnknownAgent},
		{"an agent with a space of no width", gateway, deployBy(`"agent-001\u200b"`, "", ""), kernel.CodeUnknownAgent},
		{"an agent that looks alike", anyone, deployBy(`"\u0430gent-001"`, "", ""), kernel.CodeUnknownAgent},
		{"an agent with U+0000", gateway, deployBy(`"agent-001\u0000"`, "", ""), kernel.Invalid},
		{"a pattern for an agent", gateway, deployBy(`"agent-*"`, "", ""), kernel.CodeUnknownAgent},
		{"a suspended agent", gateway, deployBy(`"agent-004"`, "", ""), kernel.CodeAgentSuspended},
		{"a retired agent", gateway, deployBy(`"agent-005"`, "", ""), kernel.CodeAgentSuspended},
		{"a capability that has ended", gateway, deployBy(`"agent-002"`, "", ""), kernel.CodeCapabilityMissing},
		{"no capability", gateway, deployBy(`"agent-003"`, "", ""), kernel.CodeCapabilityMissing},
	} {
		h.attempt(c.name, c.role, c.body, c.want)
		h.pass(time.Second) // beyond ten refusals a second they are summed up
	}
}

// attempt sends a request through every door that takes it.
func (h *house) attempt(name string, role kernel.Role, body string, want kernel.Code) {
	h.t.Helper()
	for _, door := range []string{"/v1/decisions", "/v1/decisions:batch", "/v1/decisions:explain", "/v1/decisions:dryrun"} {
		asker, sent := role, body
		switch door {
		case "/v1/decisions:batch":
			sent = `{"requests": [` + body + `]}`
		case "/v1/decisions:explain", "/v1/decisions:dryrun":
			if asker = kernel.RoleAuditor; want == kernel.Forbidden {
				continue // whoever may ask here asks about anybody
			}
		}
		code, effect := said(h.t, h.do(h.as(asker, "POST", door, sent)).body)
		if code != string(want) || effect != "" && effect != "DENY" {
			h.t.Errorf("%s, at %s: %s %s, want %s", name, door, effect, code, want)
		}
		if e := h.last(); door == "/v1/decisions" && (e.Decision == nil || e.Decision.Verdict.Code != want) && (e.Refusal == nil || e.Refusal.Code != want) {
			h.t.Errorf("%s: the log ends with %+v, want %s", name, e, want)
		}
	}
}

func TestTheOldDoorKnowsTheRegistryToo(t *testing.T) {
	h := fleetHouse(t)
	ship := func(environment, agent string) string {
		return h.do(h.as(kernel.RoleGateway, "POST", "/evaluate", `{"artifact_type": "webapp", "environment": "`+environment+`", "agent_id": "`+agent+`"}`)).body
	}
	for _, c := range []struct {
		environment, agent, effect string
		code                       kernel.Code
	}{
		{"production", "agent-001", "ALLOW", kernel.CodeRule},
		{"staging", "agent-001", "DENY", kernel.CodeAttributeConflict},
		{"production", "agent-004", "DENY", kernel.CodeAgentSuspended},
		{"production", "anonymous", "DENY", kernel.CodeUnknownAgent},
		{"production", "agent-003", "DENY", kernel.CodeCapabilityMissing},
	} {
		body := ship(c.environment, c.agent)
		if _, effect := said(t, body); effect != c.effect || h.last().Decision == nil || h.last().Decision.Verdict.Code != c.code {
			t.Errorf("%s of %s: %s, want %s %s", c.environment, c.agent, body, c.effect, c.code)
		}
	}
}

// TestNothingIsLeftOfWhatWasTakenAway: the changes between two calls hold for
// the second, through every door.
func TestNothingIsLeftOfWhatWasTakenAway(t *testing.T) {
	h := fleetHouse(t)
	do := func(method, path, body string, want int) answer {
		t.Helper()
		a := h.do(h.as(kernel.RoleAdmin, method, path, body))
		if a.status != want {
			t.Fatalf("%s %s %s: %d %s, want %d", method, path, body, a.status, a.body, want)
		}
		return a
	}
	allowed := func(agent string) {
		t.Helper()
		if code, effect := said(t, h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions", deployBy(`"`+agent+`"`, "", ""))).body); effect != "ALLOW" {
			t.Errorf("%s: %s %s, want ALLOW", agent, effect, code)
		}
	}
	lend := func(from, to, of, actions string, lend string, want int) string {
		t.Helper()
		a := do("POST", "/v1/delegations", `{"from": "`+from+`", "to": "`+to+`", "of": "`+of+`", "actions": ["`+actions+`"],
			"resources": [{"type": "service", "id": "svc/a"}], "expires": "2026-11-23T13:00:00Z", "lend": `+lend+`}`, want)
		return into[struct{ ID string }](t, a).ID
	}
	lend("agent-001", "agent-003", "ship", "*", "0", http.StatusBadRequest)
	lend("agent-003", "agent-002", "ship", "deploy", "0", http.StatusNotFound)
	first := lend("agent-001", "agent-003", "ship", "deploy", "1", http.StatusCreated)
	lend("agent-003", "agent-002", first, "deploy", "1", http.StatusBadRequest)
	lend("agent-003", "agent-002", first, "deploy", "0", http.StatusCreated)
	allowed("agent-003")
	allowed("agent-002")

	do("POST", "/v1/agents:status", `{"id": "agent-001", "status": "suspended"}`, http.StatusOK)
	h.attempt("lent by a suspended agent", kernel.RoleGateway, deployBy(`"agent-002"`, "", ""), kernel.CodeCapabilityMissing)
	do("POST", "/v1/agents:status", `{"id": "agent-001", "status": "active"}`, http.StatusOK)
	allowed("agent-002")

	do("DELETE", "/v1/delegations/"+first, "", http.StatusNoContent)
	h.attempt("lent from what was revoked", kernel.RoleGateway, deployBy(`"agent-002"`, "", ""), kernel.CodeCapabilityMissing)
	if a := do("GET", "/v1/delegations", "", http.StatusOK); strings.TrimSpace(a.body) != `{"delegations":[]}` {
		t.Errorf("left of what was lent: %s", a.body)
	}

	allowed("agent-001")
	for scope, target := range map[string]string{"all": "", "action": `, "target": "dep*"`, "agent": `, "target": "agent-001"`} {
		do("POST", "/v1/kills", `{"scope": "`+scope+`"`+target+`}`, http.StatusNoContent)
		h.attempt("stopped: "+scope, kernel.RoleAgent, deployBy(`"agent-001"`, "", ""), kernel.CodeKilled)
		do("POST", "/v1/kills:lift", `{"scope": "`+scope+`"`+target+`}`, http.StatusNoContent)
		allowed("agent-001")
	}
}
