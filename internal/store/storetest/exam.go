package storetest

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/merkle"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// Run is the exam. open returns an empty store; the exam closes it.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, part := range []struct {
		name string
		run  func(t *testing.T, x *exam)
	}{
		{"a committed batch is there whole", commitsWhole},
		{"an empty store has nothing", emptyStore},
		{"a malformed batch is not committed", refusesMalformed},
		{"a batch on another head is not committed", refusesMovedHead},
		{"an instant before the last entry is not committed", refusesInstantBack},
		{"a decision id is unique", refusesTakenID},
		{"a batch id commits once", commitsOnce},
		{"Lookup tells committed from not", lookups},
		{"shards are apart", shardsApart},
		{"who holds no lease is fenced", leasesFence},
		{"every shard has its own lease", leasesOfShards},
		{"leases expire by the store's clock", leasesExpire},
		{"what is announced raises a revision", announces},
		{"guards hold or nothing is written", guards},
		{"transitions hold or nothing is written", transitions},
		{"every unmet key is named", namesEveryConflict},
		{"versions are read many at once", readsVersions},
		{"an expired record is none for a transition from none", replacesExpired},
		{"versions begin where they are told to", beginsAt},
		{"expired records are deleted", deletesExpired},
		{"keys are compared byte for byte", keysByteForByte},
		{"records are listed in byte order", listsRecords},
		{"names and keys may be long", longKeys},
		{"queries select what they say", queries},
		{"queries page in both directions", pagesQueries},
		{"iterations go on beside commits", iteratesBesideCommits},
		{"reads go on beside commits", readsBesideCommits},
		{"iterations can be nested and broken off", nestsIterations},
		{"a cancelled context writes nothing and reads nothing", cancelled},
		{"large values survive", largeValues},
		{"leaves are those of the entries", leaves},
		{"what was passed in may be changed after", keepsCopies},
		{"a closed store refuses", closedStore},
	} {
		t.Run(part.name, func(t *testing.T) {
			x := &exam{Store: open(t), t: t}
			t.Cleanup(func() {
				if err := x.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			part.run(t, x)
		})
	}
}

// An exam is one store being examined, and what the log should hold.
type exam struct {
	store.Store
	t      *testing.T
	trees  map[int]*merkle.Tree
	all    map[int][]store.Entry
	n      int
	epochs map[int]uint64 // of the leases under which shards are written
}

func (x *exam) ctx() context.Context { return x.t.Context() }

func (x *exam) tree(shard int) *merkle.Tree {
	if x.trees == nil {
		x.trees, x.all = map[int]*merkle.Tree{}, map[int][]store.Entry{}
	}
	if x.trees[shard] == nil {
		x.trees[shard] = &merkle.Tree{}
	}
	return x.trees[shard]
}

// entry makes an entry that has everything, different for each number.
func entry(n int) store.Entry {
	e := store.Entry{
		Instant: int64(1000 + n/2), Kind: "decision", Body: fmt.Appendf(nil, `{"n":%d,"text":"äöü €"}`, n),
		ID: fmt.Sprintf("id-%d", n), Caller: fmt.Sprintf("caller-%d", n%3), Agent: fmt.Sprintf("agent-%03d", n%7),
		Action: []string{"deploy", "read", "delete"}[n%3], Decision: []string{"DENY", "ALLOW"}[n%2],
		Private: &store.Private{Request: fmt.Appendf(nil, `{"r":%d}`, n), Salt: []byte{byte(n), 0, 255}, Digest: fmt.Sprintf("sha256:%d", n)},
	}
	e.Leaf = merkle.LeafHash(e.Body)
	return e
}

// note makes an entry of another kind, with nothing a decision has.
func note(n int) store.Entry {
	e := store.Entry{Instant: int64(1000 + n/2), Kind: "policy", Caller: "admin", Body: fmt.Appendf(nil, `{"p":%d}`, n)}
	e.Leaf = merkle.LeafHash(e.Body)
	return e
}

// batch makes a batch that follows what was committed through the exam.
func (x *exam) batch(shard int, entries ...store.Entry) *store.Batch {
	x.n++
	tree := x.tree(shard).Clone()
	b := &store.Batch{ID: fmt.Sprintf("batch-%d", x.n), Shard: shard, Epoch: x.epochs[shard], PrevSize: tree.Size()}
	for _, e := range entries {
		e.Shard, e.Seq = shard, tree.Size()
		b.Entries = append(b.Entries, e)
		if err := tree.Append(e.Leaf); err != nil {
			x.t.Fatal(err)
		}
	}
	b.Next = head(tree)
	return b
}

func head(tree *merkle.Tree) store.Head {
	h := store.Head{Size: tree.Size(), Range: tree.Hashes()}
	if h.Size > 0 {
		h.Root = tree.Root()
	}
	return h
}

// commit commits a batch that must be committed.
func (x *exam) commit(b *store.Batch) {
	x.t.Helper()
	out, err := x.Commit(x.ctx(), b)
	if err != nil || out.Status != store.Committed {
		x.t.Fatalf("Commit(%s) = %v, %v, want Committed", b.ID, out, err)
	}
	x.note(b)
}

// note remembers what is committed.
func (x *exam) note(b *store.Batch) {
	tree := x.tree(b.Shard)
	for _, e := range b.Entries {
		if err := tree.Append(e.Leaf); err != nil {
			x.t.Fatal(err)
		}
	}
	x.all[b.Shard] = append(x.all[b.Shard], b.Entries...)
}

// refuse commits a batch that must end like this, and checks that nothing of
// it is there.
func (x *exam) refuse(b *store.Batch, want store.Status) (store.Outcome, error) {
	x.t.Helper()
	out, err := x.Commit(x.ctx(), b)
	if out.Status != want {
		x.t.Fatalf("Commit(%s) = %v, %v, want status %v", b.ID, out, err, want)
	}
	if want == store.NotCommitted && err == nil {
		x.t.Fatalf("Commit(%s) = NotCommitted without an error", b.ID)
	}
	x.unchanged(b.Shard)
	return out, err
}

// fill commits n entries in batches of seven, every fifth of another kind.
func (x *exam) fill(shard, n int) {
	x.t.Helper()
	for i := 0; i < n; i += 7 {
		var list []store.Entry
		for j := i; j < min(i+7, n); j++ {
			if j%5 == 4 {
				list = append(list, note(j))
			} else {
				e := entry(j)
				e.ID = fmt.Sprintf("id-%d-%d", shard, j)
				list = append(list, e)
			}
		}
		x.commit(x.batch(shard, list...))
	}
}

// unchanged checks that a shard holds exactly what was committed.
func (x *exam) unchanged(shard int) {
	x.t.Helper()
	got, err := x.Head(x.ctx(), shard)
	if want := head(x.tree(shard)); err != nil || got.Size != want.Size || got.Root != want.Root || len(got.Range) != len(want.Range) {
		x.t.Fatalf("Head(%d) = %+v, %v, want %+v", shard, got, err, want)
	}
	for i, h := range x.tree(shard).Hashes() {
		if got.Range[i] != h {
			x.t.Fatalf("Head(%d).Range[%d] = %x, want %x", shard, i, got.Range[i], h)
		}
	}
	x.want(store.Query{Shard: shard}, x.all[shard])
}

// want checks what a query yields.
func (x *exam) want(q store.Query, want []store.Entry) {
	x.t.Helper()
	var got []store.Entry
	for e, err := range x.Entries(x.ctx(), q) {
		if err != nil {
			x.t.Fatalf("Entries(%+v): %v", q, err)
		}
		got = append(got, e)
	}
	if len(got) == 0 && len(want) == 0 {
		return
	}
	if !reflect.DeepEqual(got, want) {
		x.t.Fatalf("Entries(%+v) = %s, want %s", q, seqs(got), seqs(want))
	}
}

func seqs(list []store.Entry) string {
	var s strings.Builder
	for _, e := range list {
		fmt.Fprintf(&s, " %d:%s", e.Seq, e.Body)
	}
	return s.String()
}

// record checks a record, or with nil that there is none.
func (x *exam) record(key store.RecordKey, want *store.Record) {
	x.t.Helper()
	got, err := x.Record(x.ctx(), key)
	if want == nil {
		if !isNotFound(err) {
			x.t.Fatalf("Record(%q) = %+v, %v, want ErrNotFound", key, got, err)
		}
		return
	}
	want.RecordKey = key
	if err != nil || !reflect.DeepEqual(got, *want) {
		x.t.Fatalf("Record(%q) = %+v, %v, want %+v", key, got, err, *want)
	}
}
