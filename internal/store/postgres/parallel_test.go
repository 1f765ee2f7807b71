package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/postgres"
)

// both commits two batches at once, each through a node of its own.
func both(t *testing.T, nodes [2]*postgres.DB, batches [2]*store.Batch) (outs [2]store.Outcome) {
	t.Helper()
	var errs [2]error
	var all sync.WaitGroup
	for i := range nodes {
		all.Go(func() { outs[i], errs[i] = nodes[i].Commit(t.Context(), batches[i]) })
	}
	all.Wait()
	for i, out := range outs {
		if out.Status == store.Unknown {
			t.Fatalf("Commit(%s) = %v, %v", batches[i].ID, out, errs[i])
		}
	}
	return outs
}

func twoNodes(t *testing.T) [2]*postgres.DB {
	url := database(t)
	return [2]*postgres.DB{quick(t, url), quick(t, url)}
}

func key(k string) store.RecordKey { return store.RecordKey{Kind: "k", Key: k} }

// Each of two nodes makes a record provided that the other's is not there, or
// changes one provided that the other's is unchanged. Both cannot hold.
func TestGuardsHoldBetweenNodes(t *testing.T) {
	nodes := twoNodes(t)
	wins := 0
	for round := range 60 {
		a, b := key(fmt.Sprint("a", round)), key(fmt.Sprint("b", round))
		from := uint64(round % 2)
		if from == 1 {
			made := &store.Batch{ID: fmt.Sprint("make", round), Transitions: []store.Transition{
				{RecordKey: a, Value: []byte("0")}, {RecordKey: b, Value: []byte("0")},
			}}
			if out, err := nodes[0].Commit(t.Context(), made); out.Status != store.Committed {
				t.Fatal(out, err)
			}
		}
		outs := both(t, nodes, [2]*store.Batch{
			{ID: fmt.Sprint("x", round), Shard: 0, Guards: []store.Guard{{RecordKey: a, Version: from}}, Transitions: []store.Transition{{RecordKey: b, From: from, Value: []byte("1")}}},
			{ID: fmt.Sprint("y", round), Shard: 1, Guards: []store.Guard{{RecordKey: b, Version: from}}, Transitions: []store.Transition{{RecordKey: a, From: from, Value: []byte("1")}}},
		})
		if outs[0].Status == store.Committed && outs[1].Status == store.Committed {
			t.Fatalf("round %d: both batches were committed, each on what the other changed", round)
		}
		for _, out := range outs {
			if out.Status == store.Committed {
				wins++
			}
		}
	}
	if wins < 30 {
		t.Errorf("in 60 rounds %d batches were committed, want one in most rounds", wins)
	}
}

// Nodes that only read the same records do not get in each other's way.
func TestGuardsOfOneRecordAreShared(t *testing.T) {
	nodes := twoNodes(t)
	made := &store.Batch{ID: "make", Transitions: []store.Transition{{RecordKey: key("shared"), Value: []byte("0")}}}
	if out, err := nodes[0].Commit(t.Context(), made); out.Status != store.Committed {
		t.Fatal(out, err)
	}
	for round := range 30 {
		outs := both(t, nodes, [2]*store.Batch{
			{ID: fmt.Sprint("x", round), Shard: 0, Guards: []store.Guard{{RecordKey: key("shared"), Version: 1}, {RecordKey: key("none")}}},
			{ID: fmt.Sprint("y", round), Shard: 1, Guards: []store.Guard{{RecordKey: key("shared"), Version: 1}, {RecordKey: key("none")}}},
		})
		if outs[0].Status != store.Committed || outs[1].Status != store.Committed {
			t.Fatalf("round %d: %v", round, outs)
		}
	}
}

