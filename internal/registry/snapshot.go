package registry

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
)

// A Snapshot is the registry at one version. It is immutable and safe for
// concurrent use. The zero Snapshot stops everything: only [Build] makes one
// that knows that nothing is stopped.
type Snapshot struct {
	read    bool
	version uint64
	records map[Key]Record

	members     map[string]*member
	resources   map[Target]*Resource
	delegations map[string]*Delegation

	kills   []Kill // by scope and target
	all     bool
	actions []string        // patterns, sorted
	agents  map[string]bool // ids
}

// A member is a principal with what hangs on it.
type member struct {
	Principal
	trusted map[string]any // Attributes, and owner, groups and roles where there are any
	lent    []*Delegation  // to it, by id
}

// own returns a capability of the principal's own, or nil.
func (m *member) own(id string) *Capability {
	for i := range m.Capabilities {
		if m.Capabilities[i].ID == id {
			return &m.Capabilities[i]
		}
	}
	return nil
}

// Build makes a snapshot of the records of a registry; of none, the empty one.
// A record that is not what [Encode] writes, or that contradicts another, is
// an error: a registry is not half understood.
func Build(records []Record) (*Snapshot, error) {
	s := &Snapshot{
		read: true, records: make(map[Key]Record, len(records)),
		members: map[string]*member{}, resources: map[Target]*Resource{}, delegations: map[string]*Delegation{}, agents: map[string]bool{},
	}
	for _, r := range records {
		if _, twice := s.records[r.Key]; twice {
			return nil, fmt.Errorf("two records of the %s %q", r.Kind, r.ID)
		}
		if err := r.read(); err != nil {
			return nil, fmt.Errorf("the %s %q: %w", r.Kind, r.ID, err)
		}
		s.records[r.Key] = r
		s.add(r.object)
	}
	return s, s.link()
}

func (s *Snapshot) add(object any) {
	switch o := object.(type) {
	case uint64:
		s.version = o
	case *Principal:
		s.members[o.ID] = &member{Principal: *o, trusted: o.Trusted()}
	case *Resource:
		s.resources[Target{o.Type, o.ID}] = o
	case *Delegation:
		s.delegations[o.ID] = o
	case *Kill:
		s.kills = append(s.kills, *o)
	}
}

// Trusted is what requests may not contradict: Attributes, and owner, groups
// and roles where there are any. It must not be changed.
func (p *Principal) Trusted() map[string]any {
	if p.Owner == "" && len(p.Groups)+len(p.Roles) == 0 {
		return p.Attributes
	}
	m := maps.Clone(p.Attributes)
	if m == nil {
		m = map[string]any{}
	}
	if p.Owner != "" {
		m["owner"] = p.Owner
	}
	if len(p.Groups) > 0 {
		m["groups"] = listOf(p.Groups)
	}
	if len(p.Roles) > 0 {
		m["roles"] = listOf(p.Roles)
	}
	return m
}

func listOf(texts []string) []any {
	list := make([]any, len(texts))
	for i, t := range texts {
		list[i] = t
	}
	return list
}

// link connects what belongs together and sorts what has an order.
func (s *Snapshot) link() error {
	folded := map[string]string{}
	for _, id := range kernel.SortedKeys(s.members) {
		low := strings.ToLower(id)
		if other, both := folded[low]; both {
			return kernel.Errorf(kernel.Invalid, "%q and %q differ in case alone", other, id).WithHint("choose another id: people would take one for the other")
		}
		folded[low] = id
		if owner := s.members[id].Owner; owner != "" && s.members[owner] == nil {
			return kernel.Errorf(kernel.Invalid, "the owner of %s, %q, is not registered", id, owner).WithHint("register the owner too, in the same file")
		}
	}
	for _, id := range kernel.SortedKeys(s.delegations) {
		d := s.delegations[id]
		to := s.members[d.To]
		if to == nil || to.Kind != Agent {
			return kernel.Errorf(kernel.Invalid, "the delegation %s is to %q, which is no registered agent", id, d.To)
		}
		if len(to.lent) == MaxCapabilities {
			return kernel.Errorf(kernel.Invalid, "more than %d delegations to %s", MaxCapabilities, d.To).WithHint("revoke one")
		}
		to.lent = append(to.lent, d)
	}
	return s.linkKills()
}

func (s *Snapshot) linkKills() error {
	if len(s.kills) > MaxKills {
		return kernel.Errorf(kernel.Invalid, "more than %d kill switches", MaxKills).WithHint("lift some, or stop everything with one")
	}
	slices.SortFunc(s.kills, func(a, b Kill) int {
		return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Target, b.Target))
	})
	for _, k := range s.kills {
		switch k.Scope {
		case ScopeAction:
			s.actions = append(s.actions, k.Target)
		case ScopeAgent:
			s.agents[k.Target] = true
		default:
			s.all = true
		}
	}
	return nil
}

// Version returns how often the registry was changed.
func (s *Snapshot) Version() uint64 {
	if s == nil {
		return 0
	}
	return s.version
}

// Principal returns a registered principal, of any status. Its maps and lists
// must not be changed.
func (s *Snapshot) Principal(id string) (Principal, bool) {
	if s == nil || s.members[id] == nil {
		return Principal{}, false
	}
	return s.members[id].Principal, true
}

// Principals returns all of them, by id.
func (s *Snapshot) Principals() []Principal {
	list := []Principal{}
	for _, id := range kernel.SortedKeys(s.members) {
		list = append(list, s.members[id].Principal)
	}
	return list
}

// Resources returns the registered ones, by type and id.
func (s *Snapshot) Resources() []Resource {
	list := []Resource{}
	for _, t := range slices.SortedFunc(maps.Keys(s.resources), compareTargets) {
		list = append(list, *s.resources[t])
	}
	return list
}

func compareTargets(a, b Target) int {
	return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.ID, b.ID))
}

// Delegations returns those that were not revoked, by id; some may have
// expired, or rest on what has gone.
func (s *Snapshot) Delegations() []Delegation {
	list := []Delegation{}
	for _, id := range kernel.SortedKeys(s.delegations) {
		list = append(list, *s.delegations[id])
	}
	return list
}

// Kills returns the switches that are on, by scope and target.
func (s *Snapshot) Kills() []Kill { return slices.Clone(s.kills) }

// Records returns the record of every object, by kind and id.
func (s *Snapshot) Records() []Record {
	return slices.SortedFunc(maps.Values(s.records), func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
}
