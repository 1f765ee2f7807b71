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
)

// Decide asks whether an agent may do one thing now. Only a decision with the
// effect Allow permits it, and only if every constraint of it is kept.
//
// The decision is for exactly this request: the kernel's digest of what it
// decided is compared with the digest of what was sent.
func (c *Client) Decide(ctx context.Context, req kernel.Request) (kernel.Decision, error) {
	body, digest, err := encode(req)
	if err != nil {
		return kernel.Decision{}, err
	}
	data, err := c.do(ctx, request{method: http.MethodPost, path: "/v1/decisions", body: body}, http.StatusOK, jsonType)
	if err != nil {
		return kernel.Decision{}, err
	}
	d, err := decodeDecision(data)
	if err != nil {
		return kernel.Decision{}, err
	}
	if d.RequestDigest != digest {
		return kernel.Decision{}, fmt.Errorf("the kernel decided another request: %s, not %s", d.RequestDigest, digest)
	}
	return d, nil
}

// Explain asks what the answer would be now, and why. Nothing is decided. The
// explanation is the JSON that contract/trace.schema.json describes. It takes
// an admin or auditor.
func (c *Client) Explain(ctx context.Context, req kernel.Request) (json.RawMessage, error) {
	body, _, err := encode(req)
	if err != nil {
		return nil, err
	}
	data, err := c.do(ctx, request{method: http.MethodPost, path: "/v1/decisions:explain", body: body}, http.StatusOK, jsonType)
	if err != nil {
		return nil, err
	}
	if !json.Valid(data) {
		return nil, fmt.Errorf("the explanation is not JSON")
	}
	return data, nil
}

// Decision returns a recorded decision. One that the caller may not see is an
// error with the code [kernel.NotFound].
func (c *Client) Decision(ctx context.Context, id string) (kernel.Decision, error) {
	path, err := below("/v1/decisions/", id)
	if err != nil {
		return kernel.Decision{}, err
	}
	data, err := c.do(ctx, request{method: http.MethodGet, path: path}, http.StatusOK, jsonType)
	if err != nil {
		return kernel.Decision{}, err
	}
	d, err := decodeDecision(data)
	if err == nil && d.ID != id {
		err = fmt.Errorf("the kernel answered with decision %q, not %q", d.ID, id)
	}
	if err != nil {
		return kernel.Decision{}, err
	}
	return d, nil
}

// A Query selects decisions. Zero members select all.
type Query struct {
	Agent, Action string
	Decision      *kernel.Effect
	Since, Until  time.Time // [Since, Until)
	Limit         int       // 1…1000; 0: 100
	Cursor        string    // Page.NextCursor of the page before
}

// A Page is some decisions, the newest first.
type Page struct {
	Decisions  []kernel.Decision
	NextCursor string // empty on the last page
}

// Decisions returns one page of recorded decisions.
func (c *Client) Decisions(ctx context.Context, q Query) (Page, error) {
	data, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/decisions", query: q.values()}, http.StatusOK, jsonType)
	if err != nil {
		return Page{}, err
	}
	return decodePage(data)
}

func (q Query) values() url.Values {
	v := url.Values{}
	set := func(name, text string) {
		if text != "" {
			v.Set(name, text)
		}
	}
	set("agent", q.Agent)
	set("action", q.Action)
	set("cursor", q.Cursor)
	if q.Decision != nil {
		v.Set("decision", q.Decision.String())
	}
	if !q.Since.IsZero() {
		v.Set("since", q.Since.Format(time.RFC3339Nano))
	}
	if !q.Until.IsZero() {
		v.Set("until", q.Until.Format(time.RFC3339Nano))
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return v
}

// encode checks and writes a request, and returns what its answer must bind.
func encode(req kernel.Request) (body []byte, digest string, err error) {
	if err := req.Check(); err != nil {
		return nil, "", err
	}
	if body, err = req.MarshalJSON(); err != nil {
		return nil, "", err
	}
	digest, err = req.Digest()
	return body, digest, err
}
