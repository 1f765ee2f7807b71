package ledger

import (
	"fmt"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

// A fold is the registry as the entries make it, version by version.
type fold struct {
	versions map[uint64]*registryVersion
	newest   uint64
	reached  uint64               // versions up to this may have been known by now
	recent   []*registry.Snapshot // the last ones that were made, the newest last
}

// A registryVersion is what one version of the registry changed.
type registryVersion struct {
	mark
	changes []registry.Record
}

// keepSnapshots bounds how far decisions of one shard may go back: a node that
// takes a shard over may know a little less than the one before it.
const keepSnapshots = 16

func (f *fold) begin() error {
	empty, err := registry.Build(nil)
	f.recent, f.reached = []*registry.Snapshot{empty}, 0
	return err
}

// change takes a change; those of one version count as one.
func (f *fold) change(e Entry) {
	c := e.Registry
	if f.versions == nil {
		f.versions = map[uint64]*registryVersion{}
	}
	v := f.versions[c.Version]
	if v == nil {
		v = &registryVersion{mark: markOf(e)}
		f.versions[c.Version] = v
	}
	v.changes = append(v.changes, registry.Record{Key: registry.Key{Kind: c.Object, ID: c.Key}, Value: c.Value})
	f.newest = max(f.newest, c.Version)
}

// at returns the registry of a version.
func (f *fold) at(version uint64) (*registry.Snapshot, error) {
	for i := len(f.recent) - 1; i >= 0; i-- {
		if f.recent[i].Version() == version {
			return f.recent[i], nil
		}
	}
	last := f.recent[len(f.recent)-1]
	if version < last.Version() {
		return nil, fmt.Errorf("it was decided by version %d of the registry, decisions before it by version %d", version, last.Version())
	}
	for last.Version() < version {
		next, err := f.after(last)
		if err != nil {
			return nil, fmt.Errorf("the registry before it cannot be made of its entries: %w", err)
		}
		last = next
	}
	return last, nil
}

func (f *fold) after(s *registry.Snapshot) (*registry.Snapshot, error) {
	version := s.Version() + 1
	v := f.versions[version]
	if v == nil {
		return nil, fmt.Errorf("no entry makes version %d", version)
	}
	next, _, err := s.With(v.changes)
	if err == nil && next.Version() != version {
		err = fmt.Errorf("the entries of version %d change nothing", version)
	}
	if err != nil {
		return nil, err
	}
	if f.recent = append(f.recent, next); len(f.recent) > keepSnapshots {
		f.recent = f.recent[1:]
	}
	return next, nil
}

// inForce returns the versions that may have been in force for an entry. Where
// entries are missing there may be none.
func (f *fold) inForce(e Entry) (from, to uint64) {
	horizon := e.Instant.Add(2 * nodeSkew)
	for f.reached < f.newest && (f.versions[f.reached+1] == nil || !f.versions[f.reached+1].instant.After(horizon)) {
		f.reached++
	}
	to = f.reached
	for to > 0 && (f.versions[to] == nil || !f.versions[to].known(e)) {
		to--
	}
	for from = to; from > 0 && f.versions[from].unknown(e); {
		from--
		for from > 0 && f.versions[from] == nil {
			from--
		}
	}
	return from, to
}

// compareStanding reports where the entry of a decision says something else of
// the registry than the entries before it.
func (f *fold) compareStanding(e Entry, r *kernel.Request, p *eval.Program) error {
	got := e.Decision.Standing
	from, to := f.inForce(e)
	version := min(max(got.Version, from), to)
	s, err := f.at(version)
	if err != nil {
		return err
	}
	want := p.Narrow(s.Standing(registry.Question{
		Agent: r.Agent.ID, Action: r.Action, ResourceType: r.Resource.Type, ResourceID: r.Resource.ID, Params: r.Params, Now: e.Instant,
	}), r.Resource.Type)
	if got.Version != want.Version || !got.Same(want) {
		return fmt.Errorf("it was decided by version %d of the registry, of which its entry says something else than the entries before it (version %d)", got.Version, want.Version)
	}
	return nil
}
