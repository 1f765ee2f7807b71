package gate

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/eval"
)

// An ApprovalView is what somebody who may vote is shown.
type ApprovalView struct {
	ID         string         `json:"id"`
	State      approval.State `json:"state"`
	Code       approval.Code  `json:"code,omitzero"`
	Note       string         `json:"note,omitzero"` // why it is not pending any more, for people
	By         string         `json:"by,omitzero"`   // who settled it
	Decision   string         `json:"decision,omitzero"`
	Agent      string         `json:"agent"`
	Owner      string         `json:"owner,omitzero"`
	AskedBy    string         `json:"asked_by"`
	AskedName  string         `json:"asked_by_name,omitzero"` // of a token that is nobody's
	Action     string         `json:"-"`                      // of the request, as is the resource
	Resource   NoticeThing    `json:"-"`
	Request    any            `json:"request"` // exactly what would be done, in its canonical form
	Digest     string         `json:"request_digest"`
	Risk       kernel.Risk    `json:"risk_level"`
	Rules      []string       `json:"rules"`
	Reason     string         `json:"reason"`
	Policy     string         `json:"policy_version"`
	Opened     time.Time      `json:"opened_at"`
	Expires    time.Time      `json:"expires_at"`
	Settled    time.Time      `json:"settled_at,omitzero"`
	Workflows  []WorkflowView `json:"workflows"`
	Votes      []VoteView     `json:"votes"`
	MayVote    bool           `json:"may_vote"`
	MayNot     string         `json:"may_not,omitzero"`     // why the caller may not vote
	Now        *NowView       `json:"now,omitzero"`         // while it is pending
	BreakGlass *GlassView     `json:"break_glass,omitzero"` // while it is pending, and somebody may allow it alone
	Broken     *BrokenView    `json:"broken,omitzero"`      // of one that somebody allowed alone
	Constraint map[string]any `json:"constraints"`
	Link       string         `json:"link,omitzero"` // to a page to vote on, while it is pending and where the kernel has a public URL
}

// A WorkflowView is how far one workflow is.
type WorkflowView struct {
	Name    string   `json:"name"` // empty: that of rules that name none
	Needed  int      `json:"needed"`
	Counted []string `json:"counted"`
	Missing []string `json:"missing"`
	Asks    []string `json:"asks"` // whom, in words
}

// A VoteView is one vote.
type VoteView struct {
	By        string    `json:"by"`
	Approve   bool      `json:"approve"`
	Automatic bool      `json:"automatic,omitzero"`
	At        time.Time `json:"at"`
	Reason    string    `json:"reason,omitzero"`
}

// A NowView is what the kernel would say if the request came now, and what is
// different from when it came.
type NowView struct {
	Decision kernel.Effect `json:"decision"`
	Reason   string        `json:"reason"`
	Policy   string        `json:"policy_version"`
	Changed  []string      `json:"changed"`
}

// An ApprovalQuery selects approvals.
type ApprovalQuery struct {
	State  approval.State // empty: any
	Mine   bool           // only those that the caller may vote on now, or review
	Review string         // open or overdue: only those with such a review of a broken glass; empty: any
	Limit  int            // 1…MaxApprovals
}

// MaxApprovals is the most that one answer lists.
const MaxApprovals = 200

// Approval shows one approval, and what the kernel would decide now. Whom it
// asks and whoever asked see it; an auditor or admin too, which is recorded.
// To anybody else it does not exist.
func (g *Gate) Approval(ctx context.Context, caller kernel.Caller, id string) (ApprovalView, error) {
	if err := checkID(id, ""); err != nil {
		return ApprovalView{}, err
	}
	var shown ApprovalView
	err := g.look(ctx, id, false, func(s *sitting) (err error) {
		if !s.visible(caller) {
			return noApproval(id)
		}
		if shown, err = s.view(caller); err != nil {
			return err
		}
		if s.q.State == approval.Pending {
			shown.Now = s.now()
		}
		if owns(caller, s.first.row) || !caller.Is(kernel.RoleAdmin, kernel.RoleAuditor) {
			return nil
		}
		return g.accessed(s.batch, caller, "approval", url.Values{"id": {id}})
	})
	if err != nil {
		return ApprovalView{}, err // it may be looked at yet
	}
	return shown, nil
}

