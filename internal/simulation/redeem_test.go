package simulation_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/grant"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/simulation"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/postgres"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// clients is how many race for each grant.
const clients = 32

// A redemption is what a client of a race was answered.
type redemption string

const (
	won     redemption = "redeemed"
	lost    redemption = "redeemed before"
	unknown redemption = "nobody knows"
)

// grantModel is a grant: one call of all redeems it, and whoever is told that
// it was redeemed before comes after that call. Input is the grant's id.
var grantModel = (&porcupine.NondeterministicModel{
	Partition: factModel.Partition,
	Init:      func() []any { return []any{false} },
	Step: func(state, _, output any) []any {
		redeemed := state.(bool)
		switch output {
		case won:
			if redeemed {
				return nil
			}
			return []any{true}
		case lost:
			if redeemed {
				return []any{true}
			}
			return nil
		}
		if redeemed {
			return []any{true}
		}
		return []any{false, true}
	},
}).ToModel()

// A race is three gates over one store, and the grants that they issued.
type race struct {
	gates   []*gate.Gate
	grants  []kernel.Decision
	history history
	wins    map[string]int
	mu      sync.Mutex
	calls   atomic.Int64 // that were answered
}

// startRace has each of three gates, which have a key each, issue its part of
// the grants.
func startRace(t *testing.T, stores [3]store.Store, grants int) *race {
	t.Helper()
	files := []pdl.File{{Name: "b.yaml", Data: []byte(strings.Replace(simulation.Policy, "facts.acts < 3 && facts.tries < 1000", "true", 1))}}
	bundle, diags := pdl.Compile(files)
	if bundle == nil {
		t.Fatal(diags)
	}
	program, err := eval.New(bundle)
	if err != nil {
		t.Fatal(err)
	}
	r := &race{wins: map[string]int{}, history: history{start: time.Now()}}
	for i, s := range stores {
		key, err := grant.NewKey(bytes.Repeat([]byte{byte(i)}, 32))
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprint("node-", i)
		lease, err := s.Acquire(t.Context(), i, name, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		g, err := gate.New(t.Context(), gate.Config{
			Store: s, Signer: setting().Signer, Clock: time.Now, Rand: rand.Reader, Node: name, Lease: lease,
			Budget: 20 * time.Second, Grants: key, GrantLife: grant.MaxLife,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeGate(g) })
		if err := errors.Join(g.Activate(t.Context(), operator, program, files), g.KnowGrantKey(t.Context(), name)); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if _, err := g.Apply(t.Context(), operator, setting().Registry, gate.ApplyOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		r.gates = append(r.gates, g)
	}
	for i := range 3 {
		r.issue(t, r.gates[i], (grants+2-i)/3)
	}
	return r
}

func (r *race) issue(t *testing.T, g *gate.Gate, n int) {
	t.Helper()
	asks := make([]gate.Ask, n)
	for i := range asks {
		asks[i] = gate.Ask{Door: "decisions", Request: kernel.Request{
			Agent: kernel.Agent{ID: "agent-001"}, Action: "act", Resource: kernel.Resource{Type: "thing", ID: "thing-001"}, Grant: true,
		}}
	}
	for _, a := range g.DecideBatch(t.Context(), gateway, asks) {
		if a.Err != nil || a.Decision.Grant == nil {
			t.Fatalf("no grant: %+v, %v", a.Decision, a.Err)
		}
		r.grants = append(r.grants, a.Decision)
	}
}

// run has every client redeem every grant, about the same ones at the same
// time, each at any node, and again while nobody says what came of it.
func (r *race) run(t *testing.T) {
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			for i := range r.grants {
				d := r.grants[(i+client%4)%len(r.grants)]
				for r.redeem(t, client, d) == unknown {
					time.Sleep(20 * time.Millisecond) // before it tries again
				}
			}
		})
	}
	wg.Wait()
}

func (r *race) redeem(t *testing.T, client int, d kernel.Decision) (got redemption) {
	g := r.gates[mathrand.IntN(len(r.gates))]
	r.history.call(client, d.ID, func() (any, bool) {
		_, err := g.Redeem(context.Background(), gateway, d.ID, gate.Redemption{Token: d.Grant.Token, Digest: d.RequestDigest})
		got = outcome(t, err)
		return got, got != unknown
	})
	r.calls.Add(1)
	if got == won {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.wins[d.ID]++
	}
	return got
}

