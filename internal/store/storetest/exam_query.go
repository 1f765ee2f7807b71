package storetest

import (
	"slices"
	"sync"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/store"
)

// reference is what a query means, as simply as it can be said.
func reference(q store.Query, all []store.Entry) (out []store.Entry) {
	for _, e := range all {
		if !selects(q, e) {
			continue
		}
		if q.Bare {
			e.Private = nil
		}
		out = append(out, e)
	}
	if q.Newest {
		slices.Reverse(out)
	}
	if q.Limit > 0 && len(out) > q.Limit {
		out = out[:q.Limit]
	}
	return out
}

func queries(_ *testing.T, x *exam) {
	x.fill(0, 50)
	x.fill(1, 9)
	for _, agent := range []string{"", "agent-003", "agent-999"} {
		for _, action := range []string{"", "deploy"} {
			for _, decision := range []string{"", "ALLOW"} {
				for _, kind := range []string{"", "policy", "decision", "other"} {
					for _, caller := range []string{"", "caller-1", "admin"} {
						q := store.Query{Agent: agent, Action: action, Decision: decision, Kind: kind, Caller: caller}
						x.want(q, reference(q, x.all[0]))
						q.Newest, q.Limit = true, 3
						x.want(q, reference(q, x.all[0]))
					}
				}
			}
		}
	}
	for _, since := range []int64{0, 1, 1000, 1001, 1010, 1024, 1025, 2000} {
		for _, until := range []int64{0, 1, 1000, 1001, 1010, 1025, 2000} {
			for _, newest := range []bool{false, true} {
				q := store.Query{Since: since, Until: until, Newest: newest}
				x.want(q, reference(q, x.all[0]))
				q.Agent, q.From, q.Limit = "agent-002", 12, 2
				x.want(q, reference(q, x.all[0]))
			}
		}
	}
	x.want(store.Query{Shard: 1}, x.all[1])
	for _, q := range []store.Query{{Bare: true}, {Bare: true, Agent: "agent-003", Newest: true, Limit: 2}} {
		x.want(q, reference(q, x.all[0]))
	}
	x.want(store.Query{Shard: 2}, nil)
}

func pagesQueries(t *testing.T, x *exam) {
	x.fill(0, 1000) // more than any page of an engine
	for _, newest := range []bool{false, true} {
		for _, limit := range []int{1, 7, 300, 1000, 1001} {
			q := store.Query{Newest: newest, Limit: limit}
			var got []store.Entry
			for {
				n := len(got)
				for e, err := range x.Entries(x.ctx(), q) {
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, e)
				}
				if len(got) == n || limit == 1 && len(got) > 20 {
					break
				}
				if q.From = got[len(got)-1].Seq; !newest {
					q.From++
				} else if q.From == 0 {
					break // From 0 would mean the head again
				}
			}
			want := reference(store.Query{Newest: newest, Limit: len(got)}, x.all[0])
			if limit > 1 && len(got) != 1000 || !slices.EqualFunc(got, want, func(a, b store.Entry) bool { return a.Seq == b.Seq }) {
				t.Errorf("newest %v, pages of %d: got %d entries, want all in order", newest, limit, len(got))
			}
		}
		x.want(store.Query{Newest: newest, Agent: "agent-004"}, reference(store.Query{Newest: newest, Agent: "agent-004"}, x.all[0]))
	}
}

func iteratesBesideCommits(t *testing.T, x *exam) {
	x.fill(0, 600)
	seq := uint64(0)
	for e, err := range x.Entries(x.ctx(), store.Query{}) {
		if err != nil || e.Seq != seq {
			t.Fatalf("Entries yields %d, %v, want %d", e.Seq, err, seq)
		}
		if seq++; seq%100 == 0 && seq <= 600 {
			x.commit(x.batch(0, entry(600+int(seq))))
		}
	}
	if seq < 600 {
		t.Errorf("Entries ended at %d, want at least the 600 that were there", seq)
	}
	x.unchanged(0)
}

func nestsIterations(t *testing.T, x *exam) {
	x.fill(0, 10)
	var nest func(depth int)
	nest = func(depth int) { // deeper than an engine has connections
		for e, err := range x.Entries(x.ctx(), store.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			if _, err := x.Entry(x.ctx(), 0, e.Seq); err != nil {
				t.Fatal(err)
			}
			if depth < 12 {
				nest(depth + 1)
			}
			break
		}
	}
	nest(0)
	x.commit(x.batch(0, entry(10)))
	x.unchanged(0)
}

func readsBesideCommits(t *testing.T, x *exam) {
	x.fill(0, 20)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 6 {
		readers.Go(func() {
			for last := uint64(0); ; {
				select {
				case <-done:
					return
				default:
				}
				head, err := x.Head(x.ctx(), 0)
				if err != nil || head.Size < last {
					t.Errorf("Head = %d, %v, after %d", head.Size, err, last)
					return
				}
				last = head.Size
				if e, err := x.Entry(x.ctx(), 0, last-1); err != nil || e.Seq != last-1 {
					t.Errorf("Entry(%d) = %d, %v, although the head has size %d", last-1, e.Seq, err, last)
					return
				}
			}
		})
	}
	for n := range 200 {
		x.commit(x.batch(0, entry(100+2*n), entry(101+2*n)))
	}
	close(done)
	readers.Wait()
	x.unchanged(0)
}
