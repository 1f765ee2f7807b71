package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// A Principal is an agent, a person or a service of the registry.
type Principal struct {
	ID           string                `json:"id"`
	Kind         string                `json:"kind"`   // agent, person or service
	Status       string                `json:"status"` // active, suspended or retired
	Owner        string                `json:"owner,omitzero"`
	Attributes   map[string]any        `json:"attributes,omitzero"` // numbers are float64: every integer of a registry is one exactly
	Groups       []string              `json:"groups,omitzero"`
	Roles        []string              `json:"roles,omitzero"`
	Capabilities map[string]Capability `json:"capabilities,omitzero"` // by id
}

// A Capability is what an agent may ask for at all.
type Capability struct {
	Actions   []string         `json:"actions"` // names, or beginnings of them and a * at the end
	Resources []Target         `json:"resources"`
	Limits    map[string]Limit `json:"limits,omitzero"`  // by path: params.NAME or resource.NAME
	Expires   time.Time        `json:"expires,omitzero"` // zero: never
	Lend      int              `json:"lend,omitzero"`    // how many times in a row it may be lent on
}

// A Limit bounds one value of a request: by Min, Max or both, or by In, or by
// Prefix.
type Limit struct {
	Min    *int64 `json:"min,omitzero"`
	Max    *int64 `json:"max,omitzero"`
	In     []any  `json:"in,omitzero"` // texts, or integers, or true and false
	Prefix string `json:"prefix,omitzero"`
}

// A Target is a pattern of resources.
type Target struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// A Delegation is a capability that one agent lends to another, narrowed.
type Delegation struct {
	ID   string `json:"id,omitzero"` // made by the kernel
	From string `json:"from"`
	To   string `json:"to"`
	Of   string `json:"of"` // a capability of From, or a delegation to From
	Capability
}

// A Kill is a switch that stops requests.
type Kill struct {
	Scope  string    `json:"scope"`           // all, action or agent
	Target string    `json:"target,omitzero"` // a pattern of actions, or an agent's id
	Reason string    `json:"reason,omitzero"`
	By     string    `json:"by"`
	Since  time.Time `json:"since"`
}

// A RegistryChange is what became of one object of the registry.
type RegistryChange struct {
	Change  string   `json:"change"` // add, change or remove
	Object  string   `json:"object"` // principal or resource
	ID      string   `json:"id"`
	Details []string `json:"details"`
}

// RegistryChanges are what a document makes of the registry.
type RegistryChanges struct {
	Version uint64           `json:"version"` // of the registry, after them
	DryRun  bool             `json:"dry_run"`
	Changes []RegistryChange `json:"changes"`

	Warnings []RegistryWarning `json:"warnings,omitzero"`
}

// A RegistryWarning says what of a document the active policy never reads, or
// denies for.
type RegistryWarning struct {
	Path    string `json:"path"` // JSON path in the document
	Message string `json:"message"`
}

// ApplyOptions say how a document is applied.
type ApplyOptions struct {
	DryRun bool // say what would change, and change nothing
	Prune  bool // remove what the document does not name

	Reason    string  // why, for people: recorded
	IfVersion *uint64 // only while the registry has this version, else the error has code conflict; nil: whatever it has
}

// Registry returns the registry as the document that ApplyRegistry takes. It
// takes an admin or auditor.
func (c *Client) Registry(ctx context.Context) (version uint64, document json.RawMessage, err error) {
	var got struct {
		Version  uint64          `json:"version"`
		Document json.RawMessage `json:"document"`
	}
	err = c.object(ctx, request{method: http.MethodGet, path: "/v1/registry"}, http.StatusOK, &got)
	return got.Version, got.Document, err
}

// ApplyRegistry makes the registry what a document says, all or nothing. It
// takes an admin.
func (c *Client) ApplyRegistry(ctx context.Context, document json.RawMessage, o ApplyOptions) (got RegistryChanges, err error) {
	err = c.post(ctx, "/v1/registry:apply", struct {
		Document json.RawMessage `json:"document"`
		DryRun   bool            `json:"dry_run"`
		Prune    bool            `json:"prune"`
		Reason   string          `json:"reason,omitzero"`
		Version  *uint64         `json:"if_version,omitzero"`
	}{document, o.DryRun, o.Prune, o.Reason, o.IfVersion}, http.StatusOK, &got)
	return got, err
}

