package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/webhook"
)

// A Kernel is what is told of: the gate.
type Kernel interface {
	Outbox(ctx context.Context, endpoint string, wants func(event string) bool) (*gate.Outbox, error)
	Notice(ctx context.Context, d gate.Delivery, whole bool) (gate.Notice, error)
	Changed() <-chan struct{}
	Webhooks(context.Context, kernel.Caller) ([]gate.WebhookView, error)
	Resend(ctx context.Context, caller kernel.Caller, endpoint, id string) (int, error)
	Tested(ctx context.Context, caller kernel.Caller, endpoint string) (id string, err error)
}

// Config is what a Notifier needs. Kernel, Clock and Rand are required.
type Config struct {
	Kernel    Kernel
	Endpoints []Endpoint
	Clock     func() time.Time // of signatures
	Rand      io.Reader        // spreads the waits
	Log       *slog.Logger     // nil: nothing is logged
	Trust     *tls.Config      // of receivers; nil: what the machine trusts

	// OnAttempt is called after each attempt, OnLook with how many messages wait
	// then; nil: nobody is. For metrics.
	OnAttempt func(endpoint string, outcome Outcome)
	OnLook    func(endpoint string, pending int)
}

// An Outcome is what came of an attempt.
type Outcome string

// The outcomes.
const (
	Delivered Outcome = "delivered"
	Failed    Outcome = "failed" // it is tried again
	GivenUp   Outcome = "dead"
)

// Outcomes lists them.
func Outcomes() []Outcome { return []Outcome{Delivered, Failed, GivenUp} }

const (
	lookEvery = time.Second
	inFlight  = 4                      // attempts at a time to one endpoint
	holdFor   = sendTime + time.Minute // nobody else sends meanwhile
)

// A Notifier tells endpoints. Its methods may be called at the same time.
type Notifier struct {
	cfg     Config
	senders []*sender
}

// New returns a notifier of endpoints with different names.
func New(cfg Config) (*Notifier, error) {
	if cfg.Kernel == nil || cfg.Clock == nil || cfg.Rand == nil {
		return nil, errors.New("webhooks need a kernel, a clock and randomness")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	n := &Notifier{cfg: cfg}
	for _, e := range cfg.Endpoints {
		err := e.Check()
		if _, twice := n.named(e.Name); err == nil && twice {
			err = kernel.Errorf(kernel.Invalid, "two webhooks have this name")
		}
		if err != nil {
			return nil, fmt.Errorf("webhook %q: %w", e.Name, err)
		}
		s, err := newSender(e, cfg.Trust)
		if err != nil {
			return nil, fmt.Errorf("webhook %q: %w", e.Name, err)
		}
		n.senders = append(n.senders, s)
	}
	return n, nil
}

func (n *Notifier) named(name string) (*sender, bool) {
	i := slices.IndexFunc(n.senders, func(s *sender) bool { return s.Name == name })
	if i < 0 {
		return nil, false
	}
	return n.senders[i], true
}

// Run tells every endpoint, each by itself, until ctx ends.
func (n *Notifier) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, s := range n.senders {
		all.Go(func() { n.serve(ctx, s) })
	}
	all.Wait()
}

// serve looks for what one endpoint has to be told, at once when something
// changed here, and every second for what changed elsewhere or is due.
func (n *Notifier) serve(ctx context.Context, s *sender) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var box *gate.Outbox
	for failed := false; ; {
		changed := n.cfg.Kernel.Changed()
		var err error
		if box == nil {
			box, err = n.cfg.Kernel.Outbox(ctx, s.Name, s.Wants)
		}
		if err == nil {
			err = n.turn(ctx, s, box)
		} else {
			box = nil
		}
		if err != nil && !failed && ctx.Err() == nil {
			n.cfg.Log.Warn("a webhook cannot be told; it is tried again", "webhook", s.Name, "error", err)
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
		}
	}
}

// turn takes up what the log has for an endpoint, and sends what is due until
// nothing is.
func (n *Notifier) turn(ctx context.Context, s *sender, box *gate.Outbox) error {
	for ctx.Err() == nil {
		more, err := box.TakeUp(ctx)
		if err != nil {
			return err
		}
		claimed, pending, err := box.Claim(ctx, inFlight, holdFor)
		if err != nil {
			return err
		}
		if n.cfg.OnLook != nil {
			n.cfg.OnLook(s.Name, pending)
		}
		if len(claimed) == 0 && !more {
			return nil
		}
		if err := n.tell(ctx, s, box, claimed); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// tell makes one attempt with each message.
func (n *Notifier) tell(ctx context.Context, s *sender, box *gate.Outbox, claimed []gate.Delivery) error {
	stopped, err := box.Stopped()
	if err != nil {
		return err
	}
	errs := make([]error, len(claimed))
	var all sync.WaitGroup
	for i, d := range claimed {
		all.Go(func() {
			sent := gate.Sent{Note: "the receiver answered 410: it wants nothing any more"}
			if !stopped {
				sent = n.attempt(ctx, s, d)
			}
			// What was sent is settled although the kernel stops: else it is sent again.
			if errs[i] = box.Settle(context.WithoutCancel(ctx), d, sent); errs[i] == nil {
				n.account(s, d, sent)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// attempt sends one message, and says when to try again.
func (n *Notifier) attempt(ctx context.Context, s *sender, d gate.Delivery) gate.Sent {
	sent := gate.Sent{}
	notice, err := n.cfg.Kernel.Notice(ctx, d, s.Request)
	if err == nil {
		var body []byte
		if body, err = encode(notice); err == nil {
			sent = s.send(ctx, d.ID, body, n.cfg.Clock())
		}
	}
	if err != nil {
		n.cfg.Log.Warn("what a webhook is to be told cannot be read", "webhook", s.Name, "id", d.ID, "error", err)
		sent.Note = "the log could not be read; the kernel's own log says why"
	}
	if sent.OK || sent.Gone {
		sent.Wait = 0
		return sent
	}
	var draw [1]byte
	_, _ = io.ReadFull(n.cfg.Rand, draw[:]) // without randomness the waits are not spread
	sent.Wait = webhook.Wait(d.Attempts, draw[0], sent.Wait)
	return sent
}

func (n *Notifier) account(s *sender, d gate.Delivery, sent gate.Sent) {
	outcome := Failed
	switch {
	case sent.OK:
		outcome = Delivered
	case sent.Gone, sent.Wait == 0, d.Attempts >= webhook.MaxAttempts:
		outcome = GivenUp
		n.cfg.Log.Error("a message of a webhook is given up; \"kernel webhooks retry\" sends it again",
			"webhook", s.Name, "id", d.ID, "attempts", d.Attempts, "last", sent.Note)
	case d.Attempts == 1:
		n.cfg.Log.Warn("a webhook could not be delivered; it is tried again", "webhook", s.Name, "id", d.ID, "last", sent.Note)
	}
	if n.cfg.OnAttempt != nil {
		n.cfg.OnAttempt(s.Name, outcome)
	}
}

// encode writes a message.
func encode(v any) ([]byte, error) {
	body, err := json.Marshal(v, json.Deterministic(true))
	if err == nil && len(body) > webhook.MaxBody {
		err = fmt.Errorf("it is over %d bytes", webhook.MaxBody)
	}
	return body, err
}
