package gate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// Kinds of records of webhooks. The log is the outbox: what is to be told is in
// it already, and of each endpoint only how far it was told is kept beside it.
const (
	recordWebhook  = "webhook"          // key: an endpoint; value: an outboxRecord
	recordDelivery = "webhook_delivery" // key [endpoint, id]; value: a Delivery under way
	recordDead     = "webhook_dead"     // key [endpoint, id]; value: a Delivery that was given up
)

// How much of the log one commit takes up.
const (
	maxTaken  = 128    // messages
	keepEvery = 10_000 // entries without a message, after which the place is kept
)

// Events lists what a webhook can be told of.
func Events() []string {
	return []string{
		"approval.opened", "approval.voted", "approval.escalated",
		"approval.approved", "approval.rejected", "approval.expired", "approval.cancelled",
		"breakglass.broken", "breakglass.overdue", "breakglass.reviewed",
		"kill.engaged", "kill.lifted",
	}
}

// eventOf is what an entry tells; empty: nothing.
func eventOf(e ledger.Entry) string {
	switch {
	case e.Approval != nil && e.Approval.Question.State != approval.Pending:
		return "approval." + strings.ToLower(string(e.Approval.Question.State))
	case e.Approval != nil:
		return "approval." + e.Approval.Change
	case e.Glass != nil:
		return "breakglass." + e.Glass.Change
	case e.Decision != nil && e.Decision.Opened != nil:
		return "approval.opened"
	case e.Registry != nil && e.Registry.Object == registry.RecordKill && e.Registry.Value == nil:
		return "kill.lifted"
	case e.Registry != nil && e.Registry.Object == registry.RecordKill:
		return "kill.engaged"
	}
	return ""
}

// An outboxRecord is how far an endpoint was told of the log.
type outboxRecord struct {
	Next map[string]uint64 `json:"next"`          // by shard: the first entry that was not looked at
	Gone time.Time         `json:"gone,omitzero"` // since when its receiver wants nothing any more
}

func (r outboxRecord) from(shard int) uint64 { return r.Next[strconv.Itoa(shard)] }

// An Outbox is what one endpoint is told. One goroutine uses it; of several
// nodes that have one for the same endpoint each message is taken up by one.
type Outbox struct {
	gate     *Gate
	id       string // of this process, where it has a message under way
	endpoint string
	wants    func(event string) bool
	ahead    map[int]uint64 // looked at, and nothing to tell was there
}

// Outbox returns the outbox of an endpoint. One that is new is told what happens
// from now on.
func (g *Gate) Outbox(ctx context.Context, endpoint string, wants func(event string) bool) (*Outbox, error) {
	id, err := ulid.New(ulid.Timestamp(g.instant()), g.cfg.Rand)
	if err != nil {
		return nil, fmt.Errorf("name an outbox: %w", err)
	}
	o := &Outbox{gate: g, id: id.String(), endpoint: endpoint, wants: wants, ahead: map[int]uint64{}}
	if _, version, err := o.read(); err != nil || version > 0 {
		return o, err
	}
	next, err := o.heads(ctx)
	if err != nil {
		return nil, err
	}
	return o, g.submit(ctx, &job{apply: func(b *batch) error {
		_, version, err := o.read()
		if err != nil || version > 0 {
			return err
		}
		return o.keep(b, outboxRecord{Next: next}, 0)
	}})
}

func (o *Outbox) key() store.RecordKey { return store.RecordKey{Kind: recordWebhook, Key: o.endpoint} }

func (o *Outbox) read() (r outboxRecord, version uint64, err error) {
	rec, err := recordOrNone(o.gate.cfg.Store, o.key())
	if err != nil || rec.Version == 0 {
		return r, 0, err
	}
	if err := json.Unmarshal(rec.Value, &r); err != nil || r.Next == nil {
		return r, 0, fmt.Errorf("the record of webhook %s is damaged", o.endpoint)
	}
	return r, rec.Version, nil
}

func (o *Outbox) keep(b *batch, r outboxRecord, from uint64) error {
	if b.changes(o.key()) {
		return errLater
	}
	value, err := json.Marshal(r)
	if err == nil {
		b.change(store.Transition{RecordKey: o.key(), From: from, Value: value})
	}
	return err
}

