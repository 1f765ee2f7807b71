package kernel_test

import (
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/strixlabs/execution-kernel"
)

func TestTheZeroValueRefuses(t *testing.T) {
	var d kernel.Decision
	if d.Decision != kernel.Deny {
		t.Errorf("the zero Decision is %v", d.Decision)
	}
	var c kernel.Caller
	if c.Is(kernel.Roles()...) || c.MaySpeakFor("") || c.MaySpeakFor("agent-001") {
		t.Errorf("the zero Caller may do something")
	}
	if (kernel.Request{}).Check() == nil {
		t.Errorf("the zero Request may be sent")
	}
}

func TestEffectsAndRisksHaveOneSpelling(t *testing.T) {
	for i, name := range []string{"DENY", "REQUIRE_APPROVAL", "ALLOW"} {
		var e kernel.Effect
		if err := e.UnmarshalText([]byte(name)); err != nil || e != kernel.Effect(i) || e.String() != name {
			t.Errorf("effect %s is read as %v, %v", name, e, err)
		}
	}
	for i, name := range []string{"low", "medium", "high", "critical"} {
		var r kernel.Risk
		if err := r.UnmarshalText([]byte(name)); err != nil || r != kernel.Risk(i) || r.String() != name {
			t.Errorf("risk %s is read as %v, %v", name, r, err)
		}
	}
	for _, bad := range []string{"", "allow", "Allow", "ALLOW ", "PERMIT", "LOW", "none"} {
		e, r := kernel.Allow, kernel.Critical
		if e.UnmarshalText([]byte(bad)) == nil || r.UnmarshalText([]byte(bad)) == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	for _, v := range []any{kernel.Effect(3), kernel.Risk(4)} {
		if text, err := json.Marshal(v); err == nil {
			t.Errorf("%v was written as %s", v, text)
		}
	}
}

func TestACallerSpeaksForItsOwnOnly(t *testing.T) {
	agent := kernel.Caller{Roles: []kernel.Role{kernel.RoleAgent}, Agent: "agent-001"}
	gateway := kernel.Caller{Roles: []kernel.Role{kernel.RoleGateway}, SpeaksFor: []string{"shop-*", "agent-001"}}
	for _, c := range []struct {
		name   string
		caller kernel.Caller
		agent  string
		want   bool
	}{
		{"an agent for itself", agent, "agent-001", true},
		{"an agent for another", agent, "agent-002", false},
		{"an agent for one whose name begins like its own", agent, "agent-0011", false},
		{"an agent in other letters", agent, "Agent-001", false},
		{"an agent without an id for nobody", kernel.Caller{Roles: []kernel.Role{kernel.RoleAgent}}, "", false},
		{"a gateway by prefix", gateway, "shop-7", true},
		{"a gateway by the bare prefix", gateway, "shop-", true},
		{"a gateway by name", gateway, "agent-001", true},
		{"a gateway beyond a name", gateway, "agent-0010", false},
		{"a gateway beyond its prefix", gateway, "shop", false},
		{"a gateway for the pattern itself", gateway, "bank-*", false},
		{"a gateway for all", kernel.Caller{Roles: []kernel.Role{kernel.RoleGateway}, SpeaksFor: []string{"*"}}, "x", true},
		{"an auditor with a scope", kernel.Caller{Roles: []kernel.Role{kernel.RoleAuditor}, Agent: "x", SpeaksFor: []string{"*"}}, "x", false},
		{"an admin", kernel.Caller{Roles: []kernel.Role{kernel.RoleAdmin}}, "x", true},
	} {
		if got := c.caller.MaySpeakFor(c.agent); got != c.want {
			t.Errorf("%s: MaySpeakFor(%q) = %v, want %v", c.name, c.agent, got, c.want)
		}
	}
}

// The order and spelling of the members are the contract of POST /v1/decisions.
func TestADecisionIsWrittenInOneWay(t *testing.T) {
	d := kernel.Decision{
		ID: "01K", Verdict: kernel.Verdict{
			Decision: kernel.RequireApproval, RiskLevel: kernel.High, ApprovalsRequired: 2,
			Constraints: map[string]any{"z": true, "a": int64(3), "m": []string{"x"}},
			Reason:      "<two> & more", Code: kernel.CodeRule, Rules: []string{"p/r"}, PolicyVersion: "sha256:p", RequestDigest: "sha256:r",
		},
		Entry: kernel.EntryRef{Seq: 7, Leaf: "ab"},
	}
	const want = `{"decision_id":"01K","decision":"REQUIRE_APPROVAL","risk_level":"high","approvals_required":2,` +
		`"constraints":{"a":3,"m":["x"],"z":true},"reason":"<two> & more","code":"RULE","rules":["p/r"],` +
		`"policy_version":"sha256:p","request_digest":"sha256:r","decided_at":"0001-01-01T00:00:00Z","entry":{"shard":0,"seq":7,"leaf":"ab"}}`
	got, err := json.Marshal(d, json.Deterministic(true))
	if err != nil || string(got) != want {
		t.Errorf("Marshal = %s, %v, want %s", got, err, want)
	}
}
