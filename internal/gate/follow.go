package gate

import (
	"context"
	"time"
)

// followEvery is how often a gate looks whether other gates changed what it
// holds in memory. That is the guarantee; announcements are a hint.
const followEvery = 250 * time.Millisecond

// A follower keeps what a gate holds in memory what other gates make it. No
// decision rests on its being in time: batches are guarded.
type follower struct {
	gate  *Gate
	seen  map[string]uint64 // revisions by kind
	hints chan struct{}
}

// follow runs until the gate closes.
func (g *Gate) follow() {
	defer close(g.followed)
	if !g.shared() {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := follower{gate: g, seen: map[string]uint64{}, hints: make(chan struct{}, 1)}
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		f.listen(ctx)
	}()
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for closed := false; !closed; {
		f.look(ctx)
		select {
		case <-tick.C:
		case <-f.hints:
		case <-g.stop:
			closed = true
		}
	}
	cancel()
	<-listening
}

// listen turns announcements into hints.
func (f *follower) listen(ctx context.Context) {
	for ctx.Err() == nil {
		if err := f.gate.cfg.Store.Announced(ctx); err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(followEvery):
			}
			continue
		}
		select {
		case f.hints <- struct{}{}:
		default: // there is one
		}
	}
}

// look reads again what changed. What fails is tried again at the next look.
func (f *follower) look(ctx context.Context) {
	for kind, read := range map[string]func(context.Context) error{recordToken: f.tokens, recordBasis: f.basis} {
		revision, err := f.gate.cfg.Store.Revision(ctx, kind)
		if err != nil {
			continue // that the store is away others say
		}
		if seen, looked := f.seen[kind]; looked && seen == revision {
			continue
		}
		if read(ctx) == nil {
			f.seen[kind] = revision
		}
	}
	if f.gate.program.Load() == nil {
		delete(f.seen, recordBasis) // it may be there by now, or be readable
	}
}

func (f *follower) tokens(ctx context.Context) error {
	return f.gate.tokens.load(ctx, f.gate.cfg.Store)
}

// basis has the committer read what it rests on before its next batch, and
// gives it one.
func (f *follower) basis(ctx context.Context) error {
	f.gate.stale.Store(true)
	return f.gate.submit(ctx, &job{apply: func(*batch) error { return nil }})
}
