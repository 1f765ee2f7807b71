package gate

import (
	"context"
	"sync"
	"time"

	"github.com/strixlabs/execution-kernel"
)

// lendEvery is how often agents may change the registry through one gate where
// several share a store. Each change has every gate read the registry again and
// decide anew what it was about to commit, so an agent that lends and takes back
// in a loop would cost all others their time. Administrators wait for nobody.
const lendEvery = 100 * time.Millisecond

// A pace gives out turns.
type pace struct {
	mu   sync.Mutex
	next time.Time
}

// turn returns how long to wait for the next turn, or false when that is longer
// than most.
func (p *pace) turn(now time.Time, most time.Duration) (wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next.Before(now) {
		p.next = now
	}
	if wait = p.next.Sub(now); wait > most {
		return 0, false
	}
	p.next = p.next.Add(lendEvery)
	return wait, true
}

// paced waits until a caller may change the registry.
func (g *Gate) paced(ctx context.Context, caller kernel.Caller) error {
	if !g.shared() || caller.Is(kernel.RoleAdmin) {
		return nil
	}
	wait, ok := g.lending.turn(g.cfg.Clock(), g.cfg.Budget)
	if !ok {
		return unavailable("too many changes of the registry are waiting")
	}
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return unavailable("the caller gave up")
	case <-g.stop:
		return unavailable("the kernel is stopping")
	}
}
