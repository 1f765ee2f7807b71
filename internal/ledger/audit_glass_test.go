package ledger_test

import (
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
)

// tellGlass makes a story in which somebody breaks the glass after one vote, and
// somebody else reviews that. Every promise is kept.
func tellGlass() *story {
	s := tell()
	at := toldAt.Add(2 * time.Minute)
	s.allow.Decision.Verdict.Code = kernel.CodeBreakGlass
	g := approval.Glass{
		ID: askedID, Agent: "agent-001", Action: "deploy", By: "person-002", Reason: "nobody answers", At: at, Answer: answerID,
		Reviews: []approval.Review{{Workflow: "pair", Of: []approval.Reviewer{{Kind: "role", Name: "auditor"}}, Due: at.Add(time.Hour)}},
	}
	s.second = ledger.Entry{Instant: at, Node: "node-1", Batch: "c", Caller: "token:V2", Glass: &ledger.GlassChange{Change: ledger.GlassBroken, Glass: g}}
	end := q(&s.end)
	end.Votes, end.Code, end.By, end.Reason = q(&s.first).Votes, approval.GlassBroken, g.By, g.Reason
	s.more = []ledger.Entry{reviewedBy(g, "token:V1", "person-001", at.Add(time.Minute))}
	return s
}

// pairs gives the glass a second review, which stays open.
func (s *story) pairs() {
	for _, e := range append([]ledger.Entry{s.second}, s.more...) {
		g := &e.Glass.Glass
		second := g.Reviews[0]
		second.Workflow, second.By, second.At, second.Note = "other", "", time.Time{}, ""
		g.Reviews = append(g.Reviews, second)
	}
}

func reviewedBy(g approval.Glass, token, by string, at time.Time) ledger.Entry {
	g.Reviews = append([]approval.Review(nil), g.Reviews...)
	g.Reviews[0].Of = append([]approval.Reviewer(nil), g.Reviews[0].Of...)
	g.Reviews[0].By, g.Reviews[0].At, g.Reviews[0].Note = by, at, "seen"
	return ledger.Entry{Instant: at, Node: "node-1", Batch: "d", Caller: token, Glass: &ledger.GlassChange{Change: ledger.GlassReviewed, Glass: g}}
}

