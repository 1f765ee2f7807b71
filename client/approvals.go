package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
)

// An Approval is what somebody who may vote is shown.
type Approval struct {
	ID            string             `json:"id"`
	State         string             `json:"state"` // PENDING, APPROVED, REJECTED, EXPIRED or CANCELLED
	Code          string             `json:"code,omitzero"`
	Note          string             `json:"note,omitzero"` // why it is not pending any more
	By            string             `json:"by,omitzero"`   // who settled it; empty: the kernel
	Decision      string             `json:"decision,omitzero"`
	Agent         string             `json:"agent"`
	Owner         string             `json:"owner,omitzero"`
	AskedBy       string             `json:"asked_by"`
	AskedByName   string             `json:"asked_by_name,omitzero"` // of a token that is nobody's
	Request       json.RawMessage    `json:"request"`                // exactly what would be done
	RequestDigest string             `json:"request_digest"`         // what a vote names
	RiskLevel     string             `json:"risk_level"`
	Rules         []string           `json:"rules"`
	Reason        string             `json:"reason"`
	PolicyVersion string             `json:"policy_version"`
	Constraints   json.RawMessage    `json:"constraints"`
	Link          string             `json:"link,omitzero"` // to a page to vote on, where the kernel has a public URL
	OpenedAt      time.Time          `json:"opened_at"`
	ExpiresAt     time.Time          `json:"expires_at"`
	SettledAt     time.Time          `json:"settled_at,omitzero"`
	Workflows     []ApprovalWorkflow `json:"workflows"`
	Votes         []ApprovalVote     `json:"votes"`
	MayVote       bool               `json:"may_vote"`
	MayNot        string             `json:"may_not,omitzero"`     // why the caller may not vote
	BreakGlass    *BreakGlass        `json:"break_glass,omitzero"` // while it is pending, and somebody may allow it alone
	Broken        *BrokenGlass       `json:"broken,omitzero"`      // of one that somebody allowed alone
	Now           *ApprovalNow       `json:"now,omitzero"`         // while it is pending; lists leave it out
}

// An ApprovalWorkflow is how far one workflow is.
type ApprovalWorkflow struct {
	Name    string   `json:"name"` // empty: that of rules that name none
	Needed  int      `json:"needed"`
	Counted []string `json:"counted"`
	Missing []string `json:"missing"`
	Asks    []string `json:"asks"`
}

// An ApprovalVote is one vote.
type ApprovalVote struct {
	By        string    `json:"by"`
	Approve   bool      `json:"approve"`
	Automatic bool      `json:"automatic,omitzero"`
	At        time.Time `json:"at"`
	Reason    string    `json:"reason,omitzero"`
}

// An ApprovalNow is what the kernel would decide now.
type ApprovalNow struct {
	Decision      string   `json:"decision"`
	Reason        string   `json:"reason"`
	PolicyVersion string   `json:"policy_version"`
	Changed       []string `json:"changed"`
}

// An ApprovalQuery selects approvals. Zero members select all.
type ApprovalQuery struct {
	State  string
	Mine   bool   // only what the caller may vote on now, or review
	Review string // open or overdue: only those with such a review of a broken glass
	Limit  int    // 1…200; 0: 100
}

