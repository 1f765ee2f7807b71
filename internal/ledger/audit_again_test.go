package ledger_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// pairPolicy asks two people of a team, or sre, one of them an sre at least.
const pairPolicy = `pdl: v1
kind: schema
name: asking
agent: {owner: {type: string, from: registry}}
resources:
  service: {owner_team: {type: string, from: registry}}
actions:
  deploy: {resource: service, params: {"strategy?": string}}
---
pdl: v1
kind: approval
name: pair
quorum: 2
of: [{team_of: resource.owner_team}, {role: sre}]
require: [{role: sre, min: 1}]
separation_of_duty: [requester, agent.owner, delegator, policy_author]
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
`

const pairPeople = `{"registry": "v1",
  "people": {
    "owner":  {"roles": ["approver", "sre"]}, "lender": {"roles": ["approver", "sre"]}, "author": {"roles": ["approver", "sre"]}, "pusher": {"roles": ["approver", "sre"]}, "asker": {"roles": ["approver", "sre"]},
    "sre-1":  {"roles": ["approver", "sre"], "groups": ["tools"]}, "sre-2":  {"roles": ["approver", "sre"], "groups": ["tools"]},
    "team-1": {"roles": ["approver"], "groups": ["payments"]}, "team-2": {"roles": ["approver"], "groups": ["payments"]}, "other-1": {"roles": ["approver"], "groups": ["search"]}, "lead": {"roles": ["approver", "lead"]}},
  "services": {"release-bot": {}, "sre-1s-bot": {"owner": "sre-1", "roles": ["approver", "sre"]}},
  "agents": {
    "agent-001": {"owner": "owner", "capabilities": {"ship": {"actions": ["deploy"], "resources": [{"type": "service", "id": "*"}]}}},
    "agent-002": {"owner": "lender"}},
  "resources": {"service": {"svc/a": {"owner_team": "payments"}}}}`

// A consent is an approval as somebody who can write the log would have it: all
// that it does not change is what a kernel writes.
type consent struct {
	t        *testing.T
	build    *ledger.Builder
	program  *eval.Program
	registry *registry.Snapshot
	now      time.Time
	n        int // batches

	policy, before, after string // texts of the policy and the registry: that of when it was asked, and of when it was answered
	votes                 string // who votes, in order; *bot by itself, !lead/sre-1 breaks the glass, which sre-1 reviews
	strategy              string
	minutes               int // between two votes
	lender                string
	code                  kernel.Code // of the ALLOW; empty: what comes of the policy
	lost                  bool        // the request beside the ALLOW
}

// person is a registry in which a text was replaced.
func person(old, new string) string {
	if !strings.Contains(pairPeople, old) {
		panic("no " + old)
	}
	return strings.Replace(pairPeople, old, new, 1)
}

