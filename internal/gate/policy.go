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
	"github.com/strixlabs/execution-kernel/internal/store"
)

// Activate makes a program the one that decides, and keeps its source files
// for replay. The files are those the program was compiled from. The change is
// an entry; when the version is active already nothing is written.
//
// The files are compiled again: what is kept for replay is what decides, or
// nothing is activated. A bundle with needs that no gate meets is Unsupported.
func (g *Gate) Activate(ctx context.Context, caller kernel.Caller, p *eval.Program, files []pdl.File) error {
	if err := mayDecide(p, files); err != nil {
		return err
	}
	source, err := json.Marshal(files, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("encode bundle %s: %w", p.Version(), err)
	}
	if err := g.readAhead(ctx, p); err != nil {
		return err
	}
	return g.submit(ctx, &job{apply: func(b *batch) error {
		active, err := recordOrNone(g.cfg.Store, store.RecordKey{Kind: recordActive, Key: "policy"})
		if err != nil {
			return err
		}
		bundle, err := recordOrNone(g.cfg.Store, store.RecordKey{Kind: recordBundle, Key: p.Version()})
		if err != nil {
			return err
		}
		b.after = append(b.after, func() { g.program.Store(p) })
		if string(active.Value) == p.Version() && bundle.Version > 0 {
			g.program.Store(p) // nothing to record: it decides from the next batch on
			return nil
		}
		if bundle.Version == 0 {
			b.change(store.Transition{RecordKey: bundle.RecordKey, Value: source})
		}
		b.change(store.Transition{RecordKey: active.RecordKey, From: active.Version, Value: []byte(p.Version())})
		_, err = b.log.Append(ledger.Entry{
			Instant: b.now, Node: g.cfg.Node, Batch: b.id, Caller: caller.Principal,
			Policy: &ledger.PolicyChange{Change: "activated", Version: p.Version(), Previous: string(active.Value)},
		}, nil)
		return err
	}})
}

// LoadProgram compiles the bundle that was active under a version from the
// sources kept in a store, and makes sure that they still have that version.
func LoadProgram(ctx context.Context, r store.Reader, version string) (*eval.Program, error) {
	rec, err := r.Record(ctx, store.RecordKey{Kind: recordBundle, Key: version})
	if err != nil {
		return nil, fmt.Errorf("read bundle %s: %w", version, err)
	}
	var files []pdl.File
	if err := json.Unmarshal(rec.Value, &files, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("decode bundle %s: %w", version, err)
	}
	bundle, diags := pdl.Compile(files)
	if bundle == nil {
		return nil, fmt.Errorf("bundle %s does not compile any more: %s", version, diags[0])
	}
	if bundle.Version != version {
		return nil, fmt.Errorf("bundle %s was changed: its sources now have version %s", version, bundle.Version)
	}
	return eval.New(bundle)
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
