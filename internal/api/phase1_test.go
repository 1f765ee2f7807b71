package api_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/api"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// phase1Body is what Phase 1 clients read.
type phase1Body struct {
	Decision    string         `json:"decision"`
	RiskLevel   string         `json:"risk_level"`
	Approvals   int            `json:"approvals_required"`
	Constraints map[string]any `json:"constraints"`
	Version     string         `json:"policy_version"`
	Reason      string         `json:"reason"`
	Timestamp   string         `json:"timestamp"`
}

// A cell of the Phase 1 matrix, as contract.md has it.
type cell struct {
	decision, risk             string
	approvals                  int
	selfApproval, log, isolate bool
}

var matrix = map[string]map[string]cell{
	"webapp":      {"production": {"REQUIRE_APPROVAL", "high", 2, true, true, false}, "staging": {"REQUIRE_APPROVAL", "medium", 1, false, true, false}, "development": {"ALLOW", "low", 0, false, false, false}},
	"app":         {"production": {"REQUIRE_APPROVAL", "high", 2, true, true, false}, "staging": {"REQUIRE_APPROVAL", "medium", 1, false, true, false}, "development": {"ALLOW", "low", 0, false, false, false}},
	"page":        {"production": {"REQUIRE_APPROVAL", "medium", 1, false, true, false}, "staging": {"ALLOW", "low", 0, false, false, false}, "development": {"ALLOW", "low", 0, false, false, false}},
	"automation":  {"production": {"REQUIRE_APPROVAL", "high", 1, true, true, true}, "staging": {"REQUIRE_APPROVAL", "medium", 1, false, true, true}, "development": {"ALLOW", "low", 0, false, false, false}},
	"integration": {"production": {"REQUIRE_APPROVAL", "high", 2, true, true, true}, "staging": {"REQUIRE_APPROVAL", "medium", 1, false, true, false}, "development": {"ALLOW", "low", 0, false, false, false}},
	"content":     {"production": {"ALLOW", "low", 0, false, true, false}, "staging": {"DENY", "critical", 0, false, false, false}, "development": {"ALLOW", "low", 0, false, false, false}},
}

// shipping makes the shipped bundle the one that decides.
func (h *house) shipping() {
	h.t.Helper()
	names, err := filepath.Glob("../../policies/shipping/*.yaml")
	must(h.t, err)
	var files []pdl.File
	for _, name := range names {
		data, err := os.ReadFile(name)
		must(h.t, err)
		files = append(files, pdl.File{Name: filepath.Base(name), Data: data})
	}
	b, diags := pdl.Compile(files)
	if b == nil {
		h.t.Fatal(diags)
	}
	program, err := eval.New(b)
	must(h.t, err)
	must(h.t, h.gate.Activate(h.t.Context(), admin, program, files))
}

func TestEveryCellOfThePhase1Matrix(t *testing.T) {
	h := newHouse(t, nil)
	h.shipping()
	for _, kind := range kernel.SortedKeys(matrix) {
		for _, environment := range kernel.SortedKeys(matrix[kind]) {
			want := matrix[kind][environment]
			for _, actions := range []string{"", `,"actions":null`, `,"actions":[]`, `,"actions":["build"]`, `,"actions":["build","test","deploy"]`} {
				body := fmt.Sprintf(`{"artifact_type":%q,"environment":%q%s}`, kind, environment, actions)
				a := h.do(h.as(kernel.RoleGateway, "POST", "/evaluate", body))
				if a.status != http.StatusOK {
					t.Errorf("%s: %d %s", body, a.status, a.body)
					continue
				}
				got := into[phase1Body](t, a)
				constraints := map[string]any{"no_self_approval": want.selfApproval, "log_all_actions": want.log, "isolation_required": want.isolate}
				if got.Decision != want.decision || got.RiskLevel != want.risk || got.Approvals != want.approvals || !maps.Equal(got.Constraints, constraints) {
					t.Errorf("%s: %s, want %+v", body, a.body, want)
				}
				if got.Approvals > 0 && !strings.Contains(got.Reason, fmt.Sprint(got.Approvals)) {
					t.Errorf("%s: the reason %q does not say how many approvals", body, got.Reason)
				}
				if got.Version != h.gate.PolicyVersion() || got.Timestamp != "2026-11-23T12:00:00Z" {
					t.Errorf("%s: %s", body, a.body)
				}
			}
		}
	}
}

