package simulation

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/strixlabs/execution-kernel/internal/store"
)

// A link is what one process has of the database: everything that it asks
// waits until the world lets it through.
type link struct {
	node *node
	dead bool
	done chan struct{} // closed when the process is dead
}

var _ store.Store = (*link)(nil)

// A call waits for what becomes of it.
type call struct {
	node *node
	link *link
	what string
	fate chan fate // takes one
}

// A fate is what becomes of a call; of the zero fate: it is answered.
type fate struct {
	lost       bool // it never reaches the database
	unanswered bool // it does, and its answer is lost
	late       bool // nobody waits for it any more; a commit may still arrive
}

func (f fate) String() string {
	switch {
	case f.lost:
		return "the request is lost"
	case f.unanswered:
		return "the answer is lost"
	case f.late:
		return "late"
	}
	return "answered"
}

var errLine = errors.New("the line to the database is broken")

// cut breaks the line; what waits for the database may still reach it. The
// caller has the lock.
func (l *link) cut() {
	if l.dead {
		return
	}
	l.dead = true
	close(l.done)
	w := l.node.w
	w.parked = slices.DeleteFunc(w.parked, func(c *call) bool {
		if c.link != l {
			return false
		}
		c.fate <- []fate{{lost: true}, {unanswered: true}, {late: true}}[w.rng.IntN(3)]
		return true
	})
}

// wait waits for what becomes of a call.
func (l *link) wait(ctx context.Context, format string, args ...any) fate {
	w := l.node.w
	w.mu.Lock()
	if l.dead || w.calm {
		defer w.mu.Unlock()
		return fate{lost: l.dead}
	}
	c := &call{node: l.node, link: l, what: fmt.Sprintf(format, args...), fate: make(chan fate, 1)}
	w.parked = append(w.parked, c)
	w.mu.Unlock()
	select {
	case f := <-c.fate:
		return f
	case <-ctx.Done(): // whoever asked gives up
		w.mu.Lock()
		defer w.mu.Unlock()
		w.parked = slices.DeleteFunc(w.parked, func(p *call) bool { return p == c })
		return fate{lost: true}
	}
}

// ask is wait for what reads, or changes nothing that matters when repeated.
func (l *link) ask(ctx context.Context, format string, args ...any) error {
	if f := l.wait(ctx, format, args...); f != (fate{}) {
		return errLine
	}
	return nil
}

func (l *link) Commit(ctx context.Context, b *store.Batch) (store.Outcome, error) {
	w := l.node.w
	f := l.wait(ctx, "commits %s, %d entries from %d of shard %d", b.ID, len(b.Entries), b.PrevSize, b.Shard)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.Fault != nil {
		b = w.Fault.batch(b)
	}
	switch {
	case f.lost && w.rng.IntN(2) == 0:
		return store.Outcome{Status: store.NotCommitted}, errLine
	case f.lost:
		return store.Outcome{}, errLine
	case f.late:
		w.late = append(w.late, b)
		return store.Outcome{}, errLine
	}
	out, err := w.execute(b)
	if f.unanswered {
		out, err = store.Outcome{}, errLine
	}
	if w.Fault != nil {
		out, err = w.Fault.outcome(out, err)
	}
	return out, err
}

// execute commits in the database. The caller has the lock.
func (w *World) execute(b *store.Batch) (store.Outcome, error) {
	known, _ := w.db.Lookup(context.Background(), b.ID)
	out, err := w.db.Commit(context.Background(), b)
	switch {
	case out.Status == store.Committed && known != store.Committed:
		w.noted("%s is committed: entries %d to %d of shard %d", b.ID, b.PrevSize, b.Next.Size, b.Shard)
		w.committed(b)
	case out.Status == store.Conflict:
		w.log.report.Conflicts++
		w.noted("%s conflicts: %v", b.ID, out.Keys)
	case err != nil:
		w.noted("%s is refused: %v", b.ID, err)
	}
	return out, err
}

