package ledger

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// A closing is an entry that says that a review was closed, of an approval.
type closing struct {
	*consent
	placed
}

// reviewers looks again at who closed reviews: was it one of those whom the
// glass asks, by the registry of then?
func (a *audit) reviewers(ctx context.Context, r store.Reader) error {
	if err := a.fold.begin(); err != nil {
		return err
	}
	for _, c := range a.closings() {
		row, err := r.EntryByID(ctx, c.asked.Decision.ID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		request := kernel.Request{} // of one that was erased nobody knows which team it names
		if row.Private != nil && CheckPrivate(c.asked.Decision.Commitment, row.Private) == nil {
			if request, err = requestOf(row.Private.Request); err != nil {
				return err
			}
		}
		for _, v := range c.Glass.Glass.Reviews {
			if v.By == "" || !v.At.Equal(c.Instant) {
				continue
			}
			if err := a.reviewer(c, v, c.asked.Decision.Standing.Know(request)); err != nil {
				a.entry(c.shard, c.seq, "the review of approval %s: %v", c.Glass.Glass.ID, err)
			}
		}
	}
	return nil
}

func (a *audit) closings() (list []closing) {
	for _, id := range slices.Sorted(maps.Keys(a.consents)) {
		c := a.consents[id]
		for _, p := range c.glass {
			if c.asked != nil && p.Glass.Change == GlassReviewed {
				list = append(list, closing{c, p})
			}
		}
	}
	slices.SortStableFunc(list, func(x, y closing) int { return cmp.Or(x.Instant.Compare(y.Instant), cmp.Compare(x.seq, y.seq)) })
	return list
}

// reviewer says why somebody could not close a review, by any registry that may
// have been in force then; nil: they could.
func (a *audit) reviewer(c closing, v approval.Review, request kernel.Request) (why error) {
	by := v.By
	g := c.Glass.Glass
	v.By = ""
	g.Reviews = []approval.Review{v}
	from, to := a.fold.inForce(c.Entry)
	for version := from; version <= to; version++ {
		snapshot, err := a.fold.at(version)
		if err != nil {
			return err
		}
		if why = g.MayReview(&approval.Case{Registry: snapshot, Request: request, Now: c.Instant}, c.ended(), by); why == nil {
			return nil
		}
	}
	return why
}
