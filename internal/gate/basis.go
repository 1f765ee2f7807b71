package gate

import (
	"context"
	"fmt"
	"time"

	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// recordBasis is the kind of the one record whose version is that of all that
// decisions rest on beside their request and the history: registry and active
// policy. Whoever changes these makes it one more, and every batch guards it:
// what one gate stopped, none allows any more. Gates that share a store keep it.
const recordBasis = "basis"

func basisKey() store.RecordKey { return store.RecordKey{Kind: recordBasis, Key: "version"} }

// shared reports whether other gates may write the store too. Where none can,
// nothing is guarded and nothing followed.
func (g *Gate) shared() bool {
	return g.cfg.Lease.Epoch > 0 && g.cfg.Lease.Left != store.Forever
}

// reload reads what decisions rest on. Only the committer calls it, and New.
//
// The version is read first: what changes while the rest is read makes the
// guard of the next batch fail, however much of it was read.
func (g *Gate) reload(ctx context.Context) (err error) {
	for range maxTries { // a registry that changes while it is read may contradict itself
		if err = g.reloadOnce(ctx); err == nil {
			return nil
		}
	}
	return err
}

func (g *Gate) reloadOnce(ctx context.Context) error {
	if !g.shared() {
		known, err := g.readRegistry(ctx)
		if err == nil {
			g.registry.Store(known)
		}
		return err
	}
	versions, err := g.cfg.Store.Versions(ctx, []store.RecordKey{basisKey()})
	if err != nil {
		return err
	}
	known, err := g.readRegistry(ctx)
	if err != nil {
		return err
	}
	program, err := g.readActive(ctx)
	if err != nil {
		return err
	}
	if versions[0] < g.basis {
		return g.wentBack("what decisions rest on", g.basis, versions[0])
	}
	g.rest(versions[0], known, program)
	return nil
}

// wentBack is called when the version of a record is lower than this gate knew
// it: nothing that the kernel does makes it so. Nothing is decided any more.
func (g *Gate) wentBack(of string, from, to uint64) error {
	if g.changed.Swap(true) {
		return logChanged()
	}
	g.cfg.Log.Error("a version went back: somebody else changed the database, and nothing is decided any more; run `kernel log verify` and `kernel log replay --facts`",
		"of", of, "was", from, "is", to)
	return logChanged()
}

// rest makes what was read what the next batches rest on.
func (g *Gate) rest(version uint64, known *registry.Snapshot, program *eval.Program) {
	g.basis = version
	g.registry.Store(known)
	g.program.Store(program)
	g.forgetAuthors()
	if g.past != nil {
		// Another policy may have decided meanwhile, under which events count
		// for other facts: what is known of each key must be read again.
		clear(g.past.versions)
	}
}

// readActive returns the program of the active policy, nil when there is none
// or it cannot decide here: then nothing is decided.
func (g *Gate) readActive(ctx context.Context) (*eval.Program, error) {
	active, err := recordOrNone(g.cfg.Store, activeKey())
	if err != nil || active.Version == 0 {
		return nil, err
	}
	version := string(active.Value)
	if p := g.program.Load(); p != nil && p.Version() == version {
		return p, nil
	}
	program, _, err := g.pushed(ctx, version)
	if err == nil {
		err = g.wasProved(ctx, version)
	}
	if err != nil {
		g.cfg.Log.Error("the active policy cannot decide here; every request is refused", "error", err)
		return nil, nil
	}
	g.cfg.Log.Info("another node activated a policy", "policy_version", version)
	return program, nil
}

// upToDate is errLater when another gate changed what decisions rest on, and
// has it read before the next batch. Who is told that nothing needs to be
// changed, or that there is nothing to change, is told what is so now.
func (g *Gate) upToDate(ctx context.Context) error {
	if !g.shared() {
		return nil
	}
	versions, err := g.cfg.Store.Versions(ctx, []store.RecordKey{basisKey()})
	switch {
	case err != nil:
		return unavailable("what other nodes changed cannot be read")
	case versions[0] != g.basis:
		g.stale.Store(true)
		return errLater
	}
	return nil
}

// startBudget is how long a gate that starts waits at least for its first
// commit: nobody waits for an answer yet, and the database may be cold.
const startBudget = 10 * time.Second

// begun makes sure that there is a basis to guard.
func (g *Gate) begun(ctx context.Context) error {
	if !g.shared() {
		return nil
	}
	j := &job{done: make(chan error, 1), apply: func(b *batch) error {
		b.moves = g.basis == 0
		return nil
	}}
	ctx, cancel := context.WithTimeout(ctx, max(g.cfg.Budget, startBudget))
	defer cancel()
	err := g.enqueue([]*job{j}, g.cfg.Queue)
	if err == nil {
		err = inTime(ctx, j, nil)
	}
	if err != nil {
		return fmt.Errorf("record what decisions rest on: %w", err)
	}
	return nil
}

// guard adds to a batch what it rests on, so that it is committed while that
// holds or not at all.
func (g *Gate) guard(b *batch, rows *store.Batch) {
	rows.Announce = b.announce
	if b.moves {
		rows.Announce = append(rows.Announce, recordBasis)
		rows.Transitions = append(rows.Transitions, store.Transition{RecordKey: basisKey(), From: g.basis, Value: []byte("{}")})
	} else {
		rows.Guards = append(rows.Guards, store.Guard{RecordKey: basisKey(), Version: g.basis})
	}
	for _, key := range b.counting.sorted() {
		if b.counting[key] {
			rows.Transitions = append(rows.Transitions, g.bump(b, key))
		} else {
			rows.Guards = append(rows.Guards, store.Guard{RecordKey: factRecord(key), Version: g.past.versions[key]})
		}
	}
}
