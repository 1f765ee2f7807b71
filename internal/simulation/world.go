// Package simulation runs several gates over one simulated database, one
// event at a time: what happens, and in which order, is drawn from a seed.
//
// Requests to the database and its answers are lost, late or both; nodes
// crash, pause and have wrong clocks; leases expire. After every commit and
// every answer the world is compared with what the kernel promises. It needs a
// bubble of testing/synctest, whose clock is the world's.
package simulation

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// A Setting is what a world is made of.
type Setting struct {
	Seed   uint64
	Nodes  int // at least 1; as many shards
	Events int
	Fault  Fault // planted; nil: none

	Program  *eval.Program // compiled from Policy
	Files    []pdl.File
	Registry registry.Document // of the agents that ask
	Signer   *ledger.Signer
}

// A World is a run. It is over at its first broken promise.
type World struct {
	Setting
	rng   *rand.Rand
	db    *storetest.Memory
	nodes []*node
	log   *record
	start time.Time

	mu      sync.Mutex // what follows is touched by gates too
	parked  []*call
	late    []*store.Batch // commits that are still in the network
	settled map[string]bool
	calm    bool // nothing goes wrong
	asks    []*ask
	stops   map[string]*stop
	broken  error
	trace   []string
	answers int // decisions that callers have learned

	ids  int // of requests
	tick int // events so far
}

// Run runs a world to its end and returns the first promise that was broken,
// with the last events before it.
func Run(s Setting) (Report, error) {
	w := &World{
		Setting: s, rng: rand.New(rand.NewPCG(s.Seed, 0)), db: &storetest.Memory{Clock: time.Now},
		log: newRecord(), settled: map[string]bool{}, stops: map[string]*stop{}, start: time.Now(),
	}
	if err := w.begin(); err != nil {
		return Report{}, err
	}
	for w.tick = 1; w.tick <= s.Events && w.failure() == nil; w.tick++ {
		w.step()
		synctest.Wait()
	}
	w.calmDown()
	for _, n := range w.nodes {
		n.stop()
	}
	w.mu.Lock()
	w.release(func(*call) fate { return fate{lost: true} })
	w.mu.Unlock()
	synctest.Wait()
	return w.report(), w.failure()
}

// A Report says what happened in a world.
type Report struct{ Asks, Answers, Allows, Entries, Conflicts, Crashes int }

// Add adds what happened in another world.
func (r *Report) Add(o Report) {
	r.Asks += o.Asks
	r.Answers += o.Answers
	r.Allows += o.Allows
	r.Entries += o.Entries
	r.Conflicts += o.Conflicts
	r.Crashes += o.Crashes
}

func (w *World) report() Report {
	r := w.log.report
	r.Asks, r.Answers = len(w.asks), w.answers
	for _, n := range w.nodes {
		r.Crashes += n.crashes
	}
	return r
}

func (w *World) begin() error {
	w.calm = true
	for i := range w.Nodes {
		n := &node{w: w, name: fmt.Sprint("node-", i+1), shard: i}
		w.nodes = append(w.nodes, n)
		if i == 0 {
			n.prepare = func() error { return n.found(w.Program, w.Files, w.Registry) }
		}
		n.boot()
		synctest.Wait()
		if n.gate == nil {
			return fmt.Errorf("%s does not start: %w", n.name, w.failure())
		}
		n.prepare = nil
	}
	w.calm = false
	return nil
}

// step lets one thing happen.
func (w *World) step() {
	if w.bootOne() {
		return
	}
	switch d := w.rng.IntN(400); {
	case d < 300:
		w.deliver()
	case d < 350:
		w.ask()
	case d < 366:
		w.pass()
	case d < 376:
		w.command()
	case d < 379:
		w.crash()
	case d < 385:
		w.pause()
	case d < 392:
		w.skew()
	default:
		w.arrive()
	}
}

func (w *World) pass() {
	d := time.Duration(1+w.rng.IntN(1000)) * time.Millisecond
	if w.rng.IntN(6) == 0 {
		d *= 30
	}
	w.note("%s pass", d)
	time.Sleep(d)
}

// deliver brings one request to the database and its answer back, or does not.
func (w *World) deliver() {
	w.mu.Lock()
	c := w.next()
	w.mu.Unlock()
	if c == nil {
		w.pass()
		return
	}
	f := fate{}
	switch w.rng.IntN(40) {
	case 0:
		f.lost = true
	case 1:
		f.unanswered = true
	case 2:
		f.late = true
	}
	w.note("%s %s: %s", c.node.name, c.what, f)
	c.fate <- f
}

