// Package gate is the one path from a request to a decision.
//
// It promises that no caller learns a decision that is not on disk: what
// could not be recorded is not a decision but an error with the code
// UNAVAILABLE, which every door renders as a refusal.
package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/grant"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/link"
	"github.com/strixlabs/execution-kernel/internal/proof"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// Config is what a gate needs. Store, Signer, Clock, Rand and Node are
// required; the limits have defaults.
type Config struct {
	Store  store.Store
	Signer *ledger.Signer   // signs checkpoints
	Clock  func() time.Time // read once a batch
	Rand   io.Reader        // salts, ids and tokens; safe for concurrent use
	Node   string           // this process's name in entries
	Lease  store.Lease      // of the shard it writes; the zero Lease: shard 0 of a store that nobody else writes
	Log    *slog.Logger     // nil: nothing is logged

	Grants    *grant.Key    // signs grants; nil: whoever needs one is refused
	GrantLife time.Duration // how long a grant may be redeemed, in whole seconds; 0: [grant.Life]

	Links  *link.Maker // makes links to approvals; nil: there are none
	Proofs *proof.Keys // whose proof records every policy takes that is to decide; nil: none is taken

	Paranoid bool          // decide everything twice, by the index and by a scan of all rules, and refuse where they differ
	Queue    int           // decisions that may wait; more are refused at once; 0: 4096
	MaxBatch int           // jobs of one commit after which no more are taken up; those queued as one stay together; 0: 512
	Budget   time.Duration // how long a caller waits for its commit; 0: 5 s

	OnCommit  func(CommitStats)       // called after each commit, for metrics; nil: nobody
	OnStuck   func(error)             // called while a commit's outcome stays unknown beyond Budget: the process should end, the next one reads the head; nil: nobody
	OnGlass   func(change string)     // called when a glass was broken, its review is overdue or was closed; nil: nobody
	OnReviews func(open, overdue int) // called with how many reviews of broken glasses there are, about once a second; nil: nobody
	OnPublish func(note string) error // publishes a signed checkpoint that is persisted; nil: nobody
}

// CommitStats describes one commit.
type CommitStats struct {
	Jobs     int // callers that waited for it
	Entries  int
	Duration time.Duration
	Status   store.Status
	Queue    int    // jobs that waited when it ended
	Size     uint64 // entries in the log
}

// A Gate decides, records and answers. It is safe for concurrent use.
type Gate struct {
	cfg     Config
	jobs    chan []*job  // each element is taken up whole
	urgent  chan *job    // beside the queue, and before it
	waiting atomic.Int64 // jobs in it, at most cfg.Queue
	tokens  tokens
	refuse  refusals
	lending pace
	seal    seal
	grants  grants

	allows  allows
	pending pendings

	written atomic.Pointer[written] // by whom the active policy is
	opened  uint64                  // entries in the log when this process took it over

	program atomic.Pointer[eval.Program] // the active one; nil: nothing can be decided
	fault   atomic.Pointer[fault]        // why the last commit failed; nil: it did not
	changed atomic.Bool                  // the log is not the one that was signed: nothing is decided any more
	size    atomic.Uint64                // entries in the log

	registry atomic.Pointer[registry.Snapshot] // nil: everything is stopped
	last     atomic.Int64                      // the latest instant recorded, in nanoseconds

	stale atomic.Bool // what decisions rest on may have changed: the next batch reads it

	// The committer's own: no other goroutine touches them.
	head      store.Head
	basis     uint64               // the version of what decisions rest on
	quarrels  map[string]time.Time // when there was a conflict about a key of a fact
	ahead     []*job               // urgent ones, taken from their lane
	evaluator *eval.Evaluator      // of the program that decided last; nil: none did
	past      *past                // that its facts are made of; nil: it has none, or they could not be read
	unread    time.Time            // when reading it failed last
	latest    time.Time            // the instant of the last batch, committed or not: windows do not move back

	prepared atomic.Pointer[past] // of a program that is about to decide

	examining chan struct{} // has a place for the one bundle that is compiled and tested

	closing  sync.RWMutex // held for reading while a job is put into the queue
	closed   bool
	finished chan struct{} // closed when the committer has ended
	followed chan struct{} // closed when nothing is followed any more
	stop     chan struct{} // closed when the gate closes
}

// A fault is why a commit failed.
type fault struct{ err error }

