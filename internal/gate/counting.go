package gate

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/strixlabs/execution-kernel/internal/grant"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// recordFact is the kind of the records that say how often something happened
// that counts under a key of a fact: their version. It goes up in the commit of
// each such event. A decision that read the key guards it, so that what it
// counted is all there was. Gates that share a store keep them.
const recordFact = "fact"

// factLife is how much longer than the widest window looks back such a record
// is kept: far more than instants of different nodes are apart. A node that
// counts from before finds the record as it left it, or none of whose events
// its windows hold one.
const factLife = time.Hour

// bump is the change of a key's record by what counts under it now. A record
// that is made begins with a version that no earlier one of its key had: each
// takes a nanosecond at least to reach the next, and is gone for an hour before
// it is made anew.
func (g *Gate) bump(b *batch, key string) store.Transition {
	return store.Transition{
		RecordKey: factRecord(key), From: g.past.versions[key], Value: []byte("{}"),
		Begin: uint64(b.now.UnixNano()), Expires: b.now.Add(g.past.Life() + factLife).UnixNano(),
	}
}

func factRecord(key string) store.RecordKey { return store.RecordKey{Kind: recordFact, Key: key} }

// counting is the keys of facts that a batch rests on, each with whether it
// adds to it.
type counting map[string]bool

func (c counting) sorted() []string { return slices.Sorted(maps.Keys(c)) }

// errUnread says that a job waits until the events under some keys are read.
var errUnread = errors.New("events have to be read")

// quarrel is how long after a conflict about a key the jobs that rest on it are
// committed apart from all others.
const quarrel = time.Second

// maxQuarrels bounds what is remembered of conflicts.
const maxQuarrels = 1 << 16

// maxVersions bounds how many keys' versions are remembered.
const maxVersions = 1 << 17

// restOn makes the part of a job rest on keys of facts. It is errUnread while
// what happened under one of them may not have been read, and errLater where
// other nodes were faster at one of them just now: whoever goes on adding to
// their own keys makes nobody else's decision wait for a second try.
func (g *Gate) restOn(b *batch, keys []string) error {
	unread := false
	for _, key := range keys {
		if at, hot := g.quarrels[key]; hot && !b.job.apart && b.now.Sub(at) < quarrel {
			return errLater
		}
		if _, known := g.past.versions[key]; !known {
			unread = true
			b.unread = append(b.unread, key)
		}
	}
	if unread {
		return errUnread
	}
	for _, key := range keys {
		b.counts(key, false)
	}
	return nil
}

// restOnRelease makes the part of a job rest on the keys that a decision counts
// under, before it is given back. Another node may have decided it: then the job
// waits until all that is recorded by now was read.
func (g *Gate) restOnRelease(b *batch, r grant.Record) error {
	switch {
	case !g.shared() || b.program == nil || len(b.program.Schema().Facts) == 0:
		return nil
	case g.past == nil:
		return unavailable("the history that the policy counts could not be read")
	}
	event := releaseOf(r, b.now)
	keys := g.past.KeysOf(&event)
	if len(keys) == 0 && !b.job.current {
		b.job.current, b.behind = true, true
		return errUnread
	}
	return g.restOn(b, keys)
}

// counts notes that the job whose part is being added rests on a key, or adds
// to it.
func (b *batch) counts(key string, adds bool) {
	b.counting[key] = b.counting[key] || adds
	b.owns(factRecord(key))
}

// gather reads what happened under keys. Their versions are read first: of what
// is committed later, events may be in memory that the version does not count,
// and the commit fails; never fewer.
func (g *Gate) gather(ctx context.Context, keys []string) error {
	slices.Sort(keys)
	keys = slices.Compact(keys)
	records := make([]store.RecordKey, len(keys))
	for i, key := range keys {
		records[i] = factRecord(key)
	}
	versions, err := g.cfg.Store.Versions(ctx, records)
	if err != nil {
		return err
	}
	sizes, err := g.sizes(ctx, g.head.Size)
	if err != nil {
		return err
	}
	g.past.UndoTo(0)
	if err := g.past.catchUp(ctx, g.cfg.Store, sizes); err != nil {
		return err
	}
	if len(g.past.versions) >= maxVersions {
		clear(g.past.versions) // they are read again
	}
	for i, key := range keys {
		if was := g.past.doubted[key]; versions[i] != 0 && versions[i] < was { // 0: it has expired
			return g.wentBack("the key of a fact", was, versions[i])
		}
		g.past.versions[key] = versions[i]
	}
	clear(g.past.doubted)
	return nil
}

// forget notes a conflict about a key.
func (g *Gate) forget(key string, now time.Time) {
	if g.past != nil {
		if len(g.past.doubted) < maxQuarrels {
			g.past.doubted[key] = g.past.versions[key]
		}
		delete(g.past.versions, key)
	}
	if len(g.quarrels) >= maxQuarrels {
		clear(g.quarrels)
	}
	g.quarrels[key] = now
}

// sizes returns how long each shard is. Of the gate's own it is what the gate
// says.
func (g *Gate) sizes(ctx context.Context, own uint64) (map[int]uint64, error) {
	sizes := map[int]uint64{g.shard(): own}
	if !g.shared() {
		return sizes, nil
	}
	shards, err := g.cfg.Store.Shards(ctx)
	if err != nil {
		return nil, err
	}
	for _, shard := range shards {
		if shard == g.shard() {
			continue
		}
		head, err := g.cfg.Store.Head(ctx, shard)
		if err != nil {
			return nil, err
		}
		sizes[shard] = head.Size
	}
	return sizes, nil
}