func TestAnAuditNamesEveryBrokenPromiseOfGlasses(t *testing.T) {
	glass := func(s *story) *approval.Glass { return &s.second.Glass.Glass }
	for _, c := range []struct {
		name string
		do   func(*story)
		want string
	}{
		{"nothing is wrong", func(*story) {}, ""},
		{"the review is open", func(s *story) { s.more = nil }, ""},
		{"nobody broke it", func(s *story) { s.without = []*ledger.Entry{&s.second}; s.more = nil }, "and no entry says by whom"},
		{"broken with another's token", func(s *story) { s.second.Caller = "token:V1" }, `by person-002 with "token:V1", which does not stand for them`},
		{"broken by a gateway", func(s *story) { s.second.Caller = "token:G1" }, `by person-002 with "token:G1"`},
		{"broken by an agent", func(s *story) {
			glass(s).By, q(&s.end).By, s.second.Caller = "agent-001", "agent-001", "token:V4"
		}, "agent-001, who is no person or service"},
		{"broken by the owner of the agent", func(s *story) {
			glass(s).By, q(&s.end).By, s.second.Caller = "person-003", "person-003", "token:V3"
		}, "person-003, who asked or owns the agent"},
		{"broken by another than the end says", func(s *story) { q(&s.end).By = "person-001" }, "and it was not approved with that"},
		{"broken and rejected", func(s *story) {
			q(&s.end).State, q(&s.end).Code, q(&s.end).Answer = approval.Rejected, approval.PolicyChanged, ""
			s.without = []*ledger.Entry{&s.allow}
		}, "and it was not approved with that"},
		{"broken after it expired", func(s *story) {
			late := toldAt.Add(time.Hour)
			s.second.Instant, s.allow.Instant, s.end.Instant, glass(s).At, s.more = late, late, late, late, nil
		}, "was approved after it expired"},
		{"broken twice", func(s *story) { s.more = append([]ledger.Entry{s.second}, s.more...) }, "was broken before"},
		{"broken with a review that is closed", func(s *story) { glass(s).Reviews = s.more[0].Glass.Glass.Reviews; s.more = nil }, "with a review that was closed already"},
		{"passed off as votes", func(s *story) { s.allow.Decision.Verdict.Code = kernel.CodeApproved }, "says otherwise whether people voted"},
		{"votes passed off as a glass", func(s *story) {
			again := tell()
			*s = *again
			s.allow.Decision.Verdict.Code = kernel.CodeBreakGlass
		}, "says otherwise whether people voted"},
		{"an ALLOW that answers nothing", func(s *story) { s.allow.Decision.Answers = "" }, "answers no decision that asked"},
		{"reviewed by who broke it", func(s *story) {
			s.more = []ledger.Entry{reviewedBy(*glass(s), "token:V2", "person-002", toldAt.Add(3*time.Minute))}
		}, "who asked or broke the glass"},
		{"reviewed by who asked", func(s *story) {
			s.more = []ledger.Entry{reviewedBy(*glass(s), "token:V5", "svc-001", toldAt.Add(3*time.Minute))}
		}, "who asked or broke the glass"},
		{"reviewed with another's token", func(s *story) { s.more[0].Caller = "token:V3" }, `by person-001 with "token:V3", which does not stand for them`},
		{"reviewed by nobody of the registry", func(s *story) {
			s.more = []ledger.Entry{reviewedBy(*glass(s), "token:V9", "person-009", toldAt.Add(3*time.Minute))}
		}, "who is no person or service"},
		{"reviewed without anybody", func(s *story) { s.more[0].Glass.Glass = *glass(s) }, "and nobody closed it"},
		{"a review that closed at another instant", func(s *story) { s.more[0].Glass.Glass.Reviews[0].At = toldAt.Add(150 * time.Second) }, "at another instant than it says"},
		{"a second review closed beside the first, of another instant", func(s *story) {
			s.pairs()
			g := &s.more[0].Glass.Glass
			g.Reviews[1].By, g.Reviews[1].At, g.Reviews[1].Note = "person-002", toldAt.Add(150*time.Second), "seen"
		}, "at another instant than it says"},
		{"a review closed by what says that it is overdue", func(s *story) {
			s.pairs()
			at := toldAt.Add(2 * time.Hour)
			e := reviewedBy(*glass(s), "token:V1", "person-001", at)
			e.Glass.Change = ledger.GlassOverdue
			s.more = []ledger.Entry{e}
		}, "closes a review, and says that it is overdue"},
		{"a review that is closed otherwise later", func(s *story) {
			s.pairs()
			later := reviewedBy(s.more[0].Glass.Glass, "token:V2", "person-001", toldAt.Add(4*time.Minute))
			later.Glass.Glass.Reviews[1] = later.Glass.Glass.Reviews[0]
			later.Glass.Glass.Reviews[1].Workflow = "other"
			s.more = append(s.more, later)
		}, "it changes a review that was closed"},
		{"reviews that are others later", func(s *story) { s.more[0].Glass.Glass.Reviews[0].Of[0].Name = "approver" }, "it changes who has to look at it"},
		{"overdue before its time", func(s *story) {
			s.more = []ledger.Entry{{Instant: toldAt.Add(3 * time.Minute), Node: "node-1", Batch: "d", Caller: "node-1", Glass: &ledger.GlassChange{Change: ledger.GlassOverdue, Glass: *glass(s)}}}
		}, "is said to be overdue, and is not"},
		{"another while it was overdue", func(s *story) {
			other := s.second
			other.Batch, other.Instant = "e", toldAt.Add(3*time.Hour)
			g := *glass(s)
			g.ID, g.At = "01KB000000000000000000000D", other.Instant
			other.Glass = &ledger.GlassChange{Change: ledger.GlassBroken, Glass: g}
			s.more = []ledger.Entry{other}
		}, "the glass of pair was broken while the review of approval " + askedID + " was overdue"},
	} {
		s := tellGlass()
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
		if c.want == "" && (report.Broken != 1 || report.Open != uint64(1-len(s.more)) || report.Overdue != 0) {
			t.Errorf("%s: %d broken, %d open, %d overdue", c.name, report.Broken, report.Open, report.Overdue)
		}
	}
}