// New returns a gate over a store whose log it continues. It reads the head,
// the last instant, the tokens and the last checkpoint. Until [Gate.Activate]
// names a policy, every request is refused; where gates share a store, until
// one of them did, then or earlier.
func New(ctx context.Context, cfg Config) (*Gate, error) {
	if cfg.Store == nil || cfg.Signer == nil || cfg.Clock == nil || cfg.Rand == nil || cfg.Node == "" {
		return nil, errors.New("a gate needs a store, a signer, a clock, randomness and a node name")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.GrantLife = orDefault(cfg.GrantLife, grant.Life)
	if cfg.GrantLife > grant.MaxLife || cfg.GrantLife%time.Second != 0 {
		return nil, fmt.Errorf("a grant lasts whole seconds, and %s at most", grant.MaxLife)
	}
	cfg.Queue = orDefault(cfg.Queue, 4096)
	cfg.MaxBatch = orDefault(cfg.MaxBatch, 512)
	cfg.Budget = orDefault(cfg.Budget, 5*time.Second)
	g := &Gate{
		examining: make(chan struct{}, 1),
		cfg:       cfg, urgent: make(chan *job, maxUrgent), jobs: make(chan []*job, cfg.Queue), quarrels: map[string]time.Time{},
		finished: make(chan struct{}), followed: make(chan struct{}), stop: make(chan struct{}),
	}
	g.pending.start()
	if err := g.resume(ctx); err != nil {
		return nil, fmt.Errorf("resume the log: %w", err)
	}
	if err := g.tokens.load(ctx, cfg.Store); err != nil {
		return nil, fmt.Errorf("load tokens: %w", err)
	}
	if err := g.reload(ctx); err != nil {
		return nil, fmt.Errorf("read the registry and the active policy: %w", err)
	}
	if err := g.seal.load(ctx, cfg.Store, cfg.Signer, g.shard()); err != nil {
		return nil, fmt.Errorf("load the last checkpoint: %w", err)
	}
	if err := g.grants.load(ctx, cfg.Store, g.instant()); err != nil {
		return nil, fmt.Errorf("load grants: %w", err)
	}
	if err := g.pending.recount(ctx, cfg.Store); err != nil {
		return nil, fmt.Errorf("read the approvals: %w", err)
	}
	go g.run()
	go g.summarise()
	go g.keepTime()
	go g.watchGrants()
	go g.follow()
	for _, step := range []func(context.Context) error{g.signEmpty, g.begun} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, g.Close(ctx))
		}
	}
	return g, nil
}

func orDefault[N int | time.Duration](n, def N) N {
	if n <= 0 {
		return def
	}
	return n
}

// resume reads where the log ends.
func (g *Gate) resume(ctx context.Context) error {
	head, err := g.cfg.Store.Head(ctx, g.shard())
	if err != nil {
		return err
	}
	g.head = head
	g.size.Store(head.Size)
	g.opened = head.Size
	if head.Size == 0 {
		return nil
	}
	entry, err := g.cfg.Store.Entry(ctx, g.shard(), head.Size-1)
	if err != nil {
		return fmt.Errorf("read entry %d: %w", head.Size-1, err)
	}
	g.last.Store(entry.Instant)
	return nil
}

// shard is the one that this gate writes.
func (g *Gate) shard() int { return g.cfg.Lease.Shard }

// PolicyVersion returns the version of the active policy, or "".
func (g *Gate) PolicyVersion() string {
	if p := g.program.Load(); p != nil {
		return p.Version()
	}
	return ""
}

// Ready reports why the gate cannot decide now: no policy, or a log that could
// not be written when last tried. In the second case it tries again.
func (g *Gate) Ready(ctx context.Context) error {
	if g.program.Load() == nil {
		return kernel.Errorf(kernel.Unavailable, "no policy is active").WithHint(pushOne)
	}
	if g.changed.Load() {
		return logChanged()
	}
	if g.fault.Load() == nil {
		return nil
	}
	return g.submit(ctx, &job{probe: true, apply: func(*batch) error { return nil }})
}

// instant returns the clock's time, or the latest recorded one when the clock
// was set back behind it.
func (g *Gate) instant() time.Time {
	now := g.cfg.Clock().UTC()
	if last := time.Unix(0, g.last.Load()).UTC(); now.Before(last) {
		return last
	}
	return now
}

// Size returns the number of entries in the log.
func (g *Gate) Size() uint64 { return g.size.Load() }

// Close refuses new work, commits what is queued and stops. It returns early,
// with an error, when ctx ends first.
func (g *Gate) Close(ctx context.Context) error {
	g.writeSums(ctx)
	g.closing.Lock()
	if !g.closed {
		g.closed = true
		close(g.stop)
		close(g.jobs)
	}
	g.closing.Unlock()
	for _, ended := range []chan struct{}{g.finished, g.followed} {
		select {
		case <-ended:
		case <-ctx.Done():
			return fmt.Errorf("close the gate: %w", ctx.Err())
		}
	}
	return nil
}