func TestWhatThePhase1MatrixDoesNotHoldIsDenied(t *testing.T) {
	h := newHouse(t, nil)
	h.shipping()
	for _, body := range []string{
		`{}`,
		`{"artifact_type":"webapp"}`,
		`{"environment":"production"}`,
		`{"artifact_type":null,"environment":null}`,
		`{"artifact_type":null,"environment":"development"}`,
		`{"artifact_type":"webapp","environment":null}`,
		`{"artifact_type":"","environment":"development"}`,
		`{"artifact_type":"webapp","environment":""}`,
		`{"artifact_type":"Webapp","environment":"development"}`,
		`{"artifact_type":"webapp","environment":"Development"}`,
		`{"artifact_type":"WEBAPP","environment":"DEVELOPMENT"}`,
		`{"artifact_type":" webapp","environment":"development"}`,
		`{"artifact_type":"webapp","environment":"development\n"}`,
		`{"artifact_type":"wеbapp","environment":"development"}`, // a Cyrillic е
		`{"artifact_type":"web\u0000app","environment":"development"}`,
		`{"artifact_type":"webapp","environment":"dev\u0000"}`,
		`{"artifact_type":"service","environment":"development"}`,
		`{"artifact_type":"webapp","environment":"qa"}`,
		`{"artifact_type":"*","environment":"*"}`,
		`{"artifact_type":"content","environment":"staging"}`,
		`{"artifact_type":"` + strings.Repeat("x", 100_000) + `","environment":"development"}`,
		`{"artifact_type":"webapp","environment":"` + strings.Repeat("x", 100_000) + `"}`,
		`{"unknown":1.5,"nested":{"a":[1e999,-0.0]}}`,
	} {
		size := h.size()
		a := h.do(h.as(kernel.RoleGateway, "POST", "/evaluate", body))
		if a.status != http.StatusOK {
			t.Errorf("%.100s: %d %s", body, a.status, a.body)
			continue
		}
		got := into[phase1Body](t, a)
		if got.Decision != "DENY" || got.RiskLevel != "critical" || got.Approvals != 0 || !strings.HasPrefix(got.Reason, "No policy matched") || len(a.body) > 3000 {
			t.Errorf("%.100s: %.3000s", body, a.body)
		}
		if h.size() != size+1 || h.last().Decision == nil {
			t.Errorf("%.100s: recorded %+v", body, h.last())
		}
	}
}

