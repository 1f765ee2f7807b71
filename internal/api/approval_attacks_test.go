package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/token"
)

const attackedPolicy = `pdl: v1
kind: schema
name: attacked
agent: {owner: {type: string, from: registry}}
resources: {service: {environment: "enum(production, staging, development)"}}
actions:
  deploy_service: {resource: service, grant: required, params: {strategy: "enum(rolling, canary)"}}
---
pdl: v1
kind: approval
name: pair
quorum: 2
of: [{role: sre}]
separation_of_duty: [requester, agent.owner, delegator]
expires: 4h
on_timeout: DENY
---
pdl: v1
kind: policy
name: p
rules:
  - {id: ask, match: {action: deploy_service, resource.environment: production}, effect: REQUIRE_APPROVAL, approval: pair}
  - {id: other, match: {action: deploy_service, resource.environment: staging}, effect: DENY, reason: No.}
`

const attackedPeople = `{"registry": "v1",
  "people": {
    "owner": {"roles": ["approver", "sre"]}, "lender": {"roles": ["approver", "sre"]}, "asker": {"roles": ["approver", "sre", "gateway"]},
    "sre-1": {"roles": ["approver", "sre"]}, "sre-2": {"roles": ["approver", "sre"]}, "sre-3": {"roles": ["approver", "sre"]},
    "dev-1": {"roles": ["approver"]}},
  "services": {
    "asking": {"owner": "asker", "roles": ["approver", "sre", "gateway"]}, "owners-bot": {"owner": "owner", "roles": ["approver", "sre"]},
    "sre-1s-bot": {"owner": "sre-1", "roles": ["approver", "sre"]}},
  "agents": {
    "agent-001": {"owner": "owner"},
    "agent-002": {"owner": "lender", "capabilities": {"ship": {"actions": ["deploy_service"], "resources": [{"type": "service", "id": "*"}], "lend": 1}}}}}`

// An attacked house has a question pending: the agent got its capability from
// another, a service asked for it, and sre-1 has voted for it. One vote more of
// an sre is the quorum.
type attacked struct {
	*house
	secrets map[string]string // of tokens, by whom they stand for
	ids     map[string]string // of the same
	asked   approvalBody
	granted answeredBody // what comes of it, once it was approved
	allowed int          // what two people allowed
}

func newAttacked(t *testing.T) *attacked {
	h := &attacked{house: newHouse(t, nil), secrets: map[string]string{}, ids: map[string]string{}}
	files := []pdl.File{{Name: "b.yaml", Data: []byte(attackedPolicy)}}
	must(t, h.gate.Activate(t.Context(), admin, compiled(t, files), files))
	h.register(attackedPeople)
	_, err := h.gate.Lend(t.Context(), admin, registry.Delegation{From: "agent-002", To: "agent-001", Of: "ship", Capability: registry.Capability{
		Actions: []string{"deploy_service"}, Resources: []registry.Target{{Type: "service", ID: "*"}}, Expires: noon.Add(24 * time.Hour),
	}})
	must(t, err)
	for _, who := range []string{"owner", "lender", "asker", "sre-1", "sre-2", "sre-3", "dev-1", "owners-bot", "sre-1s-bot"} {
		h.secrets[who] = h.tokenFor(who, token.Spec{Role: kernel.RoleApprover, Principal: who})
	}
	h.secrets["asking"] = h.tokenFor("asking", token.Spec{Role: kernel.RoleGateway, Principal: "asking", SpeaksFor: []string{"agent-*"}})
	h.secrets["stranger"] = h.tokenFor("stranger", token.Spec{Role: kernel.RoleGateway, SpeaksFor: []string{"agent-*"}})
	h.asked = h.asks()
	if a := h.approves(h.secrets["sre-1"], h.asked); a.status != http.StatusOK {
		t.Fatalf("the first vote: %d %s", a.status, a.body)
	}
	return h
}

func (h *attacked) tokenFor(name string, spec token.Spec) string {
	h.t.Helper()
	spec.Name = name
	secret, made, err := h.gate.CreateToken(h.t.Context(), admin, spec)
	must(h.t, err)
	h.ids[name] = made.ID
	return secret
}

func (h *attacked) asks() approvalBody {
	h.t.Helper()
	a := h.do(h.with(h.secrets["asking"], "POST", "/v1/decisions", deployTo("production", "")))
	d := into[answeredBody](h.t, a)
	if d.Decision != kernel.RequireApproval {
		h.t.Fatalf("asked: %d %s", a.status, a.body)
	}
	return into[approvalBody](h.t, h.do(h.as(kernel.RoleAdmin, "GET", "/v1/approvals/"+d.ID, "")))
}

