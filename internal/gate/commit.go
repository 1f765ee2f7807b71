package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// maxTries is how often a job is tried again because what it rested on
// changed under it; then it is refused.
const maxTries = 3

// A job is one caller's part of a batch.
type job struct {
	apply   func(*batch) error // adds to the batch, or adds nothing and returns an error
	probe   bool               // commit even if the batch is empty
	urgent  bool               // goes before all that waits
	done    chan error         // receives exactly one answer, after the commit
	tries   int                // commits that did not hold because of this job
	recheck bool               // a record that the job rests on may have changed: read it again
	current bool               // all that was recorded before it came was read
	apart   bool               // what it rests on is in dispute: it goes without the others
}

// A batch is what one commit will write, while it is put together.
type batch struct {
	id          string
	now         time.Time
	log         *ledger.Builder
	transitions []store.Transition
	after       []func() // run once the batch is on disk
	asked       map[string]answered
	owners      map[store.RecordKey][]*job // who rests on a record
	counting    counting                   // keys of facts that it rests on
	announce    []string                   // kinds of records that other nodes must notice
	moves       bool                       // it changes what decisions rest on
	rests       bool                       // an answer rests on that though nothing is written: it is guarded all the same
	unread      []string                   // keys of facts whose events have to be read first
	behind      bool                       // all events have to be read first
	waiting     []*job                     // for that
	job         *job                       // whose part is being added
	program     *eval.Program              // that decides; nil: none is active
	registry    *registry.Snapshot         // as it is where the batch has come to
	altered     bool                       // the batch changes it
	activated   bool                       // the batch makes another policy the active one
	later       []*job                     // for the next batch
	opens       []string                   // the agents of the questions that it opens
}

// submit queues a job and waits for its answer: nil once it is on disk.
func (g *Gate) submit(ctx context.Context, j *job) error {
	j.done = make(chan error, 1)
	if err := g.enqueue([]*job{j}, g.cfg.Queue); err != nil {
		return err
	}
	timer := time.NewTimer(g.cfg.Budget)
	defer timer.Stop()
	return inTime(ctx, j, timer.C)
}

// inTime waits for the answer to a queued job, as long as its caller does and
// until it is late.
func inTime(ctx context.Context, j *job, late <-chan time.Time) error {
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
	case <-late:
	}
	// The batch may still be committed. The caller learns a refusal, never
	// a decision that might not be on disk.
	return unavailable("it could not be recorded in time")
}

// enqueue queues jobs that are taken up together, unless more than room would
// wait then.
func (g *Gate) enqueue(jobs []*job, room int) error {
	if g.changed.Load() {
		return logChanged()
	}
	g.closing.RLock()
	defer g.closing.RUnlock()
	if g.closed {
		return unavailable("the kernel is stopping")
	}
	if len(jobs) == 1 && jobs[0].urgent {
		return g.hurry(jobs[0])
	}
	if n := int64(len(jobs)); g.waiting.Add(n) > int64(room) {
		g.waiting.Add(-n)
		return unavailable("too many decisions are waiting")
	}
	g.jobs <- jobs // has a place for each job that waits
	return nil
}

// run is the committer: one batch after the other until the queue is closed
// and empty.
func (g *Gate) run() {
	defer close(g.finished)
	for {
		first, open := g.next()
		if !open {
			return
		}
		g.commit(g.withExpiry(g.drain(first)))
	}
}

// drain takes what waits beside the first jobs, without waiting for more: under
// load the queue fills while the disk flushes, and the next batch shares a flush.
func (g *Gate) drain(first []*job) []*job {
	queued := slices.Clone(first)
	urgent := g.takeUrgent()
	defer func() { g.waiting.Add(-int64(len(queued))) }()
	for len(queued)+len(urgent) < g.cfg.MaxBatch {
		select {
		case more, open := <-g.jobs:
			if !open {
				return slices.Concat(urgent, queued)
			}
			queued = append(queued, more...)
		default:
			return slices.Concat(urgent, queued)
		}
	}
	return slices.Concat(urgent, queued)
}

