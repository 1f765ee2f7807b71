package gate

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/webhook"
)

// A Delivery is one message to one endpoint, until it is delivered.
type Delivery struct {
	Endpoint string    `json:"endpoint"`
	ID       string    `json:"id"` // the same at every attempt
	Event    string    `json:"event"`
	Shard    int       `json:"shard"` // of the entry that it tells of
	Seq      uint64    `json:"seq"`
	Since    time.Time `json:"since"`          // when it was taken up
	Attempts int       `json:"attempts"`       // that began
	Next     time.Time `json:"next"`           // when it is tried again; of one under way: when somebody else may
	By       string    `json:"by,omitzero"`    // the process that has it under way
	Last     string    `json:"last,omitzero"`  // what came of the attempt before
	Given    time.Time `json:"given,omitzero"` // when it was given up
}

// deadLife is how long a message that was given up is kept.
const deadLife = 30 * 24 * time.Hour

// A Sent is what came of an attempt.
type Sent struct {
	OK   bool
	Gone bool          // the receiver wants nothing any more: the endpoint stops
	Note string        // what it answered, or why it could not be reached
	Wait time.Duration // before the next attempt; 0: there is none
}

func (d Delivery) key(kind string) store.RecordKey {
	key, _ := json.Marshal([]string{d.Endpoint, d.ID}) // texts always encode
	return store.RecordKey{Kind: kind, Key: string(key)}
}

// deliver adds the record of a message under way.
func (b *batch) deliver(d Delivery, from uint64) { b.keepDelivery(recordDelivery, d, from, 0) }

func (b *batch) keepDelivery(kind string, d Delivery, from uint64, life time.Duration) {
	value, err := json.Marshal(d)
	if err != nil {
		panic(err) // texts and instants always encode; the batch begins anew without this job
	}
	t := store.Transition{RecordKey: d.key(kind), From: from, Value: value}
	if life > 0 {
		t.Expires = b.now.Add(life).UnixNano()
	}
	b.change(t)
}

// A kept is a delivery as its record has it.
type kept struct {
	Delivery
	version uint64
}

// deliveries reads those of an endpoint, of one kind; empty: of all endpoints.
func (g *Gate) deliveries(ctx context.Context, kind, endpoint string) (list []kept, err error) {
	prefix := "["
	if endpoint != "" {
		first, _ := json.Marshal(endpoint) // a text always encodes
		prefix = "[" + string(first) + ","
	}
	for rec, err := range g.cfg.Store.Records(ctx, kind, prefix) {
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(rec.Key, prefix) {
			break
		}
		k := kept{version: rec.Version}
		if err := json.Unmarshal(rec.Value, &k.Delivery); err != nil || k.key(kind) != rec.RecordKey {
			return nil, fmt.Errorf("the record of webhook message %s is damaged", rec.Key)
		}
		if rec.Expires == 0 || rec.Expires > g.instant().UnixNano() {
			list = append(list, k)
		}
	}
	return list, nil
}

// due reports whether a message is to be sent now. Where no other process has
// the store, what another has under way it died of.
func (o *Outbox) due(d Delivery, now time.Time) bool {
	return !d.Next.After(now) || d.By != "" && d.By != o.id && !o.gate.shared()
}

// Claim takes messages that are due, those first that wait longest: nobody else
// sends them for some time. What a crash leaves claimed is due again after it.
// pending is how many wait in all.
func (o *Outbox) Claim(ctx context.Context, most int, hold time.Duration) (claimed []Delivery, pending int, err error) {
	g := o.gate
	all, err := g.deliveries(ctx, recordDelivery, o.endpoint)
	if err != nil {
		return nil, 0, err
	}
	now := g.instant()
	due := slices.DeleteFunc(slices.Clone(all), func(k kept) bool { return !o.due(k.Delivery, now) })
	slices.SortStableFunc(due, func(a, b kept) int { return a.Next.Compare(b.Next) })
	if due = due[:min(len(due), most)]; len(due) == 0 {
		return nil, len(all), nil
	}
	err = g.submit(ctx, &job{apply: func(b *batch) error {
		claimed = nil
		still, err := g.unchanged(b, recordDelivery, due)
		for _, k := range still {
			k.Attempts, k.Next, k.By = k.Attempts+1, b.now.Add(hold), o.id
			b.deliver(k.Delivery, k.version)
			claimed = append(claimed, k.Delivery)
		}
		return err
	}})
	if err != nil {
		return nil, len(all), err
	}
	return claimed, len(all), nil
}

// unchanged returns those whose records are as they were read.
func (g *Gate) unchanged(b *batch, kind string, list []kept) (still []kept, err error) {
	keys := make([]store.RecordKey, len(list))
	for i, k := range list {
		if keys[i] = k.key(kind); b.changes(keys[i]) {
			return nil, errLater
		}
	}
	versions, err := g.cfg.Store.Versions(context.Background(), keys)
	if err != nil {
		return nil, unavailable("the messages of webhooks could not be read")
	}
	for i, k := range list {
		if versions[i] == k.version {
			still = append(still, k)
		}
	}
	return still, nil
}

// Settle records what came of an attempt of a claimed message: it is delivered
// and forgotten, tried again later, or given up. A message that somebody else
// has claimed meanwhile is left alone.
func (o *Outbox) Settle(ctx context.Context, d Delivery, sent Sent) error {
	g := o.gate
	return g.submit(ctx, &job{apply: func(b *batch) error {
		key := d.key(recordDelivery)
		rec, err := recordOrNone(g.cfg.Store, key)
		if err != nil || b.changes(key) {
			return orLater(err)
		}
		var now Delivery
		if rec.Version == 0 || json.Unmarshal(rec.Value, &now) != nil || now.Attempts != d.Attempts || now.By != d.By {
			return nil
		}
		next := d
		next.By, next.Last = "", sent.Note
		switch {
		case sent.OK:
			b.change(store.Transition{RecordKey: key, From: rec.Version})
			return nil
		case sent.Wait > 0 && !sent.Gone && d.Attempts < webhook.MaxAttempts:
			next.Next = b.now.Add(sent.Wait)
			b.deliver(next, rec.Version)
			return nil
		}
		return o.bury(b, next, rec.Version, sent.Gone)
	}})
}

func orLater(err error) error {
	if err != nil {
		return err
	}
	return errLater
}

// bury gives a message up: it is kept, and can be sent again by hand.
func (o *Outbox) bury(b *batch, d Delivery, from uint64, gone bool) error {
	there, err := recordOrNone(o.gate.cfg.Store, d.key(recordDead))
	if err != nil {
		return err
	}
	box, version, err := o.read()
	if err != nil || b.changes(o.key()) {
		return orLater(err)
	}
	if gone && box.Gone.IsZero() {
		box.Gone = b.now
		if err := o.keep(b, box, version); err != nil {
			return err
		}
	}
	d.Given = b.now
	b.change(store.Transition{RecordKey: d.key(recordDelivery), From: from})
	b.keepDelivery(recordDead, d, there.Version, deadLife)
	return nil
}
