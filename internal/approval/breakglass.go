package approval

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// MayBreak says why somebody may not allow a question alone now, or nil: every
// workflow that is asked has to let them, and none may have an overdue review
// among those that are open.
func (q Question) MayBreak(c *Case, id string, open []Glass) error {
	switch {
	case q.State != Pending:
		return q.closed()
	case !c.Now.Before(q.Expires):
		return kernel.Errorf(kernel.Conflict, "the approval expired at %s", q.Expires.Format(time.RFC3339)).WithHint("ask for a new decision")
	case len(q.Needs) == 0:
		return kernel.Errorf(kernel.Forbidden, "nobody is asked")
	}
	for _, n := range q.Needs {
		if why := q.unbreakable(c, n.Workflow, id); why != "" {
			return kernel.Errorf(kernel.Forbidden, "%s may not break the glass: %s", id, why).WithHint("kernel approvals show says who may")
		}
	}
	for _, n := range q.Needs {
		for _, g := range open {
			if slices.Contains(g.Late(c.Now), n.Workflow) {
				return kernel.Errorf(kernel.Conflict, "nobody breaks the glass of %s while a review is overdue: that of approval %s", n.Workflow, g.ID).
					WithHint("kernel approvals review closes it")
			}
		}
	}
	return nil
}

// unbreakable says why a workflow does not let somebody allow a question
// alone, or "".
func (q Question) unbreakable(c *Case, workflow, id string) string {
	w, ok := c.workflow(workflow)
	switch {
	case !ok:
		return fmt.Sprintf("the policy has no approval document called %q any more", workflow)
	case w.BreakGlass == nil && workflow == "":
		return "rules that name no workflow let nobody"
	case w.BreakGlass == nil:
		return "the workflow " + workflow + " lets nobody"
	case !c.Now.Before(q.breakableUntil(w)):
		return fmt.Sprintf("the workflow %s let it be broken until %s", workflow, q.breakableUntil(w).Format(time.RFC3339))
	case !slices.ContainsFunc(w.BreakGlass.Of, func(v pdl.Voter) bool { return c.is(id, v) }):
		return "the workflow " + workflow + " lets others"
	}
	return cmp.Or(q.unfit(c, w, id), c.unable(id))
}

func (q Question) breakableUntil(w pdl.Approval) time.Time {
	until := q.Opened.Add(w.BreakGlass.Expires)
	if w.BreakGlass.Expires == 0 || until.After(q.Expires) {
		return q.Expires
	}
	return until
}

// Breakable says who may allow a pending question alone, in words, until when,
// and how long their reason is at least; nobody, where a workflow lets nobody.
func (q Question) Breakable(c *Case) (who []string, until time.Time, minReason int) {
	until = q.Expires
	for _, n := range q.Needs {
		w, ok := c.workflow(n.Workflow)
		if !ok || w.BreakGlass == nil {
			return nil, time.Time{}, 0
		}
		if at := q.breakableUntil(w); at.Before(until) {
			until = at
		}
		minReason = max(minReason, w.BreakGlass.MinReason)
		for _, v := range w.BreakGlass.Of {
			if words := c.describe(v); !slices.Contains(who, words) {
				who = append(who, words)
			}
		}
	}
	return who, until, minReason
}

// Break has somebody who may allow a question alone, by the verdict of now:
// what is denied is rejected all the same, and so is what was asked with a
// token that was revoked. Of one that is approved the glass says who has to
// look at it; the decision that allows it is to be filled in in both.
func (q Question) Break(c *Case, by, reason string, open []Glass, v kernel.Verdict, revoked bool) (Question, Glass, error) {
	if err := q.MayBreak(c, by, open); err != nil {
		return q, Glass{}, err
	}
	if _, _, least := q.Breakable(c); utf8.RuneCountInString(strings.TrimSpace(reason)) < least {
		return q, Glass{}, kernel.Errorf(kernel.Invalid, "a reason has at least %d characters", least).At("$.reason").
			WithHint("say what happens, and why it cannot wait for the others")
	}
	switch {
	case revoked:
		q, err := q.Settle(Rejected, RequesterRevoked, "", "the token that asked was revoked", c.Now)
		return q, Glass{}, err
	case v.Decision == kernel.Deny:
		q, err := q.Settle(Rejected, PolicyChanged, "", v.Reason, c.Now)
		return q, Glass{}, err
	}
	g := Glass{ID: q.ID, Agent: q.Agent, Action: q.Action, By: by, Reason: reason, At: c.Now}
	for _, n := range q.Needs {
		w, _ := c.workflow(n.Workflow) // MayBreak found it
		r := Review{Workflow: n.Workflow, Due: c.Now.Add(w.BreakGlass.Review.Within)}
		for _, v := range w.BreakGlass.Review.Of {
			r.Of = append(r.Of, Reviewer(v))
		}
		g.Reviews = append(g.Reviews, r)
	}
	q, err := q.Settle(Approved, GlassBroken, by, reason, c.Now)
	return q, g, err
}
