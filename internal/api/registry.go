package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

// A Registrar is the part of the kernel that knows who may ask.
type Registrar interface {
	Registry(context.Context, kernel.Caller) (*registry.Snapshot, error)
	Apply(ctx context.Context, caller kernel.Caller, d registry.Document, o gate.ApplyOptions) (gate.Application, error)
	SetStatus(ctx context.Context, caller kernel.Caller, id string, to registry.Status, reason string) error
	Kill(ctx context.Context, caller kernel.Caller, scope registry.Scope, target, reason string) error
	Lift(ctx context.Context, caller kernel.Caller, scope registry.Scope, target, reason string) error
	Lend(context.Context, kernel.Caller, registry.Delegation) (registry.Delegation, error)
	Revoke(ctx context.Context, caller kernel.Caller, id string) error
}

// exportRegistry is GET /v1/registry.
func (d *door) exportRegistry(c *call) (reply, error) {
	s, err := d.cfg.Kernel.Registry(c.ctx, c.caller)
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, struct {
		Version  uint64         `json:"version"`
		Document map[string]any `json:"document"`
	}{s.Version(), s.Document()}), nil
}

// applyRegistry is POST /v1/registry:apply.
func (d *door) applyRegistry(c *call) (reply, error) {
	m, err := decodeObject(c.data, []string{"document", "dry_run", "prune", "reason", "if_version"})
	if err != nil {
		return reply{}, err
	}
	o, err := applyOptions(m)
	if err != nil {
		return reply{}, err
	}
	document, err := registry.ReadDocument(m["document"])
	if err != nil {
		return reply{}, below("$.document", err)
	}
	a, err := d.cfg.Kernel.Apply(c.ctx, c.caller, document, o)
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, struct {
		Version  uint64                `json:"version"`
		DryRun   bool                  `json:"dry_run"`
		Changes  []registry.Difference `json:"changes"`
		Warnings []eval.Warning        `json:"warnings,omitempty"`
	}{a.Version, o.DryRun, a.Changes, a.Warnings}), nil
}

func applyOptions(m map[string]any) (o gate.ApplyOptions, err error) {
	if o.DryRun, err = flag(m, "dry_run"); err != nil {
		return o, err
	}
	if o.Prune, err = flag(m, "prune"); err != nil {
		return o, err
	}
	if v, there := m["reason"]; there {
		reason, ok := v.(string)
		if o.Reason = reason; !ok {
			return o, kernel.Errorf(kernel.Invalid, "reason is a string").At("$.reason")
		}
	}
	if v, there := m["if_version"]; there {
		version, ok := v.(int64)
		if !ok || version < 0 {
			return o, kernel.Errorf(kernel.Invalid, "if_version is a version of the registry").At("$.if_version")
		}
		expect := uint64(version)
		o.Expect = &expect
	}
	return o, nil
}

// A principalView is what is told of a principal.
type principalView struct {
	ID           string                    `json:"id"`
	Kind         registry.Kind             `json:"kind"`
	Status       registry.Status           `json:"status"`
	Owner        string                    `json:"owner,omitzero"`
	Attributes   map[string]any            `json:"attributes,omitzero"`
	Groups       []string                  `json:"groups,omitzero"`
	Roles        []string                  `json:"roles,omitzero"`
	Capabilities map[string]capabilityView `json:"capabilities,omitzero"`
}

type capabilityView struct {
	Actions   []string             `json:"actions"`
	Resources []targetView         `json:"resources"`
	Limits    map[string]limitView `json:"limits,omitzero"`
	Expires   time.Time            `json:"expires,omitzero"`
	Lend      int                  `json:"lend,omitzero"`
}

type limitView struct {
	Min    *int64 `json:"min,omitzero"`
	Max    *int64 `json:"max,omitzero"`
	In     []any  `json:"in,omitzero"`
	Prefix string `json:"prefix,omitzero"`
}

type targetView struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

func viewOfCapability(c registry.Capability) capabilityView {
	v := capabilityView{Actions: c.Actions, Expires: c.Expires, Lend: c.Lend}
	for _, t := range c.Resources {
		v.Resources = append(v.Resources, targetView(t))
	}
	for _, l := range c.Limits {
		if v.Limits == nil {
			v.Limits = map[string]limitView{}
		}
		v.Limits[l.Path] = limitView{Min: l.Min, Max: l.Max, In: l.In, Prefix: l.Prefix}
	}
	return v
}

func viewOfPrincipal(p registry.Principal) principalView {
	v := principalView{
		ID: p.ID, Kind: p.Kind, Status: p.Status, Owner: p.Owner, Attributes: p.Attributes, Groups: p.Groups, Roles: p.Roles,
	}
	for _, c := range p.Capabilities {
		if v.Capabilities == nil {
			v.Capabilities = map[string]capabilityView{}
		}
		v.Capabilities[c.ID] = viewOfCapability(c)
	}
	return v
}

// listAgents is GET /v1/agents.
func (d *door) listAgents(c *call) (reply, error) {
	s, err := d.cfg.Kernel.Registry(c.ctx, c.caller)
	if err != nil {
		return reply{}, err
	}
	views := []principalView{}
	for _, p := range s.Principals() {
		if is(c.query["id"], p.ID) && is(c.query["kind"], string(p.Kind)) && is(c.query["status"], string(p.Status)) {
			views = append(views, viewOfPrincipal(p))
		}
	}
	return jsonReply(http.StatusOK, struct {
		Agents []principalView `json:"agents"`
	}{views}), nil
}