// maxRounds bounds what commits a batch is taken apart into. Each round but the
// last means that somebody else was faster.
const maxRounds = 100

// commit answers every job: with its own error, or once its batch is on disk,
// or with UNAVAILABLE. Jobs that were part of a conflict are committed after
// the others and apart from them, so that none waits for what it does not rest on.
func (g *Gate) commit(jobs []*job) {
	var after []*job
	for range maxRounds {
		if len(jobs) == 0 {
			jobs, after = after, nil
			for _, j := range jobs {
				j.apart = true
			}
		}
		if len(jobs) == 0 {
			return
		}
		b, rest, err := g.assemble(jobs)
		if err != nil {
			g.failed(err)
			answer(rest, forCaller(err, "the log cannot be continued"))
			jobs = nil
			continue
		}
		jobs = nil
		if b.empty() && !(b.rests && g.shared()) && !slices.ContainsFunc(rest, func(j *job) bool { return j.probe }) {
			answer(rest, nil)
		} else {
			var again []*job
			jobs, again = g.write(b, rest)
			after = append(after, again...)
		}
		after = append(after, b.later...)
	}
	answer(append(jobs, after...), unavailable("what the decision rests on kept changing"))
}

// write commits one batch and answers its jobs, or returns those to try again:
// those that nothing is wrong with, and those that were part of a conflict.
func (g *Gate) write(b *batch, jobs []*job) (calm, again []*job) {
	start := g.cfg.Clock()
	out, err := g.cfg.Store.Commit(context.Background(), g.rows(b))
	if out.Status == store.Unknown {
		g.failed(fmt.Errorf("commit %s: outcome unknown: %w", b.id, err))
		out.Status = g.settle(b.id)
	}
	switch out.Status {
	case store.Committed:
		g.committed(b)
		answer(jobs, nil)
	case store.Conflict:
		calm, again = g.blame(b, out.Keys, jobs)
	default:
		g.failed(fmt.Errorf("commit %s: %w", b.id, err))
		answer(jobs, unavailable("%s", cause(err)))
	}
	if g.cfg.OnCommit != nil {
		g.cfg.OnCommit(CommitStats{
			Jobs: len(jobs), Entries: len(b.log.Entries()), Duration: g.cfg.Clock().Sub(start),
			Status: out.Status, Queue: int(g.waiting.Load()), Size: g.head.Size,
		})
	}
	return calm, again
}

// committed makes what is on disk what the next batch builds on.
func (g *Gate) committed(b *batch) {
	g.head = b.log.Head()
	if len(b.log.Entries()) > 0 {
		g.last.Store(b.now.UnixNano())
	}
	if b.moves {
		g.basis++
	}
	if b.activated {
		g.forgetAuthors()
	}
	if g.past != nil {
		g.past.Keep()
		g.past.at[g.shard()] = g.head.Size
		for key, adds := range b.counting {
			if adds {
				t := g.bump(b, key)
				g.past.versions[key] = t.To()
			}
		}
	}
	for _, f := range b.after {
		f()
	}
	g.size.Store(g.head.Size) // last: whoever finds an entry below it finds what came of it
	if old := g.fault.Swap(nil); old != nil {
		g.cfg.Log.Info("the log can be written again")
	}
}

func (g *Gate) failed(err error) {
	if old := g.fault.Swap(&fault{err}); old == nil {
		g.cfg.Log.Error("the log cannot be written; every request is refused", "error", err)
	}
}

// settle waits until the store can tell how a commit ended. Nothing else is
// committed meanwhile; callers give up by themselves.
func (g *Gate) settle(id string) store.Status {
	waited := time.Duration(0)
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		status, err := g.cfg.Store.Lookup(context.Background(), id)
		if err == nil && status != store.Unknown {
			return status
		}
		if waited += wait; waited >= g.cfg.Budget && g.cfg.OnStuck != nil {
			g.cfg.OnStuck(fmt.Errorf("the outcome of commit %s stays unknown: %w", id, err))
		}
		select {
		case <-time.After(wait):
		case <-g.stop:
			return store.NotCommitted // the process ends; the next one reads the head
		}
	}
}

