package gate_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	kernel "github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/pgtest"
	"github.com/strixlabs/execution-kernel/internal/store/postgres"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
	"github.com/strixlabs/execution-kernel/internal/token"
)

var postgresql pgtest.Shared

func TestMain(m *testing.M) {
	code := m.Run()
	if err := postgresql.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// A cluster is several gates over one store, each with a shard of its own.
type cluster struct {
	open   func() store.Store // the same store, as another process would open it
	signer *ledger.Signer
	clock  func() time.Time
}

// onEveryStore runs a test on a store in memory and on PostgreSQL.
func onEveryStore(t *testing.T, test func(t *testing.T, f *cluster)) {
	signer := signerOf(t)
	t.Run("memory", func(t *testing.T) {
		m := &storetest.Memory{Clock: time.Now}
		test(t, &cluster{open: func() store.Store { return m }, signer: signer, clock: time.Now})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		url := postgresql.Cluster(t).Database(t)
		if err := postgres.Migrate(t.Context(), url); err != nil {
			t.Fatal(err)
		}
		test(t, &cluster{signer: signer, clock: time.Now, open: func() store.Store {
			db, err := postgres.Open(t.Context(), url, postgres.Config{Timeout: 20 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			return db
		}})
	})
}

func signerOf(t *testing.T) *ledger.Signer {
	t.Helper()
	key, _, err := ledger.GenerateKey("test.example/log", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ledger.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// TestAColdStart: how long callers wait does not bound how long a node takes to
// record its first entry.
func TestAColdStart(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		f.node(t, 0, func(c *gate.Config) { c.Budget = time.Nanosecond })
	})
}

// A node is one gate of a cluster.
type node struct {
	*gate.Gate
	store store.Store
	lease store.Lease
}

// node starts a gate on a shard. A shard of another node is taken from it, as
// if its lease had expired.
func (f *cluster) node(t *testing.T, shard int, change func(*gate.Config)) *node {
	t.Helper()
	n := &node{store: f.open()}
	var err error
	if n.lease, err = n.store.Acquire(t.Context(), shard, "node", time.Hour); err != nil {
		t.Fatal(err)
	}
	cfg := gate.Config{
		Store: n.store, Signer: f.signer, Clock: f.clock, Rand: rand.Reader, Node: fmt.Sprint("node-", shard), Lease: n.lease, Budget: 20 * time.Second,
	}
	if change != nil {
		change(&cfg)
	}
	if n.Gate, err = gate.New(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(t.Context()); err != nil && !errors.Is(err, t.Context().Err()) {
			t.Error(err)
		}
	})
	return n
}

// nodes starts three gates; a policy is active.
func (f *cluster) nodes(t *testing.T, source string) []*node {
	t.Helper()
	first := f.node(t, 0, nil)
	files := []pdl.File{{Name: "p.yaml", Data: []byte(source)}}
	if err := first.Activate(t.Context(), admin, compile(t, files), files); err != nil {
		t.Fatal(err)
	}
	return []*node{first, f.node(t, 1, nil), f.node(t, 2, nil)}
}

// allowed counts the decisions of all shards that allow an action, and what
// was paid by them.
func (f *cluster) allowed(t *testing.T, action string) (n int, cents int64) {
	t.Helper()
	s := f.open()
	shards, err := s.Shards(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range shards {
		for row, err := range s.Entries(t.Context(), store.Query{Shard: shard, Action: action, Decision: "ALLOW"}) {
			if err != nil {
				t.Fatal(err)
			}
			event, ok, err := ledger.Recall(row)
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			paid, _ := event.Subject.Params["cents"].(int64)
			n, cents = n+1, cents+paid
		}
	}
	return n, cents
}

// patiently asks again while no decision can be had.
func patiently(t *testing.T, n *node, ask gate.Ask) kernel.Decision {
	t.Helper()
	for {
		d, err := n.Decide(t.Context(), admin, ask)
		if err == nil {
			return d
		}
		if !isCode(err, kernel.Unavailable) {
			t.Error(err)
			return d
		}
	}
}

func TestAHundredAtOnceOverThreeNodesAreFive(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		nodes := f.nodes(t, limited)
		for _, agent := range []string{"agent-001", "agent-002"} {
			var wg sync.WaitGroup
			var seen atomic.Int64
			for i := range 100 {
				wg.Go(func() {
					if patiently(t, nodes[i%len(nodes)], act(agent, "")).Decision == kernel.Allow {
						seen.Add(1)
					}
				})
			}
			wg.Wait()
			if n := seen.Load(); n != 5 {
				t.Errorf("%s: callers saw %d ALLOW, want 5", agent, n)
			}
		}
		if n, _ := f.allowed(t, "act"); n != 10 {
			t.Errorf("the log holds %d ALLOW of two agents, want 10", n)
		}
		f.checked(t)
	})
}

func TestABudgetIsNeverOverspentOverThreeNodes(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		nodes := f.nodes(t, limited)
		var wg sync.WaitGroup
		var decided, refused atomic.Int64
		for worker := range 50 {
			wg.Go(func() {
				for i := range 8 {
					d, err := nodes[(worker+i)%len(nodes)].Decide(t.Context(), admin, pay("agent-001", int64(1+(worker*37+i*211)%9000)))
					switch {
					case err == nil:
						decided.Add(1)
						_ = d
					case isCode(err, kernel.Unavailable):
						refused.Add(1)
					default:
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		t.Logf("%d decided, %d refused", decided.Load(), refused.Load())
		if _, cents := f.allowed(t, "pay"); cents > 100_000 || cents < 90_000 {
			t.Errorf("spent %d of 100000", cents)
		}
		f.checked(t)
	})
}

func TestANodeKilledInTheMiddleOverspendsNothing(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		nodes := f.nodes(t, limited)
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				if i == 40 { // another process takes its shard, and what it sends arrives nowhere any more
					if _, err := nodes[2].store.Acquire(t.Context(), 2, "node", time.Hour); err != nil {
						t.Error(err)
					}
				}
				if _, err := nodes[i%3].Decide(t.Context(), admin, act("agent-001", "")); err != nil && !isCode(err, kernel.Unavailable) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		after := f.node(t, 2, nil)
		for range 10 {
			patiently(t, after, act("agent-001", ""))
		}
		if n, _ := f.allowed(t, "act"); n != 5 {
			t.Errorf("the log holds %d ALLOW, want 5", n)
		}
	})
}

// What a node with a faster clock recorded is counted by one with a slower, at
// an instant that is not before it.
func TestAFasterClockLeavesNothingOut(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		slow := f.nodes(t, limited)[1]
		fast := f.node(t, 3, func(c *gate.Config) { c.Clock = func() time.Time { return f.clock().Add(400 * time.Millisecond) } })
		var last kernel.Decision
		for i := range 5 {
			if last = patiently(t, fast, act("agent-001", "")); last.Decision != kernel.Allow {
				t.Fatalf("the %dth call is not allowed", i+1)
			}
		}
		if d := patiently(t, slow, act("agent-001", "")); d.Decision == kernel.Allow || d.DecidedAt.Before(last.DecidedAt) {
			t.Errorf("the sixth call, at %s after one at %s, is %v", d.DecidedAt, last.DecidedAt, d.Decision)
		}
	})
}

