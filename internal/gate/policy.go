package gate

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// Activate makes a program the one that decides, and keeps its source files
// for replay. The files are those the program was compiled from. The change is
// an entry; when the version is active already nothing is written.
//
// The files are compiled again: what is kept for replay is what decides, or
// nothing is activated. A bundle with needs that no gate meets is Unsupported.
func (g *Gate) Activate(ctx context.Context, caller kernel.Caller, p *eval.Program, files []pdl.File) error {
	return g.ActivateProved(ctx, caller, p, files, "")
}

// ActivateProved is Activate with the signed proof record of the bundle, which
// a gate takes that has [Config.Proofs].
func (g *Gate) ActivateProved(ctx context.Context, caller kernel.Caller, p *eval.Program, files []pdl.File, record string) error {
	if err := mayDecide(p, files); err != nil {
		return err
	}
	bundle, _ := pdl.Compile(files)
	digest, err := g.provedBy(record, bundle)
	if err != nil {
		return err
	}
	source, err := encodeFiles(files)
	if err != nil {
		return fmt.Errorf("encode bundle %s: %w", p.Version(), err)
	}
	return g.activate(ctx, caller, activation{program: p, source: source, proof: digest, anew: digest != "" && g.wasProved(ctx, p.Version()) != nil})
}

// provedBy returns the digest of the record that proves a bundle. Without keys
// none is looked at, and none is entered: nobody checked it.
func (g *Gate) provedBy(record string, b *pdl.Bundle) (digest string, err error) {
	if g.cfg.Proofs == nil {
		return "", nil
	}
	if b == nil {
		return "", errors.New("a bundle that does not compile is not proved")
	}
	return g.cfg.Proofs.Check(record, b)
}

// An Activation makes a bundle that was pushed the active one.
type Activation struct {
	Version  string
	Previous string // the version that the caller believes to be active; "": none is
	Reason   string // for people: recorded; may be empty
	Proof    string // the signed proof record of the bundle, which a gate takes that has [Config.Proofs]
}

// ActivatePushed makes a bundle that was pushed the one that decides, from the
// sources that are kept of it; an older one is how to go back. It is a Conflict
// when another version than a.Previous is active by then, and NotFound when
// nobody pushed the bundle. When it is active already nothing is written. Only
// an admin may.
func (g *Gate) ActivatePushed(ctx context.Context, caller kernel.Caller, a Activation) error {
	if !caller.Is(kernel.RoleAdmin) {
		return adminOnly()
	}
	if err := registry.CheckReason(a.Reason); err != nil {
		return err
	}
	program, bundle, err := g.pushed(ctx, a.Version)
	if err != nil {
		return err
	}
	digest, err := g.provedBy(a.Proof, bundle)
	if err != nil {
		return err
	}
	return g.activate(ctx, caller, activation{
		program: program, reason: a.Reason, previous: &a.Previous, proof: digest, anew: digest != "" && g.wasProved(ctx, a.Version) != nil,
	})
}

// pushed makes a program of a bundle that is kept, if it may decide.
func (g *Gate) pushed(ctx context.Context, version string) (*eval.Program, *pdl.Bundle, error) {
	bundle, files, err := g.bundle(ctx, version)
	if err != nil {
		return nil, nil, err
	}
	program, err := eval.New(bundle)
	if err != nil {
		return nil, nil, fmt.Errorf("bundle %s: %w", version, err)
	}
	return program, bundle, mayDecide(program, files)
}

// Continue makes the policy that was active last, by whomever, the one that
// decides here, and returns its version; "" when none ever was.
func (g *Gate) Continue(ctx context.Context) (version string, err error) {
	active, err := recordOrNone(g.cfg.Store, activeKey())
	if err != nil || active.Version == 0 || g.shared() && g.PolicyVersion() != "" { // the committer reads it itself
		return g.PolicyVersion(), err
	}
	program, _, err := g.pushed(ctx, string(active.Value))
	if err == nil {
		err = g.wasProved(ctx, string(active.Value))
	}
	if err != nil {
		return "", fmt.Errorf("the active policy cannot decide: %w", err)
	}
	if err := g.readAhead(ctx, program); err != nil {
		return "", err
	}
	g.program.Store(program)
	return program.Version(), nil
}

// wasProved refuses to go on with a policy that was activated without a proof
// record, by a gate that takes one.
func (g *Gate) wasProved(ctx context.Context, version string) error {
	if g.cfg.Proofs == nil {
		return nil
	}
	shards, err := g.shards(ctx)
	if err != nil {
		return err
	}
	for _, shard := range shards {
		for row, err := range g.cfg.Store.Entries(ctx, store.Query{Shard: shard, Kind: string(ledger.KindPolicy), Bare: true}) {
			if err != nil {
				return unavailable("the log could not be read")
			}
			e, err := ledger.Read(row)
			if err != nil {
				return fmt.Errorf("entry %d of shard %d: %w", row.Seq, shard, err)
			}
			if e.Policy != nil && e.Policy.Version == version && e.Policy.Proof != "" {
				return nil
			}
		}
	}
	return kernel.Errorf(kernel.Invalid, "it was activated without a proof record, which this kernel takes").
		WithHint("activate it again with --proof, or another one")
}

