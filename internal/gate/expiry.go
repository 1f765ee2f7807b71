package gate

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/grant"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// maxExpired is how many grants one batch ends; the next ends the next.
const maxExpired = 256

// grants is what a gate knows of grants without asking the store.
type grants struct {
	mu    sync.Mutex
	keys  grant.Keys
	open  map[string]versionedGrant // issued, and not known to be redeemed
	spent map[string]time.Time      // redeemed here: until when it could be redeemed again
}

func (s *grants) add(v versionedGrant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[string]versionedGrant{}
	}
	s.open[v.ID] = v
}

// spend notes a redemption: whoever can write the database must not be able to
// have a grant redeemed twice by putting its record back.
func (s *grants) spend(r grant.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, r.ID)
	if s.spent == nil {
		s.spent = map[string]time.Time{}
	}
	s.spent[r.ID] = r.ExpiresAt
}

func (s *grants) isSpent(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, spent := s.spent[id]
	return spent
}

func (s *grants) known() grant.Keys {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys
}

// due returns the grants that end now, and forgets what cannot be redeemed any
// more.
func (s *grants) due(now time.Time) (list []versionedGrant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, until := range s.spent {
		if !now.Before(until) {
			delete(s.spent, id)
		}
	}
	for _, v := range s.open {
		if !now.Before(v.ExpiresAt) {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(a, b versionedGrant) int { return strings.Compare(a.ID, b.ID) })
	return list[:min(len(list), maxExpired)]
}

func (s *grants) close(ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.open, id)
	}
}

// withExpiry puts before the jobs of a batch the one that ends the grants whose
// time is over: what they reserved is free for the decisions behind it.
func (g *Gate) withExpiry(jobs []*job) []*job {
	if len(jobs) == 0 || len(g.grants.due(g.instant())) == 0 {
		return jobs
	}
	j := &job{done: make(chan error, 1)}
	j.apply = func(b *batch) error { return g.expire(b, j.recheck) }
	return append([]*job{j}, jobs...)
}

// expire ends the grants whose time is over at the instant of a batch. Another
// node may have changed some since they were issued: then recheck is set.
func (g *Gate) expire(b *batch, recheck bool) error {
	due := g.grants.due(b.now)
	for _, v := range due {
		if err := g.restOnRelease(b, v.Record); err != nil {
			return err
		}
	}
	var closed []string
	for _, v := range due {
		if recheck {
			fresh, err := g.readGrant(context.Background(), v.ID)
			if err != nil && !isNotFound(err) {
				continue // the next batch tries it again
			}
			v = fresh
		}
		next, ends := v.Expire(b.now)
		if !ends {
			g.grants.close([]string{v.ID})
			continue
		}
		if err := g.enterGrant(b, kernel.Caller{Principal: g.cfg.Node}, next, ledger.GrantExpired, v.version, closedLife); err != nil {
			return err
		}
		g.released(b, next)
		closed = append(closed, v.ID)
	}
	b.after = append(b.after, func() { g.grants.close(closed) })
	return nil
}

// expireEvery is how often grants end when nobody asks anything.
const expireEvery = time.Second

// watchGrants wakes the committer for what withExpiry finds to do.
func (g *Gate) watchGrants() {
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	adopted := g.instant()
	for turn := 0; ; {
		select {
		case <-g.stop:
			return
		case <-tick.C:
		}
		if turn++; g.shared() && turn%adoptEvery == 0 {
			now := g.instant()
			if err := g.adopt(context.Background(), adopted, now); err != nil {
				g.cfg.Log.Warn("the grants of other nodes could not be read", "error", err)
			} else {
				adopted = now
			}
		}
		if len(g.grants.due(g.instant())) == 0 {
			continue
		}
		if err := g.submit(context.Background(), &job{apply: func(*batch) error { return nil }}); err != nil {
			g.cfg.Log.Warn("grants that expired could not be ended", "error", err)
		}
	}
}

// Grants that another node issued are that node's to end. Where it does not, for
// it is gone, others do a while later.
const (
	adoptEvery = 15 // seconds
	adoptAfter = 5 * time.Second
)

// adopt takes up the grants of other nodes that should have ended by now. Those
// that had ended when it looked last, it took up then.
func (g *Gate) adopt(ctx context.Context, last, now time.Time) error {
	var floor ulid.ULID
	if err := floor.SetTime(ulid.Timestamp(last.Add(-2 * grant.MaxLife))); err != nil {
		return err
	}
	for rec, err := range g.cfg.Store.Records(ctx, recordGrant, floor.String()) {
		if err != nil {
			return err
		}
		v, err := readGrantRecord(rec)
		if err != nil {
			return err
		}
		if v.State == grant.Issued && !now.Before(v.ExpiresAt.Add(adoptAfter)) {
			g.grants.add(v)
		}
	}
	return nil
}

// load reads the grants that nobody redeemed, and the keys.
func (s *grants) load(ctx context.Context, r store.Reader, now time.Time) error {
	for rec, err := range r.Records(ctx, recordGrant, "") {
		if err != nil {
			return err
		}
		v, err := readGrantRecord(rec)
		if err != nil {
			return err
		}
		if v.State == grant.Issued {
			s.add(v)
		}
	}
	keys, err := readGrantKeys(ctx, r, now)
	s.setKeys(keys)
	return err
}

func (s *grants) setKeys(keys grant.Keys) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = keys
}
