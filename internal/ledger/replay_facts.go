package ledger

import (
	"context"
	"fmt"
	"iter"
	"reflect"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	past "github.com/strixlabs/execution-kernel/internal/history"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// A FactsReport says of how many decisions the facts were counted again, and
// which of them come out otherwise.
type FactsReport struct {
	Decisions uint64 // whose rules could read a fact
	Findings
}

// ReplayFacts counts the facts of every decision again from the log alone: all
// shards as one, in the order of their instants. A decision that recorded other
// facts than what happened before it in the log comes to is a finding, as is an
// entry that cannot be read. load returns the program of a version.
//
// What two shards did within [unseenFor] of each other may have been committed
// in another order than that of the instants: whoever only counts reads nothing
// that would move its instant. So a decision that comes out otherwise is a
// finding where no order of these entries, each shard's in its own, explains it
// and the decisions around it; also where there are too many orders to tell.
func ReplayFacts(ctx context.Context, r store.Reader, load func(version string) (*eval.Program, error)) (FactsReport, error) {
	parts, err := everything(ctx, r)
	if err != nil {
		return FactsReport{}, err
	}
	f := &counting{ctx: ctx, reader: r, load: load, at: map[int]uint64{}, programs: map[string]*eval.Program{}}
	f.many = len(parts) > 1
	var streams []*stream
	for _, p := range parts {
		next, stop := iter.Pull2(r.Entries(ctx, store.Query{Shard: p.shard}))
		defer stop()
		s := &stream{shard: p.shard, to: p.to, next: next}
		if err := f.advance(s); err != nil {
			return f.FactsReport, err
		}
		streams = append(streams, s)
	}
	for {
		first := f.choose(streams)
		if first == nil || f.doubted(first.row.Instant) {
			f.settle()
		}
		if first == nil {
			return f.FactsReport, ctx.Err()
		}
		if err := f.take(first); err != nil {
			return f.FactsReport, err
		}
	}
}

// A stream is one shard that is read from its beginning.
type stream struct {
	shard int
	to    uint64
	next  func() (store.Entry, error, bool)

	there bool // there is an entry
	told
}

// A told is what an entry says about facts.
type told struct {
	row     store.Entry
	entry   Entry
	event   past.Event
	counts  bool           // it is an event
	subject kernel.Request // of a decision that could read facts
	names   []string       // which; none: it could not
}

// A counting is the history of each policy that decides, as the entries so far
// make it.
type counting struct {
	FactsReport
	ctx       context.Context
	reader    store.Reader
	load      func(version string) (*eval.Program, error)
	many      bool           // shards
	at        map[int]uint64 // entries of each shard that were taken for good
	recent    []*recent      // what was taken since, and may have happened in another order
	doubts    []*recent      // those of the last instant that came out otherwise
	programs  map[string]*eval.Program
	histories []versioned // of the versions that decided last
}

type versioned struct {
	version string
	*past.History
}

// maxHistories bounds the histories that are kept; one that is needed again is
// read from the log.
const maxHistories = 4

// advance reads the next entry of a shard that says something about facts.
func (f *counting) advance(s *stream) error {
	for {
		row, err, more := s.next()
		if err != nil {
			return err
		}
		if s.there = more && row.Seq < s.to; !s.there {
			return nil
		}
		*s = stream{shard: s.shard, to: s.to, next: s.next, there: true, told: told{row: row}}
		if err := f.read(s); err != nil {
			f.entry(s.shard, row.Seq, "%v", err)
			continue
		}
		return nil
	}
}

func (f *counting) read(s *stream) (err error) {
	if s.entry, err = Decode(s.row.Body); err != nil {
		return fmt.Errorf("its body cannot be read: %w", err)
	}
	if s.event, s.counts, err = Recall(s.row); err != nil {
		return err
	}
	d := s.entry.Decision
	if d == nil || s.row.Private == nil {
		return nil
	}
	program, err := f.program(d.Verdict.PolicyVersion)
	if err != nil {
		return fmt.Errorf("its policy cannot be loaded: %w", err)
	}
	if s.names = program.FactsOf(d.Action); len(s.names) == 0 {
		return nil
	}
	request, err := requestOf(s.row.Private.Request)
	s.subject = d.Standing.Know(request)
	return err
}

func (f *counting) program(version string) (p *eval.Program, err error) {
	if p = f.programs[version]; p == nil {
		if p, err = f.load(version); err != nil {
			return nil, err
		}
		f.programs[version] = p
	}
	return p, nil
}

// choose returns the stream whose entry comes next; nil when all have ended.
func (f *counting) choose(streams []*stream) *stream {
	var first []*stream
	for _, s := range streams {
		switch {
		case !s.there || len(first) > 0 && s.row.Instant > first[0].row.Instant:
		case len(first) > 0 && s.row.Instant == first[0].row.Instant:
			first = append(first, s)
		default:
			first = []*stream{s}
		}
	}
	if len(first) < 2 {
		return append(first, nil)[0]
	}
	return f.consistent(first)
}

// consistent chooses among entries of one instant: a decision whose facts are
// those recorded, after which the others' still are; else what reads none.
func (f *counting) consistent(list []*stream) *stream {
	var fitting []*stream
	for _, s := range list {
		if len(s.names) > 0 && f.compare(&s.told) == nil {
			fitting = append(fitting, s)
		}
	}
	for _, s := range fitting {
		if f.leaves(s, fitting) {
			return s
		}
	}
	if len(fitting) > 0 {
		return fitting[0]
	}
	for _, s := range list {
		if len(s.names) == 0 {
			return s
		}
	}
	return list[0]
}

// leaves reports whether the facts of all others fit after an entry too.
func (f *counting) leaves(s *stream, others []*stream) bool {
	if !s.counts {
		return true
	}
	for _, h := range f.histories {
		mark := h.Mark()
		event := s.event
		h.Add(&event)
		defer h.UndoTo(mark)
	}
	for _, o := range others {
		if o != s && f.compare(&o.told) != nil {
			return false
		}
	}
	return true
}

// take compares an entry and lets it happen.
func (f *counting) take(s *stream) error {
	r := &recent{shard: s.shard, told: s.told}
	if len(s.names) > 0 {
		f.Decisions++
		if err := f.compare(&s.told); err != nil {
			f.doubt(r, err)
		}
	}
	f.happened(r)
	return f.advance(s)
}

// doubt notes that a decision comes out otherwise: a finding, unless another
// shard's entries may have come in another order.
func (f *counting) doubt(r *recent, problem error) {
	r.problem = problem
	if !f.many {
		f.entry(r.shard, r.row.Seq, "%v", problem)
		return
	}
	f.doubts = append(f.doubts, r)
}

// compare counts the facts of a decision.
func (f *counting) compare(s *told) error {
	h, err := f.history(s)
	if err != nil {
		return err
	}
	got, err := h.Facts(&s.subject, s.names, s.entry.Instant)
	if err != nil {
		return err
	}
	want := s.entry.Decision.Facts
	if len(got)+len(want) == 0 || reflect.DeepEqual(got, want) {
		return nil
	}
	for _, name := range s.names {
		if !reflect.DeepEqual(got[name], want[name]) {
			return fmt.Errorf("its fact %s was %s, the entries before it come to %s", name, orNothing(want[name]), orNothing(got[name]))
		}
	}
	return fmt.Errorf("it recorded a fact that no rule for its action can read")
}

func orNothing(v any) string {
	if v == nil {
		return "nothing"
	}
	return fmt.Sprint(v)
}

// history returns the history of the policy that a decision was made by.
func (f *counting) history(s *told) (*past.History, error) {
	version := s.entry.Decision.Verdict.PolicyVersion
	for _, h := range f.histories {
		if h.version == version {
			return h.History, nil
		}
	}
	h := past.New(f.programs[version].Schema())
	if err := f.fill(h, s); err != nil {
		return nil, fmt.Errorf("the history before it cannot be read: %w", err)
	}
	if f.histories = append(f.histories, versioned{version, h}); len(f.histories) > maxHistories {
		f.histories = f.histories[1:]
	}
	return h, nil
}

// fill adds what was taken already, as far back as facts look at an entry.
func (f *counting) fill(h *past.History, s *told) error {
	spans := h.Spans(s.entry.Instant)
	if len(spans) == 0 {
		return nil
	}
	since := spans[0].Since
	for _, span := range spans {
		if span.Since.Before(since) {
			since = span.Since
		}
	}
	for shard, taken := range f.at {
		for row, err := range f.reader.Entries(f.ctx, store.Query{Shard: shard, Since: since.Add(-2 * unseenFor).UnixNano()}) {
			if err != nil {
				return err
			}
			if row.Seq >= taken {
				break
			}
			event, ok, err := Recall(row)
			if err != nil {
				continue // it was named when it was read
			}
			if ok {
				h.Add(&event)
			}
		}
	}
	h.Keep()
	for _, r := range f.recent {
		r.happen(h)
	}
	return nil
}