// An activation is a program that is to decide.
type activation struct {
	program  *eval.Program
	source   []byte  // to keep when nothing is kept yet; nil: something must be
	previous *string // the version that must be active; nil: whichever is
	reason   string
	proof    string // the digest of its proof record
	anew     bool   // it is entered although it is active: as proved
}

func (g *Gate) activate(ctx context.Context, caller kernel.Caller, a activation) error {
	if err := g.readAhead(ctx, a.program); err != nil {
		return err
	}
	return g.submit(ctx, &job{apply: func(b *batch) error {
		if b.activated || b.changes(bundleKey(a.program.Version())) {
			return errLater // two changes of one record
		}
		active, err := recordOrNone(g.cfg.Store, activeKey())
		if err != nil {
			return err
		}
		bundle, err := recordOrNone(g.cfg.Store, bundleKey(a.program.Version()))
		if err != nil {
			return err
		}
		return g.replace(b, caller, a, active, bundle)
	}})
}

// replace adds to a batch that a program takes the place of the active one.
func (g *Gate) replace(b *batch, caller kernel.Caller, a activation, active, bundle store.Record) error {
	version, before := a.program.Version(), string(active.Value)
	switch {
	case bundle.Version == 0 && a.source == nil:
		return notPushed(version)
	case before == version && bundle.Version > 0 && !a.anew:
		g.program.Store(a.program) // nothing to record: it decides from the next batch on
		b.rests = true
		return nil
	case a.previous != nil && *a.previous != before:
		return kernel.Errorf(kernel.Conflict, "the active policy is %s by now", orNone(before)).
			At("$.previous").WithHint("look at the difference to that one, and activate again")
	}
	if bundle.Version == 0 {
		b.change(store.Transition{RecordKey: bundle.RecordKey, Value: a.source})
	}
	b.change(store.Transition{RecordKey: active.RecordKey, From: active.Version, Value: []byte(version)})
	b.activated, b.moves, b.announce = true, true, append(b.announce, recordActive)
	b.after = append(b.after, func() { g.program.Store(a.program) })
	_, err := b.log.Append(ledger.Entry{
		Instant: b.now, Node: g.cfg.Node, Batch: b.id, Caller: caller.Principal,
		Policy: &ledger.PolicyChange{Change: "activated", Version: version, Previous: before, Reason: a.reason, Proof: a.proof},
	}, nil)
	return err
}

func orNone(version string) string {
	if version == "" {
		return "none"
	}
	return version
}

func notPushed(version string) error {
	return kernel.Errorf(kernel.NotFound, "no bundle of version %s was pushed", version).
		At("$.version").WithHint("push it first; GET /v1/policies lists those that were")
}

func activeKey() store.RecordKey { return store.RecordKey{Kind: recordActive, Key: "policy"} }

func bundleKey(version string) store.RecordKey {
	return store.RecordKey{Kind: recordBundle, Key: version}
}

// bundle compiles a bundle that is kept; NotFound when there is none.
func (g *Gate) bundle(ctx context.Context, version string) (*pdl.Bundle, []pdl.File, error) {
	if !isVersion(version) {
		return nil, nil, kernel.Errorf(kernel.NotFound, "no bundle has such a version").
			At("$.version").WithHint("a version is sha256: and 64 hexadecimal digits")
	}
	bundle, files, err := loadBundle(ctx, g.cfg.Store, version)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, notPushed(version)
	}
	return bundle, files, err
}

// LoadProgram compiles the bundle that was active under a version from the
// sources kept in a store, and makes sure that they still have that version.
func LoadProgram(ctx context.Context, r store.Reader, version string) (*eval.Program, error) {
	bundle, _, err := loadBundle(ctx, r, version)
	if err != nil {
		return nil, err
	}
	return eval.New(bundle)
}

func loadBundle(ctx context.Context, r store.Reader, version string) (*pdl.Bundle, []pdl.File, error) {
	rec, err := r.Record(ctx, bundleKey(version))
	if err != nil {
		return nil, nil, fmt.Errorf("read bundle %s: %w", version, err)
	}
	var files []pdl.File
	if err := json.Unmarshal(rec.Value, &files, json.RejectUnknownMembers(true)); err != nil {
		return nil, nil, fmt.Errorf("decode bundle %s: %w", version, err)
	}
	bundle, diags := pdl.Compile(files)
	if bundle == nil {
		return nil, nil, fmt.Errorf("bundle %s does not compile any more: %s", version, diags[0])
	}
	if bundle.Version != version {
		return nil, nil, fmt.Errorf("bundle %s was changed: its sources now have version %s", version, bundle.Version)
	}
	return bundle, files, nil
}

// encodeFiles writes the files of a bundle as its record keeps them.
func encodeFiles(files []pdl.File) ([]byte, error) {
	return json.Marshal(files, json.Deterministic(true))
}

func recordOrNone(r store.Reader, key store.RecordKey) (store.Record, error) {
	rec, err := r.Record(context.Background(), key)
	if errors.Is(err, store.ErrNotFound) {
		return store.Record{RecordKey: key}, nil
	}
	if err != nil {
		return store.Record{}, unavailable("record %s could not be read", key.Kind)
	}
	return rec, nil
}