func outcome(t *testing.T, err error) redemption {
	var e *kernel.Error
	switch {
	case err == nil:
		return won
	case !errors.As(err, &e) || e.Code != kernel.GrantRedeemed && e.Code != kernel.Unavailable:
		t.Error(err)
	case e.Code == kernel.GrantRedeemed:
		return lost
	}
	return unknown
}

// judge compares what clients were told with the log, and asks the checker and
// the audit.
func (r *race) judge(t *testing.T, s store.Store) {
	t.Helper()
	in := r.redemptions(t, s)
	for _, d := range r.grants {
		if r.wins[d.ID] > 1 || in[d.ID] != 1 {
			t.Errorf("grant %s: %d clients were told that they redeemed it, the log has %d", d.ID, r.wins[d.ID], in[d.ID])
		}
	}
	if !linear(t, grantModel, &r.history) {
		t.Error("no order of these calls explains their answers")
	}
	report, err := ledger.Audit(t.Context(), s, nil)
	if err != nil || report.Effects != uint64(len(r.grants)) || report.Grants != uint64(len(r.grants)) {
		t.Errorf("Audit = %d grants and %d effects, %v, want %d", report.Grants, report.Effects, err, len(r.grants))
	}
	for _, f := range report.List {
		if !strings.Contains(f.String(), "which no entry made a token of") { // the callers of this test are none
			t.Errorf("Audit: %s", f)
		}
	}
}

// redemptions counts them in all shards, by grant.
func (r *race) redemptions(t *testing.T, s store.Store) map[string]int {
	t.Helper()
	found := map[string]int{}
	for shard := range r.gates {
		for row, err := range s.Entries(t.Context(), store.Query{Shard: shard, Kind: string(ledger.KindGrant)}) {
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

// TestAGrantIsRedeemedOnceAlthoughTheDatabaseIsKilled: 32 clients race for each
// of 500 grants on three nodes, and in the middle of it PostgreSQL is killed
// and started again.
func TestAGrantIsRedeemedOnceAlthoughTheDatabaseIsKilled(t *testing.T) {
	if cluster == nil {
		t.Skip("LEFT OUT: there is no PostgreSQL on this machine")
	}
	grants := 500
	if testing.Short() {
		grants = 60
	}
	url := cluster.Database(t)
	if err := postgres.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	var stores [3]store.Store
	for i := range stores {
		db, err := postgres.Open(t.Context(), url, postgres.Config{Timeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		stores[i] = db
	}
	r := startRace(t, stores, grants)
	done := make(chan struct{})
	go func() { defer close(done); r.run(t) }()
	for r.calls.Load() < int64(grants)*clients/3 { // in the middle, whatever the machine
		time.Sleep(time.Millisecond)
	}
	if err := errors.Join(cluster.Kill(), cluster.Restart()); err != nil {
		t.Fatal(err)
	}
	<-done
	open := 0
	for _, c := range r.history.calls {
		if c.Output == unknown {
			open++
		}
	}
	if open == 0 {
		t.Error("no call was left without an answer: nothing was killed in the middle")
	}
	t.Logf("%d calls for %d grants, %d of them without an answer", len(r.history.calls), grants, open)
	r.judge(t, stores[0])
}

// careless writes the record of a grant whatever is in it.
type careless struct{ store.Store }

func (c careless) Commit(ctx context.Context, b *store.Batch) (store.Outcome, error) {
	for {
		changed := *b
		changed.Transitions = append([]store.Transition(nil), b.Transitions...)
		for i, t := range changed.Transitions {
			if t.Kind != "grant" {
				continue
			}
			if rec, err := c.Record(ctx, t.RecordKey); err == nil {
				changed.Transitions[i].From = rec.Version
			}
		}
		out, err := c.Store.Commit(ctx, &changed)
		if out.Status != store.Conflict {
			return out, err
		}
	}
}

func TestTheCheckerFindsAGrantThatIsRedeemedTwice(t *testing.T) {
	for range 20 {
		s := careless{&storetest.Memory{Clock: time.Now}}
		r := startRace(t, [3]store.Store{s, s, s}, 20)
		r.run(t)
		report, err := ledger.Audit(t.Context(), s, nil)
		if err != nil {
			t.Fatal(err)
		}
		audited := strings.Contains(fmt.Sprint(report.List), "was redeemed before, in entry")
		if linear(t, grantModel, &r.history) == audited {
			t.Fatalf("the checker and the audit do not agree: the audit finds %v", report.List)
		}
		if audited {
			return
		}
	}
	t.Error("20 races did not show it")
}
