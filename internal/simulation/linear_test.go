package simulation_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/pgtest"
	"github.com/strixlabs/execution-kernel/internal/store/postgres"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// Histories of real calls, made at the same time, are given to a checker: is
// there an order of the calls, one after the other, that fits what each of
// them was answered and when?

var cluster *pgtest.Cluster // nil on a machine without PostgreSQL

func TestMain(m *testing.M) {
	os.Exit(pgtest.Main(m, func(c *pgtest.Cluster) { cluster = c }))
}

// engines are what several processes can share.
func engines(t *testing.T, use func(t *testing.T, s store.Store)) {
	t.Run("memory", func(t *testing.T) { use(t, &storetest.Memory{Clock: time.Now}) })
	t.Run("PostgreSQL", func(t *testing.T) {
		if cluster == nil {
			t.Skip("LEFT OUT: there is no PostgreSQL on this machine")
		}
		url := cluster.Database(t)
		if err := postgres.Migrate(t.Context(), url); err != nil {
			t.Fatal(err)
		}
		db, err := postgres.Open(t.Context(), url, postgres.Config{Timeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		use(t, db)
	})
}

// A history gathers calls.
type history struct {
	mu    sync.Mutex
	start time.Time
	calls []porcupine.Operation
}

// call makes a call and keeps it. One whose outcome nobody knows may take
// effect at any time after.
func (h *history) call(client int, input any, do func() (output any, known bool)) {
	begin := time.Since(h.start)
	output, known := do()
	end := time.Since(h.start)
	if !known {
		end = time.Hour
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, porcupine.Operation{ClientId: client, Input: input, Call: int64(begin), Output: output, Return: int64(end)})
}

func linear(t *testing.T, m porcupine.Model, h *history) bool {
	t.Helper()
	switch porcupine.CheckOperationsTimeout(m, h.calls, time.Minute) {
	case porcupine.Ok:
		return true
	case porcupine.Unknown:
		t.Fatalf("the checker does not come to an end with %d calls", len(h.calls))
	}
	return false
}

// A leaseCall takes, gives back or uses the lease of a shard.
type leaseCall struct {
	what  string // acquire, release, commit
	owner string
	epoch uint64
}

type leaseState struct {
	owner string // empty: nobody's
	epoch uint64
}

// leaseModel is what a lease is: output is the epoch that was given, 0 for
// held, or whether a batch was committed.
var leaseModel = porcupine.Model{
	Init: func() any { return leaseState{} },
	Step: func(state, input, output any) (bool, any) {
		s, c := state.(leaseState), input.(leaseCall)
		switch c.what {
		case "acquire":
			if s.owner != "" && s.owner != c.owner {
				return output == uint64(0), s
			}
			return output == s.epoch+1, leaseState{c.owner, s.epoch + 1}
		case "release":
			if s == (leaseState{c.owner, c.epoch}) {
				s.owner = ""
			}
			return true, s
		}
		return output == (c.epoch == s.epoch), s
	},
}

func leaseHistory(t *testing.T, s store.Store) *history {
	h := &history{start: time.Now()}
	var wg sync.WaitGroup
	for client := range 6 {
		wg.Go(func() {
			var lease store.Lease
			owner := fmt.Sprint("node-", client%4)
			for i := range 12 {
				switch {
				case lease.Epoch == 0 || mathrand.IntN(5) == 0:
					h.call(client, leaseCall{"acquire", owner, 0}, func() (any, bool) {
						l, err := s.Acquire(t.Context(), 0, owner, time.Hour)
						if err != nil && !errors.Is(err, store.ErrHeld) {
							t.Error(err)
						}
						if err == nil {
							lease = l
						}
						return l.Epoch, true
					})
				case mathrand.IntN(2) == 0:
					h.call(client, leaseCall{"release", owner, lease.Epoch}, func() (any, bool) {
						if err := s.Release(t.Context(), lease); err != nil {
							t.Error(err)
						}
						return nil, true
					})
				default:
					h.call(client, leaseCall{"commit", owner, lease.Epoch}, func() (any, bool) {
						id := fmt.Sprint(client, "-", i)
						out, err := s.Commit(t.Context(), &store.Batch{ID: id, Epoch: lease.Epoch, Transitions: []store.Transition{
							{RecordKey: store.RecordKey{Kind: "test", Key: id}, Value: []byte("x")},
						}})
						if err != nil && !errors.Is(err, store.ErrFenced) {
							t.Error(err)
						}
						return out.Status == store.Committed, true
					})
				}
			}
		})
	}
	wg.Wait()
	return h
}

func TestLeasesAreLinearizable(t *testing.T) {
	engines(t, func(t *testing.T, s store.Store) {
		if h := leaseHistory(t, s); !linear(t, leaseModel, h) {
			t.Errorf("no order of these calls explains their answers: %v", h.calls)
		}
	})
}

// unfenced commits whatever the epoch is.
type unfenced struct{ store.Store }

func (u unfenced) Commit(ctx context.Context, b *store.Batch) (store.Outcome, error) {
	leases, err := u.Leases(ctx)
	if err != nil || len(leases) == 0 {
		return u.Store.Commit(ctx, b)
	}
	changed := *b
	changed.Epoch = leases[0].Epoch
	return u.Store.Commit(ctx, &changed)
}

func TestTheCheckerFindsAnEpochThatNobodyLooksAt(t *testing.T) {
	for range 20 {
		if h := leaseHistory(t, unfenced{&storetest.Memory{Clock: time.Now}}); !linear(t, leaseModel, h) {
			return
		}
	}
	t.Error("20 histories did not show it")
}

// factModel is a limit of [simulation.Policy] within its window, for one agent.
var factModel = (&porcupine.NondeterministicModel{
	Partition: func(calls []porcupine.Operation) [][]porcupine.Operation {
		byAgent := map[string][]porcupine.Operation{}
		for _, c := range calls {
			byAgent[c.Input.(string)] = append(byAgent[c.Input.(string)], c)
		}
		var parts [][]porcupine.Operation
		for _, p := range byAgent {
			parts = append(parts, p)
		}
		return parts
	},
	Init: func() []any { return []any{0} },
	Step: func(state, _, output any) []any {
		n := state.(int)
		free := n < 3
		switch output {
		case kernel.Allow:
			if free {
				return []any{n + 1}
			}
		case kernel.Deny:
			if !free {
				return []any{n}
			}
		default: // nobody knows
			if free {
				return []any{n, n + 1}
			}
			return []any{n}
		}
		return nil
	},
}).ToModel()

// factHistory asks several gates over one store, of which one is closed in the
// middle of it.
func factHistory(t *testing.T, s store.Store, nodes int) *history {
	gates := make([]*gate.Gate, nodes)
	for i := range gates {
		gates[i] = openGate(t, s, i)
	}
	h := &history{start: time.Now()}
	var wg sync.WaitGroup
	for client := range 8 {
		wg.Go(func() {
			for i := range 10 {
				agent := fmt.Sprintf("agent-%03d", 1+mathrand.IntN(3))
				node := mathrand.IntN(nodes)
				if client == 0 && i == 5 && nodes > 1 {
					go closeGate(gates[0])
				}
				h.call(client, agent, func() (any, bool) {
					d, err := gates[node].Decide(t.Context(), gateway, gate.Ask{Door: "decisions", Request: kernel.Request{
						Agent: kernel.Agent{ID: agent}, Action: "act", Resource: kernel.Resource{Type: "thing", ID: "thing-001"},
					}})
					if err != nil {
						return nil, false
					}
					return d.Decision, true
				})
			}
		})
	}
	wg.Wait()
	for _, g := range gates {
		closeGate(g)
	}
	return h
}

var (
	operator = kernel.Caller{Principal: "operator-001", Roles: []kernel.Role{kernel.RoleAdmin}}
	gateway  = kernel.Caller{Principal: "gateway-001", Roles: []kernel.Role{kernel.RoleGateway}, SpeaksFor: []string{"*"}}
)

func openGate(t *testing.T, s store.Store, shard int) *gate.Gate {
	t.Helper()
	name := fmt.Sprint("node-", shard)
	lease, err := s.Acquire(t.Context(), shard, name, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	set := setting()
	g, err := gate.New(t.Context(), gate.Config{
		Store: s, Signer: set.Signer, Clock: time.Now, Rand: rand.Reader, Node: name, Lease: lease,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Activate(t.Context(), operator, set.Program, set.Files); err != nil {
		t.Fatal(err)
	}
	if shard == 0 {
		if _, err := g.Apply(t.Context(), operator, set.Registry, gate.ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

func closeGate(g *gate.Gate) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = g.Close(ctx)
}

func TestFactsAreLinearizable(t *testing.T) {
	engines(t, func(t *testing.T, s store.Store) {
		if h := factHistory(t, s, 3); !linear(t, factModel, h) {
			t.Errorf("no order of these calls explains their answers: %v", h.calls)
		}
	})
}

// unguarded commits whatever a batch rests on.
type unguarded struct{ store.Store }

func (u unguarded) Commit(ctx context.Context, b *store.Batch) (store.Outcome, error) {
	changed := *b
	changed.Guards = nil
	changed.Transitions = slices.DeleteFunc(slices.Clone(b.Transitions), func(t store.Transition) bool { return t.Kind == "fact" })
	return u.Store.Commit(ctx, &changed)
}

func TestTheCheckerFindsGuardsThatNobodyKeeps(t *testing.T) {
	for range 20 {
		if h := factHistory(t, unguarded{&storetest.Memory{Clock: time.Now}}, 3); !linear(t, factModel, h) {
			return
		}
	}
	t.Error("20 histories did not show it")
}

// unflushed says that batches are on disk which a power cut took.
type unflushed struct{ store.Store }

func (u unflushed) Commit(ctx context.Context, b *store.Batch) (store.Outcome, error) {
	if len(b.Entries) > 0 && b.Entries[0].Kind == "decision" && mathrand.IntN(4) == 0 {
		return store.Outcome{Status: store.Committed}, nil
	}
	return u.Store.Commit(ctx, b)
}

func TestTheCheckerFindsWhatWasNotFlushed(t *testing.T) {
	for range 20 {
		if h := factHistory(t, unflushed{&storetest.Memory{Clock: time.Now}}, 3); !linear(t, factModel, h) {
			return
		}
	}
	t.Error("20 histories did not show it")
}
