package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/grant"
)

// A Grant is what became of the single-use permission of one ALLOW.
type Grant struct {
	ID         string    `json:"id"`    // that of the decision
	State      string    `json:"state"` // issued, redeemed, settled, expired
	Agent      string    `json:"agent"`
	Action     string    `json:"action"`
	Asker      string    `json:"asker"`
	IssuedAt   time.Time `json:"issued_at"`
	ExpiresAt  time.Time `json:"expires_at"` // it may be redeemed before
	RedeemedBy string    `json:"redeemed_by,omitzero"`
	RedeemedAt time.Time `json:"redeemed_at,omitzero"`
	SettledAt  time.Time `json:"settled_at,omitzero"`
	Outcome    string    `json:"outcome,omitzero"`  // succeeded, failed, abandoned
	Result     string    `json:"result,omitzero"`   // sha256:…
	Released   bool      `json:"released,omitzero"` // the decision does not count any more
}

// Redeem spends a grant: when it returns without an error, what was decided may
// be executed, once and by this caller. digest is that of the request about to
// be executed ([kernel.Request.Digest]); empty: it was checked by [Keys.Check].
//
// A call whose answer is lost leaves a grant that may be redeemed, and that
// nobody can redeem again: ask for another decision.
func (c *Client) Redeem(ctx context.Context, id, token, digest string) (Grant, error) {
	return c.changeGrant(ctx, id, "redeem", struct {
		Grant  string `json:"grant"`
		Digest string `json:"request_digest,omitempty"`
	}{token, digest})
}

// A Settlement is how what a grant permitted ended.
type Settlement struct {
	Outcome  string `json:"outcome"`             // succeeded, failed, abandoned
	Result   string `json:"result,omitempty"`    // sha256:… of whatever shows it
	NoEffect bool   `json:"no_effect,omitempty"` // with failed: nothing was changed
}

// Settle closes a grant. Only whoever redeemed it may; the same outcome again
// changes nothing.
func (c *Client) Settle(ctx context.Context, id string, s Settlement) (Grant, error) {
	return c.changeGrant(ctx, id, "settle", s)
}

func (c *Client) changeGrant(ctx context.Context, id, verb string, body any) (Grant, error) {
	path, err := below("/v1/grants/", id)
	if err != nil {
		return Grant{}, err
	}
	data, err := json.Marshal(body)
	if err != nil {
		return Grant{}, err
	}
	return c.grant(ctx, id, request{method: http.MethodPost, path: path + ":" + verb, body: data})
}

// Grant returns one grant. It takes who asked for it or redeemed it, the agent,
// an auditor or an admin.
func (c *Client) Grant(ctx context.Context, id string) (Grant, error) {
	path, err := below("/v1/grants/", id)
	if err != nil {
		return Grant{}, err
	}
	return c.grant(ctx, id, request{method: http.MethodGet, path: path})
}

func (c *Client) grant(ctx context.Context, id string, call request) (g Grant, err error) {
	data, err := c.do(ctx, call, http.StatusOK, jsonType)
	if err != nil {
		return Grant{}, err
	}
	if err := json.Unmarshal(data, &g); err != nil || g.ID != id || g.State == "" {
		return Grant{}, fmt.Errorf("the answer is not grant %q", id)
	}
	return g, nil
}

// A GrantQuery selects grants. Zero members select all.
type GrantQuery struct {
	State, Agent string
	Limit        int    // 1…1000; 0: 100
	Cursor       string // the one that the page before came with
}

// Grants returns one page of the grants that are still kept, the oldest first,
// and the cursor of the next page. It takes an admin or auditor.
func (c *Client) Grants(ctx context.Context, q GrantQuery) (grants []Grant, next string, err error) {
	v := url.Values{}
	for _, p := range [][2]string{{"state", q.State}, {"agent", q.Agent}, {"cursor", q.Cursor}} {
		if p[1] != "" {
			v.Set(p[0], p[1])
		}
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	data, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/grants", query: v}, http.StatusOK, jsonType)
	if err != nil {
		return nil, "", err
	}
	var list struct {
		Grants []Grant `json:"grants"`
		Next   string  `json:"next_cursor"`
	}
	if err := json.Unmarshal(data, &list); err != nil || list.Grants == nil {
		return nil, "", fmt.Errorf("the answer holds no list of grants")
	}
	return list.Grants, list.Next, nil
}

// Keys are the public keys that grants are checked with, offline. The zero Keys
// take no grant.
type Keys struct{ keys grant.Keys }

// GrantKeys returns the kernel's keys. They may be kept: a grant of a key that
// is not among them is a reason to ask again, once.
func (c *Client) GrantKeys(ctx context.Context) (Keys, error) {
	data, err := c.do(ctx, request{method: http.MethodGet, path: "/.well-known/jwks.json"}, http.StatusOK, jsonType)
	if err != nil {
		return Keys{}, err
	}
	return ReadKeys(data)
}

// ReadKeys reads a JWK set, as /.well-known/jwks.json hands it out.
func ReadKeys(jwks []byte) (Keys, error) {
	keys, err := grant.ReadJWKS(jwks)
	return Keys{keys}, err
}

// A Permit is what a genuine grant says.
type Permit struct {
	ID            string // of the grant and its decision
	Issuer        string // the log that has the decision
	Agent         string
	Action        string
	PolicyVersion string
	Constraints   map[string]any // what whoever executes must keep, or refuse
	KeptBy        kernel.KeptBy  // which of them somebody else keeps
	ExpiresAt     time.Time
}

// Check checks a grant offline: that a kernel signed it as it is, for exactly
// this request, and that it is not over at an instant. It does not tell whether
// the grant was redeemed, or whether anything changed since: [Client.Redeem]
// does, and makes it count.
func (k Keys) Check(token string, req kernel.Request, now time.Time) (Permit, error) {
	claims, err := grant.Open(token, k.keys)
	if err != nil {
		return Permit{}, err
	}
	digest, err := req.Digest()
	if err != nil {
		return Permit{}, err
	}
	switch {
	case claims.Digest != digest || claims.Agent != req.Agent.ID || claims.Action != req.Action:
		return Permit{}, kernel.Errorf(kernel.GrantMismatch, "the grant is about another request").WithHint("execute what was asked, or ask for what is to be executed")
	case !now.Before(claims.ExpiresAt):
		return Permit{}, kernel.Errorf(kernel.GrantExpired, "the grant expired at %s", claims.ExpiresAt.Format(time.RFC3339)).WithHint("ask for another decision")
	}
	return Permit{
		ID: claims.ID, Issuer: claims.Issuer, Agent: claims.Agent, Action: claims.Action, PolicyVersion: claims.PolicyVersion,
		Constraints: claims.Constraints, KeptBy: claims.KeptBy, ExpiresAt: claims.ExpiresAt,
	}, nil
}

// Unkept lists the constraints that whoever executes has to keep and does not,
// as [kernel.Decision.Unkept] does.
func (p *Permit) Unkept(kept ...string) []string {
	d := kernel.Decision{Verdict: kernel.Verdict{Constraints: p.Constraints}, KeptBy: p.KeptBy}
	return d.Unkept(kept...)
}