// votes is a vote of somebody for what was asked.
func (h *attacked) votes(who string) answer { return h.approves(h.secrets[who], h.asked) }

func (h *attacked) post(secret, verb, body string) answer {
	return h.do(h.with(secret, "POST", "/v1/approvals/"+h.asked.ID+":"+verb, body))
}

func (h *attacked) digest() string { return `{"request_digest":"` + h.asked.Digest + `"}` }

// ends has an sre vote, which settles the question.
func (h *attacked) ends(verb string) {
	h.t.Helper()
	if a := h.post(h.secrets["sre-2"], verb, h.digest()); a.status != http.StatusOK {
		h.t.Fatalf("%s: %d %s", verb, a.status, a.body)
	}
	if verb == "approve" {
		h.allowed++
	}
}

// approvedGrant approves the question while a call waits for it.
func (h *attacked) approvedGrant() {
	h.t.Helper()
	got := make(chan answer, 1)
	waits := h.with(h.secrets["asking"], "GET", "/v1/decisions/"+h.asked.ID+"?wait=60s", "")
	go func() { got <- h.do(waits) }()
	h.ends("approve")
	if h.granted = into[answeredBody](h.t, <-got); h.granted.Grant.Token == "" {
		h.granted = into[answeredBody](h.t, h.do(h.with(h.secrets["asking"], "GET", "/v1/decisions/"+h.granted.Approval.Decision, "")))
	}
}

func (h *attacked) setRegistry(old, new string) {
	h.t.Helper()
	if !strings.Contains(attackedPeople, old) {
		h.t.Fatalf("no %s in the registry", old)
	}
	h.register(strings.Replace(attackedPeople, old, new, 1))
}

func (h *attacked) setPolicy(old, new string) {
	h.t.Helper()
	if !strings.Contains(attackedPolicy, old) {
		h.t.Fatalf("no %s in the policy", old)
	}
	files := []pdl.File{{Name: "b.yaml", Data: []byte(strings.Replace(attackedPolicy, old, new, 1))}}
	must(h.t, h.gate.Activate(h.t.Context(), admin, compiled(h.t, files), files))
}

// foreign is an approver's token of another kernel.
func foreign(t *testing.T) string {
	other := &attacked{house: newHouse(t, nil), ids: map[string]string{}}
	other.register(attackedPeople)
	return other.tokenFor("sre-2", token.Spec{Role: kernel.RoleApprover, Principal: "sre-2"})
}

