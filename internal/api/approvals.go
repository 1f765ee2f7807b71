package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/gate"
)

const doorApprovals = "approvals"

// An Approver is the part of a kernel that asks people.
type Approver interface {
	Approvals(context.Context, kernel.Caller, gate.ApprovalQuery) ([]gate.ApprovalView, error)
	Approval(ctx context.Context, caller kernel.Caller, id string) (gate.ApprovalView, error)
	Vote(context.Context, kernel.Caller, gate.Ballot) (*kernel.Approval, error)
	BreakGlass(context.Context, kernel.Caller, gate.Breaking) (*kernel.Approval, error)
	Review(context.Context, kernel.Caller, gate.Review) (gate.ApprovalView, error)
	Cancel(ctx context.Context, caller kernel.Caller, id, reason string) (*kernel.Approval, error)
	Await(context.Context, kernel.Caller, kernel.Decision, time.Duration) (kernel.Decision, error)
	Listed(context.Context, kernel.Caller, gate.ApprovalQuery) ([]gate.ApprovalView, error)
	Changed() <-chan struct{}
	Linked(ctx context.Context, id string, query map[string]string) (gate.ApprovalView, error)
}

// listApprovals is GET /v1/approvals.
func (d *door) listApprovals(c *call) (reply, error) {
	q, err := approvalQuery(c.query)
	if err != nil {
		return reply{}, err
	}
	list, err := d.cfg.Kernel.Approvals(c.ctx, c.caller, q)
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, struct {
		Approvals []gate.ApprovalView `json:"approvals"`
	}{list}), nil
}

func approvalQuery(q query) (gate.ApprovalQuery, error) {
	out := gate.ApprovalQuery{Limit: defaultPage}
	if text, given := q["state"]; given {
		out.State = approval.State(text)
		if !slices.Contains(approval.States(), out.State) {
			return out, kernel.Errorf(kernel.Invalid, "no such state").At("state").WithHint("PENDING, APPROVED, REJECTED, EXPIRED or CANCELLED")
		}
	}
	if text, given := q["for"]; given {
		if out.Mine = true; text != "me" {
			return out, kernel.Errorf(kernel.Invalid, "for is me: what the caller may vote on, or review").At("for")
		}
	}
	if text, given := q["review"]; given {
		if out.Review = text; text != gate.ReviewOpen && text != gate.ReviewOverdue {
			return out, kernel.Errorf(kernel.Invalid, "review is open or overdue").At("review")
		}
	}
	if text, given := q["limit"]; given {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n < 1 || n > gate.MaxApprovals {
			return out, kernel.Errorf(kernel.Invalid, "limit is a number between 1 and %d", gate.MaxApprovals).At("limit")
		}
		out.Limit = int(n)
	}
	return out, nil
}

// showApproval is GET /v1/approvals/{id}.
func (d *door) showApproval(c *call) (reply, error) {
	v, err := d.cfg.Kernel.Approval(c.ctx, c.caller, c.last)
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, v), nil
}

// approve is POST /v1/approvals/{id}:approve.
func (d *door) approve(c *call) (reply, error) { return d.vote(c, true) }

// reject is POST /v1/approvals/{id}:reject.
func (d *door) reject(c *call) (reply, error) { return d.vote(c, false) }

func (d *door) vote(c *call, yes bool) (reply, error) {
	m, err := textMembers(c.data, "request_digest", "reason")
	if err != nil {
		return reply{}, err
	}
	a, err := d.cfg.Kernel.Vote(c.ctx, c.caller, gate.Ballot{ID: c.last, Digest: m["request_digest"], Approve: yes, Reason: m["reason"]})
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, a), nil
}

// breakGlass is POST /v1/approvals/{id}:breakglass.
func (d *door) breakGlass(c *call) (reply, error) {
	m, err := textMembers(c.data, "request_digest", "reason")
	if err != nil {
		return reply{}, err
	}
	a, err := d.cfg.Kernel.BreakGlass(c.ctx, c.caller, gate.Breaking{ID: c.last, Digest: m["request_digest"], Reason: m["reason"]})
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, a), nil
}

// What a review may come to.
const (
	justified   = "justified"
	unjustified = "unjustified"
)

