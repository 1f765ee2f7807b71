package approval

import (
	"slices"
	"time"

	"github.com/strixlabs/execution-kernel"
)

// Allow is the verdict that comes of one that was asked for again when there
// were votes enough: REQUIRE_APPROVAL becomes ALLOW, with its constraints, and
// an ALLOW stays what it is. What is denied now stays denied.
func Allow(v kernel.Verdict) kernel.Verdict {
	if v.Decision != kernel.RequireApproval {
		return v
	}
	v.Decision, v.Code = kernel.Allow, kernel.CodeApproved
	v.ApprovalsRequired, v.Workflows = 0, nil
	v.Reason = "approved: " + v.Reason
	v.Advice = ""
	return v
}

// AllowAlone is the verdict that comes of one that was asked for again when
// somebody broke the glass: an ALLOW with its constraints. What is denied now
// stays denied.
func AllowAlone(v kernel.Verdict) kernel.Verdict {
	if v.Decision == kernel.Deny {
		return v
	}
	v.Decision, v.Code = kernel.Allow, kernel.CodeBreakGlass
	v.ApprovalsRequired, v.Workflows = 0, nil
	v.Reason = "break glass: " + v.Reason
	v.Advice = ""
	return v
}

// Follows says what is wrong with a question as what becomes of another at an
// instant, or "". It knows no registry: whether those who voted might is not
// for it to say, but that they are different and enough is.
func (q Question) Follows(before Question, now time.Time) string {
	switch {
	case before.State != Pending:
		return "it changes what was settled"
	case !q.AsksWhat(before):
		return "it changes what was asked"
	case len(q.Votes) < len(before.Votes) || !slices.Equal(q.Votes[:len(before.Votes)], before.Votes) || q.Escalated < before.Escalated:
		return "it takes back what was said"
	case len(q.Votes) > len(before.Votes)+1:
		return "it counts votes that no entry is about"
	case len(q.Votes) > len(before.Votes) && !q.Votes[len(q.Votes)-1].At.Equal(now):
		return "somebody voted at another instant than it says"
	case q.twice():
		return "it counts somebody twice"
	case len(q.Votes) > len(before.Votes) && !now.Before(q.Expires):
		return "somebody voted after it expired"
	case q.State == Approved && !now.Before(q.Expires):
		return "it was approved after it expired"
	case q.State == Approved && q.Code == GlassBroken && (q.By == "" || q.Reason == "" || q.Answer == ""):
		return "the glass was broken by nobody, without a reason, or allows nothing"
	case q.State == Approved && q.Code != GlassBroken && (q.approvals() < q.needed() || q.Answer == ""):
		return "it was approved without votes enough, or allows nothing"
	case q.State != Approved && q.Answer != "":
		return "it allows something without being approved"
	}
	return ""
}

// Far orders what becomes of one question: every vote and every escalation takes
// it farther, and its end comes last.
func (q Question) Far() int {
	n := 2 * (len(q.Votes) + q.Escalated)
	if q.State != Pending {
		n++
	}
	return n
}

// AsksWhat reports whether two questions ask the same, whatever became of them.
func (q Question) AsksWhat(other Question) bool {
	return q.ID == other.ID && q.Agent == other.Agent && q.Action == other.Action && q.Caller == other.Caller && q.Asker == other.Asker &&
		q.Opened.Equal(other.Opened) && q.Expires.Equal(other.Expires)
}

func (q Question) twice() bool {
	for i, v := range q.Votes {
		if slices.ContainsFunc(q.Votes[:i], func(o Vote) bool { return o.By == v.By }) {
			return true
		}
	}
	return false
}

func (q Question) approvals() (n int) {
	machine := false
	for _, v := range q.Votes {
		if v.Approve && (!v.Automatic || !machine) {
			n++
		}
		machine = machine || v.Automatic
	}
	return n
}

func (q Question) needed() (n int) {
	for _, need := range q.Needs {
		n = max(n, need.Needed)
	}
	return n
}