// assemble runs each job's part. Jobs that fail are answered and left out. A
// job that panics is too, and the batch begins anew without it; it begins anew
// as well once events are read that some job rests on.
func (g *Gate) assemble(jobs []*job) (*batch, []*job, error) {
	for range maxRounds {
		b, err := g.begin()
		if err != nil {
			return nil, jobs, err
		}
		rest, left, broken := g.add(b, jobs)
		if !broken && len(b.unread) == 0 && !b.behind {
			return b, rest, nil
		}
		if jobs = left; !broken {
			jobs = g.readUp(b, left)
		}
	}
	return nil, jobs, unavailable("what happened before it could not be read in time")
}

// add runs jobs' parts: those that are in the batch are rest, those that are
// not answered are left. It ends at one that panics.
func (g *Gate) add(b *batch, jobs []*job) (rest, left []*job, broken bool) {
	for i, j := range jobs {
		b.job = j
		err := protect(func() error { return j.apply(b) })
		switch {
		case err == nil:
			rest = append(rest, j)
		case errors.Is(err, errLater):
			b.later = append(b.later, j)
		case errors.Is(err, errUnread):
			b.waiting = append(b.waiting, j)
		default:
			j.done <- err
			if errors.Is(err, errPanic) {
				g.cfg.Log.Error("a decision panicked and was refused", "error", err)
				g.evaluator = nil // it was left in the middle of something
				return rest, append(left, jobs[i+1:]...), true
			}
			continue
		}
		left = append(left, j)
	}
	return rest, left, false
}

// readUp reads the events that jobs wait for. Where that fails it refuses these
// and returns the others.
func (g *Gate) readUp(b *batch, jobs []*job) []*job {
	err := g.gather(context.Background(), b.unread)
	if err == nil {
		return jobs
	}
	g.cfg.Log.Error("what other nodes recorded cannot be read; what rests on it is refused", "error", err)
	answer(b.waiting, unavailable("the history that the policy counts could not be read"))
	return slices.DeleteFunc(jobs, func(j *job) bool { return slices.Contains(b.waiting, j) })
}

var errPanic = errors.New("panic")

func protect(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	return f()
}

// maxBehind is how far the clock may be behind the log. Within it the log's
// last instant is used: instants never go back. Beyond it nothing is decided,
// or rules about time would go on as if it stood still.
const maxBehind = time.Minute

