package gate

import (
	"context"
	"slices"

	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/token"
)

// written is who wrote a version of the policy, as far as the log says.
type written struct {
	version    string
	principals []string
}

// authors are the principals that pushed a version of the policy and that made
// it the active one. None: nobody knows all of them, as with the files of a
// folder, or with a token that is nobody's.
func (g *Gate) authors(version string) []string {
	if a := g.written.Load(); a != nil && a.version == version {
		return a.principals
	}
	found := written{version: version}
	for _, kind := range []ledger.Kind{ledger.KindBundle, ledger.KindPolicy} {
		by, entered, err := g.lastBy(kind, version)
		switch {
		case err != nil:
			return nil
		case !entered && kind == ledger.KindBundle:
			continue
		case by == "":
			found.principals = nil
			g.written.Store(&found)
			return nil
		}
		if !slices.Contains(found.principals, by) {
			found.principals = append(found.principals, by)
		}
	}
	g.written.Store(&found)
	return found.principals
}

// lastBy is the principal behind the latest entry of a kind about a version of
// the policy; "" where it is nobody that the registry knows.
func (g *Gate) lastBy(kind ledger.Kind, version string) (by string, entered bool, err error) {
	for row, err := range g.cfg.Store.Entries(context.Background(), store.Query{Shard: g.shard(), Kind: string(kind), Newest: true}) {
		if err != nil {
			return "", false, err
		}
		e, err := ledger.Read(row)
		if err != nil {
			return "", false, err
		}
		if e.Policy != nil && e.Policy.Version != version || e.Bundle != nil && e.Bundle.Version != version {
			continue
		}
		id, isToken := tokenID(e.Caller)
		v, known := g.tokens.find(func(t token.Token) bool { return t.ID == id })
		if !isToken || !known {
			return "", true, nil
		}
		return v.Principal, true, nil
	}
	return "", false, nil
}
