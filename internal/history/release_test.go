package history_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/strixlabs/execution-kernel/internal/history"
)

// idAt is the id of a decision made at an instant, the n-th of a test.
func idAt(t *testing.T, at time.Time, n int) string {
	t.Helper()
	id := ulid.ULID{14: byte(n >> 8), 15: byte(n)}
	if err := id.SetTime(ulid.Timestamp(at)); err != nil {
		t.Fatal(err)
	}
	return id.String()
}

func TestWhatIsReleasedDoesNotCountAndStaysAttempted(t *testing.T) {
	h := history.New(compile(t, schema))
	r := pay("agent-001", 500)
	first, second := idAt(t, noon, 1), idAt(t, noon.Add(time.Second), 2)
	h.Add(&history.Event{Name: "pay", Subject: r, At: noon, Allowed: true, ID: first})
	h.Add(&history.Event{Name: "pay", Subject: r, At: noon.Add(time.Second), Allowed: true, ID: second})
	h.Keep()
	now := noon.Add(time.Minute)
	release := func(id string) { h.Add(&history.Event{Name: "pay", At: now, ID: id, Released: true}) }
	check := func(what string, count, sum int64, last time.Time) {
		t.Helper()
		got := facts(t, h, r, now)
		want := map[string]any{"tried_1h": int64(2)}
		if count > 0 {
			want["count_1h"], want["sum_day"], want["payees_2h"] = count, sum, int64(1)
			want["last"] = last.Format(time.RFC3339Nano)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: Facts = %v, want %v", what, got, want)
		}
	}
	check("both count", 2, 1000, noon.Add(time.Second))
	release(second)
	check("the second is released", 1, 500, noon)
	release(second)
	check("it is released again", 1, 500, noon)
	h.UndoTo(0)
	check("that was taken back", 2, 1000, noon.Add(time.Second))
	release(first)
	release(second)
	h.Keep()
	check("both are released", 0, 0, time.Time{})
	release(idAt(t, noon.Add(-48*time.Hour), 3))
	release("of no decision")
	check("others are released", 0, 0, time.Time{})
}

// Of two shards the one with the release may be read first.
func TestAReleaseThatComesFirstHolds(t *testing.T) {
	h := history.New(compile(t, schema))
	r, id := pay("agent-001", 500), idAt(t, noon, 1)
	h.Add(&history.Event{Name: "pay", At: noon.Add(time.Second), ID: id, Released: true})
	h.Add(&history.Event{Name: "pay", Subject: r, At: noon, Allowed: true, ID: id})
	if got := facts(t, h, r, noon.Add(time.Second)); !reflect.DeepEqual(got, map[string]any{"tried_1h": int64(1)}) {
		t.Errorf("Facts = %v, want an attempt only", got)
	}
}

// TestFactsAreWhatCountingWithoutWhatWasReleasedGives releases by chance, takes
// back by chance, and compares with counting one by one.
func TestFactsAreWhatCountingWithoutWhatWasReleasedGives(t *testing.T) {
	s := compile(t, schema)
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 7))
		h, now := history.New(s), noon
		var all []happened
		released := map[string]bool{}
		var fresh []string // released since the last Keep
		for i := range 300 {
			now = now.Add(time.Duration(rng.Int64N(int64(3 * time.Minute))))
			r := pay(fmt.Sprintf("agent-%03d", rng.IntN(2)), rng.Int64N(1000), "payee", fmt.Sprint(rng.IntN(4)))
			switch past := len(all); {
			case past > 0 && rng.IntN(3) == 0:
				id := all[max(0, past-1-rng.IntN(40))].ID
				h.Add(&history.Event{Name: "pay", At: now, ID: id, Released: true})
				if !released[id] {
					released[id] = true
					fresh = append(fresh, id)
				}
			default:
				e := history.Event{Name: "pay", Subject: r, At: now, Allowed: rng.IntN(3) > 0, ID: idAt(t, now, i)}
				h.Add(&e)
				all = append(all, happened{Event: e})
			}
			switch rng.IntN(6) {
			case 0:
				h.UndoTo(0)
				all = keptOf(all)
				for _, id := range fresh {
					delete(released, id)
				}
				fresh = nil
			case 1, 2:
				h.Keep()
				fresh = nil
				for i := range all {
					all[i].kept = true
				}
			}
			counted := slices.Clone(all)
			for i := range counted {
				counted[i].Allowed = counted[i].Allowed && !released[counted[i].ID]
			}
			got, want := facts(t, h, r, now), naive(s, counted, r, now)
			if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d, step %d: Facts = %v, want %v", seed, i, got, want)
			}
		}
	}
}
