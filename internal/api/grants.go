package api

import (
	"context"
	"net/http"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/grant"
)

const doorGrants = "grants"

// A Granter is the part of the kernel that knows of grants.
type Granter interface {
	Grant(ctx context.Context, caller kernel.Caller, id string) (grant.Record, error)
	Grants(context.Context, kernel.Caller, gate.GrantQuery) (gate.GrantPage, error)
	Redeem(ctx context.Context, caller kernel.Caller, id string, r gate.Redemption) (grant.Record, error)
	Settle(ctx context.Context, caller kernel.Caller, id string, s grant.Settlement) (grant.Record, error)
	GrantKeys(context.Context) (grant.Keys, error)
}

// A grantView is what is told of a grant.
type grantView struct {
	ID         string        `json:"id"`
	State      grant.State   `json:"state"`
	Agent      string        `json:"agent"`
	Action     string        `json:"action"`
	Asker      string        `json:"asker"`
	IssuedAt   time.Time     `json:"issued_at"`
	ExpiresAt  time.Time     `json:"expires_at"`
	RedeemedBy string        `json:"redeemed_by,omitzero"`
	RedeemedAt time.Time     `json:"redeemed_at,omitzero"`
	SettledAt  time.Time     `json:"settled_at,omitzero"`
	Outcome    grant.Outcome `json:"outcome,omitzero"`
	Result     string        `json:"result,omitzero"`
	Released   bool          `json:"released,omitzero"`
}

func grantReply(r grant.Record, err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, grantView(r)), nil
}

// grant is GET /v1/grants/{id}.
func (d *door) grant(c *call) (reply, error) {
	return grantReply(d.cfg.Kernel.Grant(c.ctx, c.caller, c.last))
}

// listGrants is GET /v1/grants.
func (d *door) listGrants(c *call) (reply, error) {
	q := gate.GrantQuery{State: grant.State(c.query["state"]), Agent: c.query["agent"], Cursor: c.query["cursor"]}
	var err error
	if q.Limit, err = limitOf(c.query); err != nil {
		return reply{}, err
	}
	page, err := d.cfg.Kernel.Grants(c.ctx, c.caller, q)
	if err != nil {
		return reply{}, err
	}
	views := []grantView{}
	for _, r := range page.Grants {
		views = append(views, grantView(r))
	}
	return jsonReply(http.StatusOK, struct {
		Grants     []grantView `json:"grants"`
		NextCursor string      `json:"next_cursor,omitzero"`
	}{views, page.NextCursor}), nil
}

// redeem is POST /v1/grants/{id}:redeem.
func (d *door) redeem(c *call) (reply, error) {
	m, err := decodeObject(c.data, []string{"grant", "request_digest"})
	if err != nil {
		return reply{}, err
	}
	token, err := textOf(m, "grant", true)
	if err != nil {
		return reply{}, err
	}
	digest, err := textOf(m, "request_digest", false)
	if err != nil {
		return reply{}, err
	}
	return grantReply(d.cfg.Kernel.Redeem(c.ctx, c.caller, c.last, gate.Redemption{Token: token, Digest: digest}))
}

// settle is POST /v1/grants/{id}:settle.
func (d *door) settle(c *call) (reply, error) {
	m, err := decodeObject(c.data, []string{"outcome", "result", "no_effect"})
	if err != nil {
		return reply{}, err
	}
	outcome, err := textOf(m, "outcome", true)
	if err != nil {
		return reply{}, err
	}
	result, err := textOf(m, "result", false)
	if err != nil {
		return reply{}, err
	}
	noEffect, err := flag(m, "no_effect")
	if err != nil {
		return reply{}, err
	}
	s := grant.Settlement{Outcome: grant.Outcome(outcome), Result: result, NoEffect: noEffect}
	return grantReply(d.cfg.Kernel.Settle(c.ctx, c.caller, c.last, s))
}

// jwks is GET /.well-known/jwks.json: the keys that grants are checked with.
func (d *door) jwks(c *call) (reply, error) {
	keys, err := d.cfg.Kernel.GrantKeys(c.ctx)
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, struct {
		Keys []grant.JWK `json:"keys"`
	}{keys.JWKS()}), nil
}

// textOf reads a text that is not empty.
func textOf(m map[string]any, name string, required bool) (string, error) {
	v, there := m[name]
	s, ok := v.(string)
	switch {
	case !there && !required:
		return "", nil
	case !there:
		return "", kernel.Errorf(kernel.Invalid, "%s is required", name).At(kernel.JoinPath("$", name))
	case !ok || s == "":
		return "", kernel.Errorf(kernel.Invalid, "%s is a string that is not empty", name).At(kernel.JoinPath("$", name))
	}
	return s, nil
}
