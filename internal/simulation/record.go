package simulation

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/merkle"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// Policy is what the gates of a world decide by: three acts a minute, 1,000
// cents in two minutes.
const Policy = `pdl: v1
kind: schema
name: simulated
agents: registered
resources: {thing: {}}
actions:
  act: {resource: thing}
  pay: {resource: thing, params: {cents: "int(1..1000)"}}
facts:
  acts: {event: act, by: [agent.id], count: true, within: 1m}
  tries: {event: act, by: [agent.id], count: true, within: 1m, counts: attempted}
  spent: {event: pay, by: [agent.id], sum: params.cents, within: 2m}
---
pdl: v1
kind: policy
name: limits
rules:
  - {id: few, match: {action: act}, when: facts.acts < 3 && facts.tries < 1000, effect: ALLOW}
  - {id: budget, match: {action: pay}, when: facts.spent + params.cents <= 1000, effect: ALLOW}
`

const (
	maxActs  = 3
	maxCents = 1000
)

// A record is the log as it was committed, in the order of the commits, and
// what follows from it.
type record struct {
	trees     map[int]*merkle.Tree
	latest    map[int]time.Time // the last instant of a shard
	decisions map[place]*decided
	requests  map[string]place // by request_id
	events    map[string][]event
	stopped   map[string]bool
	registry  uint64 // version
	report    Report
}

type place struct {
	shard int
	seq   uint64
}

type decided struct {
	id, agent, action string
	verdict           kernel.Verdict
	told              bool
}

// An event is a decision that facts count.
type event struct {
	at      time.Time
	action  string
	allowed bool
	cents   int64
}

func newRecord() *record {
	return &record{
		trees: map[int]*merkle.Tree{}, latest: map[int]time.Time{}, decisions: map[place]*decided{},
		requests: map[string]place{}, events: map[string][]event{}, stopped: map[string]bool{},
	}
}

// committed compares a batch with everything that was committed before it. The
// caller has the lock.
func (w *World) committed(b *store.Batch) {
	leases, err := w.db.Leases(w.context())
	if err != nil {
		w.failed("the leases cannot be read: %v", err)
	}
	for _, l := range leases {
		if l.Shard == b.Shard && l.Epoch != b.Epoch {
			w.failed("a batch of epoch %d was committed to shard %d, which has epoch %d", b.Epoch, b.Shard, l.Epoch)
		}
	}
	if err := w.log.add(b); err != nil {
		w.failed("%v", err)
	}
}

func (r *record) add(b *store.Batch) error {
	if r.trees[b.Shard] == nil {
		r.trees[b.Shard] = &merkle.Tree{}
	}
	tree := r.trees[b.Shard]
	for i := range b.Entries {
		if err := r.entry(tree, &b.Entries[i]); err != nil {
			return fmt.Errorf("entry %d of shard %d: %w", b.Entries[i].Seq, b.Shard, err)
		}
	}
	if tree.Size() != b.Next.Size || tree.Root() != b.Next.Root {
		return fmt.Errorf("the head of shard %d at size %d is not that of its entries", b.Shard, b.Next.Size)
	}
	return nil
}

func (r *record) entry(tree *merkle.Tree, row *store.Entry) error {
	r.report.Entries++
	e, err := ledger.Decode(row.Body)
	if err != nil {
		return err
	}
	switch {
	case row.Seq != tree.Size():
		return fmt.Errorf("it stands where %d belongs", tree.Size())
	case e.Instant.Before(r.latest[row.Shard]):
		return fmt.Errorf("its instant goes back")
	}
	r.latest[row.Shard] = e.Instant
	if err := tree.Append(merkle.LeafHash(row.Body)); err != nil {
		return err
	}
	switch {
	case e.Registry != nil:
		return r.change(e.Registry)
	case e.Decision != nil:
		return r.decision(e, row)
	}
	return nil
}

func (r *record) change(c *ledger.RegistryChange) error {
	if c.Version < r.registry {
		return fmt.Errorf("version %d of the registry comes after %d", c.Version, r.registry)
	}
	r.registry = c.Version
	switch c.Object {
	case registry.RecordKill:
		var key []string
		if err := json.Unmarshal([]byte(c.Key), &key); err != nil {
			return err
		}
		r.stopped[key[1]] = c.Value != nil
	case registry.RecordPrincipal:
		var p struct{ Status registry.Status }
		if err := json.Unmarshal(c.Value, &p); err != nil {
			return err
		}
		r.stopped[c.Key] = p.Status == registry.Suspended
	}
	return nil
}

func (r *record) decision(e ledger.Entry, row *store.Entry) error {
	d := e.Decision
	request, err := kernel.DecodeJSON(row.Private.Request)
	if err != nil {
		return err
	}
	asked := request.(map[string]any)
	at := place{row.Shard, row.Seq}
	if id := asked["resource"].(map[string]any)["id"].(string); id != freely {
		if other, again := r.requests[id]; again {
			return fmt.Errorf("%s has an entry already, %d of shard %d", id, other.seq, other.shard)
		}
		r.requests[id] = at
	}
	r.decisions[at] = &decided{id: d.ID, agent: d.Agent, action: d.Action, verdict: d.Verdict}
	if d.Verdict.Decision == kernel.Allow {
		r.report.Allows++
	}
	if r.stopped[d.Action] || r.stopped[d.Agent] {
		if d.Verdict.Decision == kernel.Allow {
			return fmt.Errorf("%s for %s is allowed though it is stopped", d.Action, d.Agent)
		}
	}
	if !ledger.Counts(d.Verdict.Code) {
		return nil
	}
	var cents int64
	if params, ok := asked["params"].(map[string]any); ok {
		cents, _ = params["cents"].(int64)
	}
	if err := r.facts(e, cents); err != nil {
		return err
	}
	r.events[d.Agent] = append(r.events[d.Agent], event{e.Instant, d.Action, d.Verdict.Decision == kernel.Allow, cents})
	return nil
}

// facts compares what a decision read of the history, and what it made of it,
// with what was committed before it.
func (r *record) facts(e ledger.Entry, cents int64) error {
	d, want := e.Decision, map[string]any{}
	var acts, tries, spent int64
	for _, ev := range r.events[d.Agent] {
		counts := ev.allowed || ev.action == "act" // of what was paid, only that
		if counts && ev.action == d.Action && ev.at.After(e.Instant) {
			return fmt.Errorf("it is decided for %s, and an event before it lies at %s", e.Instant, ev.at)
		}
		age := e.Instant.Sub(ev.at)
		switch {
		case ev.action == "act" && age < time.Minute:
			tries++
			if ev.allowed {
				acts++
			}
		case ev.action == "pay" && ev.allowed && age < 2*time.Minute:
			spent += ev.cents
		}
	}
	allowed := spent+cents <= maxCents
	if d.Action == "act" {
		allowed = acts < maxActs
		put(want, "acts", acts)
		put(want, "tries", tries)
	} else {
		put(want, "spent", spent)
	}
	if !maps.Equal(d.Facts, want) {
		return fmt.Errorf("%s of %s was decided with the facts %v, the log says %v", d.Action, d.Agent, d.Facts, want)
	}
	if got := d.Verdict.Decision == kernel.Allow; got != allowed {
		return fmt.Errorf("%s of %s is %s with %v and %d cents", d.Action, d.Agent, d.Verdict.Decision, want, cents)
	}
	return nil
}

func put(m map[string]any, name string, n int64) {
	if n > 0 {
		m[name] = n
	}
}
