package gate_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	kernel "github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
)

const askingSchema = `pdl: v1
kind: schema
name: asking
agent: {owner: {type: string, from: registry}}
resources:
  service: {environment: {type: string, from: registry}, owner_team: {type: string, from: registry}}
actions:
  deploy: {resource: service, params: {"strategy?": string}}
facts:
  tries: {event: deploy, by: [agent.id], count: true, within: 1h, counts: attempted}
  done: {event: deploy, by: [agent.id], count: true, within: 1h}
---
`

const askingPolicy = `pdl: v1
kind: approval
name: pair
quorum: 2
of: [{team_of: resource.owner_team}, {role: sre}]
require: [{role: sre, min: 1}]
separation_of_duty: [requester, agent.owner, delegator]
expires: 4h
on_timeout: DENY
escalate: [{after: 30m, to: [{role: lead}]}]
auto: [{when: 'has(params.strategy) && params.strategy == "canary"', as: release-bot}]
---
pdl: v1
kind: policy
name: p
rules:
  - {id: ask, match: {action: deploy}, effect: REQUIRE_APPROVAL, approval: pair}
  - {id: enough, match: {action: deploy}, when: facts.tries >= 3, effect: DENY, reason: Too often.}
`

const askingPeople = `{"registry": "v1",
  "people": {
    "person-001": {"roles": ["approver", "sre"]},
    "person-002": {"roles": ["approver", "sre"], "groups": ["payments"]},
    "person-003": {"roles": ["approver"], "groups": ["payments"]},
    "person-004": {"roles": ["approver", "lead"]},
    "person-005": {"roles": ["approver"]}},
  "services": {"release-bot": {}, "svc-002": {"owner": "person-002", "roles": ["approver", "sre"]}},
  "agents": {
    "agent-001": {"owner": "person-001", "capabilities": {"ship": {"actions": ["deploy"], "resources": [{"type": "service", "id": "*"}], "lend": 1}}},
    "agent-002": {"owner": "person-005"}},
  "resources": {"service": {"svc/a": {"environment": "production", "owner_team": "payments"}}}}`

// openAsking opens a gate whose policy asks people.
func openAsking(t *testing.T, change func(*gate.Config)) *house {
	t.Helper()
	h := open(t, change)
	activate(t, h, askingSchema+askingPolicy)
	h.apply(t, askingPeople)
	return h
}

// voter is the caller of an approver's token.
func voter(id string) kernel.Caller {
	return kernel.Caller{Principal: "token:of-" + id, Roles: []kernel.Role{kernel.RoleApprover}, StandsFor: id}
}

func (h *house) ask(t *testing.T, strategy string) kernel.Decision {
	t.Helper()
	d, err := h.Decide(t.Context(), dev, asking("agent-001", strategy))
	if err != nil || d.Decision != kernel.RequireApproval || d.Approval == nil {
		t.Fatalf("Decide = %+v, %v, want a decision that asks", d, err)
	}
	return d
}

func asking(agent, strategy string) gate.Ask {
	a := deploy(agent)
	if strategy != "" {
		a.Request.Params = map[string]any{"strategy": strategy}
	}
	return a
}

func (h *house) vote(t *testing.T, d kernel.Decision, who string) (string, error) {
	t.Helper()
	a, err := h.Vote(t.Context(), voter(who), gate.Ballot{ID: d.ID, Digest: d.RequestDigest, Approve: true})
	if err != nil {
		return "", err
	}
	return a.State, nil
}

// votes has each vote for a decision, and returns what became of it.
func (h *house) votes(t *testing.T, d kernel.Decision, people ...string) (state string) {
	t.Helper()
	for _, who := range people {
		var err error
		if state, err = h.vote(t, d, who); err != nil {
			t.Fatalf("the vote of %s: %v", who, err)
		}
	}
	return state
}

