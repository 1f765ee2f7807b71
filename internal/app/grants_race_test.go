package app_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/app"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/postgres"
)

// A redeeming is a race of clients for the grants of three kernels, over HTTP.
type redeeming struct {
	kernels  []*client.Client
	answered atomic.Int64
	killed   atomic.Bool
	silent   atomic.Int64 // calls after the kill that no kernel answered
	mu       sync.Mutex
	won      map[string]int // by grant
	expired  map[string]bool
}

// race issues grants and has 32 clients race for each of them, each at any
// kernel in turn, until somebody knows what became of it.
func (r *redeeming) race(t *testing.T, grants int, meanwhile func()) {
	t.Helper()
	issued := make([]kernel.Decision, grants)
	for i := range issued {
		request := ask("agent-race", "pay", 0)
		request.Grant = true
		eventually(t, "a grant", func() bool {
			d, err := r.kernels[i%3].Decide(t.Context(), request)
			issued[i] = d
			return err == nil && d.Grant != nil
		})
	}
	var wg sync.WaitGroup
	for c := range 32 {
		wg.Go(func() {
			for i := range issued {
				d := issued[(i+c%4)%grants]
				for try := c; !r.redeem(t, r.kernels[try%3], d); try++ {
					time.Sleep(20 * time.Millisecond) // before it asks another
				}
			}
		})
	}
	for r.answered.Load() < int64(grants)*8 { // in the middle, whatever the machine
		time.Sleep(time.Millisecond)
	}
	meanwhile()
	wg.Wait()
}

// redeem reports whether it is known what became of a grant.
func (r *redeeming) redeem(t *testing.T, k *client.Client, d kernel.Decision) bool {
	_, err := k.Redeem(t.Context(), d.ID, d.Grant.Token, d.RequestDigest)
	r.answered.Add(1)
	var ours *kernel.Error
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.won[d.ID]++
	case unanswered(err):
		if r.killed.Load() {
			r.silent.Add(1)
		}
		return false
	case errors.As(err, &ours) && ours.Code == kernel.GrantExpired: // the machine is very slow
		r.expired[d.ID] = true
	case errors.As(err, &ours) && ours.Code == kernel.GrantRedeemed:
		r.won[d.ID] += 0
	default:
		t.Error(err)
	}
	return true
}

// TestThreeKernelsRedeemAGrantOnceAlthoughTheDatabaseIsKilled: processes, HTTP
// and a PostgreSQL that is killed and started again.
func TestThreeKernelsRedeemAGrantOnceAlthoughTheDatabaseIsKilled(t *testing.T) {
	grants := 40
	if testing.Short() {
		grants = 12
	}
	url, list := nodes(t)
	r := &redeeming{won: map[string]int{}, expired: map[string]bool{}}
	for _, p := range list {
		r.kernels = append(r.kernels, p.admin())
	}
	r.race(t, grants, func() {
		r.killed.Store(true)
		if err := errors.Join(postgresql.Cluster(t).Kill(), postgresql.Cluster(t).Restart()); err != nil {
			t.Error(err)
		}
	})
	found := redeemedOf(t, url)
	if len(r.won)+len(r.expired) < grants {
		t.Errorf("of %d grants %d have an outcome", grants, len(r.won))
	}
	for id, n := range r.won {
		if n > 1 || found[id] != 1 {
			t.Errorf("grant %s: %d clients were told that they redeemed it, the log has %d", id, n, found[id])
		}
	}
	for _, p := range list {
		p.stop()
	}
	verified(t, list[0].folder.Path, url)
	log, err := app.OpenLog(t.Context(), app.Config{Data: list[0].folder.Path, Store: url}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	report, err := log.Audit(t.Context())
	if err != nil || !report.OK() || report.Effects != uint64(len(found)) {
		t.Errorf("Audit = %d effects of %d, %v, %v", report.Effects, len(found), report.List, err)
	}
	if r.silent.Load() == 0 {
		t.Error("no kernel noticed that the database was killed")
	}
}

// redeemedOf counts the redemptions in all shards, by grant.
func redeemedOf(t *testing.T, url string) map[string]int {
	t.Helper()
	db, err := postgres.OpenReadOnly(t.Context(), url, postgres.Config{Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	shards, err := db.Shards(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, shard := range shards {
		for row, err := range db.Entries(t.Context(), store.Query{Shard: shard, Kind: string(ledger.KindGrant), Bare: true}) {
			if err != nil {
				t.Fatal(err)
			}
			e, err := ledger.Decode(row.Body)
			if err != nil {
				t.Fatal(err)
			}
			if e.Grant.Change == ledger.GrantRedeemed {
				found[e.Grant.ID]++
			}
		}
	}
	return found
}