// What was counted is counted after all nodes were started again, on whichever.
func TestAfterARestartOfAllNodesTheLimitIsWhatItWas(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		for i, n := range f.nodes(t, limited) {
			for range 1 + i%2 {
				if d := patiently(t, n, act("agent-001", "")); d.Decision != kernel.Allow {
					t.Fatalf("node %d: %v, want ALLOW", i, d.Decision)
				}
			}
		}
		again := []*node{f.node(t, 2, nil), f.node(t, 0, nil), f.node(t, 5, nil)}
		for round := range 3 {
			for _, n := range again {
				patiently(t, n, act("agent-001", ""))
			}
			if round == 1 {
				again[0] = f.node(t, 1, nil)
			}
		}
		if n, _ := f.allowed(t, "act"); n != 5 {
			t.Errorf("the log holds %d ALLOW, want 5", n)
		}
	})
}

// A kill switch holds on every node from the commit that records it: nothing
// has to be waited for.
func TestAKillSwitchStopsEveryNodeAtOnce(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		nodes := f.nodes(t, limited)
		for i, n := range nodes {
			if d, err := n.Decide(t.Context(), dev, pay("agent-001", 1)); err != nil || d.Decision != kernel.Allow {
				t.Fatalf("Decide = %v, %v, want ALLOW", d.Decision, err)
			}
			if err := n.Kill(t.Context(), dev, registry.ScopeAgent, "agent-001", "test"); err != nil {
				t.Fatal(err)
			}
			for j, other := range nodes {
				if d, err := other.Decide(t.Context(), dev, pay("agent-001", 1)); err != nil || d.Code != kernel.CodeKilled {
					t.Errorf("killed on node %d: node %d says %v, %v, want KILLED", i, j, d.Code, err)
				}
			}
			if err := n.Lift(t.Context(), dev, registry.ScopeAgent, "agent-001", ""); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Under load from all nodes, no ALLOW is committed after the switch.
func TestNoAllowFollowsAKillSwitch(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		nodes := f.nodes(t, limited)
		var killed atomic.Bool
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				for range 40 {
					before := killed.Load()
					d, err := nodes[1+i%2].Decide(t.Context(), dev, act(fmt.Sprint("agent-", i), ""))
					if err == nil && before && d.Decision == kernel.Allow {
						t.Error("an ALLOW began after the switch was on")
					}
				}
			})
		}
		time.Sleep(10 * time.Millisecond)
		if err := nodes[0].Kill(t.Context(), dev, registry.ScopeAll, "", "test"); err != nil {
			t.Error(err)
		}
		killed.Store(true)
		wg.Wait()
	})
}

