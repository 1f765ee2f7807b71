package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/store"
)

func key(kind, k string) store.RecordKey { return store.RecordKey{Kind: kind, Key: k} }

// put commits one transition that must hold.
func (x *exam) put(t store.Transition) {
	x.t.Helper()
	b := x.batch(0)
	b.Transitions = []store.Transition{t}
	x.commit(b)
}

// conflict commits a batch whose guards and transitions must fail on these keys.
func (x *exam) conflict(b *store.Batch, want ...store.RecordKey) {
	x.t.Helper()
	out, err := x.refuse(b, store.Conflict)
	if err != nil || !reflect.DeepEqual(out.Keys, want) {
		x.t.Fatalf("Commit(%s) = %v, %v, want a conflict on %q", b.ID, out, err, want)
	}
}

func guards(_ *testing.T, x *exam) {
	a, none := key("token", "a"), key("token", "none")
	x.put(store.Transition{RecordKey: a, Value: []byte("1")})
	try := func(guards ...store.Guard) *store.Batch {
		b := x.batch(0, entry(len(x.all[0])))
		b.Guards = guards
		b.Transitions = []store.Transition{{RecordKey: key("token", fmt.Sprint("new", x.n)), Value: []byte("x")}}
		return b
	}
	x.commit(try(store.Guard{RecordKey: a, Version: 1}, store.Guard{RecordKey: none}))
	for _, bad := range []store.Guard{{RecordKey: a}, {RecordKey: a, Version: 2}, {RecordKey: none, Version: 1}} {
		b := try(bad)
		x.conflict(b, bad.RecordKey)
		x.record(b.Transitions[0].RecordKey, nil)
	}
	x.record(a, &store.Record{Version: 1, Value: []byte("1")})
	x.record(none, nil)
}

func transitions(_ *testing.T, x *exam) {
	a := key("token", "a")
	set := func(from uint64, value string) store.Transition {
		return store.Transition{RecordKey: a, From: from, Value: []byte(value), Expires: int64(from)}
	}
	bad := func(t store.Transition) {
		x.t.Helper()
		b := x.batch(0, entry(len(x.all[0])))
		b.Transitions = []store.Transition{{RecordKey: key("token", "other"), Value: []byte("x")}, t}
		x.conflict(b, t.RecordKey)
		x.record(key("token", "other"), nil)
	}
	bad(set(1, "x"))
	x.put(set(0, "one"))
	x.record(a, &store.Record{Version: 1, Value: []byte("one")})
	bad(set(0, "x"))
	bad(set(2, "x"))
	x.put(set(1, "two"))
	x.record(a, &store.Record{Version: 2, Value: []byte("two"), Expires: 1})
	bad(set(1, "x"))
	bad(store.Transition{RecordKey: a, From: 1})
	x.put(store.Transition{RecordKey: a, From: 2}) // deletes
	x.record(a, nil)
	bad(set(2, "x"))
	x.put(set(0, "again"))
	x.record(a, &store.Record{Version: 1, Value: []byte("again")})
}

// beginsAt makes records whose versions do not begin at one.
func beginsAt(_ *testing.T, x *exam) {
	a, b := key("fact", "a"), key("fact", "b")
	const first, second = 1_764_000_000_000_000_000, 1_764_100_000_000_000_000
	x.put(store.Transition{RecordKey: a, Value: []byte("1"), Expires: 100, Begin: first})
	x.put(store.Transition{RecordKey: b, Value: []byte("1")})
	x.record(a, &store.Record{Version: first, Value: []byte("1"), Expires: 100})
	x.record(b, &store.Record{Version: 1, Value: []byte("1")})
	x.put(store.Transition{RecordKey: a, From: first, Value: []byte("2"), Expires: 100, Begin: second})
	x.record(a, &store.Record{Version: first + 1, Value: []byte("2"), Expires: 100})
	again := x.batch(0)
	again.Expire = 101 // it has expired, and is made anew
	again.Transitions = []store.Transition{{RecordKey: a, Value: []byte("3"), Expires: 900, Begin: second}}
	x.commit(again)
	x.record(a, &store.Record{Version: second, Value: []byte("3"), Expires: 900})
	for _, old := range []uint64{0, 1, first, first + 1} {
		stale := x.batch(0)
		stale.Guards = []store.Guard{{RecordKey: a, Version: old}}
		x.conflict(stale, a)
	}
}

