package gate

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// A heard is what the log says last of a question: of the farthest that it
// came, as its record would be. Entries of several shards that come as far are
// all of them, for their order is not told.
type heard struct {
	far    int
	latest [][]byte
}

func (h *heard) add(q approval.Question) error {
	value, err := q.Encode()
	if err != nil {
		return err
	}
	if far := q.Far(); far > h.far || len(h.latest) == 0 {
		h.far, h.latest = far, nil
	}
	if q.Far() == h.far {
		h.latest = append(h.latest, value)
	}
	return nil
}

// has reports whether a record is what the log says.
func (h *heard) has(q approval.Question) bool {
	value, err := q.Encode()
	return err == nil && slices.ContainsFunc(h.latest, func(b []byte) bool { return bytes.Equal(b, value) })
}

// heardSkew is how far the clocks of nodes may be apart, generously.
const heardSkew = time.Minute

// hear reads what the entries since a question was asked say of it, those before
// an instant; the zero time: all.
func (g *Gate) hear(ctx context.Context, f *first, before time.Time) (h heard, err error) {
	asked, _ := f.entry.Question()
	if err := h.add(asked); err != nil {
		return h, err
	}
	shards, err := g.shards(ctx)
	if err != nil {
		return h, err
	}
	name := []byte(asked.ID)
	for _, shard := range shards {
		q := store.Query{Shard: shard, Kind: string(ledger.KindApproval), Bare: true, Since: f.entry.Instant.Add(-heardSkew).UnixNano()}
		if shard == f.row.Shard {
			q.From = f.row.Seq
		}
		if !before.IsZero() {
			q.Until = before.UnixNano()
		}
		for row, err := range g.cfg.Store.Entries(ctx, q) {
			if err != nil {
				return h, unavailable("the log could not be read")
			}
			if !bytes.Contains(row.Body, name) {
				continue
			}
			e, err := ledger.Read(row)
			if err != nil {
				return h, unavailable("entry %d of shard %d is not as it was written", row.Seq, row.Shard)
			}
			if e.Approval == nil || e.Approval.Question.ID != asked.ID {
				continue
			}
			if err := h.add(e.Approval.Question); err != nil {
				return h, err
			}
		}
	}
	return h, nil
}

// ended is a question whose record is not there any more: it is kept for
// [endedLife] after it ended, and the log for ever.
func (g *Gate) ended(ctx context.Context, f *first) (q approval.Question, version uint64, err error) {
	soon := f.entry.Decision.Opened.Expires.Add(time.Hour) // unless the kernel did not run then
	for _, before := range []time.Time{soon, {}} {
		h, err := g.hear(ctx, f, before)
		if err != nil {
			return q, 0, err
		}
		if q, err = approval.Decode(h.latest[0]); err != nil || q.State != approval.Pending {
			return q, 0, err
		}
	}
	return q, 0, unavailable("the record of approval %s is missing; run \"kernel log verify\"", q.ID)
}

// maxHearings is how often a record is compared with the log while other nodes
// change both.
const maxHearings = 3

// believe reads the record of a question. While it is pending it has to be what
// the log says of it: whoever can write the database must not be able to have a
// vote counted that nobody gave, or what has ended approved once more.
func (g *Gate) believe(ctx context.Context, f *first, h heard) (approval.Question, uint64, error) {
	for range maxHearings {
		q, version, err := g.questionAsked(ctx, f)
		if err != nil || q.State != approval.Pending || h.has(q) {
			return q, version, err
		}
		if h, err = g.hear(ctx, f, time.Time{}); err != nil {
			return q, version, err
		}
		if h.has(q) {
			return q, version, nil
		}
	}
	asked, _ := f.entry.Question()
	return approval.Question{}, 0, unavailable("the record of approval %s is not what the log says became of it; run \"kernel log verify\"", asked.ID)
}