func (l *link) Lookup(ctx context.Context, id string) (store.Status, error) {
	if err := l.ask(ctx, "looks %s up", id); err != nil {
		return store.Unknown, err
	}
	w := l.node.w
	w.mu.Lock()
	defer w.mu.Unlock()
	w.settled[id] = true
	return w.db.Lookup(ctx, id)
}

func (l *link) Acquire(ctx context.Context, shard int, owner string, life time.Duration) (store.Lease, error) {
	if err := l.ask(ctx, "takes shard %d", shard); err != nil {
		return store.Lease{}, err
	}
	return l.node.w.db.Acquire(ctx, shard, owner, life)
}

func (l *link) Renew(ctx context.Context, lease store.Lease, life time.Duration) (store.Lease, error) {
	if err := l.ask(ctx, "renews shard %d", lease.Shard); err != nil {
		return store.Lease{}, err
	}
	return l.node.w.db.Renew(ctx, lease, life)
}

func (l *link) Release(ctx context.Context, lease store.Lease) error {
	if err := l.ask(ctx, "releases shard %d", lease.Shard); err != nil {
		return err
	}
	return l.node.w.db.Release(ctx, lease)
}

func (l *link) Leases(ctx context.Context) ([]store.Lease, error) {
	if err := l.ask(ctx, "reads the leases"); err != nil {
		return nil, err
	}
	return l.node.w.db.Leases(ctx)
}

func (l *link) Revision(ctx context.Context, kind string) (uint64, error) {
	if err := l.ask(ctx, "reads the revision of %s", kind); err != nil {
		return 0, err
	}
	return l.node.w.db.Revision(ctx, kind)
}

// Announced never tells anything: a hint may be missed.
func (l *link) Announced(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-l.done:
		return errLine
	}
}

func (l *link) Shards(ctx context.Context) ([]int, error) {
	if err := l.ask(ctx, "lists the shards"); err != nil {
		return nil, err
	}
	return l.node.w.db.Shards(ctx)
}

func (l *link) Versions(ctx context.Context, keys []store.RecordKey) ([]uint64, error) {
	if err := l.ask(ctx, "reads the versions of %v", keys); err != nil {
		return nil, err
	}
	return l.node.w.db.Versions(ctx, keys)
}

func (l *link) Head(ctx context.Context, shard int) (store.Head, error) {
	if err := l.ask(ctx, "reads the head of shard %d", shard); err != nil {
		return store.Head{}, err
	}
	return l.node.w.db.Head(ctx, shard)
}

func (l *link) Entry(ctx context.Context, shard int, seq uint64) (store.Entry, error) {
	if err := l.ask(ctx, "reads entry %d of shard %d", seq, shard); err != nil {
		return store.Entry{}, err
	}
	return l.node.w.db.Entry(ctx, shard, seq)
}

func (l *link) EntryByID(ctx context.Context, id string) (store.Entry, error) {
	if err := l.ask(ctx, "reads decision %s", id); err != nil {
		return store.Entry{}, err
	}
	return l.node.w.db.EntryByID(ctx, id)
}

func (l *link) Record(ctx context.Context, key store.RecordKey) (store.Record, error) {
	if err := l.ask(ctx, "reads the record %v", key); err != nil {
		return store.Record{}, err
	}
	return l.node.w.db.Record(ctx, key)
}

func (l *link) Entries(ctx context.Context, q store.Query) iter.Seq2[store.Entry, error] {
	if err := l.ask(ctx, "reads entries from %d of shard %d", q.From, q.Shard); err != nil {
		return failing[store.Entry](err)
	}
	return l.node.w.db.Entries(ctx, q)
}

func (l *link) Records(ctx context.Context, kind, after string) iter.Seq2[store.Record, error] {
	if err := l.ask(ctx, "reads the %s records", kind); err != nil {
		return failing[store.Record](err)
	}
	return l.node.w.db.Records(ctx, kind, after)
}

func failing[T any](err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		yield(none, err)
	}
}

// Close leaves the database to the others.
func (l *link) Close() error { return nil }