// TestAttacksOnApprovalsAreRefusedAndRecorded: each by its own code, and in the
// log. What comes with a token that is worth nothing is counted only, as all
// that strangers send.
func TestAttacksOnApprovalsAreRefusedAndRecorded(t *testing.T) {
	suspend := func(h *attacked, who string) {
		must(h.t, h.gate.SetStatus(h.t.Context(), admin, who, registry.Suspended, "left"))
	}
	for _, c := range []struct {
		name   string
		attack func(h *attacked) answer
		want   kernel.Code
	}{
		{"whoever asked, by a token of their own", func(h *attacked) answer { return h.votes("asker") }, kernel.Forbidden},
		{"the owner of the agent", func(h *attacked) answer { return h.votes("owner") }, kernel.Forbidden},
		{"a service of the owner", func(h *attacked) answer { return h.votes("owners-bot") }, kernel.Forbidden},
		{"whoever owns the agent that lent the capability", func(h *attacked) answer { return h.votes("lender") }, kernel.Forbidden},
		{"the same vote again", func(h *attacked) answer { return h.votes("sre-1") }, kernel.Conflict},
		{"a second token of the same person", func(h *attacked) answer {
			return h.approves(h.tokenFor("second", token.Spec{Role: kernel.RoleApprover, Principal: "sre-1"}), h.asked)
		}, kernel.Conflict},
		{"a service of somebody who voted", func(h *attacked) answer { return h.votes("sre-1s-bot") }, kernel.Conflict},
		{"somebody whom nobody asks", func(h *attacked) answer { return h.votes("dev-1") }, kernel.NotFound},
		{"the token that asked", func(h *attacked) answer { return h.votes("asking") }, kernel.Forbidden},
		{"the agent", func(h *attacked) answer { return h.approves(h.house.secrets[kernel.RoleAgent], h.asked) }, kernel.Forbidden},
		{"an auditor", func(h *attacked) answer { return h.approves(h.house.secrets[kernel.RoleAuditor], h.asked) }, kernel.Forbidden},
		{"the administrator", func(h *attacked) answer { return h.approves(h.house.secrets[kernel.RoleAdmin], h.asked) }, kernel.Forbidden},
		{"an approver's token of another kernel", func(h *attacked) answer { return h.approves(foreign(h.t), h.asked) }, kernel.Unauthenticated},
		{"a token that was revoked", func(h *attacked) answer {
			must(h.t, h.gate.RevokeToken(h.t.Context(), admin, h.ids["sre-2"]))
			return h.votes("sre-2")
		}, kernel.Unauthenticated},
		{"the digest of another request", func(h *attacked) answer {
			a := h.asked
			a.Digest = "sha256:" + strings.Repeat("0", 64)
			return h.approves(h.secrets["sre-2"], a)
		}, kernel.Conflict},
		{"no digest", func(h *attacked) answer { return h.post(h.secrets["sre-2"], "approve", `{}`) }, kernel.Invalid},
		{"the voter in the body", func(h *attacked) answer {
			return h.post(h.secrets["dev-1"], "approve", strings.Replace(h.digest(), "{", `{"by":"sre-2",`, 1))
		}, kernel.Invalid},
		{"the principal in the body", func(h *attacked) answer {
			return h.post(h.secrets["owner"], "approve", strings.Replace(h.digest(), "{", `{"principal":"sre-2",`, 1))
		}, kernel.Invalid},
		{"two digests", func(h *attacked) answer {
			return h.post(h.secrets["sre-2"], "approve", `{"request_digest":"x","request_digest":"`+h.asked.Digest+`"}`)
		}, kernel.Malformed},
		{"the voter in the query", func(h *attacked) answer {
			return h.do(h.with(h.secrets["dev-1"], "POST", "/v1/approvals/"+h.asked.ID+":approve?principal=sre-2", h.digest()))
		}, kernel.Invalid},
		{"a reason with a line of its own", func(h *attacked) answer {
			return h.post(h.secrets["sre-2"], "approve", strings.Replace(h.digest(), "{", `{"reason":"fine\nevent: approval",`, 1))
		}, kernel.Invalid},
		{"after it expired, to the instant", func(h *attacked) answer { h.pass(4 * time.Hour); return h.votes("sre-2") }, kernel.Conflict},
		{"after it was withdrawn", func(h *attacked) answer {
			h.post(h.secrets["asking"], "cancel", `{}`)
			return h.votes("sre-2")
		}, kernel.Conflict},
		{"after a vote against", func(h *attacked) answer { h.ends("reject"); return h.votes("sre-3") }, kernel.Conflict},
		{"after it was approved", func(h *attacked) answer { h.ends("approve"); return h.votes("sre-3") }, kernel.Conflict},
		{"withdrawn after it was approved", func(h *attacked) answer {
			h.ends("approve")
			return h.post(h.secrets["asking"], "cancel", `{}`)
		}, kernel.Conflict},
		{"withdrawn by another enforcement point", func(h *attacked) answer { return h.post(h.secrets["stranger"], "cancel", `{}`) }, kernel.NotFound},
		{"a voter who was suspended", func(h *attacked) answer { suspend(h, "sre-2"); return h.votes("sre-2") }, kernel.Unauthenticated},
		{"a voter whose role was taken", func(h *attacked) answer {
			h.setRegistry(`"sre-2": {"roles": ["approver", "sre"]}`, `"sre-2": {"roles": ["approver"]}`)
			return h.votes("sre-2")
		}, kernel.NotFound},
		{"a decision that asks nobody", func(h *attacked) answer {
			d := into[answeredBody](h.t, h.do(h.with(h.secrets["asking"], "POST", "/v1/decisions", deployTo("staging", ""))))
			return h.approves(h.secrets["sre-2"], approvalBody{ID: d.ID, Digest: h.asked.Digest})
		}, kernel.NotFound},
		{"an id that is another's in other letters", func(h *attacked) answer {
			return h.approves(h.secrets["sre-2"], approvalBody{ID: strings.ToLower(h.asked.ID), Digest: h.asked.Digest})
		}, kernel.NotFound},
		{"its grant for another request", func(h *attacked) answer {
			h.approvedGrant()
			body := strings.Replace(redeemBody(h.granted.Grant.Token), "}", `,"request_digest":"sha256:`+strings.Repeat("0", 64)+`"}`, 1)
			return h.do(h.with(h.secrets["asking"], "POST", "/v1/grants/"+h.granted.ID+":redeem", body))
		}, kernel.GrantMismatch},
		{"its grant under the id of the question", func(h *attacked) answer {
			h.approvedGrant()
			return h.do(h.with(h.secrets["asking"], "POST", "/v1/grants/"+h.asked.ID+":redeem", redeemBody(h.granted.Grant.Token)))
		}, kernel.GrantAltered},
		{"its grant after the agent was suspended", func(h *attacked) answer {
			h.approvedGrant()
			suspend(h, "agent-001")
			return h.do(h.with(h.secrets["asking"], "POST", "/v1/grants/"+h.granted.ID+":redeem", redeemBody(h.granted.Grant.Token)))
		}, kernel.GrantSuspended},
		{"its grant after another policy came", func(h *attacked) answer {
			h.approvedGrant()
			h.setPolicy("quorum: 2", "quorum: 3")
			return h.do(h.with(h.secrets["asking"], "POST", "/v1/grants/"+h.granted.ID+":redeem", redeemBody(h.granted.Grant.Token)))
		}, kernel.GrantPolicy},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newAttacked(t)
			a := c.attack(h)
			if p := into[problem](t, a); a.status < 400 || p.Code != c.want {
				t.Errorf("%d %s, want %s", a.status, a.body, c.want)
			}
			last := h.last()
			if recorded := last.Refusal != nil && last.Refusal.Code == c.want && last.Door != ""; recorded != (c.want != kernel.Unauthenticated) {
				t.Errorf("recorded %s %+v through %q, want the refusal %s", last.Kind(), last.Refusal, last.Door, c.want)
			}
			h.allowsNoMore()
		})
	}
}

