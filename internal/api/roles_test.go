package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/api"
)

// An operation is one method of one path of openapi.yaml.
type operation struct {
	method, path string
	roles        []kernel.Role // x-roles
	public       bool          // security: []
}

func operations(t *testing.T) []operation {
	t.Helper()
	var all []operation
	doc := loadSpec(t).doc
	for _, path := range doc.Paths.InMatchingOrder() {
		for method, op := range doc.Paths.Value(path).Operations() {
			o := operation{method: method, path: path, public: op.Security != nil && len(*op.Security) == 0}
			if list, ok := op.Extensions["x-roles"].([]any); ok {
				for _, role := range list {
					o.roles = append(o.roles, kernel.Role(role.(string)))
				}
			}
			all = append(all, o)
		}
	}
	return all
}

// bodies are good requests of the routes that take one.
var bodies = map[string]string{
	"/v1/decisions":          deployTo("development", ""),
	"/v1/decisions:batch":    `{"requests":[` + deployTo("development", "") + `]}`,
	"/v1/decisions:dryrun":   deployTo("development", ""),
	"/v1/decisions:explain":  deployTo("development", ""),
	"/evaluate":              `{"artifact_type":"webapp"}`,
	"/v1/tokens":             `{"name":"ci","role":"auditor"}`,
	"/v1/log/checkpoint":     `{}`,
	"/v1/registry:apply":     `{"document":{"registry":"v1","agents":{"agent-001":{}}},"dry_run":true}`,
	"/v1/agents:status":      `{"id":"agent-001","status":"suspended","reason":"incident"}`,
	"/v1/kills":              `{"scope":"action","target":"deploy_*","reason":"incident"}`,
	"/v1/kills:lift":         `{"scope":"all"}`,
	"/v1/policies":           `{"files":[{"name":"b.yaml","text":"pdl: v1"}],"dry_run":true}`,
	"/v1/policies:activate":  `{"version":"sha256:` + strings.Repeat("0", 64) + `","previous":"","reason":"change 17"}`,
	"/v1/grants/{id}:redeem": `{"grant":"a.b.c"}`,

	"/v1/approvals/{id}:approve":    `{"request_digest":"sha256:00"}`,
	"/v1/approvals/{id}:reject":     `{"request_digest":"sha256:00","reason":"not now"}`,
	"/v1/approvals/{id}:breakglass": `{"request_digest":"sha256:00","reason":"it cannot wait"}`,
	"/v1/approvals/{id}:review":     `{"outcome":"justified","note":"it was right"}`,
	"/v1/approvals/{id}:cancel":     `{}`,

	"/v1/webhooks:test":  `{"endpoint":"pager"}`,
	"/v1/webhooks:retry": `{"endpoint":"pager"}`,

	"/v1/grants/{id}:settle": `{"outcome":"succeeded"}`,
	"/v1/events":             `{"event":"tested","agent":{"id":"agent-001"},"resource":{"type":"service","id":"svc/checkout"},"params":{"version":"1.4.2"}}`,
	"/v1/delegations": `{"from":"agent-001","to":"agent-002","of":"ship","actions":["deploy_service"],
		"resources":[{"type":"service","id":"svc/*"}],"expires":"2027-01-01T00:00:00Z"}`,
}

// TestEveryRouteTimesEveryRole calls each operation of openapi.yaml as each
// role, as nobody, and with a token nobody has.
func TestEveryRouteTimesEveryRole(t *testing.T) {
	s := serve(t, api.Config{Kernel: &fake{}, Webhooks: &fake{}}, nil)
	ops := operations(t)
	if len(ops) != 52 {
		t.Errorf("openapi.yaml has %d operations", len(ops))
	}
	for _, op := range ops {
		switch op.path {
		case "/v1/approvals/stream":
			continue // does not end: see TestAStreamTellsOfEachChange
		case "/a/{id}":
			continue // the link says who may look, a form who votes: see TestALinkAsksThePersonToAuthenticate
		}
		if op.public == (len(op.roles) > 0) {
			t.Errorf("%s %s: x-roles %v, public %v", op.method, op.path, op.roles, op.public)
		}
		id := "01JD9XQ4M0000000000000000A"
		if strings.HasPrefix(op.path, "/v1/policies/") {
			id = someVersion
		}
		path := strings.NewReplacer("{id}", id, "{name}", "request.schema.json").Replace(op.path)
		call := func(token string) answer {
			body := ""
			if op.method == http.MethodPost {
				body = bodies[op.path]
			}
			r := s.request(op.method, path, body)
			if op.path == "/v1/policies:diff" {
				r.URL.RawQuery = "to=" + someVersion
			}
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			return s.do(r)
		}
		for _, role := range kernel.Roles() {
			a := call(string(role))
			if permitted := op.public || slices.Contains(op.roles, role); permitted != (a.status < 300) || !permitted && a.status != http.StatusForbidden {
				t.Errorf("%s %s as %s: %d %s, want permitted: %v", op.method, op.path, role, a.status, a.body, permitted)
			}
		}
		for _, token := range []string{"", "nobody"} {
			if a := call(token); op.public != (a.status < 300) || !op.public && a.status != http.StatusUnauthorized {
				t.Errorf("%s %s with token %q: %d, public: %v", op.method, op.path, token, a.status, op.public)
			}
		}
	}
}

