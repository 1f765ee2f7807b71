package gate

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// A WebhookView is how far an endpoint was told.
type WebhookView struct {
	Endpoint   string         `json:"endpoint"`
	Configured bool           `json:"configured"`       // on the node that answers
	Target     string         `json:"target,omitzero"`  // scheme and host: the rest of a URL may be a secret
	Events     []string       `json:"events,omitzero"`  // that it is told of
	Stopped    time.Time      `json:"stopped,omitzero"` // since when its receiver wants nothing any more
	Pending    int            `json:"pending"`          // messages under way
	Dead       int            `json:"dead"`             // messages that were given up, and are kept
	Messages   []DeliveryView `json:"messages"`         // of both, the oldest first, [MaxDeliveries] at most
}

// A DeliveryView is a message that was not delivered yet.
type DeliveryView struct {
	ID       string    `json:"id"`
	Event    string    `json:"event"`
	State    string    `json:"state"` // pending, dead
	Since    time.Time `json:"since"`
	Attempts int       `json:"attempts"`
	Next     time.Time `json:"next,omitzero"` // of a pending one
	Last     string    `json:"last,omitzero"` // what came of the attempt before
}

// MaxDeliveries is how many messages of one endpoint are listed.
const MaxDeliveries = 100

// Webhooks returns what is kept of every endpoint that ever was told anything,
// by name. Only an admin or auditor may see it.
func (g *Gate) Webhooks(ctx context.Context, caller kernel.Caller) ([]WebhookView, error) {
	if !caller.Is(kernel.RoleAdmin, kernel.RoleAuditor) {
		return nil, kernel.Errorf(kernel.Forbidden, "only an admin or auditor may see webhooks")
	}
	views := []WebhookView{}
	for rec, err := range g.cfg.Store.Records(ctx, recordWebhook, "") {
		if err != nil {
			return nil, unavailable("the webhooks could not be read")
		}
		v, err := g.webhook(ctx, rec.Key)
		if err != nil {
			return nil, unavailable("webhook %s could not be read", rec.Key)
		}
		views = append(views, v)
	}
	return views, nil
}

func (g *Gate) webhook(ctx context.Context, endpoint string) (v WebhookView, err error) {
	o := &Outbox{gate: g, endpoint: endpoint}
	box, _, err := o.read()
	if err != nil {
		return v, err
	}
	v = WebhookView{Endpoint: endpoint, Stopped: box.Gone, Messages: []DeliveryView{}}
	for _, kind := range []string{recordDead, recordDelivery} {
		list, err := g.deliveries(ctx, kind, endpoint)
		if err != nil {
			return v, err
		}
		slices.SortStableFunc(list, func(a, b kept) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Seq, b.Seq)) })
		state := map[string]string{recordDead: "dead", recordDelivery: "pending"}[kind]
		for _, k := range list {
			m := DeliveryView{ID: k.ID, Event: k.Event, State: state, Since: k.Since, Attempts: k.Attempts, Last: k.Last}
			if kind == recordDead {
				v.Dead++
			} else {
				v.Pending++
				m.Next = k.Next
			}
			if len(v.Messages) < MaxDeliveries {
				v.Messages = append(v.Messages, m)
			}
		}
	}
	return v, nil
}

// Resend has messages sent again that were given up, and those tried now that
// wait, of an endpoint: all, or the one with an id. An endpoint that stopped
// goes on. It returns how many they are. Only an admin may; it is recorded.
func (g *Gate) Resend(ctx context.Context, caller kernel.Caller, endpoint, id string) (n int, err error) {
	if !caller.Is(kernel.RoleAdmin) {
		return 0, adminOnly()
	}
	if rec, err := recordOrNone(g.cfg.Store, store.RecordKey{Kind: recordWebhook, Key: cmp.Or(endpoint, "-")}); err != nil {
		return 0, err
	} else if rec.Version == 0 {
		return 0, kernel.Errorf(kernel.NotFound, "there is no webhook %q", clip(endpoint)).WithHint("kernel webhooks list shows those there are")
	}
	query := url.Values{"endpoint": {endpoint}}
	if id != "" {
		query.Set("id", id)
	}
	if err := g.access(ctx, caller, "webhook-retry", query); err != nil {
		return 0, err
	}
	if err := g.goOn(ctx, endpoint); err != nil {
		return 0, err
	}
	for _, kind := range []string{recordDelivery, recordDead} { // in this order: what is dead becomes a delivery
		moved, err := g.revive(ctx, kind, endpoint, id)
		if n += moved; err != nil {
			return n, err
		}
	}
	if n == 0 && id != "" {
		return 0, kernel.Errorf(kernel.NotFound, "webhook %s has no message %q that was not delivered", endpoint, clip(id)).
			WithHint("kernel webhooks list %s shows those there are", endpoint)
	}
	return n, nil
}

// goOn lifts that an endpoint stopped.
func (g *Gate) goOn(ctx context.Context, endpoint string) error {
	o := &Outbox{gate: g, endpoint: endpoint}
	return g.submit(ctx, &job{apply: func(b *batch) error {
		box, version, err := o.read()
		if err != nil || box.Gone.IsZero() {
			return err
		}
		box.Gone = time.Time{}
		return o.keep(b, box, version)
	}})
}

// revive makes messages of a kind due now, some hundred with each commit.
func (g *Gate) revive(ctx context.Context, kind, endpoint, id string) (n int, err error) {
	list, err := g.deliveries(ctx, kind, endpoint)
	if err != nil {
		return 0, err
	}
	list = slices.DeleteFunc(list, func(k kept) bool { return id != "" && k.ID != id || k.By != "" })
	for part := range slices.Chunk(list, maxTaken) {
		moved := 0
		err := g.submit(ctx, &job{apply: func(b *batch) (err error) {
			moved, err = g.reviveIn(b, kind, part)
			return err
		}})
		if n += moved; err != nil {
			return n, err
		}
	}
	return n, nil
}

func (g *Gate) reviveIn(b *batch, kind string, part []kept) (n int, err error) {
	still, err := g.unchanged(b, kind, part)
	if err != nil {
		return 0, err
	}
	for _, k := range still {
		from := k.version
		if kind == recordDead {
			b.change(store.Transition{RecordKey: k.key(kind), From: from})
			from = 0
		}
		k.Attempts, k.Next, k.Given = 0, b.now, time.Time{}
		b.deliver(k.Delivery, from)
	}
	return len(still), nil
}

// Tested records that somebody sends a test to an endpoint, and names the
// message. Only an admin may.
func (g *Gate) Tested(ctx context.Context, caller kernel.Caller, endpoint string) (id string, err error) {
	if !caller.Is(kernel.RoleAdmin) {
		return "", adminOnly()
	}
	err = g.submit(ctx, &job{apply: func(b *batch) error {
		id = "msg_" + b.id + "_test"
		return g.accessed(b, caller, "webhook-test", url.Values{"endpoint": {endpoint}})
	}})
	return id, err
}
