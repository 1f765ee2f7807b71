package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// errLater says that a job is for the next batch: two changes of the registry
// in one would be two changes of one record.
var errLater = errors.New("for the next batch")

// readRegistry makes the registry of its records.
func (g *Gate) readRegistry(ctx context.Context) (*registry.Snapshot, error) {
	var records []registry.Record
	for _, kind := range registry.RecordKinds() {
		for r, err := range g.cfg.Store.Records(ctx, kind, "") {
			if err != nil {
				return nil, err
			}
			records = append(records, registry.Record{Key: registry.Key{Kind: r.Kind, ID: r.Key}, Version: r.Version, Value: r.Value})
		}
	}
	return registry.Build(records)
}

// standing is what a registry says of a request, as far as a program looks at it.
func standing(s *registry.Snapshot, p *eval.Program, r *kernel.Request, now time.Time) registry.Standing {
	return p.Narrow(s.Standing(registry.Question{
		Agent: r.Agent.ID, Action: r.Action, ResourceType: r.Resource.Type, ResourceID: r.Resource.ID, Params: r.Params, Now: now,
	}), r.Resource.Type)
}

// An alteration finds the changes that somebody wants of the registry, in the
// registry as it is when they are made.
type alteration func(s *registry.Snapshot, now time.Time) ([]registry.Record, error)

// alter changes the registry and records who changed it and why. When it
// returns, the change is on disk and every decision from there on rests on it.
// Changes that change nothing are not recorded.
func (g *Gate) alter(ctx context.Context, caller kernel.Caller, reason string, find alteration) error {
	j := &job{urgent: true}
	j.apply = func(b *batch) error {
		if b.altered {
			return errLater
		}
		if err := g.upToDate(context.Background()); err != nil {
			return err
		}
		changes, err := find(b.registry, b.now)
		if err != nil {
			return err
		}
		next, changed, err := b.registry.With(changes)
		if err != nil {
			return err
		}
		return g.recordRegistry(b, caller, reason, next, changed)
	}
	return g.submit(ctx, j)
}

// recordRegistry adds changed records and their entries to a batch.
func (g *Gate) recordRegistry(b *batch, caller kernel.Caller, reason string, next *registry.Snapshot, changed []registry.Record) error {
	if len(changed) == 0 {
		return nil
	}
	for _, r := range changed {
		if r.Kind == registry.RecordVersion {
			continue
		}
		_, err := b.log.Append(ledger.Entry{
			Instant: b.now, Node: g.cfg.Node, Batch: b.id, Caller: caller.Principal,
			Registry: &ledger.RegistryChange{Object: r.Kind, Key: r.ID, Value: r.Value, Version: next.Version(), Reason: reason},
		}, nil)
		if err != nil {
			return err
		}
	}
	for _, r := range changed {
		b.change(store.Transition{RecordKey: store.RecordKey{Kind: r.Kind, Key: r.ID}, From: r.Version, Value: r.Value})
	}
	// Decisions after it in this batch are committed with it or not at all.
	b.registry, b.altered, b.moves = next, true, true
	b.after = append(b.after, func() { g.registry.Store(next) })
	return nil
}

// An Application is what became of a document: the version of the registry
// after it, and what is different.
type Application struct {
	Version  uint64
	Changes  []registry.Difference
	Warnings []eval.Warning // what of the document the active policy never reads, or denies for
}

// ApplyOptions say how a document is applied.
type ApplyOptions struct {
	DryRun bool    // say what is different, and change nothing
	Prune  bool    // remove what the document does not name
	Reason string  // why, for people: recorded
	Expect *uint64 // only while the registry has this version; nil: whatever it has
}

// Apply makes the registry what a document says, all or nothing, and says what
// is different. Only an admin may.
func (g *Gate) Apply(ctx context.Context, caller kernel.Caller, d registry.Document, o ApplyOptions) (Application, error) {
	if err := mayAlter(caller, o.Reason); err != nil {
		return Application{}, err
	}
	var a Application
	if p := g.program.Load(); p != nil {
		a.Warnings = p.Warn(d)
	}
	plan := func(s *registry.Snapshot, _ time.Time) ([]registry.Record, error) {
		if o.Expect != nil && s.Version() != *o.Expect {
			return nil, kernel.Errorf(kernel.Conflict, "the registry has version %d, not %d: it was changed meanwhile", s.Version(), *o.Expect).
				At("$.if_version").WithHint("look at it again")
		}
		changes, err := s.Plan(d, o.Prune)
		if err != nil {
			return nil, err
		}
		a.Changes = s.Compare(changes)
		next, _, err := s.With(changes)
		if err == nil {
			a.Version = next.Version()
		}
		return changes, err
	}
	if o.DryRun {
		_, err := plan(g.registry.Load(), time.Time{})
		return a, err
	}
	if err := g.alter(ctx, caller, o.Reason, plan); err != nil {
		return Application{}, err
	}
	return a, nil
}

