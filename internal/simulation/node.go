package simulation

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// A node is a process that may die, and is started again.
type node struct {
	w     *World
	name  string
	shard int // that it had last

	paused time.Time // nothing of it reaches the database before
	skew   atomic.Int64

	link    *link      // of the process that runs; nil: none does
	gate    *gate.Gate // nil: it is down, or starting
	life    int        // processes so far
	crashes int
	failed  error // why it does not start

	prepare func() error // fills the database; nil: others did
}

const (
	leaseLife  = 5 * time.Second
	renewEvery = time.Second
)

func (n *node) up() bool {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	return n.link != nil
}

func (n *node) why() error {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	return n.failed
}

// boot starts a process.
func (n *node) boot() {
	n.w.mu.Lock()
	n.life++
	l := &link{node: n, done: make(chan struct{})}
	n.link, n.failed = l, nil
	n.w.mu.Unlock()
	go n.start(l)
}

func (n *node) start(l *link) {
	g, lease, err := n.open(l)
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	switch {
	case n.link != l: // it died meanwhile
		if g != nil {
			go closeGate(g)
		}
	case err != nil:
		n.w.noted("%s does not start: %v", n.name, err)
		n.failed, n.link = err, nil
		l.cut()
	default:
		n.w.noted("%s decides, on shard %d in epoch %d", n.name, lease.Shard, lease.Epoch)
		n.gate, n.shard = g, lease.Shard
		go n.renew(l, lease)
	}
}

func (n *node) open(l *link) (*gate.Gate, store.Lease, error) {
	ctx := context.Background()
	lease, err := n.acquire(ctx, l)
	if err != nil {
		return nil, lease, err
	}
	g, err := gate.New(ctx, gate.Config{
		Store: l, Signer: n.w.Signer, Clock: n.clock, Rand: random(n.w.Seed, fmt.Sprint(n.name, n.life)), Node: n.name, Lease: lease,
		OnStuck: func(error) { go n.die(l) },
	})
	if err != nil {
		return nil, lease, err
	}
	if n.prepare != nil {
		n.gate = g
		err = n.prepare()
	}
	if err != nil {
		closeGate(g)
		return nil, lease, err
	}
	return g, lease, nil
}

// acquire takes the shard it had, or any other that is free.
func (n *node) acquire(ctx context.Context, l *link) (lease store.Lease, err error) {
	for i := range n.w.Nodes {
		lease, err = l.Acquire(ctx, (n.shard+i)%n.w.Nodes, n.name, leaseLife)
		if !errors.Is(err, store.ErrHeld) {
			return lease, err
		}
	}
	return lease, err
}

// renew keeps the lease; a process that lost it ends.
func (n *node) renew(l *link, lease store.Lease) {
	for {
		select {
		case <-l.done:
			return
		case <-time.After(renewEvery):
		}
		if _, err := l.Renew(context.Background(), lease, leaseLife); errors.Is(err, store.ErrFenced) {
			n.w.note("%s was fenced", n.name)
			n.die(l)
			return
		}
	}
}

// die ends the process of a link, unless it has ended.
func (n *node) die(l *link) {
	n.w.mu.Lock()
	current := n.link == l
	n.w.mu.Unlock()
	if current {
		n.crash()
	}
}

// crash ends the process: what it had sent may still arrive.
func (n *node) crash() {
	n.crashes++
	n.stop()
}

func (n *node) stop() {
	n.w.mu.Lock()
	g, l := n.gate, n.link
	n.gate, n.link = nil, nil
	if l != nil {
		l.cut()
	}
	n.w.mu.Unlock()
	if g != nil {
		go closeGate(g)
	}
}

// closeGate ends the goroutines of a gate whose process is dead.
func closeGate(g *gate.Gate) { _ = g.Close(context.Background()) }

func (n *node) clock() time.Time { return time.Now().Add(time.Duration(n.skew.Load())) }

var operator = kernel.Caller{Principal: "operator-001", Roles: []kernel.Role{kernel.RoleAdmin}}

// found fills an empty database.
func (n *node) found(p *eval.Program, files []pdl.File, d registry.Document) error {
	if err := n.gate.Activate(context.Background(), operator, p, files); err != nil {
		return err
	}
	_, err := n.gate.Apply(context.Background(), operator, d, gate.ApplyOptions{})
	return err
}