func TestAStrangersDecisionDoesNotExist(t *testing.T) {
	h := newHouse(t, nil)
	mine := into[decisionBody](t, h.do(h.as(kernel.RoleAgent, "POST", "/v1/decisions", deployTo("development", ""))))
	other := into[decisionBody](t, h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions",
		strings.Replace(deployTo("development", ""), "agent-001", "agent-002", 1))))
	for _, c := range []struct {
		role kernel.Role
		id   string
		want int
	}{
		{kernel.RoleAgent, mine.ID, http.StatusOK},
		{kernel.RoleAgent, other.ID, http.StatusNotFound},
		{kernel.RoleGateway, other.ID, http.StatusOK},
		{kernel.RoleGateway, mine.ID, http.StatusNotFound},
		{kernel.RoleAuditor, mine.ID, http.StatusOK},
		{kernel.RoleAdmin, other.ID, http.StatusOK},
		{kernel.RoleAgent, "01JD9XQ4M0000000000000000A", http.StatusNotFound},
		{kernel.RoleAuditor, "01JD9XQ4M0000000000000000A", http.StatusNotFound},
		{kernel.RoleAuditor, "%00", http.StatusNotFound},
		{kernel.RoleAuditor, "%ff", http.StatusNotFound},
		{kernel.RoleAuditor, "'; DROP TABLE entries; --", http.StatusNotFound},
	} {
		a := h.do(h.as(c.role, "GET", "/v1/decisions/"+strings.ReplaceAll(c.id, " ", "%20"), ""))
		if a.status != c.want {
			t.Errorf("%s reads %s: %d %s, want %d", c.role, c.id, a.status, a.body, c.want)
		}
	}
	for role, want := range map[kernel.Role][]string{
		kernel.RoleAgent: {mine.ID}, kernel.RoleGateway: {other.ID}, kernel.RoleAuditor: {other.ID, mine.ID},
	} {
		page := into[struct{ Decisions []decisionBody }](t, h.do(h.as(role, "GET", "/v1/decisions", "")))
		var got []string
		for _, d := range page.Decisions {
			got = append(got, d.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s lists %v, want %v", role, got, want)
		}
	}
}

func TestAnAgentNamesOnlyItself(t *testing.T) {
	h := newHouse(t, nil)
	for _, agent := range []string{"agent-002", "Agent-001", "agent-001 ", "agent-0011", "anonymous"} {
		p := isProblem(t, agent, h.do(h.as(kernel.RoleAgent, "POST", "/v1/decisions",
			strings.Replace(deployTo("development", ""), "agent-001", agent, 1))), http.StatusForbidden, kernel.Forbidden)
		if p.Path != "$.agent.id" || h.last().Refusal == nil {
			t.Errorf("%s: %+v, recorded %+v", agent, p, h.last())
		}
		p = isProblem(t, agent, h.do(h.as(kernel.RoleAgent, "POST", "/evaluate",
			`{"artifact_type":"webapp","agent_id":"`+agent+`"}`)), http.StatusForbidden, kernel.Forbidden)
		if p.Path != "$.agent_id" || h.last().Refusal == nil {
			t.Errorf("%s: %+v, recorded %+v", agent, p, h.last())
		}
	}
}

func TestARoleThatMayNotAskIsRecorded(t *testing.T) {
	h := newHouse(t, nil)
	isProblem(t, "an auditor", h.do(h.as(kernel.RoleAuditor, "POST", "/v1/decisions", deployTo("development", ""))), http.StatusForbidden, kernel.Forbidden)
	if e := h.last(); e.Refusal == nil || e.Refusal.Code != kernel.Forbidden {
		t.Errorf("recorded %+v", e)
	}
}

func TestDevTakesCallsWithoutTokensFromThisMachine(t *testing.T) {
	h := newHouse(t, func(c *api.Config) { c.Dev = true })
	a := h.do(h.request("POST", "/v1/decisions", deployTo("development", "")))
	if a.status != http.StatusOK || h.last().Caller != "dev" {
		t.Errorf("without a token: %d %s, recorded for %q", a.status, a.body, h.last().Caller)
	}
	if a := h.do(h.request("POST", "/v1/tokens", `{"name":"ci","role":"auditor"}`)); a.status != http.StatusCreated {
		t.Errorf("without a token: %d %s", a.status, a.body)
	}
	for _, bad := range []string{"Bearer kt_wrong", "", "Basic YTpi"} {
		r := h.request("POST", "/v1/decisions", deployTo("development", ""))
		r.Header["Authorization"] = []string{bad}
		isProblem(t, "a token that is sent must be valid", h.do(r), http.StatusUnauthorized, kernel.Unauthenticated)
	}
	if a := h.do(h.as(kernel.RoleAuditor, "POST", "/v1/decisions", deployTo("development", ""))); a.status != http.StatusForbidden {
		t.Errorf("an auditor's token under dev: %d", a.status)
	}
}

