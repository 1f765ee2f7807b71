package gate

import (
	"context"
	"slices"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
)

// A GlassView is who may allow a pending approval alone.
type GlassView struct {
	Asks      []string  `json:"asks"` // whom, in words
	Until     time.Time `json:"until"`
	MinReason int       `json:"min_reason"`
	May       bool      `json:"may"`
	MayNot    string    `json:"may_not,omitzero"` // why the caller may not
}

// A BrokenView is what somebody allowed alone.
type BrokenView struct {
	By        string       `json:"by"`
	At        time.Time    `json:"at"`
	Reason    string       `json:"reason"`
	Overdue   bool         `json:"overdue"`
	Reviews   []ReviewView `json:"reviews"`
	MayReview bool         `json:"may_review"`
	MayNot    string       `json:"may_not,omitzero"` // why the caller may not
}

// A ReviewView is what has to be said of it.
type ReviewView struct {
	Workflow  string    `json:"workflow"`
	Asks      []string  `json:"asks"` // whom, in words
	Due       time.Time `json:"due_at"`
	By        string    `json:"by,omitzero"`
	At        time.Time `json:"at,omitzero"`
	Justified *bool     `json:"justified,omitzero"` // once it is closed
	Note      string    `json:"note,omitzero"`
}

// viewGlass fills in who may break the glass, or who did.
func (s *sitting) viewGlass(caller kernel.Caller, v *ApprovalView) error {
	if s.glass != nil {
		v.Broken = s.broken(caller)
	}
	who, until, least := s.q.Breakable(s.Case)
	if s.q.State != approval.Pending || len(who) == 0 {
		return nil
	}
	v.BreakGlass = &GlassView{Asks: who, Until: until, MinReason: least, MayNot: "only an approver may break the glass"}
	if !caller.Is(kernel.RoleApprover) || caller.StandsFor == "" {
		return nil
	}
	open, err := s.gate.openGlasses(context.Background())
	if err != nil {
		return err
	}
	v.BreakGlass.May, v.BreakGlass.MayNot = orWhy(s.q.MayBreak(s.Case, caller.StandsFor, open))
	return nil
}

func (s *sitting) broken(caller kernel.Caller) *BrokenView {
	g := s.glass
	v := &BrokenView{By: g.By, At: g.At, Reason: g.Reason, Overdue: len(g.Late(s.Now)) > 0, MayNot: "only an approver may review"}
	for _, r := range g.Reviews {
		one := ReviewView{Workflow: r.Workflow, Asks: r.Asked(s.Case), Due: r.Due, By: r.By, At: r.At, Note: r.Note}
		if r.By != "" {
			one.Justified = &r.Justified
		}
		v.Reviews = append(v.Reviews, one)
	}
	if caller.Is(kernel.RoleApprover) && caller.StandsFor != "" {
		v.MayReview, v.MayNot = orWhy(g.MayReview(s.Case, s.q, caller.StandsFor))
	}
	return v
}

func orWhy(err error) (may bool, why string) {
	if err != nil {
		return false, err.Error()
	}
	return true, ""
}

// The states of reviews that a query may select.
const (
	ReviewOpen    = "open" // overdue or not
	ReviewOverdue = "overdue"
)

// selects reports whether an approval is one that a query is for.
func (q ApprovalQuery) selects(v ApprovalView) bool {
	switch {
	case q.State != "" && v.State != q.State:
		return false
	case q.Review == "" && q.Mine:
		return v.MayVote || v.Broken != nil && v.Broken.MayReview
	case q.Review == "":
		return true
	case v.Broken == nil || !slices.ContainsFunc(v.Broken.Reviews, func(r ReviewView) bool { return r.By == "" }):
		return false
	}
	return (q.Review == ReviewOpen || v.Broken.Overdue) && (!q.Mine || v.Broken.MayReview)
}