// allowsNoMore makes sure that nothing is allowed but what two people allowed,
// and nothing redeemed.
func (h *attacked) allowsNoMore() {
	h.t.Helper()
	allowed := 0
	for row, err := range h.store.Entries(h.t.Context(), store.Query{}) {
		must(h.t, err)
		e, err := ledger.Decode(row.Body)
		must(h.t, err)
		if e.Decision != nil && e.Decision.Verdict.Decision == kernel.Allow {
			allowed++
		}
		if e.Grant != nil && e.Grant.Change == ledger.GrantRedeemed {
			h.t.Errorf("entry %d redeems a grant", row.Seq)
		}
	}
	if allowed != h.allowed {
		h.t.Errorf("%d decisions allow it, want %d", allowed, h.allowed)
	}
}

// TestWhatChangesBeforeTheQuorumAllowsNothing: the vote that would be the
// quorum is taken, and an entry says what came of it.
func TestWhatChangesBeforeTheQuorumAllowsNothing(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(h *attacked)
		want   string // state and code
	}{
		{"the first voter lost the role", func(h *attacked) {
			h.setRegistry(`"sre-1": {"roles": ["approver", "sre"]}`, `"sre-1": {"roles": ["approver"]}`)
		}, "PENDING "},
		{"the first voter was suspended", func(h *attacked) {
			must(h.t, h.gate.SetStatus(h.t.Context(), admin, "sre-1", registry.Suspended, "left"))
		}, "PENDING "},
		{"the first voter came to own the agent", func(h *attacked) {
			h.setRegistry(`"agent-001": {"owner": "owner"}`, `"agent-001": {"owner": "sre-1"}`)
		}, "PENDING "},
		{"another policy asks for more", func(h *attacked) { h.setPolicy("quorum: 2", "quorum: 3") }, "PENDING "},
		{"another policy denies", func(h *attacked) {
			h.setPolicy("effect: REQUIRE_APPROVAL, approval: pair}", "effect: DENY, reason: No.}")
		}, "REJECTED POLICY_CHANGED"},
		{"the agent was suspended", func(h *attacked) {
			must(h.t, h.gate.SetStatus(h.t.Context(), admin, "agent-001", registry.Suspended, "incident"))
		}, "REJECTED POLICY_CHANGED"},
		{"the action was stopped", func(h *attacked) {
			must(h.t, h.gate.Kill(h.t.Context(), admin, registry.ScopeAction, "deploy_service", "incident"))
		}, "REJECTED POLICY_CHANGED"},
		{"the token that asked was revoked", func(h *attacked) {
			must(h.t, h.gate.RevokeToken(h.t.Context(), admin, h.ids["asking"]))
		}, "REJECTED REQUESTER_REVOKED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newAttacked(t)
			c.change(h)
			a := into[struct{ State, Code string }](t, h.votes("sre-2"))
			if got := a.State + " " + a.Code; got != c.want {
				t.Errorf("it is %s, want %s", got, c.want)
			}
			if last := h.last(); last.Approval == nil || string(last.Approval.Question.State) != a.State {
				t.Errorf("recorded %s, want what came of it", last.Kind())
			}
			h.allowsNoMore()
		})
	}
}
