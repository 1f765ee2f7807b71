package gate

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/grant"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
)

const recordGrantKey = "grantkey" // key: the key's id; value: a grantKeyRecord

// A grantKeyRecord is a public key that grants are checked with.
type grantKeyRecord struct {
	Public  string    `json:"public"`
	Owner   string    `json:"owner"` // the data folder that has the private part
	Retired time.Time `json:"retired,omitzero"`
}

// KnowGrantKey makes this gate's key one that grants are checked with, for all
// nodes, and retires the one that the same owner had before: what that key
// signed stays good until it expires. Without a key there is nothing to do.
func (g *Gate) KnowGrantKey(ctx context.Context, owner string) error {
	if g.cfg.Grants == nil {
		return nil
	}
	err := g.submit(ctx, &job{apply: func(b *batch) error {
		there := false
		for rec, err := range g.cfg.Store.Records(context.Background(), recordGrantKey, "") {
			if err != nil {
				return unavailable("the keys of grants could not be read")
			}
			known, err := readGrantKey(rec)
			if err != nil {
				return err
			}
			own := rec.Key == g.cfg.Grants.ID()
			there = there || own && known.Retired.IsZero()
			if own == known.Retired.IsZero() || known.Owner != owner && !own {
				continue
			}
			known.Retired, known.Owner = time.Time{}, owner
			change := "added" // again
			if !own {
				known.Retired, change = b.now, "retired"
			}
			there = there || own
			if err := g.enterGrantKey(b, rec.Key, known, rec.Version, change); err != nil {
				return err
			}
		}
		if there {
			return nil
		}
		return g.enterGrantKey(b, g.cfg.Grants.ID(), grantKeyRecord{Public: g.cfg.Grants.Public(), Owner: owner}, 0, "added")
	}})
	if err == nil {
		_, err = g.GrantKeys(ctx)
	}
	return err
}

func (g *Gate) enterGrantKey(b *batch, kid string, k grantKeyRecord, from uint64, change string) error {
	value, err := json.Marshal(k)
	if err != nil {
		return err
	}
	_, err = b.log.Append(ledger.Entry{
		Instant: b.now, Node: g.cfg.Node, Batch: b.id, Caller: g.cfg.Node,
		GrantKey: &ledger.GrantKeyChange{Change: change, KID: kid, Public: k.Public},
	}, nil)
	if err == nil {
		b.change(store.Transition{RecordKey: store.RecordKey{Kind: recordGrantKey, Key: kid}, From: from, Value: value})
	}
	return err
}

// GrantKeys returns the keys that grants are checked with now: those of every
// node, and the retired ones whose grants have not all expired.
func (g *Gate) GrantKeys(ctx context.Context) (grant.Keys, error) {
	keys, err := readGrantKeys(ctx, g.cfg.Store, g.instant())
	if err != nil {
		return nil, unavailable("the keys of grants could not be read")
	}
	g.grants.setKeys(keys)
	return keys, nil
}

func readGrantKeys(ctx context.Context, r store.Reader, now time.Time) (grant.Keys, error) {
	keys := grant.Keys{}
	for rec, err := range r.Records(ctx, recordGrantKey, "") {
		if err != nil {
			return nil, err
		}
		k, err := readGrantKey(rec)
		if err != nil {
			return nil, err
		}
		if k.Retired.IsZero() || now.Before(k.Retired.Add(grant.MaxLife)) {
			if err := keys.Add(rec.Key, k.Public); err != nil {
				return nil, err
			}
		}
	}
	return keys, nil
}

func readGrantKey(rec store.Record) (k grantKeyRecord, err error) {
	if json.Unmarshal(rec.Value, &k) != nil {
		return k, unavailable("the record of a key of grants is damaged")
	}
	return k, nil
}

func isNotFound(err error) bool {
	var e *kernel.Error
	return errors.As(err, &e) && e.Code == kernel.NotFound
}
