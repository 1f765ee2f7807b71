package gate

import (
	"context"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/ledger"
)

// pollApprovals is how often who waits looks for what another node did.
const pollApprovals = 500 * time.Millisecond

// Await waits until the approval of a decision is settled, for some time at
// most, and returns what became of it. After an approval that is the decision
// that allows it, if it was made while somebody waited: one that was made
// before is read by its id, and may be over a minute old.
func (g *Gate) Await(ctx context.Context, caller kernel.Caller, d kernel.Decision, wait time.Duration) (kernel.Decision, error) {
	if d.Approval.Settled() {
		return d, nil
	}
	end := time.NewTimer(min(wait, kernel.MaxWait))
	defer end.Stop()
	for {
		turned := g.pending.next()
		state, err := g.present(d.ID)
		if err != nil {
			return kernel.Decision{}, err
		}
		if d.Approval = state; state.Settled() {
			return g.answerOf(ctx, caller, d)
		}
		poll := time.NewTimer(pollApprovals)
		select {
		case <-turned:
		case <-poll.C:
		case <-end.C:
			return d, nil
		case <-ctx.Done():
			return d, nil
		case <-g.stop:
			return d, nil // waiting calls get the present state
		}
		poll.Stop()
	}
}

// answerOf is the decision that allows what a decision asked, or that decision.
// Whoever asked gets its grant with it.
func (g *Gate) answerOf(ctx context.Context, caller kernel.Caller, d kernel.Decision) (kernel.Decision, error) {
	if d.Approval.Decision == "" {
		return d, nil
	}
	row, err := g.cfg.Store.EntryByID(ctx, d.Approval.Decision)
	if err != nil {
		return kernel.Decision{}, unavailable("the log could not be read")
	}
	answer, err := g.fromEntry(row)
	if err == nil && (answer.Answers != d.ID || answer.RequestDigest != d.RequestDigest) {
		err = unavailable("decision %s is not the answer to %s", answer.ID, d.ID)
	}
	if err != nil {
		return kernel.Decision{}, err
	}
	request, err := ledger.RequestOf(row)
	if err != nil || row.Caller != caller.Principal && !owns(caller, row) {
		return g.grantOf(ctx, answer, nil)
	}
	return g.grantOf(ctx, answer, &request)
}

// Changed is closed at the next change of an approval on this node.
func (g *Gate) Changed() <-chan struct{} { return g.pending.next() }
