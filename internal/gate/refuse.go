package gate

import (
	"context"
	"sync"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/ledger"
)

// refusalsPerSecond is how many refusals of one caller get an entry of their
// own; the rest of a second is summed up in one.
const refusalsPerSecond = 10

// A Refusal is what a door rejected, without its body: bad input must neither
// fill the disk nor leak into the log.
type Refusal struct {
	Door string
	Code kernel.Code
	Path string // JSON path of the offending member, or ""; names that nobody declared are recorded as *
	Size int64  // bytes of the body that were read
}

// refusals counts each caller's refusals of the current second.
type refusals struct {
	mu      sync.Mutex
	second  int64
	entered map[string]int // by principal: entries of this second
	summed  map[summary]sum
}

type summary struct {
	caller, door string
	code         kernel.Code
}

// admit reports whether a refusal gets an entry of its own; else it is counted.
func (r *refusals) admit(caller string, ref Refusal, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := now.Unix(); s != r.second || r.entered == nil {
		r.second, r.entered = s, map[string]int{}
	}
	if r.entered[caller] < refusalsPerSecond {
		r.entered[caller]++
		return true
	}
	if r.summed == nil {
		r.summed = map[summary]sum{}
	}
	key := summary{caller, ref.Door, ref.Code}
	r.summed[key] = sum{r.summed[key].count + 1, r.summed[key].size + ref.Size}
	return false
}

type sum struct {
	count int
	size  int64
}

func (r *refusals) take() map[summary]sum {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.summed
	r.summed = nil
	return taken
}

// Refuse records that a door rejected an authenticated caller's request. Above
// ten a second a caller's refusals are summed up in one entry a second and
// Refuse returns at once; otherwise it returns when the entry is on disk.
func (g *Gate) Refuse(ctx context.Context, caller kernel.Caller, ref Refusal) error {
	ref.Path = g.known(ref.Path)
	if !g.refuse.admit(caller.Principal, ref, g.cfg.Clock()) {
		return nil
	}
	return g.submit(ctx, g.refusal(caller.Principal, ref, 1))
}

func (g *Gate) refusal(caller string, ref Refusal, count int) *job {
	return &job{apply: func(b *batch) error {
		_, err := b.log.Append(ledger.Entry{
			Instant: b.now, Node: g.cfg.Node, Batch: b.id, Caller: caller, Door: ref.Door,
			Refusal: &ledger.Refused{Code: ref.Code, Path: ref.Path, Size: ref.Size, Count: count},
		}, nil)
		return err
	}}
}

// summarise writes the sums once a second. Close writes the last ones.
func (g *Gate) summarise() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			g.writeSums(context.Background())
		case <-g.stop:
			return
		}
	}
}

func (g *Gate) writeSums(ctx context.Context) {
	for s, n := range g.refuse.take() {
		if err := g.submit(ctx, g.refusal(s.caller, Refusal{Door: s.door, Code: s.code, Size: n.size}, n.count)); err != nil {
			g.cfg.Log.Warn("refusals could not be recorded", "caller", s.caller, "count", n.count, "error", err)
		}
	}
}
