package gate

import (
	"context"
	"fmt"
	"maps"
	"slices"
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
	program  *eval.Program
	at       map[int]uint64    // entries of each shard that it was told of
	newest   time.Time         // the latest instant among those read
	versions map[string]uint64 // of the keys of facts under which it holds every event that they count
	doubted  map[string]uint64 // of those that did not hold, as they were
}

// readPast reads the history of a program from the log, which has these many
// entries in each shard, as far back as its facts look at the instant now.
func readPast(ctx context.Context, r store.Reader, program *eval.Program, sizes map[int]uint64, now time.Time) (*past, error) {
	p := &past{History: history.New(program.Schema()), program: program, at: map[int]uint64{}, versions: map[string]uint64{}, doubted: map[string]uint64{}}
	spans := p.Spans(now)
	if len(spans) == 0 {
		p.at = maps.Clone(sizes)
		return p, nil
	}
	since := spans[0].Since
	for _, s := range spans[1:] {
		if s.Since.Before(since) {
			since = s.Since
		}
	}
	return p, p.readAll(sizes, func(shard int, size uint64) ([]history.Event, error) {
		events, first, err := p.read(ctx, r, store.Query{Shard: shard, Since: since.UnixNano()}, size)
		if err == nil && first > 0 {
			err = isBefore(ctx, r, shard, first-1, since)
		}
		return events, err
	})
}

// readAll adds what is read of each shard, in order of time.
func (p *past) readAll(sizes map[int]uint64, read func(shard int, size uint64) ([]history.Event, error)) error {
	var all []history.Event
	for _, shard := range slices.Sorted(maps.Keys(sizes)) {
		events, err := read(shard, sizes[shard])
		if err != nil {
			return fmt.Errorf("shard %d: %w", shard, err)
		}
		all = append(all, events...)
	}
	slices.SortStableFunc(all, func(a, b history.Event) int { return a.At.Compare(b.At) })
	for i := range all {
		p.Add(&all[i])
	}
	p.Keep()
	maps.Copy(p.at, sizes)
	return nil
}

// read reads the events of the entries that a query selects, which end with
// entry size−1, and returns the first of these. A gap is an error: somebody
// hides what happened.
func (p *past) read(ctx context.Context, r store.Reader, q store.Query, size uint64) (events []history.Event, first uint64, err error) {
	first, next := size, uint64(0)
	for row, err := range r.Entries(ctx, q) {
		if err != nil {
			return nil, 0, err
		}
		if row.Seq >= size {
			break
		}
		if first == size {
			first, next = row.Seq, row.Seq
		}
		if row.Seq != next {
			return nil, 0, fmt.Errorf("entry %d is missing; run \"kernel log verify\"", next)
		}
		next++
		p.newest = later(p.newest, time.Unix(0, row.Instant).UTC())
		event, ok, err := ledger.Recall(row)
		if err != nil {
			return nil, 0, err
		}
		if ok {
			events = append(events, event)
		}
	}
	if first < size && next != size {
		return nil, 0, fmt.Errorf("entry %d is missing; run \"kernel log verify\"", next)
	}
	return events, first, nil
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

// catchUp tells a past of the entries that it missed, up to these sizes.
func (p *past) catchUp(ctx context.Context, r store.Reader, sizes map[int]uint64) error {
	return p.readAll(sizes, func(shard int, size uint64) ([]history.Event, error) {
		from := p.at[shard]
		if from == size {
			return nil, nil
		}
		events, first, err := p.read(ctx, r, store.Query{Shard: shard, From: from}, size)
		if err == nil && first != from {
			err = fmt.Errorf("entry %d is missing; run \"kernel log verify\"", from)
		}
		return events, err
	})
}

// remember makes the history of a program the one that the next batch decides
// with, without what a batch that was not committed added to it.
func (g *Gate) remember(program *eval.Program, now time.Time) error {
	if program == nil || len(program.Schema().Facts) == 0 {
		g.past = nil
		return nil
	}
	if g.past != nil && g.past.program == program && g.past.at[g.shard()] == g.head.Size {
		g.past.UndoTo(0)
		return nil
	}
	g.past = nil
	if now.Before(g.unread.Add(retryPast)) {
		return nil // that it failed was said
	}
	read, err := g.readOn(context.Background(), g.prepared.Swap(nil), program, g.head.Size, now)
	if err != nil {
		g.unread = now
		return err
	}
	g.past = read
	return nil
}

// readOn reads a history up to where the log ends, from where one that was
// prepared ends when that is of the same program.
func (g *Gate) readOn(ctx context.Context, prepared *past, program *eval.Program, size uint64, now time.Time) (*past, error) {
	sizes, err := g.sizes(ctx, size)
	if err != nil {
		return nil, err
	}
	if prepared != nil && prepared.program == program && prepared.at[g.shard()] <= size {
		return prepared, prepared.catchUp(ctx, g.cfg.Store, sizes)
	}
	return readPast(ctx, g.cfg.Store, program, sizes, now)
}

// retryPast is how long after reading it failed a history is read again.
const retryPast = time.Second

// readAhead reads the history of a program that is about to decide, so that the
// committer has little left to read.
func (g *Gate) readAhead(ctx context.Context, program *eval.Program) error {
	if len(program.Schema().Facts) == 0 {
		return nil
	}
	read, err := g.readOn(ctx, nil, program, g.size.Load(), g.instant())
	if err != nil {
		return fmt.Errorf("read the history that policy %s counts: %w", program.Version(), err)
	}
	g.prepared.Store(read)
	return nil
}

// facts returns what the rules for a request read of the history. Where gates
// share a store, the batch rests from there on on what may count for the
// request, or count it.
func (g *Gate) facts(b *batch, r *kernel.Request) (map[string]any, error) {
	names := b.program.FactsOf(r.Action)
	switch {
	case g.past == nil && (len(names) > 0 || g.shared() && len(b.program.Schema().Facts) > 0):
		return nil, unavailable("the history that the policy counts could not be read")
	case g.past == nil:
		return nil, nil
	case g.shared():
		keys := append(g.past.Keys(r, names), g.past.KeysOf(&history.Event{Name: r.Action, Subject: *r, Allowed: true})...)
		if err := g.restOn(b, keys); err != nil {
			return nil, err
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	return g.past.Facts(r, names, b.now)
}

// happens adds a decision to the history. What it returns takes that back.
func (g *Gate) happens(b *batch, id string, r kernel.Request, v kernel.Verdict, answers bool) (undo func()) {
	if g.past == nil || !ledger.Counts(v.Code) {
		return func() {}
	}
	past, mark := g.past, g.past.Mark()
	event := history.Event{Name: r.Action, Subject: r, At: b.now, ID: id, Allowed: v.Decision == kernel.Allow, Answers: answers}
	past.Add(&event)
	if g.shared() {
		for _, key := range past.KeysOf(&event) {
			b.counts(key, true)
		}
	}
	return func() { past.UndoTo(mark) }
}