// Approvals lists the approvals that the caller may see, the oldest first.
func (c *Client) Approvals(ctx context.Context, q ApprovalQuery) ([]Approval, error) {
	v := url.Values{}
	if q.State != "" {
		v.Set("state", q.State)
	}
	if q.Mine {
		v.Set("for", "me")
	}
	if q.Review != "" {
		v.Set("review", q.Review)
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	data, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/approvals", query: v}, http.StatusOK, jsonType)
	if err != nil {
		return nil, err
	}
	var got struct {
		Approvals []Approval `json:"approvals"`
	}
	if err := json.Unmarshal(data, &got); err != nil {
		return nil, fmt.Errorf("read the approvals: %w", err)
	}
	return got.Approvals, nil
}

// Approval returns one approval. One that the caller may not see is an error
// with the code [kernel.NotFound].
func (c *Client) Approval(ctx context.Context, id string) (Approval, error) {
	path, err := below("/v1/approvals/", id)
	if err != nil {
		return Approval{}, err
	}
	data, err := c.do(ctx, request{method: http.MethodGet, path: path}, http.StatusOK, jsonType)
	if err != nil {
		return Approval{}, err
	}
	var a Approval
	if err := json.Unmarshal(data, &a); err != nil || a.ID != id {
		return Approval{}, fmt.Errorf("the answer is not approval %s: %w", id, err)
	}
	return a, nil
}

// Approve votes for what the voter was shown: digest is that of the request.
// It takes an approver.
func (c *Client) Approve(ctx context.Context, id, digest, reason string) (kernel.Approval, error) {
	return c.settle(ctx, id, "approve", map[string]string{"request_digest": digest}, reason)
}

// Reject votes against it. It takes an approver.
func (c *Client) Reject(ctx context.Context, id, digest, reason string) (kernel.Approval, error) {
	return c.settle(ctx, id, "reject", map[string]string{"request_digest": digest}, reason)
}

// Cancel withdraws what was asked. Whoever asked may, and an admin.
func (c *Client) Cancel(ctx context.Context, id, reason string) (kernel.Approval, error) {
	return c.settle(ctx, id, "cancel", map[string]string{}, reason)
}

func (c *Client) settle(ctx context.Context, id, verb string, body map[string]string, reason string) (kernel.Approval, error) {
	path, err := below("/v1/approvals/", id)
	if err != nil {
		return kernel.Approval{}, err
	}
	if reason != "" {
		body["reason"] = reason
	}
	sent, err := json.Marshal(body)
	if err != nil {
		return kernel.Approval{}, fmt.Errorf("encode a vote: %w", err)
	}
	data, err := c.do(ctx, request{method: http.MethodPost, path: path + ":" + verb, body: sent}, http.StatusOK, jsonType)
	if err != nil {
		return kernel.Approval{}, err
	}
	r, top := readTop(data)
	a := r.approval(top)
	if r.err == nil && a.ID != id {
		r.keep(fmt.Errorf("it is about %q", a.ID))
	}
	if r.err != nil {
		return kernel.Approval{}, fmt.Errorf("what became of approval %s is not understood: %v", id, r.err) //nolint:errorlint // see readTop
	}
	return a, nil
}

// Await waits until the approval of a decision is settled, or ctx ends. It
// returns the decision that people allowed, which is for the same request, or
// the decision that asked, with what became of it.
func (c *Client) Await(ctx context.Context, asked kernel.Decision) (kernel.Decision, error) {
	for d := asked; ; {
		switch {
		case !d.Approval.Settled():
		case d.Approval == nil || d.Approval.Decision == "":
			return d, nil
		default:
			return c.allowed(ctx, asked, d.Approval.Decision)
		}
		later, err := c.waitFor(ctx, asked.ID)
		if err != nil {
			return kernel.Decision{}, err
		}
		if later.Answers == asked.ID {
			return bound(later, asked)
		}
		if d = later; d.ID != asked.ID {
			return kernel.Decision{}, fmt.Errorf("the kernel answered with decision %q, not %q", d.ID, asked.ID)
		}
	}
}

// waitPart is how long one call waits: less than the time-out of a call.
const waitPart = 20 * time.Second

func (c *Client) waitFor(ctx context.Context, id string) (kernel.Decision, error) {
	path, err := below("/v1/decisions/", id)
	if err != nil {
		return kernel.Decision{}, err
	}
	data, err := c.do(ctx, request{method: http.MethodGet, path: path, query: url.Values{"wait": {waitPart.String()}}}, http.StatusOK, jsonType)
	if err != nil {
		return kernel.Decision{}, err
	}
	return decodeDecision(data)
}

func (c *Client) allowed(ctx context.Context, asked kernel.Decision, id string) (kernel.Decision, error) {
	d, err := c.Decision(ctx, id)
	if err != nil {
		return kernel.Decision{}, err
	}
	return bound(d, asked)
}

// bound makes sure that an answer is about what was asked.
func bound(answer, asked kernel.Decision) (kernel.Decision, error) {
	if answer.Answers != asked.ID || answer.RequestDigest != asked.RequestDigest {
		return kernel.Decision{}, fmt.Errorf("decision %s does not answer decision %s", answer.ID, asked.ID)
	}
	return answer, nil
}

// Follow calls each with every pending approval that the caller may see, and
// again whenever one changes, until ctx or the stream ends, or each returns an
// error. A stream that ended is followed again by calling it again.
func (c *Client) Follow(ctx context.Context, mine bool, each func(Approval) error) error {
	target := *c.base
	target.Path = c.base.Path + "/v1/approvals/stream"
	if mine {
		target.RawQuery = "for=me"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return fmt.Errorf("make a request: %w", err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	stream := *c.http
	stream.Timeout = 0 // it lasts until ctx ends
	resp, err := stream.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read to its end, or is of no use
	if resp.StatusCode != http.StatusOK || mediaType(resp) != "text/event-stream" {
		data, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // what is missing of it makes it no problem document
		got := answer{resp.StatusCode, mediaType(resp), data}
		if got.kind == problemType && got.status >= 400 {
			return problem(got)
		}
		return c.stranger(got)
	}
	return events(resp.Body, each)
}

// events reads server-sent events of one line of data each.
func events(r io.Reader, each func(Approval) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxAnswer)
	for lines.Scan() {
		data, found := strings.CutPrefix(lines.Text(), "data: ")
		if !found {
			continue
		}
		var a Approval
		if err := json.NewDecoder(bytes.NewReader([]byte(data))).Decode(&a); err != nil {
			return fmt.Errorf("read an event: %w", err)
		}
		if err := each(a); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: read the stream: %w", ErrUnreachable, err)
	}
	return nil
}
