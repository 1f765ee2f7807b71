package gate

import (
	"context"
	"fmt"
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
	before := g.written.Load()
	if before != nil && before.version == version {
		return before.principals
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
			g.written.CompareAndSwap(before, &found)
			return nil
		}
		if !slices.Contains(found.principals, by) {
			found.principals = append(found.principals, by)
		}
	}
	g.written.CompareAndSwap(before, &found)
	return found.principals
}

// forgetAuthors has the log asked again: a version that is activated again has
// another author.
func (g *Gate) forgetAuthors() { g.written.Store(&written{}) }

// lastBy is the principal behind the latest entry of a kind about a version of
// the policy, on whichever node it was made; "" where it is nobody that the
// registry knows.
func (g *Gate) lastBy(kind ledger.Kind, version string) (by string, entered bool, err error) {
	shards, err := g.shards(context.Background())
	if err != nil {
		return "", false, err
	}
	var last ledger.Entry
	for _, shard := range shards {
		e, found, err := g.lastOf(shard, kind, version)
		if err != nil {
			return "", false, err
		}
		if found && (!entered || e.Instant.After(last.Instant)) {
			last, entered = e, true
		}
	}
	id, isToken := tokenID(last.Caller)
	v, known := g.tokens.find(func(t token.Token) bool { return t.ID == id })
	switch {
	case isToken && !known: // of another node: it is read soon
		return "", entered, fmt.Errorf("the token %s is not known here yet", id)
	case !isToken:
		return "", entered, nil
	}
	return v.Principal, entered, nil
}

// lastOf is the latest entry of a shard of a kind about a version of the policy.
func (g *Gate) lastOf(shard int, kind ledger.Kind, version string) (e ledger.Entry, found bool, err error) {
	for row, err := range g.cfg.Store.Entries(context.Background(), store.Query{Shard: shard, Kind: string(kind), Newest: true}) {
		if err != nil {
			return e, false, err
		}
		if e, err = ledger.Read(row); err != nil {
			return e, false, err
		}
		if versionOf(e) == version {
			return e, true, nil
		}
	}
	return e, false, nil
}
