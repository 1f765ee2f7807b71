package gate

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// Kinds of records that the gate keeps beside the log.
const (
	recordRequest    = "request"    // key [caller, agent, request_id]; value: the seq of its decision
	recordToken      = "token"      // key: the token's hash
	recordBundle     = "bundle"     // key: policy version; value: the source files
	recordActive     = "active"     // key "policy"; value: the active version
	recordCheckpoint = "checkpoint" // key: tree size in 20 digits; value: the signed note
)

// answered is a decision made earlier in the batch that is being assembled.
type answered struct {
	decision kernel.Decision
	digest   string
}

// again answers a question whose request_id was already decided: in this very
// batch, or, when a commit showed it, in another. ErrNotFound: it was not.
func (g *Gate) again(b *batch, j *job, q *question, key string) (kernel.Decision, error) {
	if first, ok := b.asked[key]; ok {
		return g.replay(q, first.decision, first.digest, b.now)
	}
	if j.recheck {
		return g.recorded(context.Background(), q)
	}
	return kernel.Decision{}, store.ErrNotFound
}

// recorded looks a request_id up among the decisions on disk.
func (g *Gate) recorded(ctx context.Context, q *question) (kernel.Decision, error) {
	now := g.cfg.Clock()
	rec, err := g.cfg.Store.Record(ctx, store.RecordKey{Kind: recordRequest, Key: q.key()})
	if errors.Is(err, store.ErrNotFound) {
		return kernel.Decision{}, store.ErrNotFound
	}
	if err != nil {
		return kernel.Decision{}, unavailable("its request_id could not be looked up")
	}
	if rec.Expires <= now.UnixNano() {
		return kernel.Decision{}, store.ErrNotFound
	}
	seq, err := strconv.ParseUint(string(rec.Value), 10, 64)
	if err != nil {
		return kernel.Decision{}, unavailable("the record of its request_id is damaged")
	}
	row, err := g.cfg.Store.Entry(ctx, shard, seq)
	if err != nil {
		return kernel.Decision{}, unavailable("entry %d could not be read", seq)
	}
	first, err := ledger.Decision(row)
	if err != nil || row.Private == nil {
		return kernel.Decision{}, unavailable("entry %d is damaged", seq)
	}
	return g.replay(q, first, row.Private.Digest, now)
}

// replay returns the recorded answer, unless the request differs or what it
// allowed may no longer be allowed.
func (g *Gate) replay(q *question, first kernel.Decision, digest string, now time.Time) (kernel.Decision, error) {
	if digest != q.private.Digest {
		return kernel.Decision{}, kernel.Errorf(kernel.Reused, "this request_id was used for another request").
			At("$.request_id").WithHint("make a new request_id for every effect")
	}
	stale := now.Sub(first.DecidedAt) > allowLife || first.PolicyVersion != g.PolicyVersion()
	if first.Decision == kernel.Allow && stale {
		return kernel.Decision{}, kernel.Errorf(kernel.Spent, "the ALLOW for this request_id may no longer be used").
			At("$.request_id").WithHint("ask again with a new request_id")
	}
	first.Replayed = true
	return first, nil
}