// begin starts a batch at one instant, which never lies before the last, nor
// before one that was read of another gate.
func (g *Gate) begin() (*batch, error) {
	if g.stale.Swap(false) {
		if err := g.reload(context.Background()); err != nil {
			g.stale.Store(true)
			return nil, fmt.Errorf("read the registry and the active policy: %w", err)
		}
	}
	program := g.program.Load()
	now := later(g.instant(), g.latest)
	if err := g.remember(program, now); err != nil {
		g.cfg.Log.Error("the history that the policy counts cannot be read; what rests on it is refused", "error", err)
	}
	if g.past != nil {
		now = later(now, g.past.newest)
	}
	if behind := now.Sub(g.cfg.Clock()); behind > maxBehind {
		return nil, unavailable("the clock is %s behind the last entry of the log", behind.Round(time.Second))
	}
	id, err := ulid.New(ulid.Timestamp(now), g.cfg.Rand)
	if err != nil {
		return nil, fmt.Errorf("make a batch id: %w", err)
	}
	log, err := ledger.Extend(g.shard(), g.head)
	if err != nil {
		return nil, err
	}
	g.latest = now
	return &batch{
		id: id.String(), now: now, program: program, log: log, asked: map[string]answered{}, owners: map[store.RecordKey][]*job{},
		counting: counting{}, registry: g.registry.Load(),
	}, nil
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// change adds a compare-and-set of a record to the batch.
func (b *batch) change(t store.Transition) {
	b.transitions = append(b.transitions, t)
	b.owns(t.RecordKey)
}

// changes reports whether the batch changes a record.
func (b *batch) changes(key store.RecordKey) bool {
	return slices.ContainsFunc(b.transitions, func(t store.Transition) bool { return t.RecordKey == key })
}

// owns notes that the job whose part is being added rests on a record.
func (b *batch) owns(key store.RecordKey) {
	if !slices.Contains(b.owners[key], b.job) {
		b.owners[key] = append(b.owners[key], b.job)
	}
}

func (b *batch) empty() bool {
	return len(b.log.Entries()) == 0 && len(b.transitions) == 0 && !b.moves
}

// rows is the batch as it is written.
func (g *Gate) rows(b *batch) *store.Batch {
	rows := &store.Batch{
		ID: b.id, Shard: g.shard(), Epoch: g.cfg.Lease.Epoch, PrevSize: g.head.Size, Next: b.log.Head(), Entries: b.log.Entries(),
		Transitions: slices.Clone(b.transitions), Announce: slices.Clone(b.announce), Expire: b.now.UnixNano(),
	}
	if g.shared() {
		g.guard(b, rows)
	}
	return rows
}

// blame finds the jobs that rest on records that did not hold. It refuses those
// that were tried often enough and returns the others, apart from those that
// have nothing to do with it. Where what every decision rests on changed, that
// is nobody's fault.
func (g *Gate) blame(b *batch, keys []store.RecordKey, jobs []*job) (calm, again []*job) {
	moved := slices.Contains(keys, basisKey())
	blamed := map[*job]bool{}
	for _, k := range keys {
		g.distrust(k, b.now)
		for _, j := range b.owners[k] {
			blamed[j] = true
		}
	}
	if len(blamed) == 0 && !moved { // a conflict about nothing of ours: trying again would never end
		answer(jobs, unavailable("the store refused the batch"))
		return nil, nil
	}
	for _, j := range jobs {
		if !blamed[j] {
			calm = append(calm, j)
			continue
		}
		if j.recheck = true; !moved {
			j.tries++
		}
		if j.tries >= maxTries {
			j.done <- unavailable("what the decision rests on kept changing")
			continue
		}
		again = append(again, j)
	}
	return calm, again
}

// distrust has what is in memory of a record read again.
func (g *Gate) distrust(key store.RecordKey, now time.Time) {
	switch key.Kind {
	case recordFact:
		g.forget(key.Key, now)
	case recordToken:
		if err := g.tokens.load(context.Background(), g.cfg.Store); err != nil {
			g.cfg.Log.Warn("the tokens could not be read", "error", err)
		}
	case recordRequest, recordWebhook, recordDelivery, recordDead: // whoever rests on it reads it
	default:
		g.stale.Store(true)
	}
}

func answer(jobs []*job, err error) {
	for _, j := range jobs {
		j.done <- err
	}
}

// unavailable is the one refusal for what could not be recorded.
func unavailable(format string, args ...any) error {
	return kernel.Errorf(kernel.Unavailable, "no decision: "+format, args...).
		WithHint("nothing is allowed; try again")
}

// noPolicy is the refusal of everything until a policy decides.
func noPolicy() error {
	return kernel.Errorf(kernel.Unavailable, "no decision: no policy is active").WithHint(pushOne)
}

const pushOne = "push one with `kernel policies push`, and let it decide with `kernel policies activate`; or start with --policies"

// logChanged is the refusal of everything once the log turned out not to be
// the one that was signed.
func logChanged() error {
	return kernel.Errorf(kernel.Unavailable, "no decision: the log was changed by somebody else").
		WithHint("stop the kernel and run `kernel log verify` on its data folder")
}

// forCaller returns err if it is meant for the caller, else what may be said.
func forCaller(err error, otherwise string) error {
	var ours *kernel.Error
	if errors.As(err, &ours) {
		return ours
	}
	return unavailable("%s", otherwise)
}

// cause says why a commit failed without telling the caller about our insides.
func cause(err error) string {
	if errors.Is(err, store.ErrFull) {
		return "there is no space left to record it"
	}
	return "it could not be recorded"
}
