package ledger

import (
	"cmp"
	"context"
	"slices"

	"github.com/strixlabs/execution-kernel/internal/store"
)

// controls reads the entries of one kind in [from, to) of a shard. A row that is
// not what its body says is left out: whoever reads the shard as a whole names it.
func controls(ctx context.Context, r store.Reader, shard int, from, to uint64, kind Kind, f func(Entry)) error {
	for row, err := range r.Entries(ctx, store.Query{Shard: shard, Kind: string(kind), From: from, Bare: true}) {
		if err != nil {
			return err
		}
		if row.Seq >= to {
			return nil
		}
		if e, err := Decode(row.Body); err == nil && checkRow(e, row) == nil && e.Kind() == kind && e.Shard == shard {
			f(e)
		}
	}
	return ctx.Err()
}

// A reach is a part of a shard: the entries in [from, to).
type reach struct {
	shard    int
	from, to uint64
}

// changesIn reads what changed policies, tokens and the registry in parts of
// several shards, in the order in which it came to be in force.
func changesIn(ctx context.Context, r store.Reader, parts []reach, active string) (list []Entry, err error) {
	var policies, bundles, tokens, registries []Entry
	for _, k := range []struct {
		kind Kind
		list *[]Entry
	}{{KindPolicy, &policies}, {KindBundle, &bundles}, {KindToken, &tokens}, {KindRegistry, &registries}} {
		for _, p := range parts {
			err := controls(ctx, r, p.shard, p.from, p.to, k.kind, func(e Entry) { *k.list = append(*k.list, e) })
			if err != nil {
				return nil, err
			}
		}
		slices.SortStableFunc(*k.list, byInstant)
	}
	// Clocks differ, but a change of the registry counts its versions, and a
	// token is created before it is revoked.
	slices.SortStableFunc(registries, func(a, b Entry) int { return cmp.Compare(a.Registry.Version, b.Registry.Version) })
	slices.SortStableFunc(tokens, func(a, b Entry) int { return cmp.Compare(created(a), created(b)) })
	return slices.Concat(chained(policies, active), bundles, tokens, registries), nil
}

func byInstant(a, b Entry) int {
	return cmp.Or(a.Instant.Compare(b.Instant), cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.Seq, b.Seq))
}

func created(e Entry) int {
	if e.Token.Change == "created" {
		return 0
	}
	return 1
}

// chained orders policy entries that lie close together by what each says was
// active before it.
func chained(list []Entry, active string) []Entry {
	for i := range list {
		for j := i; j < len(list) && !list[j].Instant.After(list[i].Instant.Add(nodeSkew)); j++ {
			if list[j].Policy.Previous == active {
				moved := list[j]
				copy(list[i+1:j+1], list[i:j])
				list[i] = moved
				break
			}
		}
		active = list[i].Policy.Version
	}
	return list
}

// foresee takes from every shard what changed policies, tokens and the registry
// since it was read last, up to the head that was read. A log of one shard needs
// no such thing: what is in force is what its entries said so far.
func (v *verification) foresee(ctx context.Context) error {
	if len(v.parts) == 1 || v.history == nil {
		return nil
	}
	var parts []reach
	for _, p := range v.all() {
		parts = append(parts, reach{p.shard, p.next, max(p.next, p.head.Size)})
	}
	list, err := changesIn(ctx, v.reader, parts, v.history.active())
	if err != nil {
		return v.orFinding(ctx, err)
	}
	for _, e := range list {
		v.problems(e, v.history.change(e))
	}
	return nil
}
