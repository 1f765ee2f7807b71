package gate

import (
	"context"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/link"
)

// Linked checks a link to an approval and shows what it leads to, without the
// request unless the link says so. It changes nothing and tells nobody: those
// who look may be programs that follow links in mail.
//
// The error is a *kernel.Error: LinkAltered, LinkExpired, LinkMismatch when the
// approval is about another request, LinkSpent when it is settled already.
func (g *Gate) Linked(ctx context.Context, id string, query map[string]string) (ApprovalView, error) {
	l, err := g.cfg.Links.Open(id, query, g.instant())
	if err != nil {
		return ApprovalView{}, err
	}
	f, err := g.firstOf(ctx, id)
	if err != nil {
		return ApprovalView{}, err
	}
	q, _, err := g.questionAsked(ctx, f)
	program := g.program.Load()
	switch {
	case err != nil:
		return ApprovalView{}, err
	case f.row.Private.Digest != l.Digest:
		return ApprovalView{}, kernel.Errorf(kernel.LinkMismatch, "the link is about another request than approval %s", id).
			WithHint("\"kernel approvals show %s\" prints its link", id)
	case q.State != approval.Pending:
		return ApprovalView{}, kernel.Errorf(kernel.LinkSpent, "the approval is %s already", q.State).
			WithHint("\"kernel approvals show %s\" says what came of it", id)
	case program == nil:
		return ApprovalView{}, noPolicy()
	}
	v, err := g.looked(f, program, q).view(kernel.Caller{})
	if err != nil {
		return ApprovalView{}, err
	}
	if v.MayNot = ""; !l.Whole {
		v.Request, v.Link = nil, ""
	}
	return v, nil
}

// linkTo is the link to a pending question; empty where there are none.
func (g *Gate) linkTo(q approval.Question, digest string, whole bool) string {
	if q.State != approval.Pending {
		return ""
	}
	return g.cfg.Links.URL(link.Link{ID: q.ID, Digest: digest, Expires: q.Expires, Whole: whole})
}