func TestBadPhase1RequestsAreRefusedWhereTheyAreBad(t *testing.T) {
	h := newHouse(t, nil)
	many := `"a"` + strings.Repeat(`,"a"`, 256)
	for _, c := range []struct {
		body string
		code kernel.Code
		path string
	}{
		{``, kernel.MediaType, ""},
		{`[]`, kernel.Invalid, "$"},
		{`null`, kernel.Invalid, "$"},
		{`"webapp"`, kernel.Invalid, "$"},
		{`{"artifact_type":"webapp"`, kernel.Malformed, "$.artifact_type"},
		{`{"artifact_type":"webapp","artifact_type":"page"}`, kernel.Malformed, "$.artifact_type"},
		{`{"unknown":1,"unknown":2}`, kernel.Malformed, "$.unknown"},
		{`{"artifact_type":7}`, kernel.Invalid, "$.artifact_type"},
		{`{"artifact_type":["webapp"]}`, kernel.Invalid, "$.artifact_type"},
		{`{"artifact_type":{}}`, kernel.Invalid, "$.artifact_type"},
		{`{"artifact_type":true}`, kernel.Invalid, "$.artifact_type"},
		{`{"environment":1.5}`, kernel.Invalid, "$.environment"},
		{`{"environment":false}`, kernel.Invalid, "$.environment"},
		{`{"actions":"deploy"}`, kernel.Invalid, "$.actions"},
		{`{"actions":{}}`, kernel.Invalid, "$.actions"},
		{`{"actions":["a",7]}`, kernel.Invalid, "$.actions[1]"},
		{`{"actions":[null]}`, kernel.Invalid, "$.actions[0]"},
		{`{"actions":["a\u0000"]}`, kernel.Invalid, "$.actions[0]"},
		{`{"actions":[` + many + `]}`, kernel.Invalid, "$.actions"},
		{`{"artifact_type":"webapp","environment":"development","actions":["` + strings.Repeat("x", 65) + `"]}`, kernel.Invalid, "$.actions[0]"},
		{`{"agent_id":7}`, kernel.Invalid, "$.agent_id"},
		{`{"agent_id":""}`, kernel.Invalid, "$.agent_id"},
		{`{"agent_id":"a\n"}`, kernel.Invalid, "$.agent_id"},
		{`{"agent_id":"` + strings.Repeat("x", kernel.MaxName+1) + `"}`, kernel.Invalid, "$.agent_id"},
		{`{"timestamp":1763892000}`, kernel.Invalid, "$.timestamp"},
		{`{"timestamp":"` + strings.Repeat("9", 129) + `"}`, kernel.Invalid, "$.timestamp"},
	} {
		h.pass(1e9)
		a := h.do(h.as(kernel.RoleGateway, "POST", "/evaluate", c.body))
		status := http.StatusBadRequest
		if c.code == kernel.MediaType {
			status = http.StatusUnsupportedMediaType
		}
		p := isProblem(t, c.body, a, status, c.code)
		if e := h.last(); p.Path != c.path || e.Refusal == nil || !recordedAs(c.path, e.Refusal.Path) || e.Door != "evaluate" {
			t.Errorf("%.100s: at %s, recorded %+v, want %s", c.body, p.Path, e, c.path)
		}
	}
}

func TestWhoShipsIsTheCaller(t *testing.T) {
	f := &fake{}
	s := serve(t, api.Config{Kernel: f, Dev: true}, nil)
	for _, c := range []struct{ token, body, want string }{
		{"", `{}`, "anonymous"},
		{"admin", `{}`, "anonymous"},
		{"gateway", `{"agent_id":null}`, "anonymous"},
		{"gateway", `{"agent_id":"agent-007"}`, "agent-007"},
		{"agent", `{}`, "agent-001"},
		{"agent", `{"agent_id":null}`, "agent-001"},
		{"agent", `{"agent_id":"agent-001"}`, "agent-001"},
	} {
		r := s.request("POST", "/evaluate", c.body)
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		if a := s.do(r); a.status != http.StatusOK {
			t.Errorf("%s as %q: %d %s", c.body, c.token, a.status, a.body)
			continue
		}
		if got := f.asked[len(f.asked)-1]; got.Request.Agent.ID != c.want || !got.Phase1 || got.Door != "evaluate" {
			t.Errorf("%s as %q: asked %+v, want agent %s", c.body, c.token, got, c.want)
		}
	}
}

// TestWhatIsNotSaidIsNotRecorded: the digest of a request without environment
// is not that of one whose environment is empty.
func TestWhatIsNotSaidIsNotRecorded(t *testing.T) {
	f := &fake{}
	s := serve(t, api.Config{Kernel: f, Dev: true}, nil)
	var digests []string
	for _, body := range []string{`{"artifact_type":"webapp"}`, `{"artifact_type":"webapp","environment":null}`, `{"artifact_type":"webapp","environment":""}`} {
		s.do(s.request("POST", "/evaluate", body))
		digest, err := f.asked[len(f.asked)-1].Request.Digest()
		must(t, err)
		digests = append(digests, digest)
	}
	if digests[0] != digests[1] || digests[1] == digests[2] {
		t.Errorf("absent, null and empty have the digests %v", digests)
	}
}