// add writes entries as one batch.
func (c *consent) add(caller string, entries ...ledger.Entry) {
	c.t.Helper()
	c.n++
	for _, e := range entries {
		e.Instant, e.Node, e.Batch = c.now, "node-1", fmt.Sprint("batch-", c.n)
		if e.Caller == "" {
			e.Caller = caller
		}
		var private *store.Private
		if e.Decision != nil {
			private = c.private()
			e.Decision.Commitment = ledger.Commit(private.Salt, private.Request)
		}
		if _, err := c.build.Append(e, private); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *consent) request() kernel.Request {
	r := kernel.Request{Agent: kernel.Agent{ID: "agent-001"}, Action: "deploy", Resource: kernel.Resource{Type: "service", ID: "svc/a"}, Params: map[string]any{}}
	if c.strategy != "" {
		r.Params["strategy"] = c.strategy
	}
	return r
}

func (c *consent) private() *store.Private {
	canonical, err := c.request().Canonical()
	if err != nil {
		c.t.Fatal(err)
	}
	return ledger.NewPrivate(bytes.Repeat([]byte{7}, ledger.SaltSize), canonical)
}

// apply makes the registry that of a text.
func (c *consent) apply(text string) {
	c.t.Helper()
	tree, err := kernel.DecodeJSON([]byte(text))
	if err != nil {
		c.t.Fatal(err)
	}
	doc, err := registry.ReadDocument(tree)
	if err != nil {
		c.t.Fatal(err)
	}
	changes, err := c.registry.Plan(doc, true)
	if err != nil {
		c.t.Fatal(err)
	}
	next, changed, err := c.registry.With(changes)
	if err != nil {
		c.t.Fatal(err)
	}
	c.registry = next
	var entries []ledger.Entry
	for _, r := range changed {
		if r.Kind != registry.RecordVersion {
			entries = append(entries, ledger.Entry{Registry: &ledger.RegistryChange{Object: r.Kind, Key: r.ID, Value: r.Value, Version: next.Version()}})
		}
	}
	c.add("token:of-author", entries...)
}

// decided is a decision about the request now.
func (c *consent) decided(id string) *ledger.Decided {
	c.t.Helper()
	r := c.request()
	st := c.program.Narrow(c.registry.Standing(registry.Question{
		Agent: r.Agent.ID, Action: r.Action, ResourceType: r.Resource.Type, ResourceID: r.Resource.ID, Now: c.now,
	}), r.Resource.Type)
	if c.lender != "" {
		st.Chain = []string{c.lender}
	}
	v, err := c.program.Decide(eval.Input{Request: r, Now: c.now, Standing: &st})
	if err != nil {
		c.t.Fatal(err)
	}
	v.RequestDigest = ""
	return &ledger.Decided{ID: id, Agent: r.Agent.ID, Action: r.Action, Verdict: v, Standing: st}
}

// activate makes a policy the active one, pushed by one and activated by another.
func (c *consent) activate(text string) {
	c.t.Helper()
	bundle, diags := pdl.Compile([]pdl.File{{Name: "b.yaml", Data: []byte(text)}})
	if bundle == nil {
		c.t.Fatal(diags)
	}
	previous := ""
	if c.program != nil {
		previous = c.program.Version()
	}
	var err error
	if c.program, err = eval.New(bundle); err != nil {
		c.t.Fatal(err)
	}
	c.add("token:of-pusher", ledger.Entry{Bundle: &ledger.Pushed{Version: c.program.Version(), Rules: 1}})
	c.add("token:of-author", ledger.Entry{Policy: &ledger.PolicyChange{Change: "activated", Version: c.program.Version(), Previous: previous}})
}

// log writes it all down, and returns the policies too.
func (c *consent) log() (*storetest.Memory, func(string) (*eval.Program, error)) {
	c.t.Helper()
	var err error
	if c.build, err = ledger.Extend(0, store.Head{}); err != nil {
		c.t.Fatal(err)
	}
	if c.registry, err = registry.Build(nil); err != nil {
		c.t.Fatal(err)
	}
	c.now = toldAt
	for _, name := range append(strings.Fields(strings.NewReplacer("*", "", "!", "", "/", " ", "-sre", "sre").Replace(c.votes)), "author", "pusher", "asker") {
		c.add("dev", ledger.Entry{Token: &ledger.TokenChange{
			Change: "created", ID: "of-" + name, Name: "n", Roles: []kernel.Role{kernel.RoleApprover}, Principal: name,
		}})
	}
	c.activate(pairPolicy)
	c.apply(c.before)
	first := c.program
	q := c.ask()
	if c.after != "" {
		c.apply(c.after)
	}
	if c.policy != "" {
		c.activate(c.policy)
	}
	c.answer(q)
	var m storetest.Memory
	entries := c.build.Entries()
	if c.lost {
		for i := range entries {
			if entries[i].ID == answerID {
				entries[i].Private = nil
			}
		}
	}
	if out, err := m.Commit(c.t.Context(), &store.Batch{ID: "b", Next: c.build.Head(), Entries: entries}); err != nil || out.Status != store.Committed {
		c.t.Fatal(out, err)
	}
	return &m, func(version string) (*eval.Program, error) {
		for _, p := range []*eval.Program{first, c.program} {
			if p.Version() == version {
				return p, nil
			}
		}
		return nil, fmt.Errorf("there is no policy %s", version)
	}
}

func (c *consent) ask() approval.Question {
	needs := []approval.Need{{Workflow: "pair", Needed: 2}}
	asked := c.decided(askedID)
	asked.Opened = &ledger.Opened{Asker: "asker", Expires: c.now.Add(4 * time.Hour), Due: c.now.Add(30 * time.Minute), Needs: needs}
	e := ledger.Entry{Caller: "token:of-asker", Decision: asked}
	c.add("", e)
	return approval.Question{
		ID: askedID, State: approval.Pending, Agent: "agent-001", Action: "deploy", Caller: "token:of-asker", Asker: "asker",
		Opened: c.now, Expires: asked.Opened.Expires, Due: asked.Opened.Due, Needs: needs,
	}
}

// answer has everybody vote, and allows what was asked with the last vote.
func (c *consent) answer(q approval.Question) {
	voters := strings.Fields(c.votes)
	for i, name := range voters {
		c.now = c.now.Add(time.Duration(max(c.minutes, 1)) * time.Minute)
		if by, breaks := strings.CutPrefix(name, "!"); breaks {
			by, reviewer, _ := strings.Cut(by, "/")
			c.breakGlass(q, by, reviewer)
			return
		}
		by, automatic := strings.CutPrefix(name, "*")
		q.Votes = append(slices.Clone(q.Votes), approval.Vote{By: by, Approve: true, Automatic: automatic, At: c.now})
		voted := ledger.Entry{Caller: "token:of-" + by, Approval: &ledger.ApprovalChange{Change: ledger.ChangeVoted, Question: q}}
		if i < len(voters)-1 {
			c.add("", voted)
			continue
		}
		allow := c.decided(answerID)
		allow.Answers, allow.Verdict = askedID, approval.Allow(allow.Verdict)
		if c.code != "" {
			allow.Verdict.Decision, allow.Verdict.Code, allow.Verdict.Constraints = kernel.Allow, c.code, map[string]any{}
		}
		q.State, q.Code, q.Settled, q.Answer = approval.Approved, approval.QuorumReached, c.now, answerID
		c.add("", voted, ledger.Entry{Caller: "token:of-asker", Decision: allow},
			ledger.Entry{Caller: "node-1", Approval: &ledger.ApprovalChange{Change: ledger.ChangeSettled, Question: q}})
	}
}

// breakGlass has somebody allow what was asked alone, and another review that.
func (c *consent) breakGlass(q approval.Question, by, reviewer string) {
	allow := c.decided(answerID)
	allow.Answers, allow.Verdict = askedID, approval.AllowAlone(allow.Verdict)
	if c.code != "" {
		allow.Verdict.Decision, allow.Verdict.Code, allow.Verdict.Constraints = kernel.Allow, c.code, map[string]any{}
	}
	q.State, q.Code, q.Settled, q.Answer, q.By, q.Reason = approval.Approved, approval.GlassBroken, c.now, answerID, by, "nobody answers"
	glass := approval.Glass{ID: askedID, Agent: q.Agent, Action: q.Action, By: by, Reason: q.Reason, At: c.now, Answer: answerID,
		Reviews: []approval.Review{{Workflow: "pair", Of: []approval.Reviewer{{Kind: "role", Name: "sre"}, {Kind: "team_of", Name: "resource.owner_team"}}, Due: c.now.Add(time.Hour)}}}
	c.add("", ledger.Entry{Caller: "token:of-asker", Decision: allow},
		ledger.Entry{Caller: "token:of-" + by, Glass: &ledger.GlassChange{Change: ledger.GlassBroken, Glass: glass}},
		ledger.Entry{Caller: "node-1", Approval: &ledger.ApprovalChange{Change: ledger.ChangeSettled, Question: q}})
	if reviewer == "" {
		return
	}
	c.now = c.now.Add(time.Minute)
	glass.Reviews = slices.Clone(glass.Reviews)
	glass.Reviews[0].By, glass.Reviews[0].At, glass.Reviews[0].Note = reviewer, c.now, "seen"
	c.add("", ledger.Entry{Caller: "token:of-" + reviewer, Glass: &ledger.GlassChange{Change: ledger.GlassReviewed, Glass: glass}})
}

// policy is pairPolicy in which a text was replaced.
func policy(old, new string) string {
	if !strings.Contains(pairPolicy, old) {
		panic("no " + old)
	}
	return strings.Replace(pairPolicy, old, new, 1)
}

// TestAnAuditCountsTheVotesAgain: of what the policy and the registry of then
// do not allow, each is named.
func TestAnAuditCountsTheVotesAgain(t *testing.T) {
	const short = "had no quorum: "
	glass := policy("auto:", "break_glass: {of: [{role: lead}], expires: 1h, review: {of: [{role: sre}, {team_of: resource.owner_team}], within: 1h}}\nauto:")
	canary := `&& params.strategy == "canary"`
	for _, c := range []struct {
		name string
		consent
		want string
	}{
		{"two of those who are asked", consent{votes: "team-1 sre-1"}, ""},
		{"one by itself", consent{votes: "*release-bot sre-1", strategy: "canary"}, ""},
		{"one to whom it escalated", consent{votes: "sre-1 lead", minutes: 20}, ""},
		{"one who has the role by then", consent{votes: "other-1 sre-1", before: pairPeople, after: person(`"other-1": {"roles": ["approver"]`, `"other-1": {"roles": ["approver", "sre"]`)}, ""},
		{"somebody whom nobody asks", consent{votes: "other-1 sre-1"}, short},
		{"somebody before it escalated", consent{votes: "sre-1 lead"}, short},
		{"nobody of those who are required", consent{votes: "team-1 team-2"}, `lacked 1 more vote of the role sre`},
		{"a role that was taken before the quorum", consent{votes: "sre-2 sre-1", after: person(`"sre-2":  {"roles": ["approver", "sre"]`, `"sre-2":  {"roles": ["approver"]`)}, "lacked 1 more vote"},
		{"who may not vote at all any more by then", consent{votes: "team-1 sre-1", after: person(`"team-1": {"roles": ["approver"], `, `"team-1": {`)}, short},
		{"a team that was left before the quorum", consent{votes: "team-1 sre-1", after: person(`"team-1": {"roles": ["approver"], "groups": ["payments"]}`, `"team-1": {"roles": ["approver"]}`)}, short},
		{"another team's resource by then", consent{votes: "team-1 sre-1", after: person(`"owner_team": "payments"`, `"owner_team": "search"`)}, short},
		{"somebody who is gone by then", consent{votes: "sre-2 sre-1", after: person(`"sre-2":  {"roles": ["approver", "sre"], "groups": ["tools"]},`, "")}, short},
		{"whoever asked", consent{votes: "asker sre-1"}, short},
		{"whoever owns the agent", consent{votes: "owner sre-1"}, short},
		{"whoever came to own the agent", consent{votes: "sre-2 sre-1", after: person(`{"owner": "owner"`, `{"owner": "sre-2"`)}, short},
		{"whoever lent the capability", consent{votes: "lender sre-1", lender: "agent-002"}, short},
		{"whoever pushed the policy", consent{votes: "pusher sre-1"}, short},
		{"whoever made it the active one", consent{votes: "author sre-1"}, short},
		{"a service beside its owner", consent{votes: "sre-1s-bot sre-1"}, short},
		{"two of one group, which have to differ", consent{votes: "sre-2 sre-1", policy: policy("delegator, ", "delegator, distinct_groups, ")}, short},
		{"an automatic vote that nobody asks for", consent{votes: "*release-bot sre-1"}, short},
		{"an automatic vote that is not given any more", consent{votes: "*release-bot sre-1", strategy: "canary", policy: policy(canary, `&& params.strategy == "slow"`)}, short},
		{"an automatic vote for what people are required for", consent{votes: "team-1 *release-bot", strategy: "canary"}, "of the role sre"},
		{"a policy that asks for more by then", consent{votes: "team-1 sre-1", policy: policy("quorum: 2", "quorum: 3")}, "lacked 1 more vote"},
		{"a policy that asks others by then", consent{votes: "sre-2 sre-1", policy: policy("{role: sre}]\nrequire", "{role: lead}]\nrequire")}, short},
		{"a policy that has another workflow by then", consent{votes: "team-1 sre-1", policy: strings.ReplaceAll(policy("quorum: 2", "quorum: 3"), "pair", "other")}, `the workflow "other" lacked 1 more vote`},
		{"a policy that denies by then", consent{
			votes: "team-1 sre-1", code: kernel.CodeApproved, policy: policy("effect: REQUIRE_APPROVAL, approval: pair}", "effect: REQUIRE_APPROVAL, approval: pair}\n  - {id: never, match: {action: deploy}, effect: DENY, reason: No.}"),
		}, "it was denied by then: No."},
		{"a glass that a lead breaks", consent{votes: "!lead", policy: glass}, ""},
		{"a review by whom it asks", consent{votes: "!lead/sre-1", policy: glass}, ""},
		{"a review by the team of the resource", consent{votes: "!lead/team-1", policy: glass}, ""},
		{"a review by whom it does not ask", consent{votes: "!lead/other-1", policy: glass}, "other-1 may not review this: it is for others"},
		{"a review by whoever owns the agent", consent{votes: "!lead/owner", policy: glass}, "owner may not review this: whoever owns the agent"},
		{"a review by who had the role once", consent{votes: "!lead/sre-2", policy: glass, after: person(`"sre-2":  {"roles": ["approver", "sre"]`, `"sre-2":  {"roles": ["approver"]`)}, "sre-2 may not review this"},
		{"a glass that who may not vote at all breaks", consent{votes: "!lead", policy: glass, after: person(`["approver", "lead"]`, `["lead"]`)}, "lead may not break the glass: whoever votes has the role approver"},
		{"a review by who may not vote at all", consent{votes: "!lead/team-1", policy: glass, after: person(`"team-1": {"roles": ["approver"], `, `"team-1": {`)}, "team-1 may not review this: whoever votes has the role approver"},
		{"a glass that somebody else breaks", consent{votes: "!sre-1", policy: glass}, "sre-1 may not break the glass"},
		{"a glass that whoever owns the agent breaks", consent{votes: "!lead", policy: glass, after: person(`{"owner": "owner"`, `{"owner": "lead"`)}, "lead may not break the glass"},
		{"a glass that lasted a minute, after two", consent{votes: "!lead", minutes: 2, policy: strings.Replace(glass, "expires: 1h", "expires: 1m", 1)}, "let it be broken until"},
		{"a glass where there is none", consent{votes: "!lead"}, "lets nobody"},
		{"a glass that others review than the policy asks", consent{votes: "!lead", policy: strings.Replace(glass, "review: {of: [{role: sre}, ", "review: {of: [{role: lead}, ", 1)}, "it changes who has to look at it, or when"},
		{"a glass whose review is due later than the policy asks", consent{votes: "!lead", policy: strings.Replace(glass, "within: 1h", "within: 5m", 1)}, "it changes who has to look at it, or when"},
		{"a glass with a reason that is too short", consent{votes: "!lead", policy: strings.Replace(glass, "break_glass: {", "break_glass: {min_reason: 40, ", 1)}, "a reason has at least 40 characters"},
		{"a glass of what is denied by then", consent{
			votes: "!lead", code: kernel.CodeBreakGlass, policy: strings.Replace(glass, "approval: pair}", "approval: pair}\n  - {id: never, match: {action: deploy}, effect: DENY, reason: No.}", 1),
		}, "it was denied by then: No."},
		{"a request that is not there", consent{votes: "team-1 sre-1", lost: true}, "its request is not there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.t = t
			if c.before == "" {
				c.before = pairPeople
			}
			m, load := c.log()
			report, err := ledger.Audit(t.Context(), m, load)
			if err != nil {
				t.Fatal(err)
			}
			found := fmt.Sprint(report.List)
			if (c.want == "") != report.OK() || !strings.Contains(found, c.want) || report.DecidedAgain != 1 {
				t.Errorf("found %s, want %q; %d decided again", found, c.want, report.DecidedAgain)
			}
		})
	}
}

// TestAnAuditNamesAPolicyThatIsNotThere, for without it nobody can tell who might vote.
func TestAnAuditNamesAPolicyThatIsNotThere(t *testing.T) {
	c := consent{t: t, votes: "team-1 sre-1", before: pairPeople}
	m, _ := c.log()
	report, err := ledger.Audit(t.Context(), m, func(string) (*eval.Program, error) { return nil, store.ErrNotFound })
	if err != nil || report.OK() || !strings.Contains(fmt.Sprint(report.List), "its policy cannot be loaded") {
		t.Errorf("Audit = %v, %v", report.List, err)
	}
}