// Nodes that guard what the other changes, and make what the other needs not to
// be there, crosswise: one may be in conflict, but none waits for one that waits
// for it, which the server would notice after a second only.
func TestNodesDoNotWaitForEachOther(t *testing.T) {
	url := database(t)
	before := deadlocks(t, url)
	nodes := [2]*postgres.DB{open(t, url), open(t, url)}
	random := rand.New(rand.NewPCG(1, 2))
	list := make([]store.RecordKey, 12)
	for i := range list {
		list[i] = key(fmt.Sprint("key", i))
	}
	committed := 0
	for round := range 150 {
		versions, err := nodes[0].Versions(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		var batches [2]*store.Batch
		for n := range batches {
			b := &store.Batch{ID: fmt.Sprint(round, "of", n), Shard: n}
			for i, key := range list {
				switch random.IntN(6) {
				case 0, 1:
					b.Guards = append(b.Guards, store.Guard{RecordKey: key, Version: versions[i]})
				case 2:
					b.Transitions = append(b.Transitions, store.Transition{RecordKey: key, From: versions[i], Value: []byte("x")})
				case 3:
					b.Transitions = append(b.Transitions, store.Transition{RecordKey: key, From: versions[i]}) // deletes
				}
			}
			batches[n] = b
		}
		for _, out := range both(t, nodes, batches) {
			switch out.Status {
			case store.Committed:
				committed++
			case store.NotCommitted:
				t.Fatalf("round %d: not committed", round)
			}
		}
	}
	for _, db := range nodes {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n := deadlocks(t, url) - before; n > 0 || committed < 150 {
		t.Errorf("%d deadlocks; %d batches were committed in 150 rounds, want one or two in each", n, committed)
	}
}

// deadlocks is how many the server broke up in a database that nobody is
// connected to any more: then all were counted.
func deadlocks(t *testing.T, url string) (n int64) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), cluster.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	for others := int64(1); others > 0; {
		err := c.QueryRow(t.Context(), "SELECT deadlocks, numbackends FROM pg_stat_database WHERE datname = $1", databaseOf(t, url)).Scan(&n, &others)
		if err != nil {
			t.Fatal(err)
		}
	}
	return n
}

func TestOneBatchCommittedTwiceAtOnceIsThereOnce(t *testing.T) {
	nodes := twoNodes(t)
	var head store.Head
	for round := range 30 {
		build, err := ledger.Extend(0, head)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := build.Append(refused(round), nil); err != nil {
			t.Fatal(err)
		}
		b := &store.Batch{ID: fmt.Sprint(round), PrevSize: head.Size, Next: build.Head(), Entries: build.Entries(),
			Transitions: []store.Transition{{RecordKey: key("counter"), From: uint64(round), Value: []byte("x")}}}
		for i, out := range both(t, nodes, [2]*store.Batch{b, b}) {
			if out.Status != store.Committed {
				t.Fatalf("round %d, node %d: %v, want Committed", round, i, out)
			}
		}
		head = b.Next
	}
	if r, err := nodes[0].Record(t.Context(), key("counter")); err != nil || r.Version != 30 {
		t.Errorf("Record = %v, %v, want version 30", r, err)
	}
}

// Two nodes that both follow the same head: one is told that it moved.
func TestOnlyOneNodeMovesAHead(t *testing.T) {
	nodes := twoNodes(t)
	var head store.Head
	for round := range 30 {
		var batches [2]*store.Batch
		for i := range batches {
			build, err := ledger.Extend(0, head)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := build.Append(refused(100*round+i), nil); err != nil {
				t.Fatal(err)
			}
			batches[i] = &store.Batch{ID: fmt.Sprint(round, i), PrevSize: head.Size, Next: build.Head(), Entries: build.Entries()}
		}
		outs := both(t, nodes, batches)
		if (outs[0].Status == store.Committed) == (outs[1].Status == store.Committed) {
			t.Fatalf("round %d: %v, want exactly one Committed", round, outs)
		}
		head = batches[0].Next
		if outs[1].Status == store.Committed {
			head = batches[1].Next
		}
	}
	report, err := ledger.Verify(t.Context(), nodes[0], ledger.Trust{})
	if err != nil || !report.OK() || report.Entries != 30 {
		t.Errorf("Verify = %v, %v, want 30 entries without a finding", report, err)
	}
}

// refused makes an entry that has nothing beside it.
func refused(n int) ledger.Entry {
	return ledger.Entry{
		Instant: time.Unix(1_800_000_000, int64(n)).UTC(), Node: "node-1", Batch: "01KB0000000000000000000000", Caller: "auditor-001",
		Access: &ledger.Access{What: "decisions", Query: fmt.Sprint("n=", n)},
	}
}