// heads is where every shard of the log ends now.
func (o *Outbox) heads(ctx context.Context) (map[string]uint64, error) {
	shards, err := o.gate.shardsOf(ctx, nil)
	if err != nil {
		return nil, err
	}
	next := map[string]uint64{}
	for _, shard := range shards {
		head, err := o.gate.cfg.Store.Head(ctx, shard)
		if err != nil {
			return nil, fmt.Errorf("read the head of shard %d: %w", shard, err)
		}
		next[strconv.Itoa(shard)] = head.Size
	}
	return next, nil
}

// Stopped reports whether the receiver wants nothing any more.
func (o *Outbox) Stopped() (bool, error) {
	r, _, err := o.read()
	return !r.Gone.IsZero(), err
}

// TakeUp makes messages of what was entered in the log since, and reports
// whether there may be more. The messages are on disk together with the place
// up to which the log was read: none is left out, none made twice.
func (o *Outbox) TakeUp(ctx context.Context) (more bool, err error) {
	r, version, err := o.read()
	if err != nil {
		return false, err
	}
	if version == 0 {
		return false, errors.New("the record of webhook " + o.endpoint + " is gone; the next start makes another")
	}
	found, next, idle, err := o.look(ctx, r)
	if err != nil || len(found) == 0 && idle < keepEvery {
		return false, err
	}
	took := false
	err = o.gate.submit(ctx, &job{apply: func(b *batch) error {
		took = false
		_, now, err := o.read()
		if err != nil || now != version {
			return err // another node was faster
		}
		if err := o.keep(b, outboxRecord{Next: next, Gone: r.Gone}, version); err != nil {
			return err
		}
		for _, d := range found {
			d.Since, d.Next = b.now, b.now
			b.deliver(d, 0)
		}
		took = true
		return nil
	}})
	return took && len(found) == maxTaken, err
}

// look reads the log from a place on, until it ends or there are messages
// enough; idle is how many entries were read since the place was kept.
func (o *Outbox) look(ctx context.Context, r outboxRecord) (found []Delivery, next map[string]uint64, idle uint64, err error) {
	heads, err := o.heads(ctx)
	if err != nil {
		return nil, nil, 0, err
	}
	next = maps.Clone(r.Next)
	for name, size := range heads {
		shard, _ := strconv.Atoi(name) // heads wrote it
		from, at := r.from(shard), max(r.from(shard), o.ahead[shard])
		for row, err := range store.Merged(ctx, o.gate.cfg.Store, telling(shard, at)) {
			if err != nil {
				return nil, nil, 0, fmt.Errorf("read shard %d: %w", shard, err)
			}
			if row.Seq >= size || len(found) == maxTaken {
				size = min(size, row.Seq)
				break
			}
			e, err := ledger.Decode(row.Body)
			if err != nil {
				return nil, nil, 0, fmt.Errorf("entry %d of shard %d: %w", row.Seq, shard, err)
			}
			if event := eventOf(e); event != "" && o.wants(event) {
				found = append(found, Delivery{Endpoint: o.endpoint, ID: messageID(e, row), Event: event, Shard: shard, Seq: row.Seq})
			}
		}
		if size = max(size, at); size > from {
			next[name], o.ahead[shard] = size, size
			idle += size - from
		}
	}
	if len(found) > 0 {
		clear(o.ahead) // what was found is found again, if it cannot be kept
	}
	return found, next, idle, nil
}

// telling selects the entries of a shard that can tell something.
func telling(shard int, from uint64) []store.Query {
	ask := store.Query{Shard: shard, From: from, Bare: true, Kind: string(ledger.KindDecision), Decision: "REQUIRE_APPROVAL"}
	voted, broken, changed := ask, ask, ask
	voted.Kind, voted.Decision = string(ledger.KindApproval), ""
	broken.Kind, broken.Decision = string(ledger.KindGlass), ""
	changed.Kind, changed.Decision = string(ledger.KindRegistry), ""
	return []store.Query{ask, voted, broken, changed}
}

// messageID names the message that an entry makes, for all endpoints and at
// every attempt. The id of a batch is random: kernels do not share any.
func messageID(e ledger.Entry, row store.Entry) string {
	return fmt.Sprintf("msg_%s_%d_%d", cmp.Or(e.Batch, "0"), row.Shard, row.Seq)
}