func (h *house) answer(t *testing.T, d kernel.Decision) kernel.Decision {
	t.Helper()
	first, err := h.Decision(t.Context(), admin, d.ID)
	if err != nil {
		t.Fatal(err)
	}
	if first.Approval.Decision == "" {
		return first
	}
	answer, err := h.Decision(t.Context(), admin, first.Approval.Decision)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func wantCode(t *testing.T, err error, code kernel.Code, text string) {
	t.Helper()
	var e *kernel.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Error(), text) {
		t.Errorf("the error is %v, want %s: %s", err, code, text)
	}
}

func TestAQuorumAllowsWhatWasAsked(t *testing.T) {
	h := openAsking(t, nil)
	d := h.ask(t, "")
	if d.Approval.State != "PENDING" || d.Approval.ID != d.ID || !d.Approval.ExpiresAt.Equal(noon.Add(4*time.Hour)) || d.ApprovalsRequired != 2 {
		t.Errorf("the decision is %+v with %+v", d, d.Approval)
	}
	if got := h.votes(t, d, "person-003"); got != "PENDING" {
		t.Errorf("after one vote it is %s", got)
	}
	if got := h.votes(t, d, "person-002"); got != "APPROVED" {
		t.Errorf("after two it is %s", got)
	}
	a := h.answer(t, d)
	if a.Decision != kernel.Allow || a.Code != kernel.CodeApproved || a.Answers != d.ID || a.RequestDigest != d.RequestDigest || a.ApprovalsRequired != 0 {
		t.Errorf("the answer is %+v", a)
	}
	_, err := h.vote(t, d, "person-002")
	wantCode(t, err, kernel.Conflict, "APPROVED already")
	h.sound(t)
}

// TestAnApprovedAttemptCountsOnce: the request is not among its own facts when
// it is evaluated again, and its ALLOW is no further attempt.
func TestAnApprovedAttemptCountsOnce(t *testing.T) {
	h := openAsking(t, nil)
	for range 3 { // the third is decided with tries at 2, and again with it at 2
		d := h.ask(t, "")
		if got := h.votes(t, d, "person-003", "person-002"); got != "APPROVED" {
			t.Fatalf("it is %s: %+v", got, h.answer(t, d))
		}
	}
	last, err := h.Decide(t.Context(), dev, asking("agent-001", ""))
	if err != nil || last.Decision != kernel.Deny {
		t.Errorf("the fourth is %+v, %v", last, err)
	}
	log := h.entries(t)
	if facts := fmt.Sprint(log[len(log)-1].Decision.Facts); facts != "map[tries:3]" {
		t.Errorf("the facts of the fourth are %s", facts)
	}
	h.sound(t)
	h.reopen(t, nil) // and what is read from the log again counts the same
	p := compile(t, []pdl.File{{Name: "b.yaml", Data: []byte(askingSchema + askingPolicy)}})
	if err := h.Activate(t.Context(), admin, p, []pdl.File{{Name: "b.yaml", Data: []byte(askingSchema + askingPolicy)}}); err != nil {
		t.Fatal(err)
	}
	if last, err = h.Decide(t.Context(), dev, asking("agent-001", "")); err != nil || last.Decision != kernel.Deny {
		t.Errorf("the fifth is %+v, %v", last, err)
	}
}

func TestWhatHoldsAtQuorumDecides(t *testing.T) {
	h := openAsking(t, nil)
	d := h.ask(t, "")
	h.votes(t, d, "person-003")
	if err := h.Kill(t.Context(), admin, registry.ScopeAction, "deploy", "incident"); err != nil {
		t.Fatal(err)
	}
	if got := h.votes(t, d, "person-002"); got != "REJECTED" {
		t.Errorf("it is %s", got)
	}
	if a := h.answer(t, d); a.Approval.Code != "POLICY_CHANGED" || !strings.Contains(a.Approval.Reason, "kill switch") {
		t.Errorf("it says %+v", a.Approval)
	}
	h.sound(t)
}