// next takes out a call of a node that is not paused.
func (w *World) next() *call {
	var ready []int
	for i, c := range w.parked {
		if !time.Now().Before(c.node.paused) {
			ready = append(ready, i)
		}
	}
	if len(ready) == 0 {
		return nil
	}
	i := ready[w.rng.IntN(len(ready))]
	c := w.parked[i]
	w.parked = slices.Delete(w.parked, i, i+1)
	return c
}

// arrive lets a commit of which nobody waits any more reach the database.
func (w *World) arrive() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.late) == 0 {
		return
	}
	i := w.rng.IntN(len(w.late))
	b := w.late[i]
	w.late = slices.Delete(w.late, i, i+1)
	if w.settled[b.ID] {
		return // the lookup took its place
	}
	w.noted("the late batch %s arrives", b.ID)
	if _, err := w.execute(b); err != nil {
		w.noted("nobody hears of it")
	}
}

func (w *World) crash() {
	if n := w.nodes[w.rng.IntN(len(w.nodes))]; n.up() {
		w.note("%s crashes", n.name)
		n.crash()
	}
}

// bootOne starts a process that is down, now and then.
func (w *World) bootOne() bool {
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	if n.up() || w.rng.IntN(5) > 0 {
		return false
	}
	w.note("%s starts", n.name)
	n.boot()
	return true
}

func (w *World) pause() {
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	n.paused = time.Now().Add(time.Duration(1+w.rng.IntN(12)) * time.Second)
	w.note("%s pauses until %s", n.name, n.paused.Sub(w.start))
}

// skew sets a node's clock wrong, within what a node that is ready may be.
func (w *World) skew() {
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	n.skew.Store(int64(w.rng.IntN(1001)-500) * int64(time.Millisecond))
	w.note("%s has a clock that is %s off", n.name, time.Duration(n.skew.Load()))
}

// calmDown ends all faults and makes sure that everybody decides again.
func (w *World) calmDown() {
	w.note("all faults end")
	w.mu.Lock()
	w.calm = true
	for _, n := range w.nodes {
		n.paused = time.Time{}
		n.skew.Store(0)
	}
	w.release(func(*call) fate { return fate{} })
	w.mu.Unlock()
	time.Sleep(12 * time.Second) // leases expire, queues empty
	for _, n := range w.nodes {
		if !n.up() {
			n.boot()
		}
	}
	time.Sleep(3 * time.Second)
	w.live()
}

// live asks every node something that it must decide now that nothing goes
// wrong.
func (w *World) live() {
	if w.failure() != nil {
		return
	}
	var asks []*ask
	for _, n := range w.nodes {
		if !n.up() {
			w.fail("%s does not start though nothing goes wrong any more: %v", n.name, n.why())
			return
		}
		asks = append(asks, w.newAsk(n))
		w.put(asks[len(asks)-1])
	}
	time.Sleep(6 * time.Second)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range asks {
		if a.err != nil || !a.done {
			w.failed("%s decides nothing though nothing goes wrong any more: %v", a.node.name, a.err)
		}
	}
}

// release lets every call that waits go on.
func (w *World) release(of func(*call) fate) {
	for _, c := range w.parked {
		c.fate <- of(c)
	}
	w.parked = nil
}

func (w *World) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken
}

func (w *World) fail(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed(format, args...)
}

// failed is fail for whoever has the lock.
func (w *World) failed(format string, args ...any) {
	if w.broken == nil {
		w.broken = &BrokenError{Seed: w.Seed, Event: w.tick, What: fmt.Sprintf(format, args...), Trace: w.last(600)}
	}
}

func (w *World) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noted(format, args...)
}

func (w *World) noted(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf("%4d %8.3fs ", w.tick, time.Since(w.start).Seconds())+fmt.Sprintf(format, args...))
}

func (w *World) last(n int) []string { return slices.Clone(w.trace[max(0, len(w.trace)-n):]) }

// A BrokenError is a promise that was not kept.
type BrokenError struct {
	Seed  uint64
	Event int
	What  string
	Trace []string // the last events
}

func (b *BrokenError) Error() string {
	text := ""
	for _, line := range b.Trace {
		text += line + "\n"
	}
	return fmt.Sprintf("%sseed %d, event %d: %s", text, b.Seed, b.Event, b.What)
}

// random is randomness of the seed for one node.
func random(seed uint64, name string) io.Reader {
	var key [32]byte
	copy(key[:], fmt.Sprintf("%d %s", seed, name))
	return &reader{source: rand.NewChaCha8(key)}
}

type reader struct {
	mu     sync.Mutex
	source *rand.ChaCha8
}

func (r *reader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.source.Read(p)
}