// Registry returns the registry as it is. Only an admin or auditor may see it.
func (g *Gate) Registry(_ context.Context, caller kernel.Caller) (*registry.Snapshot, error) {
	if !caller.Is(kernel.RoleAdmin, kernel.RoleAuditor) {
		return nil, kernel.Errorf(kernel.Forbidden, "only an auditor or admin may see the registry")
	}
	return g.registry.Load(), nil
}

// SetStatus suspends, resumes or retires a principal. Only an admin may.
func (g *Gate) SetStatus(ctx context.Context, caller kernel.Caller, id string, to registry.Status, reason string) error {
	if err := mayAlter(caller, reason); err != nil {
		return err
	}
	return g.alter(ctx, caller, reason, func(s *registry.Snapshot, _ time.Time) ([]registry.Record, error) {
		return s.SetStatus(id, to)
	})
}

// Kill stops requests until [Gate.Lift]: when it returns, none of them is
// allowed any more. A switch that is on already stays as it is. Only an admin
// may.
func (g *Gate) Kill(ctx context.Context, caller kernel.Caller, scope registry.Scope, target, reason string) error {
	if err := mayAlter(caller, reason); err != nil {
		return err
	}
	return g.alter(ctx, caller, reason, func(s *registry.Snapshot, now time.Time) ([]registry.Record, error) {
		return s.Switch(registry.Kill{Scope: scope, Target: target, Reason: reason, By: caller.Principal, Since: now})
	})
}

// Lift ends a kill switch. Only an admin may.
func (g *Gate) Lift(ctx context.Context, caller kernel.Caller, scope registry.Scope, target, reason string) error {
	if err := mayAlter(caller, reason); err != nil {
		return err
	}
	return g.alter(ctx, caller, reason, func(s *registry.Snapshot, _ time.Time) ([]registry.Record, error) {
		return s.Lift(scope, target)
	})
}

// Lend lends a capability of one agent to another, narrowed. The agent itself
// may, or whoever speaks for it. The delegation's id is made here.
func (g *Gate) Lend(ctx context.Context, caller kernel.Caller, d registry.Delegation) (registry.Delegation, error) {
	if !caller.MaySpeakFor(d.From) {
		return registry.Delegation{}, kernel.Errorf(kernel.Forbidden, "the caller may not speak for agent %q", d.From).At("$.from")
	}
	if err := g.paced(ctx, caller); err != nil {
		return registry.Delegation{}, err
	}
	err := g.alter(ctx, caller, "", func(s *registry.Snapshot, now time.Time) ([]registry.Record, error) {
		id, err := ulid.New(ulid.Timestamp(now), g.cfg.Rand)
		if err != nil {
			return nil, fmt.Errorf("make the id of a delegation: %w", err)
		}
		d.ID = id.String()
		return s.Lend(d, now)
	})
	if err != nil {
		return registry.Delegation{}, err
	}
	return d, nil
}

// Revoke ends a delegation, and all that was lent on from it. Whoever may lend
// may revoke; to others there is no such delegation.
func (g *Gate) Revoke(ctx context.Context, caller kernel.Caller, id string) error {
	if err := g.paced(ctx, caller); err != nil {
		return err
	}
	return g.alter(ctx, caller, "", func(s *registry.Snapshot, _ time.Time) ([]registry.Record, error) {
		if from, known := s.Lender(id); !known || !caller.MaySpeakFor(from) {
			return nil, kernel.Errorf(kernel.NotFound, "there is no delegation %q", id)
		}
		return s.Revoke(id)
	})
}

func mayAlter(caller kernel.Caller, reason string) error {
	if !caller.Is(kernel.RoleAdmin) {
		return adminOnly()
	}
	return registry.CheckReason(reason)
}