func TestAQuorumThatGrewWaits(t *testing.T) {
	h := openAsking(t, nil)
	d := h.ask(t, "")
	h.votes(t, d, "person-003")
	activate(t, h, askingSchema+strings.Replace(askingPolicy, "approval: pair}", "approval: pair, approvals: 3}", 1))
	if got := h.votes(t, d, "person-002"); got != "PENDING" {
		t.Errorf("it is %s", got)
	}
	h.pass(31 * time.Minute)
	if got := h.votes(t, d, "person-004"); got != "APPROVED" {
		t.Errorf("it is %s", got)
	}
	h.sound(t)
}

func TestAVoterWhoLostTheRoleDoesNotCount(t *testing.T) {
	h := openAsking(t, nil)
	d := h.ask(t, "")
	h.votes(t, d, "person-003")
	if err := h.SetStatus(t.Context(), admin, "person-003", registry.Suspended, "left"); err != nil {
		t.Fatal(err)
	}
	if got := h.votes(t, d, "person-002"); got != "PENDING" {
		t.Errorf("it is %s", got)
	}
	h.sound(t)
}

func TestAVoteAgainstEndsIt(t *testing.T) {
	h := openAsking(t, nil)
	d := h.ask(t, "")
	a, err := h.Vote(t.Context(), voter("person-003"), gate.Ballot{ID: d.ID, Digest: d.RequestDigest, Reason: "not on a Friday"})
	if err != nil || a.State != "REJECTED" || a.Code != "VOTE" || a.Reason != "not on a Friday" {
		t.Errorf("Vote = %+v, %v", a, err)
	}
	_, err = h.vote(t, d, "person-002")
	wantCode(t, err, kernel.Conflict, "REJECTED")
	h.sound(t)
}

// TestWhatMayNotBeSeenIsLikeNothing: whoever is not asked cannot tell an
// approval from a decision that asks nobody, and both from none at all.
func TestWhatMayNotBeSeenIsLikeNothing(t *testing.T) {
	h := openAsking(t, nil)
	asks, stranger := h.ask(t, "").ID, voter("person-004")
	none := asks[:len(asks)-1] + map[bool]string{true: "0", false: "1"}[asks[len(asks)-1] != '0']
	for what, try := range map[string]func(id string) error{
		"show": func(id string) error { _, err := h.Approval(t.Context(), stranger, id); return err },
		"vote": func(id string) error {
			_, err := h.Vote(t.Context(), stranger, gate.Ballot{ID: id, Digest: "sha256:" + strings.Repeat("0", 64), Approve: true})
			return err
		},
		"withdraw": func(id string) error {
			_, err := h.Cancel(t.Context(), kernel.Caller{Principal: "a2", Roles: []kernel.Role{kernel.RoleAgent}, Agent: "agent-002"}, id, "")
			return err
		},
	} {
		var hidden, absent *kernel.Error
		if !errors.As(try(asks), &hidden) || !errors.As(try(none), &absent) {
			t.Fatalf("%s: it is answered", what)
		}
		if hidden.Code != absent.Code || hidden.Hint != absent.Hint || strings.ReplaceAll(hidden.Message, asks, none) != absent.Message {
			t.Errorf("%s: an approval that may not be seen is %v (%s), and none is %v (%s)", what, hidden, hidden.Hint, absent, absent.Hint)
		}
	}
}

