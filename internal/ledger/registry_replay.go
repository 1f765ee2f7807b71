package ledger

import (
	"fmt"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

// A fold is the registry as the entries so far make it.
type fold struct {
	snapshot *registry.Snapshot
	together []registry.Record // changes of the version that comes next
	version  uint64            // of those
	broken   error             // why there is no registry any more
}

func (f *fold) begin() (err error) {
	f.snapshot, err = registry.Build(nil)
	return err
}

// change takes a change; those of one version count as one.
func (f *fold) change(c *RegistryChange) {
	if c.Version != f.version {
		f.flush()
	}
	f.version = c.Version
	f.together = append(f.together, registry.Record{Key: registry.Key{Kind: c.Object, ID: c.Key}, Value: c.Value})
}

func (f *fold) flush() {
	if len(f.together) == 0 || f.broken != nil {
		return
	}
	next, _, err := f.snapshot.With(f.together)
	if err != nil {
		f.broken = fmt.Errorf("the registry before it cannot be made of its entries: %w", err)
		return
	}
	f.snapshot, f.together = next, nil
}

// compareStanding reports where the entry of a decision says something else of
// the registry than the entries before it.
func (f *fold) compareStanding(e Entry, r *kernel.Request, p *eval.Program) error {
	if f.flush(); f.broken != nil {
		return f.broken
	}
	want := p.Narrow(f.snapshot.Standing(registry.Question{
		Agent: r.Agent.ID, Action: r.Action, ResourceType: r.Resource.Type, ResourceID: r.Resource.ID, Now: e.Instant,
	}), r.Resource.Type)
	if got := e.Decision.Standing; got.Version != want.Version || !got.Same(want) {
		return fmt.Errorf("it was decided by version %d of the registry, of which its entry says something else than the entries before it (version %d)", got.Version, want.Version)
	}
	return nil
}