// review is POST /v1/approvals/{id}:review.
func (d *door) review(c *call) (reply, error) {
	m, err := textMembers(c.data, "outcome", "note")
	if err != nil {
		return reply{}, err
	}
	if m["outcome"] != justified && m["outcome"] != unjustified {
		return reply{}, kernel.Errorf(kernel.Invalid, "outcome is justified or unjustified").At("$.outcome")
	}
	v, err := d.cfg.Kernel.Review(c.ctx, c.caller, gate.Review{ID: c.last, Justified: m["outcome"] == justified, Note: m["note"]})
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, v), nil
}

// cancelApproval is POST /v1/approvals/{id}:cancel.
func (d *door) cancelApproval(c *call) (reply, error) {
	m, err := textMembers(c.data, "reason")
	if err != nil {
		return reply{}, err
	}
	a, err := d.cfg.Kernel.Cancel(c.ctx, c.caller, c.last, m["reason"])
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, a), nil
}

// maxStream is how long one stream lasts: whoever follows connects again, with
// a token that is looked at again.
const maxStream = 10 * time.Minute

// pollStream is how often a stream looks for what another node did, and that
// its token is still worth something.
const pollStream = time.Second

// streamApprovals is GET /v1/approvals/stream: server-sent events, one with
// each approval as it is at first, and then whenever it changes.
func (d *door) streamApprovals(c *call) (reply, error) {
	q, err := approvalQuery(query{"state": string(approval.Pending)})
	if err != nil {
		return reply{}, err
	}
	if text, given := c.query["for"]; given {
		if q.Mine = true; text != "me" {
			return reply{}, kernel.Errorf(kernel.Invalid, "for is me: what the caller may vote on").At("for")
		}
	}
	q.Limit = gate.MaxApprovals
	first, err := d.cfg.Kernel.Approvals(c.ctx, c.caller, q)
	if err != nil {
		return reply{}, err
	}
	if c.r.Method == http.MethodHead {
		return reply{status: http.StatusOK, kind: "text/event-stream"}, nil
	}
	who := c.caller.Principal
	if !d.streams.take(who, 1) {
		return reply{}, overShare("too many streams of approvals are open, of this caller or of all")
	}
	if !d.park(c, maxStream) {
		d.streams.give(who, 1)
		return reply{}, overShare("too many calls wait for approvals")
	}
	return reply{status: http.StatusOK, kind: "text/event-stream", stream: func(c *call) {
		defer d.streams.give(who, 1)
		defer d.unpark(c)
		d.follow(c, q, first)
	}}, nil
}

// follow sends what changes until the client goes, the stream has lasted long
// enough, or its caller may not see it any more.
func (d *door) follow(c *call, q gate.ApprovalQuery, list []gate.ApprovalView) {
	ctx, cancel := d.untilStop(c.r.Context())
	defer cancel()
	end := time.NewTimer(maxStream)
	defer end.Stop()
	known := map[string]string{}
	for {
		changed := d.cfg.Kernel.Changed()
		if !d.sendChanges(ctx, c, list, known) {
			return
		}
		poll := time.NewTimer(pollStream)
		select {
		case <-changed:
		case <-poll.C:
		case <-end.C:
			return
		case <-ctx.Done():
			return
		}
		poll.Stop()
		var err error
		if err = d.stillKnown(c); err == nil {
			list, err = d.cfg.Kernel.Listed(ctx, c.caller, q)
		}
		if err != nil {
			return
		}
	}
}

// stillKnown makes sure that the token of a call that lasts was not revoked meanwhile.
func (d *door) stillKnown(c *call) error { return d.authenticate(c) }

// sendChanges sends the approvals that are not as they were sent last, and
// those that are not pending any more.
func (d *door) sendChanges(ctx context.Context, c *call, list []gate.ApprovalView, known map[string]string) bool {
	for id := range known {
		if !slices.ContainsFunc(list, func(v gate.ApprovalView) bool { return v.ID == id }) {
			delete(known, id)
			if v, err := d.cfg.Kernel.Approval(ctx, c.caller, id); err == nil {
				list = append(list, v)
			}
		}
	}
	for _, v := range list {
		v.Now = nil
		data, err := json.Marshal(v, json.Deterministic(true))
		if err != nil || known[v.ID] == string(data) {
			continue
		}
		if v.State == approval.Pending {
			known[v.ID] = string(data)
		}
		if _, err := fmt.Fprintf(c.w, "event: approval\ndata: %s\n\n", data); err != nil {
			return false
		}
	}
	return http.NewResponseController(c.w).Flush() == nil
}