func TestTimeDoesWhatIsDue(t *testing.T) {
	h := openAsking(t, nil)
	d := h.ask(t, "")
	_, err := h.vote(t, d, "person-004")
	wantCode(t, err, kernel.NotFound, "no approval")
	h.pass(30 * time.Minute)
	if err := h.Due(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := h.votes(t, d, "person-004"); got != "PENDING" {
		t.Errorf("it is %s", got)
	}
	h.pass(3*time.Hour + 30*time.Minute)
	_, err = h.vote(t, d, "person-002")
	wantCode(t, err, kernel.Conflict, "expired")
	h.reopen(t, nil) // timers survive
	activate(t, h, askingSchema+askingPolicy)
	for range 2 { // and run once
		if err := h.Due(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if a := h.answer(t, d); a.Approval.State != "EXPIRED" || a.Approval.Code != "TIMEOUT" {
		t.Errorf("it is %+v", a.Approval)
	}
	changes := ""
	for _, e := range h.entries(t) {
		if e.Approval != nil {
			changes += e.Approval.Change + " "
		}
	}
	if changes != "escalated voted settled " {
		t.Errorf("the log says %s", changes)
	}
	h.sound(t)
}

func TestAnAutomaticVoteIsOneVoteOfMany(t *testing.T) {
	h := openAsking(t, nil)
	d := h.ask(t, "canary")
	if err := h.Due(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := h.votes(t, d, "person-003"); got != "PENDING" { // two votes, and none of an sre
		t.Errorf("it is %s", got)
	}
	if got := h.votes(t, d, "person-002"); got != "APPROVED" {
		t.Errorf("it is %s", got)
	}
	d = h.ask(t, "canary")
	if err := h.Due(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := h.votes(t, d, "person-002"); got != "APPROVED" {
		t.Errorf("it is %s", got)
	}
	h.sound(t)
}

func TestWhoAskedWithdraws(t *testing.T) {
	h := openAsking(t, nil)
	d, err := h.Decide(t.Context(), agent1, asking("agent-001", ""))
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Cancel(t.Context(), voter("person-003"), d.ID, "")
	wantCode(t, err, kernel.Forbidden, "only whoever asked")
	_, err = h.Cancel(t.Context(), kernel.Caller{Principal: "a2", Roles: []kernel.Role{kernel.RoleAgent}, Agent: "agent-002"}, d.ID, "")
	wantCode(t, err, kernel.NotFound, "no approval")
	a, err := h.Cancel(t.Context(), agent1, d.ID, "never mind")
	if err != nil || a.State != "CANCELLED" {
		t.Errorf("Cancel = %+v, %v", a, err)
	}
	_, err = h.vote(t, d, "person-002")
	wantCode(t, err, kernel.Conflict, "CANCELLED")
}

func TestWaitingEndsWithTheApproval(t *testing.T) {
	h := openAsking(t, nil)
	d := h.ask(t, "")
	got := make(chan kernel.Decision)
	go func() {
		a, err := h.Await(t.Context(), dev, d, time.Minute)
		if err != nil {
			t.Error(err)
		}
		got <- a
	}()
	h.votes(t, d, "person-003", "person-002")
	if a := <-got; a.Decision != kernel.Allow || a.Answers != d.ID {
		t.Errorf("Await = %+v", a)
	}
	if a, err := h.Await(t.Context(), dev, h.ask(t, ""), time.Millisecond); err != nil || a.Decision != kernel.RequireApproval {
		t.Errorf("Await = %+v, %v", a, err)
	}
}

func TestAnApproverSeesWhatWouldBeDoneAndWhatChanged(t *testing.T) {
	h := openAsking(t, nil)
	d := h.ask(t, "blue-green")
	v, err := h.Approval(t.Context(), voter("person-003"), d.ID)
	if err != nil || !v.MayVote || v.Owner != "person-001" || v.Digest != d.RequestDigest || v.Now.Decision != kernel.RequireApproval || len(v.Now.Changed) != 0 ||
		fmt.Sprint(v.Workflows) != "[{pair 2 [] [2 more votes 1 more vote of the role sre] [the team payments the role sre]}]" {
		t.Errorf("Approval = %+v, %v", v, err)
	}
	if v, err = h.Approval(t.Context(), voter("person-001"), d.ID); err != nil || v.MayVote || !strings.Contains(v.MayNot, "owns the agent") {
		t.Errorf("Approval = %+v, %v", v, err)
	}
	_, err = h.Approval(t.Context(), voter("person-005"), d.ID)
	wantCode(t, err, kernel.NotFound, "no approval")
	h.pass(time.Second) // ids are in the order of milliseconds
	h.ask(t, "")
	h.apply(t, strings.Replace(askingPeople, `"production"`, `"staging"`, 1))
	if v, err = h.Approval(t.Context(), voter("person-003"), d.ID); err != nil || len(v.Now.Changed) != 2 {
		t.Errorf("Approval = %+v, %v", v.Now, err)
	}
	list, err := h.Approvals(t.Context(), voter("person-003"), gate.ApprovalQuery{State: "PENDING", Limit: 10})
	if err != nil || len(list) != 2 || list[0].ID != d.ID {
		t.Errorf("Approvals = %+v, %v", list, err)
	}
	if list, err = h.Approvals(t.Context(), voter("person-001"), gate.ApprovalQuery{Mine: true, Limit: 10}); err != nil || len(list) != 0 {
		t.Errorf("Approvals = %+v, %v", list, err)
	}
}

// TestWhatEndedIsForgottenAfterAMonth: lists have it no longer, and everything
// else is said by the log.
func TestWhatEndedIsForgottenAfterAMonth(t *testing.T) {
	h := openAsking(t, granting(t))
	approved := h.ask(t, "")
	h.votes(t, approved, "person-003")
	h.votes(t, approved, "person-002")
	late := h.ask(t, "")
	h.pass(24 * time.Hour) // nothing is settled in time while no kernel runs
	if err := h.Due(t.Context()); err != nil {
		t.Fatal(err)
	}
	listed := func() int {
		t.Helper()
		list, err := h.Approvals(t.Context(), admin, gate.ApprovalQuery{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	if n := listed(); n != 2 {
		t.Errorf("%d are listed, want 2", n)
	}
	h.pass(31 * 24 * time.Hour)
	h.ask(t, "") // the store forgets with a commit
	h.ask(t, "")
	if n := listed(); n != 2 { // those two
		t.Errorf("a month later %d are listed, want what is pending", n)
	}
	for _, c := range []struct {
		d    kernel.Decision
		want string
	}{{approved, "APPROVED"}, {late, "EXPIRED"}} {
		if d, err := h.Decision(t.Context(), admin, c.d.ID); err != nil || d.Approval == nil || d.Approval.State != c.want {
			t.Errorf("the decision has %+v, %v, want %s", d.Approval, err, c.want)
		}
		if v, err := h.Approval(t.Context(), admin, c.d.ID); err != nil || string(v.State) != c.want {
			t.Errorf("the approval is %s, %v, want %s", v.State, err, c.want)
		}
		_, err := h.vote(t, c.d, "person-002")
		wantCode(t, err, kernel.Conflict, c.want+" already")
	}
	h.sound(t)
	h.audited(t)
}

// TestWhatIsPendingEndsWithoutAPolicy: nothing has to be decided for it.
func TestWhatIsPendingEndsWithoutAPolicy(t *testing.T) {
	h := openAsking(t, nil)
	d := h.ask(t, "")
	h.votes(t, d, "person-003")
	h.reopen(t, nil) // and nobody activates anything
	for _, c := range []struct {
		after time.Duration
		want  string
	}{{time.Hour, "PENDING"}, {3 * time.Hour, "EXPIRED"}} {
		h.pass(c.after)
		if err := h.Due(t.Context()); err != nil {
			t.Fatal(err)
		}
		q, err := h.store.Record(t.Context(), store.RecordKey{Kind: "approval", Key: d.ID})
		if err != nil || !strings.Contains(string(q.Value), `"state":"`+c.want+`"`) {
			t.Errorf("it is %s, %v, want %s", q.Value, err, c.want)
		}
	}
	h.sound(t)
}
