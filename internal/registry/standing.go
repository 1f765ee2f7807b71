package registry

import (
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/strixlabs/execution-kernel"
)

// A Question is what is asked of the registry about a request.
type Question struct {
	Agent, Action            string
	ResourceType, ResourceID string
	Params                   map[string]any // of the request; limits look at them
	Now                      time.Time
}

// A Standing is what the registry says about one request: plain data, which
// the entry of a decision keeps, so that the verdict can be reached again
// without a registry. The zero Standing knows nobody and permits nothing.
//
// Its maps and lists are the registry's own and must not be changed.
type Standing struct {
	Version    uint64         `json:"version"`             // of the registry; 0: nothing was ever registered
	Killed     string         `json:"killed,omitzero"`     // the switch that stops the request: "everything", "action deploy_*", "agent agent-001"; empty: none
	Status     Status         `json:"status,omitzero"`     // of the agent; empty: the registry knows no such agent
	Agent      map[string]any `json:"agent,omitzero"`      // what is trusted of the agent; nil: nothing
	Resource   map[string]any `json:"resource,omitzero"`   // what is trusted of the resource; nil: it is not registered
	Capability string         `json:"capability,omitzero"` // the capability, or delegation, that covers the request; empty: none does
	Chain      []string       `json:"chain,omitzero"`      // who lent it, from the agent whose own it is on; empty: it is the agent's own
	Limit      string         `json:"limit,omitzero"`      // without a Capability: the limit of one that the request is beyond, in words
}

// IsZero reports whether the registry has nothing to say.
func (st Standing) IsZero() bool {
	return st.Version == 0 && st.Killed == "" && st.Status == "" && st.Agent == nil && st.Resource == nil && st.Capability == "" && st.Chain == nil && st.Limit == ""
}

// Know returns the request with what the registry says of its agent and its
// resource, which wins over what the request says: what is counted by an
// attribute is counted by its true value.
func (st Standing) Know(r kernel.Request) kernel.Request {
	r.Agent.Attributes = known(r.Agent.Attributes, st.Agent)
	r.Resource.Attributes = known(r.Resource.Attributes, st.Resource)
	return r
}

func known(said, trusted map[string]any) map[string]any {
	if len(trusted) == 0 {
		return said
	}
	all := make(map[string]any, len(said)+len(trusted))
	maps.Copy(all, said)
	maps.Copy(all, trusted)
	return all
}

// Same reports whether two standings say the same, whatever happened to others
// between their versions.
func (st Standing) Same(other Standing) bool {
	return st.Killed == other.Killed && st.Status == other.Status && st.Capability == other.Capability && st.Limit == other.Limit &&
		slices.Equal(st.Chain, other.Chain) && sameValues(st.Agent, other.Agent) && sameValues(st.Resource, other.Resource)
}

func sameValues(a, b map[string]any) bool {
	return maps.EqualFunc(a, b, func(x, y any) bool { return reflect.DeepEqual(x, y) })
}

// Standing answers a question. A nil or zero Snapshot stops everything.
func (s *Snapshot) Standing(q Question) Standing {
	if s == nil || !s.read {
		return Standing{Killed: "everything"}
	}
	st := Standing{Version: s.version, Killed: s.stopped(q.Agent, q.Action)}
	if r := s.resources[Target{q.ResourceType, q.ResourceID}]; r != nil {
		st.Resource = r.Attributes
	}
	m := s.members[q.Agent]
	if m == nil || m.Kind != Agent {
		return st
	}
	st.Status, st.Agent = m.Status, m.trusted
	s.cover(&st, m, q)
	return st
}

// cover finds what covers a request: the agent's own first, then what was lent
// to it, each in the order of their ids. When nothing does, it says the first
// limit that is all that is in the way.
func (s *Snapshot) cover(st *Standing, m *member, q Question) {
	for i := range m.Capabilities {
		c := &m.Capabilities[i]
		if !c.holds(q) {
			continue
		}
		limit := c.beyond(c.ID, q.Params, st.Resource)
		if limit == "" {
			st.Capability, st.Limit = c.ID, ""
			return
		}
		keepFirst(&st.Limit, limit)
	}
	for _, d := range m.lent {
		chain, limit := s.chain(d, q, st.Resource)
		if limit == "" && chain != nil {
			st.Capability, st.Chain, st.Limit = d.ID, chain, ""
			return
		}
		keepFirst(&st.Limit, limit)
	}
}

func keepFirst(kept *string, text string) {
	if *kept == "" {
		*kept = text
	}
}

// holds reports whether a capability covers a request now, its limits apart.
func (c *Capability) holds(q Question) bool {
	return (c.Expires.IsZero() || q.Now.Before(c.Expires)) && c.covers(q.Action, q.ResourceType, q.ResourceID)
}

// chain walks from a delegation to the capability at its root and returns the
// lenders, the root first, or nil when some part of it does not hold now: each
// must cover the request by itself, and each lender may act by itself. What
// was widened at one end or revoked at the other ends here. A chain of which
// only limits do not hold comes with the first of them.
func (s *Snapshot) chain(d *Delegation, q Question, resource map[string]any) (lenders []string, limit string) {
	for range MaxLend {
		from := s.members[d.From]
		if !d.holds(q) || from == nil || from.Kind != Agent || from.Status != Active || s.stopped(d.From, q.Action) != "" {
			return nil, ""
		}
		keepFirst(&limit, d.beyond(d.ID, q.Params, resource))
		lenders = append(lenders, d.From)
		if c := from.own(d.Of); c != nil {
			if !c.holds(q) || c.Lend < len(lenders) {
				return nil, ""
			}
			keepFirst(&limit, c.beyond(c.ID, q.Params, resource))
			slices.Reverse(lenders)
			return lenders, limit
		}
		parent := s.delegations[d.Of]
		if parent == nil || parent.To != d.From || parent.Lend < len(lenders) {
			return nil, ""
		}
		d = parent
	}
	return nil, ""
}

// stopped returns the widest kill switch that stops a request, or "".
func (s *Snapshot) stopped(agent, action string) string {
	if s.all {
		return "everything"
	}
	for _, p := range s.actions {
		if matches(p, action) {
			return "action " + p
		}
	}
	if s.agents[agent] {
		return "agent " + agent
	}
	return ""
}