// soon waits until something is so.
func soon(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

func TestTokensOfOneNodeAreThoseOfAll(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		nodes := f.nodes(t, limited)
		secret, tok, err := nodes[1].CreateToken(t.Context(), admin, token.Spec{Name: "gw", Role: kernel.RoleGateway, SpeaksFor: []string{"agent-*"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			soon(t, "the token is known", func() bool { _, err := n.Authenticate(secret); return err == nil })
		}
		if err := nodes[2].RevokeToken(t.Context(), admin, tok.ID); err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			soon(t, "the token is revoked", func() bool { _, err := n.Authenticate(secret); return err != nil })
		}
	})
}

func TestAPolicyOfOneNodeIsThatOfAll(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		nodes := f.nodes(t, limited)
		bundle, files := shipping(t)
		if err := nodes[2].Activate(t.Context(), admin, bundle, files); err != nil {
			t.Fatal(err)
		}
		// Whoever asks now is answered by it, known or not.
		if d, err := nodes[1].Decide(t.Context(), admin, act("agent-001", "")); err != nil || d.PolicyVersion != bundle.Version() {
			t.Errorf("Decide = %+v, %v, want the policy of the other node", d, err)
		}
		soon(t, "the policy is known", func() bool { return nodes[0].PolicyVersion() == bundle.Version() })
	})
}

