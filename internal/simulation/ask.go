package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

// An ask is a call of a client and what came of it.
type ask struct {
	gate.Ask
	node    *node
	link    *link         // to the process that was asked
	stopped map[*stop]int // in force when it was asked, each with its ups

	done     bool
	decision kernel.Decision
	err      error
}

var caller = kernel.Caller{Principal: "gateway-001", Roles: []kernel.Role{kernel.RoleGateway}, SpeaksFor: []string{"*"}}

// freely is the id of the resource in requests without a request_id.
const freely = "thing-001"

// The agents that ask, and what for.
var (
	agents  = []string{"agent-001", "agent-002", "agent-003"}
	actions = []string{"act", "pay"}
)

// ask puts a request to some node: a new one, or one that was asked before.
func (w *World) ask() {
	n := w.anyNode()
	if n == nil {
		return
	}
	a := w.newAsk(n)
	if len(w.asks) > 0 && w.rng.IntN(4) == 0 {
		a.Ask = w.asks[max(0, len(w.asks)-1-w.rng.IntN(8))].Ask
	}
	w.put(a)
}

func (w *World) newAsk(n *node) *ask {
	w.ids++
	r := kernel.Request{
		Agent: kernel.Agent{ID: agents[w.rng.IntN(len(agents))]}, Action: actions[w.rng.IntN(len(actions))],
		Resource: kernel.Resource{Type: "thing", ID: freely},
	}
	if w.rng.IntN(3) > 0 {
		r.RequestID = fmt.Sprint("request-", w.ids)
		r.Resource.ID = r.RequestID // entries do not name their request_id
	}
	if r.Action == "pay" {
		r.Params = map[string]any{"cents": int64(1 + w.rng.IntN(600))}
	}
	return &ask{Ask: gate.Ask{Door: "decisions", Request: r}, node: n, stopped: map[*stop]int{}}
}

// put sends a request. The answer is compared when it comes.
func (w *World) put(a *ask) {
	w.mu.Lock()
	g := a.node.gate
	a.link = a.node.link
	if g == nil {
		w.mu.Unlock()
		return
	}
	w.asks = append(w.asks, a)
	for _, target := range targets {
		if s := w.stops[target]; s != nil && s.inForce {
			a.stopped[s] = s.ups
		}
	}
	w.noted("%s is asked: %s of %s, %s", a.node.name, a.Request.Action, a.Request.Agent.ID, a.Request.RequestID)
	w.mu.Unlock()
	go func() {
		d, err := g.Decide(context.Background(), caller, a.Ask)
		w.mu.Lock()
		defer w.mu.Unlock()
		if a.link.dead {
			return // nobody hears it
		}
		a.done, a.decision, a.err = true, d, err
		w.answered(a)
	}()
}

func (w *World) anyNode() *node {
	w.mu.Lock()
	defer w.mu.Unlock()
	var up []*node
	for _, n := range w.nodes {
		if n.gate != nil {
			up = append(up, n)
		}
	}
	if len(up) == 0 {
		return nil
	}
	return up[w.rng.IntN(len(up))]
}

// answered compares an answer with the log. The caller has the lock.
func (w *World) answered(a *ask) {
	if a.err != nil {
		w.noted("%s answers: %v", a.node.name, a.err)
		var e *kernel.Error
		if !errors.As(a.err, &e) || e.Code != kernel.Unavailable && e.Code != kernel.Spent {
			w.failed("%s answers %v, which is neither a decision nor UNAVAILABLE", a.node.name, a.err)
		}
		return
	}
	d := a.decision
	w.noted("%s answers: %s by %s, entry %d of shard %d", a.node.name, d.Decision, d.Code, d.Entry.Seq, d.Entry.Shard)
	w.answers++
	logged, there := w.log.decisions[place{d.Entry.Shard, d.Entry.Seq}]
	switch {
	case !there:
		w.failed("a caller learned decision %s, which is not in the log", d.ID)
	case logged.id != d.ID || logged.verdict.Decision != d.Decision || logged.verdict.Code != d.Code ||
		logged.agent != a.Request.Agent.ID || logged.action != a.Request.Action:
		w.failed("a caller learned %s of decision %s, the log says %s of %s", d.Decision, d.ID, logged.verdict.Decision, logged.id)
	case !d.Replayed && logged.told:
		w.failed("decision %s was given to two callers as new", d.ID)
	}
	if there && !d.Replayed {
		logged.told = true
	}
	if d.Decision != kernel.Allow {
		return
	}
	for s, ups := range a.stopped {
		if s.inForce && s.ups == ups && s.stops(&a.Request) {
			w.failed("%s is allowed for %s though %s was stopped before it was asked", a.Request.Action, a.Request.Agent.ID, s.target)
		}
	}
}

// A stop is a kill switch or a suspension, as those who pull it see it.
type stop struct {
	target  string
	inForce bool // acknowledged, and nobody has begun to lift it
	lifting int  // calls that lift it and may still take effect
	ups     int  // calls that ever began to lift it
}

// targets are what is stopped: an action and an agent.
var targets = []string{"pay", "agent-002"}

func (s *stop) stops(r *kernel.Request) bool {
	return s.target == r.Action || s.target == r.Agent.ID
}

// command stops something, or lets it go on.
func (w *World) command() {
	n := w.anyNode()
	if n == nil {
		return
	}
	target := targets[w.rng.IntN(len(targets))]
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stops[target] == nil {
		w.stops[target] = &stop{target: target}
	}
	if s := w.stops[target]; w.log.stopped[target] {
		w.lift(n, s)
	} else {
		w.pull(n, s)
	}
}

func (w *World) pull(n *node, s *stop) {
	g, l, ups := n.gate, n.link, s.ups
	w.noted("%s is told to stop %s", n.name, s.target)
	go func() {
		err := order(g, s.target, true)
		w.mu.Lock()
		defer w.mu.Unlock()
		if err == nil && !l.dead && s.ups == ups && s.lifting == 0 {
			w.noted("%s has stopped %s", n.name, s.target)
			s.inForce = true
		}
	}()
}

func (w *World) lift(n *node, s *stop) {
	g := n.gate
	w.noted("%s is told to lift the stop of %s", n.name, s.target)
	s.inForce = false
	s.ups++
	s.lifting++
	go func() {
		// One whose outcome nobody knows may take effect later.
		if err := order(g, s.target, false); err == nil {
			w.mu.Lock()
			defer w.mu.Unlock()
			s.lifting--
		}
	}()
}

func order(g *gate.Gate, target string, on bool) error {
	ctx := context.Background()
	switch {
	case slices.Contains(agents, target) && on:
		return g.SetStatus(ctx, operator, target, registry.Suspended, "it is to stop")
	case slices.Contains(agents, target):
		return g.SetStatus(ctx, operator, target, registry.Active, "it may go on")
	case on:
		return g.Kill(ctx, operator, registry.ScopeAction, target, "it is to stop")
	}
	return g.Lift(ctx, operator, registry.ScopeAction, target, "it may go on")
}