func is(wanted, have string) bool { return wanted == "" || wanted == have }

// setStatus is POST /v1/agents:status.
func (d *door) setStatus(c *call) (reply, error) {
	m, err := textMembers(c.data, "id", "status", "reason")
	if err != nil {
		return reply{}, err
	}
	to := registry.Status(m["status"])
	if to != registry.Active && to != registry.Suspended && to != registry.Retired {
		return reply{}, kernel.Errorf(kernel.Invalid, "status is active, suspended or retired").At("$.status")
	}
	if err := d.cfg.Kernel.SetStatus(c.ctx, c.caller, m["id"], to, m["reason"]); err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, struct {
		ID     string          `json:"id"`
		Status registry.Status `json:"status"`
	}{m["id"], to}), nil
}

type killView struct {
	Scope  registry.Scope `json:"scope"`
	Target string         `json:"target,omitzero"`
	Reason string         `json:"reason,omitzero"`
	By     string         `json:"by"`
	Since  time.Time      `json:"since"`
}

// listKills is GET /v1/kills.
func (d *door) listKills(c *call) (reply, error) {
	s, err := d.cfg.Kernel.Registry(c.ctx, c.caller)
	if err != nil {
		return reply{}, err
	}
	views := []killView{}
	for _, k := range s.Kills() {
		views = append(views, killView(k))
	}
	return jsonReply(http.StatusOK, struct {
		Kills []killView `json:"kills"`
	}{views}), nil
}

// kill is POST /v1/kills.
func (d *door) kill(c *call) (reply, error) { return d.turn(c, d.cfg.Kernel.Kill) }

// lift is POST /v1/kills:lift.
func (d *door) lift(c *call) (reply, error) { return d.turn(c, d.cfg.Kernel.Lift) }

func (d *door) turn(c *call, turn func(context.Context, kernel.Caller, registry.Scope, string, string) error) (reply, error) {
	m, err := textMembers(c.data, "scope", "target", "reason")
	if err != nil {
		return reply{}, err
	}
	scope := registry.Scope(m["scope"])
	switch {
	case scope != registry.ScopeAll && scope != registry.ScopeAction && scope != registry.ScopeAgent:
		return reply{}, kernel.Errorf(kernel.Invalid, "scope is all, action or agent").At("$.scope")
	case (scope == registry.ScopeAll) != (m["target"] == ""):
		return reply{}, kernel.Errorf(kernel.Invalid, "an action or an agent has a target, and all has none").At("$.target")
	}
	if err := turn(c.ctx, c.caller, scope, m["target"], m["reason"]); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, nil
}

type delegationView struct {
	ID   string `json:"id"`
	From string `json:"from"`
	To   string `json:"to"`
	Of   string `json:"of"`
	capabilityView
}

func viewOfDelegation(d registry.Delegation) delegationView {
	return delegationView{ID: d.ID, From: d.From, To: d.To, Of: d.Of, capabilityView: viewOfCapability(d.Capability)}
}

// listDelegations is GET /v1/delegations.
func (d *door) listDelegations(c *call) (reply, error) {
	s, err := d.cfg.Kernel.Registry(c.ctx, c.caller)
	if err != nil {
		return reply{}, err
	}
	views := []delegationView{}
	for _, del := range s.Delegations() {
		views = append(views, viewOfDelegation(del))
	}
	return jsonReply(http.StatusOK, struct {
		Delegations []delegationView `json:"delegations"`
	}{views}), nil
}

// lend is POST /v1/delegations.
func (d *door) lend(c *call) (reply, error) {
	tree, err := kernel.DecodeJSON(c.data)
	if err != nil {
		return reply{}, err
	}
	delegation, err := registry.ReadDelegation(tree)
	if err != nil {
		return reply{}, err
	}
	if delegation, err = d.cfg.Kernel.Lend(c.ctx, c.caller, delegation); err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusCreated, viewOfDelegation(delegation)), nil
}

// revoke is DELETE /v1/delegations/{id}.
func (d *door) revoke(c *call) (reply, error) {
	if err := d.cfg.Kernel.Revoke(c.ctx, c.caller, c.last); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, nil
}

// textMembers reads an object of texts, of which reason and target may be absent.
func textMembers(data []byte, names ...string) (map[string]string, error) {
	m, err := decodeObject(data, names)
	if err != nil {
		return nil, err
	}
	texts := map[string]string{}
	for _, name := range names {
		v, there := m[name]
		s, ok := v.(string)
		switch {
		case !there && slices.Contains([]string{"reason", "target", "message", "proof"}, name):
		case !there:
			return nil, kernel.Errorf(kernel.Invalid, "%s is required", name).At(kernel.JoinPath("$", name))
		case !ok:
			return nil, kernel.Errorf(kernel.Invalid, "%s is a string", name).At(kernel.JoinPath("$", name))
		}
		texts[name] = s
	}
	return texts, nil
}

func flag(m map[string]any, name string) (bool, error) {
	v, there := m[name]
	b, ok := v.(bool)
	if there && !ok {
		return false, kernel.Errorf(kernel.Invalid, "%s is true or false", name).At(kernel.JoinPath("$", name))
	}
	return b, nil
}

// below puts the place of an error below another.
func below(path string, err error) error {
	var e *kernel.Error
	if !errors.As(err, &e) {
		return err
	}
	return e.At(path + strings.TrimPrefix(e.Path, "$"))
}