func readsVersions(t *testing.T, x *exam) {
	a, b, gone := key("token", "a"), key("token", "b"), key("other", "a")
	x.put(store.Transition{RecordKey: a, Value: []byte("1"), Expires: 1})
	x.put(store.Transition{RecordKey: a, From: 1, Value: []byte("2"), Expires: 1})
	x.put(store.Transition{RecordKey: b, Value: []byte("1")})
	for _, c := range []struct {
		keys []store.RecordKey
		want []uint64
	}{
		{nil, nil},
		{[]store.RecordKey{b, gone, a, b}, []uint64{1, 0, 2, 1}},
	} {
		got, err := x.Versions(x.ctx(), c.keys)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("Versions(%q) = %v, %v, want %v", c.keys, got, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(x.ctx())
	cancel()
	if got, err := x.Versions(ctx, []store.RecordKey{a}); !errors.Is(err, context.Canceled) {
		t.Errorf("Versions = %v, %v, want context.Canceled", got, err)
	}
}

func namesEveryConflict(_ *testing.T, x *exam) {
	x.put(store.Transition{RecordKey: key("k", "b"), Value: []byte("x")})
	b := x.batch(0, entry(0))
	b.Guards = []store.Guard{
		{RecordKey: key("k", "a"), Version: 1}, {RecordKey: key("k", "b"), Version: 1}, {RecordKey: key("k", "c"), Version: 9},
	}
	b.Transitions = []store.Transition{
		{RecordKey: key("k", "d"), Value: []byte("x")}, {RecordKey: key("k", "e"), From: 4, Value: []byte("x")},
	}
	x.conflict(b, key("k", "a"), key("k", "c"), key("k", "e"))
}

func replacesExpired(_ *testing.T, x *exam) {
	a := key("request", "a")
	x.put(store.Transition{RecordKey: a, Value: []byte("old"), Expires: 100})
	try := func(expire int64, guard bool) *store.Batch {
		b := x.batch(0)
		b.Expire = expire
		if guard {
			b.Guards = []store.Guard{{RecordKey: a}}
			return b
		}
		b.Transitions = []store.Transition{{RecordKey: a, Value: []byte("new"), Expires: 900}}
		return b
	}
	for _, now := range []int64{0, 99, 100} { // 100 is the last instant it may be needed
		x.conflict(try(now, false), a)
		x.conflict(try(now, true), a)
	}
	x.record(a, &store.Record{Version: 1, Value: []byte("old"), Expires: 100})
	x.commit(try(101, false))
	x.record(a, &store.Record{Version: 1, Value: []byte("new"), Expires: 900})
	x.commit(try(901, true))
	x.record(a, nil)
}

func deletesExpired(_ *testing.T, x *exam) {
	var list []store.Transition
	for i := range 20 {
		list = append(list, store.Transition{RecordKey: key("request", fmt.Sprint("r", i)), Value: []byte("x"), Expires: int64(i * 10)})
	}
	b := x.batch(0)
	b.Transitions = list
	x.commit(b)
	b = x.batch(0)
	b.Expire = 100
	b.Transitions = []store.Transition{ // a transition that knows the version keeps it alive
		{RecordKey: key("request", "r3"), From: 1, Value: []byte("y"), Expires: 1000},
	}
	x.commit(b)
	for i := range 20 {
		k := key("request", fmt.Sprint("r", i))
		switch {
		case i == 3:
			x.record(k, &store.Record{Version: 2, Value: []byte("y"), Expires: 1000})
		case i > 0 && i < 10:
			x.record(k, nil)
		default: // 0 never expires
			x.record(k, &store.Record{Version: 1, Value: []byte("x"), Expires: int64(i * 10)})
		}
	}
}

// odd are keys that a careless comparison takes for one another.
var odd = []string{
	"a", "A", "a ", " a", "a/b", "a|b", "a:b", `["a","b"]`, `["a,b"]`, "á", "a\u0301", "ß", "ss", "SS", "ı", "i", "İ", "%", "_", "a%", "*",
	"a\u200b", "\ufeffa", "\U00010400", "\uffff", "1", "01", "1.0", "1e0", "'", `"`, "--", "NULL", "\t", "\x7f", "\x01", "é", "e\u0301",
}

func keysByteForByte(t *testing.T, x *exam) {
	b := x.batch(0)
	for i, k := range odd {
		e := entry(i)
		e.Instant, e.ID, e.Agent, e.Action, e.Caller = 1000, "id"+k, k, k, k
		e.Shard, e.Seq = 0, uint64(i)
		b.Entries = append(b.Entries, e)
		b.Transitions = append(b.Transitions,
			store.Transition{RecordKey: key("k", k), Value: []byte(k)}, store.Transition{RecordKey: key(k, "k"), Value: []byte(k)})
	}
	b = withEntries(x, b)
	x.commit(b)
	for i, k := range odd {
		x.record(key("k", k), &store.Record{Version: 1, Value: []byte(k)})
		x.record(key(k, "k"), &store.Record{Version: 1, Value: []byte(k)})
		for _, q := range []store.Query{{Agent: k}, {Action: k}, {Caller: k}} {
			x.want(q, b.Entries[i:i+1])
		}
		if got, err := x.EntryByID(x.ctx(), "id"+k); err != nil || got.Agent != k {
			t.Errorf("EntryByID(%q) = %q, %v", "id"+k, got.Agent, err)
		}
	}
	x.record(key("ka", ""), nil)
	x.record(key("", "ka"), nil)
}

// longKeys has what does not compress, so that no index takes it for short.
func longKeys(_ *testing.T, x *exam) {
	random := rand.New(rand.NewPCG(1, 2))
	long := func(runes int) string {
		s := make([]rune, runes)
		for i := range s {
			s[i] = 0x10000 + random.Int32N(0x8000)
		}
		return string(s)
	}
	e := entry(0)
	e.Caller, e.Agent, e.Action = long(kernel.MaxName), long(kernel.MaxName), long(kernel.MaxName)
	b := x.batch(0, e)
	prefix := long(3000)
	want := []string{prefix, prefix + "a", prefix + "b"}
	for _, k := range want {
		b.Transitions = append(b.Transitions, store.Transition{RecordKey: key("request", k), Value: []byte(k)})
	}
	x.commit(b)
	x.want(store.Query{Agent: e.Agent}, b.Entries)
	x.want(store.Query{Action: e.Action, Caller: e.Caller}, b.Entries)
	x.record(key("request", want[1]), &store.Record{Version: 1, Value: []byte(want[1])})
	for i, after := range append([]string{""}, want...) {
		var got []string
		for r, err := range x.Records(x.ctx(), "request", after) {
			if err != nil {
				x.t.Fatal(err)
			}
			got = append(got, r.Key)
		}
		if !slices.Equal(got, want[i:]) {
			x.t.Errorf("after key %d come %d keys, want %d", i, len(got), len(want[i:]))
		}
	}
}

// withEntries rebuilds a batch so that its head fits its entries.
func withEntries(x *exam, b *store.Batch) *store.Batch {
	n := x.batch(b.Shard, b.Entries...)
	n.Transitions = b.Transitions
	return n
}

func listsRecords(t *testing.T, x *exam) {
	want := slices.Clone(odd)
	slices.Sort(want)
	for i := range 600 { // more than any page
		want = append(want, fmt.Sprintf("\U00010FFFF%04d", i))
	}
	b := x.batch(0)
	for _, k := range want {
		b.Transitions = append(b.Transitions, store.Transition{RecordKey: key("k", k), Value: []byte(k)})
	}
	b.Transitions = append(b.Transitions, store.Transition{RecordKey: key("kk", "x"), Value: []byte("other")})
	x.commit(b)
	for _, from := range []int{-1, 0, 7, len(want) - 1} {
		after := ""
		if from >= 0 {
			after = want[from]
		}
		var got []string
		for r, err := range x.Records(x.ctx(), "k", after) {
			if err != nil || string(r.Value) != r.Key || r.Kind != "k" || r.Version != 1 {
				t.Fatalf("Records yields %+v, %v", r, err)
			}
			got = append(got, r.Key)
		}
		if !slices.Equal(got, want[from+1:]) {
			t.Errorf("Records after %q = %q, want %q", after, got, want[from+1:])
		}
	}
}
