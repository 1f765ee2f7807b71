package gate

import (
	"context"
	"fmt"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/history"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// A past is the history that one program's facts are made of. The log is the
// truth: a past is read from it, and then told of every entry that is added.
type past struct {
	*history.History
	program *eval.Program
	size    uint64 // entries of the log that it was told of
}

// readPast reads the history of a program from the first size entries of the
// log, as far back as its facts look at the instant now.
func readPast(ctx context.Context, r store.Reader, shard int, program *eval.Program, size uint64, now time.Time) (*past, error) {
	p := &past{history.New(program.Schema()), program, 0}
	spans := p.Spans(now)
	if len(spans) == 0 {
		p.size = size
		return p, nil
	}
	since := spans[0].Since
	for _, s := range spans[1:] {
		if s.Since.Before(since) {
			since = s.Since
		}
	}
	first, err := p.read(ctx, r, store.Query{Shard: shard, Since: since.UnixNano()}, size)
	if err != nil {
		return nil, err
	}
	if first > 0 {
		err = isBefore(ctx, r, shard, first-1, since)
	}
	return p, err
}

// read adds the entries that a query selects, which end with entry size−1, and
// returns the first of them. A gap is an error: somebody hides what happened.
func (p *past) read(ctx context.Context, r store.Reader, q store.Query, size uint64) (first uint64, err error) {
	first, next := size, uint64(0)
	for row, err := range r.Entries(ctx, q) {
		if err != nil {
			return 0, err
		}
		if row.Seq >= size {
			break
		}
		if first == size {
			first, next = row.Seq, row.Seq
		}
		if row.Seq != next {
			return 0, fmt.Errorf("entry %d is missing; run \"kernel log verify\"", next)
		}
		next++
		event, ok, err := ledger.Recall(row)
		if err != nil {
			return 0, err
		}
		if ok {
			p.Add(&event)
		}
	}
	if first < size && next != size {
		return 0, fmt.Errorf("entry %d is missing; run \"kernel log verify\"", next)
	}
	p.Keep()
	p.size = size
	return first, nil
}

// isBefore makes sure of the entry before the first that was read: instants
// never go back, so what comes before it is older still.
func isBefore(ctx context.Context, r store.Reader, shard int, seq uint64, since time.Time) error {
	row, err := r.Entry(ctx, shard, seq)
	if err != nil {
		return fmt.Errorf("read entry %d: %w", seq, err)
	}
	e, err := ledger.Decode(row.Body)
	if err != nil {
		return err
	}
	if !e.Instant.Before(since) {
		return fmt.Errorf("entry %d lies at %s and was not found there; run \"kernel log verify\"", seq, e.Instant.Format(time.RFC3339Nano))
	}
	return nil
}

// catchUp tells a past of the entries that it missed.
func (p *past) catchUp(ctx context.Context, r store.Reader, shard int, size uint64) error {
	if p.size == size {
		return nil
	}
	_, err := p.read(ctx, r, store.Query{Shard: shard, From: p.size}, size)
	return err
}

// remember makes the history of a program the one that the next batch decides
// with, without what a batch that was not committed added to it.
func (g *Gate) remember(program *eval.Program, now time.Time) error {
	if program == nil || len(program.Schema().Facts) == 0 {
		g.past = nil
		return nil
	}
	if g.past != nil && g.past.program == program && g.past.size == g.head.Size {
		g.past.UndoTo(0)
		return nil
	}
	g.past = nil
	if now.Before(g.unread.Add(retryPast)) {
		return nil // that it failed was said
	}
	read, err := g.prepared.Swap(nil), error(nil)
	if read != nil && read.program == program && read.size <= g.head.Size {
		err = read.catchUp(context.Background(), g.cfg.Store, g.shard(), g.head.Size)
	} else {
		read, err = readPast(context.Background(), g.cfg.Store, g.shard(), program, g.head.Size, now)
	}
	if err != nil {
		g.unread = now
		return err
	}
	g.past = read
	return nil
}

// retryPast is how long after reading it failed a history is read again.
const retryPast = time.Second

// readAhead reads the history of a program that is about to decide, so that the
// committer has little left to read.
func (g *Gate) readAhead(ctx context.Context, program *eval.Program) error {
	if len(program.Schema().Facts) == 0 {
		return nil
	}
	read, err := readPast(ctx, g.cfg.Store, g.shard(), program, g.size.Load(), g.instant())
	if err != nil {
		return fmt.Errorf("read the history that policy %s counts: %w", program.Version(), err)
	}
	g.prepared.Store(read)
	return nil
}

// facts returns what the rules for a request read of the history.
func (g *Gate) facts(program *eval.Program, r *kernel.Request, now time.Time) (map[string]any, error) {
	names := program.FactsOf(r.Action)
	if len(names) == 0 {
		return nil, nil
	}
	if g.past == nil {
		return nil, unavailable("the history that the policy counts could not be read")
	}
	return g.past.Facts(r, names, now)
}

// happens adds a decision to the history. What it returns takes that back.
func (g *Gate) happens(b *batch, id string, r kernel.Request, v kernel.Verdict) (undo func()) {
	if g.past == nil || !ledger.Counts(v.Code) {
		return func() {}
	}
	past, mark := g.past, g.past.Mark()
	past.Add(&history.Event{Name: r.Action, Subject: r, At: b.now, ID: id, Allowed: v.Decision == kernel.Allow})
	return func() { past.UndoTo(mark) }
}
