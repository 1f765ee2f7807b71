package store

import (
	"cmp"
	"context"
	"iter"
)

// A Spot is where in the order of a whole log an entry stands: by instant, and
// among entries of one instant by shard and seq.
type Spot struct {
	Instant int64
	Shard   int
	Seq     uint64
}

// SpotOf is where an entry stands.
func SpotOf(e Entry) Spot { return Spot{e.Instant, e.Shard, e.Seq} }

// Compare is negative when a stands before b.
func (a Spot) Compare(b Spot) int {
	return cmp.Or(cmp.Compare(a.Instant, b.Instant), cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.Seq, b.Seq))
}

// Before narrows a query for the newest entries of its shard to those that stand
// before a spot.
func (q Query) Before(s Spot) Query {
	until := s.Instant
	switch {
	case q.Shard == s.Shard:
		q.From = s.Seq
		if q.From == 0 {
			q.Until = 1 // nothing lies below entry 0: From 0 would mean the head
		}
		return q
	case q.Shard < s.Shard:
		until++
	}
	if q.Until == 0 || until < q.Until {
		q.Until = until
	}
	return q
}

// Merged yields what queries of several shards select as one log, in ascending
// order of their [Spot], or descending when they ask for the newest. All have
// the same direction.
func Merged(ctx context.Context, r Reader, queries []Query) iter.Seq2[Entry, error] {
	if len(queries) == 1 {
		return r.Entries(ctx, queries[0])
	}
	return func(yield func(Entry, error) bool) {
		var heads []head
		defer func() {
			for _, h := range heads {
				h.stop()
			}
		}()
		for _, q := range queries {
			next, stop := iter.Pull2(r.Entries(ctx, q))
			h := head{next: next, stop: stop, newest: q.Newest}
			h.advance()
			heads = append(heads, h)
		}
		for {
			first := (*head)(nil)
			for i := range heads {
				if h := &heads[i]; h.there && (first == nil || h.before(first)) {
					first = h
				}
			}
			if first == nil || !yield(first.entry, first.err) || first.err != nil {
				return
			}
			first.advance()
		}
	}
}

// A head is the next entry of one shard.
type head struct {
	next   func() (Entry, error, bool)
	stop   func()
	newest bool

	entry Entry
	err   error
	there bool
}

func (h *head) advance() { h.entry, h.err, h.there = h.next() }

func (h *head) before(o *head) bool {
	if h.err != nil || o.err != nil {
		return h.err != nil && o.err == nil
	}
	c := SpotOf(h.entry).Compare(SpotOf(o.entry))
	return c < 0 != h.newest
}
