package ledger_test

import (
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// A story is the entries of one approval that a test may change: two votes, the
// decision that allows what was asked, and the end.
type story struct {
	asked, first, second, allow, end ledger.Entry
	more                             []ledger.Entry // after the end
	without                          []*ledger.Entry
}

const (
	askedID  = "01KB000000000000000000000A"
	answerID = "01KB000000000000000000000B"
)

var toldAt = time.Unix(1_800_000_000, 0).UTC()

// tell makes a story in which every promise is kept.
func tell() *story {
	q := approval.Question{
		ID: askedID, State: approval.Pending, Agent: "agent-001", Action: "deploy", Caller: "token:G1", Asker: "svc-001",
		Opened: toldAt, Expires: toldAt.Add(time.Hour), Due: toldAt.Add(time.Hour), Needs: []approval.Need{{Workflow: "pair", Needed: 2}},
	}
	s := &story{}
	s.asked, _ = sample()
	s.asked.Decision.ID, s.asked.Caller, s.asked.Instant, s.asked.Batch = askedID, q.Caller, toldAt, "a"
	v := &s.asked.Decision.Verdict
	v.Decision, v.ApprovalsRequired, v.Constraints = kernel.RequireApproval, 2, map[string]any{"no_self_approval": true}
	s.asked.Decision.Opened = &ledger.Opened{Asker: q.Asker, Expires: q.Expires, Due: q.Due, Needs: q.Needs}
	s.first = changed("b", "token:V1", ledger.ChangeVoted, vote(q, "person-001", toldAt.Add(time.Minute)))
	q = s.first.Approval.Question
	s.second = changed("c", "token:V2", ledger.ChangeVoted, vote(q, "person-002", toldAt.Add(2*time.Minute)))
	q = s.second.Approval.Question
	s.allow, _ = sample()
	s.allow.Decision.ID, s.allow.Decision.Answers, s.allow.Caller, s.allow.Instant, s.allow.Batch = answerID, askedID, q.Caller, toldAt.Add(2*time.Minute), "c"
	s.allow.Decision.Verdict.Code = kernel.CodeApproved
	q.State, q.Code, q.Settled, q.Answer = approval.Approved, approval.QuorumReached, toldAt.Add(2*time.Minute), answerID
	s.end = changed("c", "node-1", ledger.ChangeSettled, q)
	s.end.Instant = q.Settled
	return s
}

func vote(q approval.Question, by string, at time.Time) approval.Question {
	q.Votes = append(q.Votes[:len(q.Votes):len(q.Votes)], approval.Vote{By: by, Approve: true, At: at})
	return q
}

func changed(batch, caller, what string, q approval.Question) ledger.Entry {
	e := ledger.Entry{Node: "node-1", Batch: batch, Caller: caller, Approval: &ledger.ApprovalChange{Change: what, Question: q}}
	if n := len(q.Votes); n > 0 {
		e.Instant = q.Votes[n-1].At
	}
	return e
}

// q is the question of an entry.
func q(e *ledger.Entry) *approval.Question { return &e.Approval.Question }

// log writes a story down.
func (s *story) log(t *testing.T) *storetest.Memory {
	t.Helper()
	b, err := ledger.Extend(0, store.Head{})
	if err != nil {
		t.Fatal(err)
	}
	var last time.Time
	add := func(e *ledger.Entry) {
		t.Helper()
		var private *store.Private
		if e.Decision != nil {
			_, private = sample()
		}
		if e.Instant.Before(last) {
			e.Instant = last // the log's time does not go back
		}
		last = e.Instant
		if _, err := b.Append(*e, private); err != nil {
			t.Fatal(err)
		}
	}
	begin := func(e ledger.Entry) {
		e.Instant, e.Node, e.Batch = toldAt.Add(-time.Hour), "node-1", "0"
		add(&e)
	}
	begin(ledger.Entry{Token: &ledger.TokenChange{Change: "created", ID: "G1", Name: "n", Roles: []kernel.Role{kernel.RoleGateway}, SpeaksFor: []string{"agent-*"}}})
	for token, person := range map[string]string{"V1": "person-001", "V2": "person-002", "V3": "person-003", "V4": "agent-001", "V5": "svc-001"} {
		begin(ledger.Entry{Token: &ledger.TokenChange{Change: "created", ID: token, Name: "n", Roles: []kernel.Role{kernel.RoleApprover}, Principal: person}})
	}
	for _, p := range []registry.Principal{
		{ID: "agent-001", Kind: registry.Agent, Status: registry.Active, Owner: "person-003"}, {ID: "person-001", Kind: registry.Person, Status: registry.Active},
		{ID: "person-002", Kind: registry.Person, Status: registry.Active}, {ID: "person-003", Kind: registry.Person, Status: registry.Active},
		{ID: "svc-001", Kind: registry.Service, Status: registry.Active},
	} {
		r, err := p.Record()
		if err != nil {
			t.Fatal(err)
		}
		begin(ledger.Entry{Registry: &ledger.RegistryChange{Object: r.Kind, Key: r.ID, Value: r.Value, Version: 1}})
	}
	for _, e := range []*ledger.Entry{&s.asked, &s.first, &s.second, &s.allow, &s.end} {
		if !contains(s.without, e) {
			add(e)
		}
	}
	for i := range s.more {
		add(&s.more[i])
	}
	var m storetest.Memory
	if out, err := m.Commit(t.Context(), &store.Batch{ID: "b", Next: b.Head(), Entries: b.Entries()}); err != nil || out.Status != store.Committed {
		t.Fatal(out, err)
	}
	return &m
}

func contains(list []*ledger.Entry, e *ledger.Entry) bool {
	for _, one := range list {
		if one == e {
			return true
		}
	}
	return false
}

// secondBy has the second vote be somebody else's.
func secondBy(token, id string) func(*story) {
	return func(s *story) {
		s.second.Caller = token
		for _, e := range []*ledger.Entry{&s.second, &s.end} {
			votes := append([]approval.Vote(nil), q(e).Votes...)
			votes[1].By = id
			q(e).Votes = votes
		}
	}
}

func TestAnAuditNamesEveryBrokenPromiseOfApprovals(t *testing.T) {
	late := toldAt.Add(time.Hour)
	for _, c := range []struct {
		name string
		do   func(*story)
		want string
	}{
		{"nothing is wrong", func(*story) {}, ""},
		{"still pending", func(s *story) { s.without = []*ledger.Entry{&s.second, &s.allow, &s.end} }, ""},
		{"one vote", func(s *story) { s.without = []*ledger.Entry{&s.second}; q(&s.end).Votes = q(&s.first).Votes }, "approved with 1 votes of the 2"},
		{"a vote twice", secondBy("token:V1", "person-001"), "approved with 1 votes of the 2"},
		{"a vote that nobody gave", func(s *story) { s.without = []*ledger.Entry{&s.second} }, "no entry says that it was given"},
		{"a vote by another's token", func(s *story) { s.second.Caller = "token:V1" }, `by "token:V1", which does not stand for them`},
		{"a vote by a gateway", func(s *story) { s.second.Caller = "token:G1" }, `by "token:G1", which does not stand for them`},
		{"a vote of an agent", secondBy("token:V4", "agent-001"), "who is no person or service"},
		{"a vote of nobody", secondBy("token:V9", "person-009"), "who is no person or service"},
		{"a vote of whoever owns the agent", secondBy("token:V3", "person-003"), "who asked or owns the agent"},
		{"a vote of whoever asked", secondBy("token:V5", "svc-001"), "who asked or owns the agent"},
		{"a vote after it expired", func(s *story) { s.second.Instant = late }, "voted on approval " + askedID + " after it expired"},
		{"approved after it expired", func(s *story) { s.end.Instant, s.allow.Instant = late, late }, "was approved after it expired"},
		{"an ALLOW without an end", func(s *story) { s.without = []*ledger.Entry{&s.end} }, "which was not approved with it"},
		{"an ALLOW of what was rejected", func(s *story) {
			q(&s.end).State, q(&s.end).Code = approval.Rejected, approval.VotedAgainst
		}, "which was not approved with it"},
		{"an ALLOW of what was cancelled", func(s *story) { q(&s.end).State, q(&s.end).Code = approval.Cancelled, approval.Withdrawn }, "which was not approved with it"},
		{"an ALLOW of another batch", func(s *story) { s.allow.Batch = "z" }, "which was not approved with it"},
		{"an ALLOW of another agent", func(s *story) { s.allow.Decision.Agent = "agent-002" }, "is about something else"},
		{"approved, and nothing allows it", func(s *story) { s.without = []*ledger.Entry{&s.allow} }, "and no decision allows it"},
		{"an ALLOW that answers nothing", func(s *story) { s.allow.Decision.Answers = "" }, "answers no decision that asked"},
		{"a second ALLOW", func(s *story) {
			again, _ := sample()
			again.Decision.ID, again.Decision.Answers, again.Instant, again.Batch = "01KB000000000000000000000C", askedID, toldAt.Add(3*time.Minute), "c"
			s.more = append(s.more, again)
		}, "a second time"},
		{"a second end", func(s *story) {
			again := s.end
			again.Batch = "d"
			s.more = append(s.more, again)
		}, "was settled before, in entry"},
		{"never asked", func(s *story) { s.without = []*ledger.Entry{&s.asked} }, "was never asked for"},
	} {
		s := tell()
		c.do(s)
		report, err := ledger.Audit(t.Context(), s.log(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, f := range report.List {
			all = append(all, f.String())
		}
		found := strings.Join(all, "; ")
		if (c.want == "") != report.OK() || !strings.Contains(found, c.want) {
			t.Errorf("%s: found %q, want %q", c.name, found, c.want)
		}
		if c.want == "" && report.Approvals != 1 {
			t.Errorf("%s: %d approvals, want 1", c.name, report.Approvals)
		}
	}
}