// Approvals lists approvals, the oldest first: those that a caller may see. An
// auditor or admin sees all, which is recorded.
func (g *Gate) Approvals(ctx context.Context, caller kernel.Caller, q ApprovalQuery) ([]ApprovalView, error) {
	if q.Limit < 1 || q.Limit > MaxApprovals {
		return nil, kernel.Errorf(kernel.Invalid, "limit is between 1 and %d", MaxApprovals).At("limit")
	}
	if caller.Is(kernel.RoleAdmin, kernel.RoleAuditor) {
		query := url.Values{"state": {string(q.State)}, "limit": {strconv.Itoa(q.Limit)}}
		if q.Review != "" {
			query.Set("review", q.Review)
		}
		if err := g.access(ctx, caller, "approvals", query); err != nil {
			return nil, err
		}
	}
	return g.Listed(ctx, caller, q)
}

// Listed is [Gate.Approvals] for whoever is on record as reading already: one
// who follows what changes.
func (g *Gate) Listed(ctx context.Context, caller kernel.Caller, q ApprovalQuery) ([]ApprovalView, error) {
	list := []ApprovalView{}
	for _, kind := range q.kinds() {
		more, err := g.listedAs(ctx, caller, q, kind)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	slices.SortStableFunc(list, func(a, b ApprovalView) int { return cmp.Compare(a.ID, b.ID) })
	return list[max(0, len(list)-q.Limit):], nil // the latest
}

// kinds are those of the records that a query has to read.
func (q ApprovalQuery) kinds() []string {
	switch {
	case q.Review != "":
		return []string{recordGlassOpen}
	case q.State == approval.Pending:
		return []string{recordDue} // has the pending ones alone
	case q.Mine:
		return []string{recordGlassOpen, recordDue} // in this order none is seen twice
	}
	return []string{recordApproval}
}

func (g *Gate) listedAs(ctx context.Context, caller kernel.Caller, q ApprovalQuery, kind string) (list []ApprovalView, err error) {
	program := g.program.Load()
	for rec, err := range g.cfg.Store.Records(ctx, kind, "") {
		if err != nil {
			return nil, unavailable("the approvals could not be read")
		}
		if program == nil {
			return nil, noPolicy()
		}
		shown, ok, err := g.listed(ctx, caller, program, rec.Key)
		if err != nil {
			return nil, err
		}
		if !ok || !q.selects(shown) {
			continue
		}
		if list = append(list, shown); len(list) > q.Limit { // the latest are kept
			list = slices.Delete(list, 0, 1)
		}
	}
	return list, nil
}

// listed is one approval as lists have it: by what was said when it was asked.
func (g *Gate) listed(ctx context.Context, caller kernel.Caller, program *eval.Program, id string) (v ApprovalView, ok bool, err error) {
	f, err := g.firstOf(ctx, id)
	if err != nil {
		return v, false, err
	}
	q, _, err := g.questionAsked(ctx, f)
	if err != nil {
		return v, false, err
	}
	s := g.looked(f, program, q)
	if q.Code == approval.GlassBroken {
		if s.glass, err = g.glassOf(ctx, id); err != nil {
			return v, false, err
		}
	}
	if !s.visible(caller) {
		return v, false, nil
	}
	v, err = s.view(caller)
	return v, true, err
}

// looked is a question as lists and notices show it: by what was said when it
// was asked, and whom it asks now.
func (g *Gate) looked(f *first, program *eval.Program, q approval.Question) *sitting {
	s := &sitting{gate: g, first: f, q: q, private: f.row.Private, batch: &batch{program: program, registry: g.registry.Load(), now: g.instant()}}
	s.standing = standing(s.batch.registry, program, &f.request, s.batch.now)
	s.Case = g.theCase(s.batch, s.standing.Know(f.request), s.standing, f.entry.Decision.Verdict)
	s.Chain = slices.Concat(s.Chain, f.entry.Decision.Standing.Chain)
	s.automatic = s.voted()
	return s
}

// voted takes the automatic votes that were given as those that hold.
func (s *sitting) voted() map[string][]string {
	given := map[string][]string{}
	for _, n := range s.q.Needs {
		for _, v := range s.q.Votes {
			if v.Automatic {
				given[n.Workflow] = append(given[n.Workflow], v.By)
			}
		}
	}
	return given
}

func (s *sitting) view(caller kernel.Caller) (ApprovalView, error) {
	e, q := s.first.entry, s.q
	request, _ := kernel.DecodeJSON(s.first.row.Private.Request) // it was read before
	v := ApprovalView{
		ID: q.ID, State: q.State, Code: q.Code, Note: q.Reason, By: q.By, Decision: q.Answer, Agent: q.Agent, Owner: s.owner(),
		AskedBy: e.Caller, Action: q.Action, Resource: NoticeThing{s.first.request.Resource.Type, s.first.request.Resource.ID}, Request: request, Digest: s.first.row.Private.Digest, Risk: e.Decision.Verdict.RiskLevel, Rules: e.Decision.Verdict.Rules,
		Reason: e.Decision.Verdict.Reason, Policy: e.Decision.Verdict.PolicyVersion, Opened: q.Opened, Expires: q.Expires, Settled: q.Settled,
		Workflows: []WorkflowView{}, Votes: []VoteView{}, Constraint: e.Decision.Verdict.Constraints,
		Link: s.gate.linkTo(q, s.first.row.Private.Digest, true),
	}
	if q.Asker != "" {
		v.AskedBy = q.Asker
	} else if id, ok := tokenID(e.Caller); ok {
		v.AskedName = s.gate.tokens.name(id)
	}
	tallies, _ := q.Count(s.Case, s.automatic)
	for _, t := range tallies {
		w := WorkflowView{Name: t.Workflow, Needed: t.Needed, Counted: orEmpty(t.Counted), Missing: orEmpty(t.Missing), Asks: orEmpty(q.Asked(s.Case, t.Workflow))}
		if q.State != approval.Pending {
			w.Missing = []string{}
		}
		v.Workflows = append(v.Workflows, w)
	}
	for _, vote := range q.Votes {
		v.Votes = append(v.Votes, VoteView(vote))
	}
	s.mayVote(caller, &v)
	return v, s.viewGlass(caller, &v)
}

func (s *sitting) mayVote(caller kernel.Caller, v *ApprovalView) {
	if !caller.Is(kernel.RoleApprover) || caller.StandsFor == "" {
		v.MayNot = "only an approver may vote"
		return
	}
	if err := s.q.MayVote(s.Case, caller.StandsFor); err != nil {
		v.MayNot = err.Error()
		return
	}
	v.MayVote = true
}

// owner is who answers for the agent, by the registry or the request.
func (s *sitting) owner() string {
	if p, known := s.Registry.Principal(s.q.Agent); known && p.Owner != "" {
		return p.Owner
	}
	said, _ := s.Request.Agent.Attributes["owner"].(string)
	return said
}

// now compares what holds with what held when the question was asked.
func (s *sitting) now() *NowView {
	was := s.first.entry.Decision
	n := &NowView{Decision: s.verdict.Decision, Reason: s.verdict.Reason, Policy: s.batch.program.Version(), Changed: []string{}}
	if n.Policy != was.Verdict.PolicyVersion {
		n.Changed = append(n.Changed, "the policy is another version")
	}
	if !was.Standing.Same(s.standing) {
		n.Changed = append(n.Changed, "the registry says something else of the agent or the resource")
	}
	for _, name := range s.batch.program.FactsOf(s.q.Action) {
		if was.Facts[name] != s.facts[name] {
			n.Changed = append(n.Changed, fmt.Sprintf("facts.%s was %v and is %v", name, orNothing(was.Facts[name]), orNothing(s.facts[name])))
		}
	}
	if s.verdict.Decision != was.Verdict.Decision {
		n.Changed = append(n.Changed, fmt.Sprintf("%s was the decision, %s would be now", was.Verdict.Decision, s.verdict.Decision))
	}
	return n
}

func orNothing(v any) any {
	if v == nil {
		return 0
	}
	return v
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