func TestTokensAreMadeListedAndRevoked(t *testing.T) {
	h := newHouse(t, nil)
	type created struct {
		Secret string
		Token  struct{ ID string }
	}
	made := h.do(h.as(kernel.RoleAdmin, "POST", "/v1/tokens", `{"name":"ci","role":"agent","agent":"agent-009","expires_in":"1h30m"}`))
	if made.status != http.StatusCreated {
		t.Fatal(made)
	}
	c := into[created](t, made)
	ask := func() answer {
		r := h.request("POST", "/v1/decisions", strings.Replace(deployTo("development", ""), "agent-001", "agent-009", 1))
		r.Header.Set("Authorization", "Bearer "+c.Secret)
		return h.do(r)
	}
	if a := ask(); a.status != http.StatusOK {
		t.Errorf("the new token: %d %s", a.status, a.body)
	}
	list := h.do(h.as(kernel.RoleAdmin, "GET", "/v1/tokens", ""))
	if !strings.Contains(list.body, c.Token.ID) || strings.Contains(list.body, c.Secret) || strings.Contains(list.body, "hash") {
		t.Errorf("GET /v1/tokens: %s", list.body)
	}
	if a := h.do(h.as(kernel.RoleAdmin, "DELETE", "/v1/tokens/"+c.Token.ID, "")); a.status != http.StatusNoContent || a.body != "" {
		t.Errorf("DELETE: %d %s", a.status, a.body)
	}
	isProblem(t, "the revoked token", ask(), http.StatusUnauthorized, kernel.Unauthenticated)
	isProblem(t, "a token that is not there", h.do(h.as(kernel.RoleAdmin, "DELETE", "/v1/tokens/nothing", "")), http.StatusNotFound, kernel.NotFound)
	if strings.Contains(h.everything()+h.log.String(), c.Secret) {
		t.Errorf("the secret is in a log")
	}
}

func TestABadTokenRequestIsRefusedWhereItIsBad(t *testing.T) {
	h := newHouse(t, nil)
	for _, c := range []struct {
		body string
		code kernel.Code
		path string
	}{
		{`[]`, kernel.Invalid, "$"},
		{`{"name":"a","name":"b","role":"admin"}`, kernel.Malformed, "$.name"},
		{`{"role":"admin"}`, kernel.Invalid, "$.name"},
		{`{"name":"ci"}`, kernel.Invalid, "$.role"},
		{`{"name":7,"role":"admin"}`, kernel.Invalid, "$.name"},
		{`{"name":"ci","role":"root"}`, kernel.Invalid, "$.role"},
		{`{"name":"ci","role":"Admin"}`, kernel.Invalid, "$.role"},
		{`{"name":"ci","role":"admin","roles":["admin"]}`, kernel.Invalid, "$.roles"},
		{`{"name":"ci","role":"agent"}`, kernel.Invalid, "$.agent"},
		{`{"name":"ci","role":"agent","agent":null}`, kernel.Invalid, "$.agent"},
		{`{"name":"ci","role":"admin","agent":"agent-001"}`, kernel.Invalid, "$.agent"},
		{`{"name":"ci","role":"gateway"}`, kernel.Invalid, "$.speaks_for"},
		{`{"name":"ci","role":"gateway","speaks_for":[]}`, kernel.Invalid, "$.speaks_for"},
		{`{"name":"ci","role":"gateway","speaks_for":"*"}`, kernel.Invalid, "$.speaks_for"},
		{`{"name":"ci","role":"gateway","speaks_for":["a",7]}`, kernel.Invalid, "$.speaks_for[1]"},
		{`{"name":"ci","role":"admin","expires_in":"0s"}`, kernel.Invalid, "$.expires_in"},
		{`{"name":"ci","role":"admin","expires_in":"-1h"}`, kernel.Invalid, "$.expires_in"},
		{`{"name":"ci","role":"admin","expires_in":"1.5h"}`, kernel.Invalid, "$.expires_in"},
		{`{"name":"ci","role":"admin","expires_in":"500ms"}`, kernel.Invalid, "$.expires_in"},
		{`{"name":"ci","role":"admin","expires_in":"forever"}`, kernel.Invalid, "$.expires_in"},
		{`{"name":"ci","role":"admin","expires_in":"9999999999h"}`, kernel.Invalid, "$.expires_in"},
		{`{"name":"ci","role":"admin","expires_in":3600}`, kernel.Invalid, "$.expires_in"},
	} {
		size := h.size()
		p := isProblem(t, c.body, h.do(h.as(kernel.RoleAdmin, "POST", "/v1/tokens", c.body)), http.StatusBadRequest, c.code)
		if p.Path != c.path && !strings.HasPrefix(p.Path, c.path+"[") || h.size() != size {
			t.Errorf("%s: at %s, want %s", c.body, p.Path, c.path)
		}
	}
}