// Agents returns the principals of the registry with this id, kind and status;
// an empty one means any. It takes an admin or auditor.
func (c *Client) Agents(ctx context.Context, id, kind, status string) ([]Principal, error) {
	q := url.Values{}
	for name, value := range map[string]string{"id": id, "kind": kind, "status": status} {
		if value != "" {
			q.Set(name, value)
		}
	}
	var got struct {
		Agents []Principal `json:"agents"`
	}
	err := c.object(ctx, request{method: http.MethodGet, path: "/v1/agents", query: q}, http.StatusOK, &got)
	return got.Agents, err
}

// SetStatus makes a principal active, suspended or, for ever, retired. When it
// returns, an agent that is not active is allowed nothing. It takes an admin.
func (c *Client) SetStatus(ctx context.Context, id, status, reason string) error {
	return c.post(ctx, "/v1/agents:status", struct {
		ID     string `json:"id"`
		Status string `json:"status"`
		Reason string `json:"reason,omitzero"`
	}{id, status, reason}, http.StatusOK, &struct{}{})
}

// Kills returns the kill switches that are on. It takes an admin or auditor.
func (c *Client) Kills(ctx context.Context) ([]Kill, error) {
	var got struct {
		Kills []Kill `json:"kills"`
	}
	err := c.object(ctx, request{method: http.MethodGet, path: "/v1/kills"}, http.StatusOK, &got)
	return got.Kills, err
}

// Kill stops everything (scope all, no target), an action or an agent. When it
// returns, none of it is allowed any more. It takes an admin.
func (c *Client) Kill(ctx context.Context, scope, target, reason string) error {
	return c.turn(ctx, "/v1/kills", scope, target, reason)
}

// Lift ends a kill switch. It takes an admin.
func (c *Client) Lift(ctx context.Context, scope, target, reason string) error {
	return c.turn(ctx, "/v1/kills:lift", scope, target, reason)
}

func (c *Client) turn(ctx context.Context, path, scope, target, reason string) error {
	return c.post(ctx, path, struct {
		Scope  string `json:"scope"`
		Target string `json:"target,omitzero"`
		Reason string `json:"reason,omitzero"`
	}{scope, target, reason}, http.StatusNoContent, nil)
}

// Delegations returns what agents lent to each other. It takes an admin or
// auditor.
func (c *Client) Delegations(ctx context.Context) ([]Delegation, error) {
	var got struct {
		Delegations []Delegation `json:"delegations"`
	}
	err := c.object(ctx, request{method: http.MethodGet, path: "/v1/delegations"}, http.StatusOK, &got)
	return got.Delegations, err
}

// Lend lends a capability; d.ID is left empty. It takes the lender, or whoever
// speaks for it.
func (c *Client) Lend(ctx context.Context, d Delegation) (got Delegation, err error) {
	err = c.post(ctx, "/v1/delegations", d, http.StatusCreated, &got)
	return got, err
}

// Revoke ends a delegation and all that was lent on from it.
func (c *Client) Revoke(ctx context.Context, id string) error {
	path, err := below("/v1/delegations/", id)
	if err != nil {
		return err
	}
	_, err = c.do(ctx, request{method: http.MethodDelete, path: path}, http.StatusNoContent, "")
	return err
}

func (c *Client) post(ctx context.Context, path string, body any, status int, into any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode the request: %w", err)
	}
	return c.object(ctx, request{method: http.MethodPost, path: path, body: data}, status, into)
}

// object makes a call whose answer is one JSON object; into nil: none.
func (c *Client) object(ctx context.Context, call request, status int, into any) error {
	kind := jsonType
	if into == nil {
		kind = ""
	}
	data, err := c.do(ctx, call, status, kind)
	if err != nil || into == nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}