func TestAPhase1TimestampIsAClaim(t *testing.T) {
	h := newHouse(t, nil)
	const claim = "2001-01-01T00:00:00Z, they say"
	a := h.do(h.as(kernel.RoleGateway, "POST", "/evaluate", `{"artifact_type":"webapp","environment":"development","timestamp":"`+claim+`"}`))
	if got := into[phase1Body](t, a); got.Timestamp != "2026-11-23T12:00:00Z" {
		t.Errorf("the caller's clock was believed: %s", a.body)
	}
	if e := h.last(); e.Decision == nil || e.Decision.ClaimedAt != claim {
		t.Errorf("recorded %+v", e)
	}
}

func TestPhase1ActionsReachTheRules(t *testing.T) {
	h := newHouse(t, nil)
	a := h.do(h.as(kernel.RoleGateway, "POST", "/evaluate", `{"artifact_type":"webapp","environment":"development","actions":["deploy","modify_db_schema"]}`))
	if got := into[phase1Body](t, a); got.Decision != "REQUIRE_APPROVAL" || got.Approvals != 3 {
		t.Errorf("%s", a.body)
	}
}

// TestBothDoorsAgree asks the same through both: the verdicts are the same.
func TestBothDoorsAgree(t *testing.T) {
	h := newHouse(t, nil)
	for name, activate := range map[string]func(){"shipping": h.shipping, "own": func() {
		program, files := bundle(t)
		must(t, h.gate.Activate(t.Context(), admin, program, files))
	}} {
		activate()
		for _, kind := range []string{"webapp", "page", "automation", "app", "integration", "content"} {
			for _, environment := range []string{"production", "staging", "development"} {
				for _, actions := range []string{`[]`, `["build"]`, `["build","modify_db_schema"]`} {
					old := h.do(h.as(kernel.RoleGateway, "POST", "/evaluate",
						fmt.Sprintf(`{"artifact_type":%q,"environment":%q,"actions":%s,"agent_id":"agent-001"}`, kind, environment, actions)))
					native := h.do(h.as(kernel.RoleGateway, "POST", "/v1/decisions", fmt.Sprintf(
						`{"agent":{"id":"agent-001"},"action":"ship","resource":{"type":%q,"id":%q,"environment":%q},"params":{"actions":%s}}`,
						kind, kind, environment, actions)))
					if old.status != http.StatusOK || native.status != http.StatusOK {
						if native.status != http.StatusOK && old.status == http.StatusOK && into[phase1Body](t, old).Decision == "DENY" {
							continue // an undeclared type is an error there and DENY here
						}
						t.Fatalf("%s: %s to %s: %d %s, %d %s", name, kind, environment, old.status, old.body, native.status, native.body)
					}
					a, b := into[phase1Body](t, old), into[decisionBody](t, native)
					for _, flag := range []string{"no_self_approval", "log_all_actions", "isolation_required"} {
						if set, _ := b.Constraints[flag].(bool); a.Constraints[flag] != set {
							t.Errorf("%s: %s to %s: %s is %v and %v", name, kind, environment, flag, a.Constraints[flag], set)
						}
					}
					if a.Decision != b.Decision.String() || a.RiskLevel != b.RiskLevel.String() || a.Approvals != b.Approvals || a.Version != b.Version ||
						b.Decision != kernel.Deny && a.Reason != b.Reason {
						t.Errorf("%s: %s to %s with %s:\n%s\n%s", name, kind, environment, actions, old.body, native.body)
					}
				}
			}
		}
	}
}
