package gate

import (
	"context"
	"errors"
	"slices"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// An Answer is what became of one ask of many: a decision that is on disk, or
// the error that stands in its place. With an error the decision is the zero
// one, which denies.
type Answer struct {
	Decision kernel.Decision
	Err      error
}

// DecideBatch answers many requests in their order, each as [Gate.Decide]
// would: it is no transaction, and an ask that fails costs no other. All are
// queued at once, so that they share a few commits; in the queue they take at
// most half of the room, and what finds none is Unavailable.
//
// Of two asks with one request_id the first is decided and the second is
// answered as if it came later: replayed, or Reused.
func (g *Gate) DecideBatch(ctx context.Context, caller kernel.Caller, asks []Ask) []Answer {
	answers := make([]Answer, len(asks))
	var open []*ofMany
	for i, ask := range asks {
		one := &ofMany{index: i}
		var done bool
		if answers[i], done = g.atOnce(ctx, caller, ask, one); !done {
			open = append(open, one)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Budget)
	defer cancel()
	for part := range slices.Chunk(open, g.part()) {
		jobs := make([]*job, 0, len(part))
		for _, one := range part {
			jobs = append(jobs, one.job)
		}
		if err := g.enqueue(jobs, g.forMany()); err != nil {
			for _, one := range part {
				one.job.done <- err
			}
		}
	}
	for _, one := range open {
		answers[one.index] = one.wait(ctx, g)
	}
	return answers
}

// ofMany is one ask of many that is not answered yet.
type ofMany struct {
	index    int
	job      *job
	question *question
	decision kernel.Decision // the committer's until job.done was received from
}

// atOnce makes one ready for the committer, or answers it without.
func (g *Gate) atOnce(ctx context.Context, caller kernel.Caller, ask Ask, one *ofMany) (a Answer, done bool) {
	q, err := g.prepare(caller, ask)
	if err != nil {
		return Answer{Err: err}, true
	}
	j := &job{done: make(chan error, 1)}
	if ask.Request.RequestID != "" {
		d, err := g.settled(ctx, q, j)
		if !errors.Is(err, store.ErrNotFound) {
			d, err = g.answer(q, d, err)
			return Answer{d, err}, true
		}
	}
	j.apply = func(b *batch) (err error) {
		one.decision, err = g.decide(b, j, q)
		return err
	}
	one.job, one.question = j, q
	return Answer{}, false
}

// wait returns the answer once it is on disk, and nothing but a refusal before.
func (one *ofMany) wait(ctx context.Context, g *Gate) Answer {
	if err := inTime(ctx, one.job, nil); err != nil {
		return Answer{Err: err}
	}
	d, err := g.answer(one.question, one.decision, nil)
	return Answer{d, err}
}

// forMany is how many jobs may wait for those that come in numbers to find
// room: the other half is for those that come one by one.
func (g *Gate) forMany() int { return max(1, g.cfg.Queue/2) }

// part is how many jobs of one caller are queued as one.
func (g *Gate) part() int { return min(g.cfg.MaxBatch, g.forMany()) }