// What one node answered under a request_id, another answers again, unless it
// is an ALLOW, for which only memory vouches.
func TestARequestIDIsOneForAllNodes(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		nodes := f.nodes(t, limited)
		first, err := nodes[0].Decide(t.Context(), admin, pay("agent-001", 100_001))
		if err != nil || first.Decision != kernel.Deny {
			t.Fatal(first, err)
		}
		deny := pay("agent-001", 100_001)
		deny.Request.RequestID = "deny"
		if first, err = nodes[0].Decide(t.Context(), admin, deny); err != nil {
			t.Fatal(err)
		}
		if d, err := nodes[1].Decide(t.Context(), admin, deny); err != nil || !d.Replayed || d.ID != first.ID {
			t.Errorf("Decide = %+v, %v, want %s again", d, err, first.ID)
		}
		var wg sync.WaitGroup
		var allowed atomic.Int64
		for i := range 30 {
			wg.Go(func() {
				d, err := nodes[i%3].Decide(t.Context(), admin, act("agent-001", "once"))
				switch {
				case err == nil && d.Decision == kernel.Allow && !d.Replayed:
					allowed.Add(1)
				case err != nil && !isCode(err, kernel.Spent) && !isCode(err, kernel.Unavailable):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n, _ := f.allowed(t, "act"); n != 1 || allowed.Load() != 1 {
			t.Errorf("callers saw %d ALLOW, the log holds %d, want 1", allowed.Load(), n)
		}
	})
}

// Somebody who goes on adding to what counts for him, on every node, refuses
// nobody else.
func TestWhoeverLoopsInConflictsRefusesNobodyElse(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		nodes := f.nodes(t, limited)
		var stop atomic.Bool
		var attack, wg sync.WaitGroup
		for i := range 12 {
			attack.Go(func() {
				for !stop.Load() {
					_, err := nodes[i%3].Decide(t.Context(), admin, pay("attacker", 0))
					if err != nil && !isCode(err, kernel.Unavailable) {
						t.Error(err)
					}
				}
			})
		}
		for i := range 9 {
			wg.Go(func() {
				for range 20 {
					if _, err := nodes[i%3].Decide(t.Context(), admin, pay(fmt.Sprint("agent-", i), 1)); err != nil {
						t.Errorf("somebody else's decision: %v", err)
					}
				}
			})
		}
		wg.Wait()
		stop.Store(true)
		attack.Wait()
	})
}

// An agent that lends and takes back in a loop changes the registry all the
// time, which every decision rests on. It refuses nobody else's.
func TestWhoeverGoesOnChangingTheRegistryRefusesNobodyElse(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		nodes := f.nodes(t, fleetBundle)
		if _, err := nodes[0].Apply(t.Context(), dev, document(t, fleetDocument), gate.ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
		lender := kernel.Caller{Principal: "a1", Roles: []kernel.Role{kernel.RoleAgent}, Agent: "agent-001"}
		var stop atomic.Bool
		var attack, wg sync.WaitGroup
		var changes atomic.Int64
		for i := range 6 {
			attack.Go(func() {
				for !stop.Load() {
					d, err := nodes[i%3].Lend(t.Context(), lender, registry.Delegation{
						From: "agent-001", To: "agent-002", Of: "ship",
						Capability: registry.Capability{Actions: []string{"read"}, Resources: []registry.Target{{Type: "service", ID: "svc/a"}}, Expires: time.Now().Add(time.Hour)},
					})
					if err == nil {
						changes.Add(1)
						err = nodes[i%3].Revoke(t.Context(), lender, d.ID)
					}
					if err != nil && !isCode(err, kernel.Unavailable) {
						t.Error(err)
						return
					}
				}
			})
		}
		for i := range 9 {
			wg.Go(func() {
				for range 20 {
					ask := gate.Ask{Door: "decisions", Request: kernel.Request{
						Agent: kernel.Agent{ID: "agent-003"}, Action: "read", Resource: kernel.Resource{Type: "service", ID: "svc/a"},
					}}
					if _, err := nodes[i%3].Decide(t.Context(), dev, ask); err != nil {
						t.Errorf("somebody else's decision: %v", err)
					}
				}
			})
		}
		wg.Wait()
		stop.Store(true)
		attack.Wait()
		t.Logf("%d changes", changes.Load())
	})
}
