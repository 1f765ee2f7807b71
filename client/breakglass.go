package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/strixlabs/execution-kernel"
)

// A BreakGlass is who may allow a pending approval alone.
type BreakGlass struct {
	Asks      []string  `json:"asks"` // whom, in words
	Until     time.Time `json:"until"`
	MinReason int       `json:"min_reason"` // characters
	May       bool      `json:"may"`
	MayNot    string    `json:"may_not,omitzero"` // why the caller may not
}

// A BrokenGlass is what somebody allowed alone.
type BrokenGlass struct {
	By        string        `json:"by"`
	At        time.Time     `json:"at"`
	Reason    string        `json:"reason"`
	Overdue   bool          `json:"overdue"`
	Reviews   []GlassReview `json:"reviews"`
	MayReview bool          `json:"may_review"`
	MayNot    string        `json:"may_not,omitzero"` // why the caller may not
}

// A GlassReview is what has to be said of it, by somebody else.
type GlassReview struct {
	Workflow  string    `json:"workflow"`
	Asks      []string  `json:"asks"` // whom, in words
	DueAt     time.Time `json:"due_at"`
	By        string    `json:"by,omitzero"` // empty: it is open
	At        time.Time `json:"at,omitzero"`
	Justified *bool     `json:"justified,omitzero"`
	Note      string    `json:"note,omitzero"`
}

// BreakGlass allows an approval alone, with a reason: digest is that of the
// request that was shown. It takes an approver whom every workflow that is
// asked lets do that.
func (c *Client) BreakGlass(ctx context.Context, id, digest, reason string) (kernel.Approval, error) {
	return c.settle(ctx, id, "breakglass", map[string]string{"request_digest": digest}, reason)
}

// Review closes the reviews of a broken glass that are for the caller, an
// approver. The note says what was found.
func (c *Client) Review(ctx context.Context, id string, justified bool, note string) (Approval, error) {
	path, err := below("/v1/approvals/", id)
	if err != nil {
		return Approval{}, err
	}
	outcome := map[bool]string{true: "justified", false: "unjustified"}[justified]
	sent, err := json.Marshal(map[string]string{"outcome": outcome, "note": note})
	if err != nil {
		return Approval{}, fmt.Errorf("encode a review: %w", err)
	}
	data, err := c.do(ctx, request{method: http.MethodPost, path: path + ":review", body: sent}, http.StatusOK, jsonType)
	if err != nil {
		return Approval{}, err
	}
	var a Approval
	if err := json.Unmarshal(data, &a); err != nil || a.ID != id {
		return Approval{}, fmt.Errorf("the answer is not approval %s: %w", id, err)
	}
	return a, nil
}
