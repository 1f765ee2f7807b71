package gate

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/merkle"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// Kinds of records that the gate keeps beside the log.
const (
	recordRequest = "request" // key [caller, agent, request_id]; value: the place of its decision
	recordToken   = "token"   // key: the token's hash
	recordBundle  = "bundle"  // key: policy version; value: the source files
	recordActive  = "active"  // key "policy"; value: the active version
)

// answered is a decision made earlier in the batch that is being assembled.
type answered struct {
	decision kernel.Decision
	digest   string
	standing registry.Standing // that it was decided by
}

// again answers a question whose request_id was already decided: in this very
// batch, or, when a commit showed it, in another. ErrNotFound: it was not.
func (g *Gate) again(b *batch, j *job, q *question, key string) (kernel.Decision, error) {
	b.rests = true
	if first, ok := b.asked[key]; ok {
		return g.replay(q, first, 0, b.registry)
	}
	if j.recheck {
		return g.recorded(context.Background(), q)
	}
	return kernel.Decision{}, store.ErrNotFound
}

// settled answers a question whose request_id was decided before, without the
// committer; ErrNotFound: it was not, or the committer has to. An ALLOW may be
// given again only while all that it rests on is as it was, and of what other
// gates change only the guard of a commit can tell.
func (g *Gate) settled(ctx context.Context, q *question, j *job) (kernel.Decision, error) {
	d, err := g.recorded(ctx, q)
	if err == nil && d.Decision == kernel.Allow && g.shared() {
		j.recheck = true
		return kernel.Decision{}, store.ErrNotFound
	}
	return d, err
}

// recorded looks a request_id up: an ALLOW of this process in memory,
// everything else on disk.
func (g *Gate) recorded(ctx context.Context, q *question) (kernel.Decision, error) {
	now, key := g.cfg.Clock(), q.key()
	if a, known := g.allows.find(key); known && now.Sub(a.at) < requestLife {
		return g.replay(q, a.answered, now.Sub(a.at), g.registry.Load())
	}
	rec, err := g.cfg.Store.Record(ctx, store.RecordKey{Kind: recordRequest, Key: key})
	if errors.Is(err, store.ErrNotFound) {
		return kernel.Decision{}, store.ErrNotFound
	}
	if err != nil {
		return kernel.Decision{}, unavailable("its request_id could not be looked up")
	}
	if rec.Expires <= g.instant().UnixNano() {
		return kernel.Decision{}, store.ErrNotFound
	}
	first, err := g.read(ctx, q, rec.Value)
	if err != nil {
		return kernel.Decision{}, err
	}
	age := now.Sub(first.decision.DecidedAt)
	if e := first.decision.Entry; e.Shard != g.shard() {
		age = allowLife + 1 // of another node: what the database says of it nobody here vouches for
	} else if e.Seq >= g.opened {
		if a, known := g.allows.find(key); known { // it was committed since we looked
			return g.replay(q, a.answered, now.Sub(a.at), g.registry.Load())
		}
		age = allowLife + 1 // of this process, and no longer in memory
	}
	return g.replay(q, first, age, g.registry.Load())
}

// read returns the decision that the record of a request_id names, after
// making sure that it answers this caller about this agent.
func (g *Gate) read(ctx context.Context, q *question, record []byte) (answered, error) {
	at, err := ledger.ParsePlace(record)
	if err != nil {
		return answered{}, unavailable("the record of its request_id is damaged")
	}
	if at.Shard == g.shard() && at.Seq >= g.Size() { // its commit is about to end: the committer settles what came of it
		return answered{}, store.ErrNotFound
	}
	row, err := g.cfg.Store.Entry(ctx, at.Shard, at.Seq)
	if err != nil {
		return answered{}, unavailable("entry %d of shard %d could not be read", at.Seq, at.Shard)
	}
	first, err := g.fromEntry(row)
	entry, undecoded := ledger.Decode(row.Body)
	if err != nil || undecoded != nil || row.Private == nil || row.Leaf != merkle.LeafHash(row.Body) || row.Shard != at.Shard || row.Seq != at.Seq ||
		row.Caller != q.caller.Principal || row.Agent != q.Request.Agent.ID {
		return answered{}, unavailable("entry %d of shard %d is not what the record of its request_id says", at.Seq, at.Shard)
	}
	if first, err = g.grantOf(ctx, first, nil); err != nil {
		return answered{}, err
	}
	return answered{decision: first, digest: row.Private.Digest, standing: entry.Decision.Standing}, nil
}

// replay returns the recorded answer, unless the request differs or what it
// allowed may no longer be allowed.
func (g *Gate) replay(q *question, first answered, age time.Duration, known *registry.Snapshot) (kernel.Decision, error) {
	if first.digest != q.private.Digest {
		return kernel.Decision{}, kernel.Errorf(kernel.Reused, "this request_id was used for another request").
			At("$.request_id").WithHint("make a new request_id for every effect")
	}
	d := first.decision
	if d.Decision == kernel.Allow && (age < 0 || age > allowLife || !g.stands(q, first, known)) {
		return kernel.Decision{}, kernel.Errorf(kernel.Spent, "the ALLOW for this request_id may no longer be used").
			At("$.request_id").WithHint("ask again with a new request_id")
	}
	d.Replayed = true
	return d, nil
}

// stands reports whether the policy and what the registry says of the request
// are those of its first answer.
func (g *Gate) stands(q *question, first answered, known *registry.Snapshot) bool {
	p := g.program.Load()
	return p != nil && p.Version() == first.decision.PolicyVersion &&
		first.standing.Same(standing(known, p, &q.Request, g.instant()))
}

// allows remembers what this process allowed within the last minute. Such an
// answer is replayed from here and not from the disk: whoever can write the
// database must not be able to put an ALLOW into our mouth.
type allows struct {
	mu    sync.Mutex
	byKey map[string]allowed
	order []string // keys, the oldest first
}

// maxAllows bounds them; the oldest go first, and are spent then.
const maxAllows = 1 << 16

type allowed struct {
	answered
	at time.Time // by the clock, monotonic where the clock is
}

func (a *allows) find(key string) (allowed, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	d, known := a.byKey[key]
	return d, known
}

func (a *allows) add(key string, d answered, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byKey == nil {
		a.byKey = map[string]allowed{}
	}
	for len(a.order) > 0 && (len(a.order) >= maxAllows || now.Sub(a.byKey[a.order[0]].at) > allowLife) {
		delete(a.byKey, a.order[0])
		a.order = a.order[1:]
	}
	if _, known := a.byKey[key]; !known {
		a.order = append(a.order, key)
	}
	a.byKey[key] = allowed{d, now}
}
