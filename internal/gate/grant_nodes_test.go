package gate_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/grant"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// TestThreeNodesRedeemAGrantOnce: each node has a key of its own, and each
// redeems what the others issued.
func TestThreeNodesRedeemAGrantOnce(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		unlimited := strings.Replace(limited, "facts.acts_1h < 5 && facts.tries_1h < 1000", "true", 1)
		nodes := f.nodes(t, unlimited)
		for i, n := range nodes {
			key, err := grant.NewKey(bytes.Repeat([]byte{byte(i)}, 32))
			if err != nil {
				t.Fatal(err)
			}
			n.closeNow(t)
			*n = *f.node(t, i, func(cfg *gate.Config) { cfg.Grants, cfg.GrantLife = key, grant.MaxLife })
			files := []pdl.File{{Name: "p.yaml", Data: []byte(unlimited)}}
			if err := n.Activate(t.Context(), admin, compile(t, files), files); err != nil {
				t.Fatal(err)
			}
			if err := n.KnowGrantKey(t.Context(), string(rune('a'+i))); err != nil {
				t.Fatal(err)
			}
		}
		const count, clients = 24, 9
		issued := make([]kernel.Decision, count)
		for i := range issued {
			ask := withGrant(act("agent-001", ""))
			if issued[i] = patiently(t, nodes[i%3], ask); issued[i].Grant == nil {
				t.Fatalf("no grant: %+v", issued[i])
			}
		}
		won := race(t, nodes, issued, clients)
		redeemed := f.redemptions(t)
		for _, d := range issued {
			if won[d.ID] > 1 || redeemed[d.ID] > 1 || won[d.ID] > redeemed[d.ID] {
				t.Errorf("grant %s: %d clients were told that they redeemed it, the log has %d", d.ID, won[d.ID], redeemed[d.ID])
			}
			if redeemed[d.ID] == 0 {
				t.Errorf("grant %s was redeemed by nobody", d.ID)
			}
		}
		report, err := ledger.Audit(t.Context(), f.open(), nil)
		if err != nil || report.Effects != count {
			t.Errorf("Audit = %d effects, %v", report.Effects, err)
		}
	})
}

// race has clients redeem every grant, each at the node of its turn, until
// somebody did.
func race(t *testing.T, nodes []*node, issued []kernel.Decision, clients int) map[string]int {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := map[string]int{}
	for client := range clients {
		wg.Go(func() {
			for i := range issued {
				d := issued[(i+client*3)%len(issued)]
				for got := kernel.Unavailable; got == kernel.Unavailable; {
					_, err := nodes[client%3].Redeem(context.Background(), admin, d.ID, gate.Redemption{Token: d.Grant.Token})
					switch got = code(err); got {
					case "":
						mu.Lock()
						won[d.ID]++
						mu.Unlock()
					case kernel.GrantRedeemed, kernel.Unavailable:
					default:
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	return won
}

// redemptions counts them in all shards, by grant.
func (f *cluster) redemptions(t *testing.T) map[string]int {
	t.Helper()
	s, found := f.open(), map[string]int{}
	shards, err := s.Shards(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range shards {
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

func (n *node) closeNow(t *testing.T) {
	t.Helper()
	if err := n.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestARecordThatIsPutBackRedeemsNothing(t *testing.T) {
	h := openGranting(t)
	d := h.grant(t, act("agent-001", ""))
	key := store.RecordKey{Kind: "grant", Key: d.ID}
	was, err := h.store.Record(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.redeem(gateway, d); err != nil {
		t.Fatal(err)
	}
	head, err := h.store.Head(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.store.Commit(t.Context(), &store.Batch{
		ID: "forged", PrevSize: head.Size, Next: head, Transitions: []store.Transition{{RecordKey: key, From: 2, Value: was.Value}},
	})
	if err != nil || out.Status != store.Committed {
		t.Fatal(out, err)
	}
	if _, err := h.redeem(gateway, d); code(err) != kernel.GrantRedeemed {
		t.Errorf("redeemed again: %v", err)
	}
	report, err := ledger.Verify(t.Context(), h.store, ledger.Trust{Records: true})
	if err != nil || !slices.ContainsFunc(report.List, func(f ledger.Finding) bool {
		return strings.Contains(f.String(), `it says "issued", and the entries say "redeemed"`)
	}) {
		t.Errorf("Verify = %v, %v, and does not name the record", report.List, err)
	}
}

func TestAKeyIsRotatedAndWhatItSignedStaysGood(t *testing.T) {
	first, second := granting(t), granting(t)
	h := openLimited(t, first)
	know := func() {
		t.Helper()
		if err := h.KnowGrantKey(t.Context(), "folder-1"); err != nil {
			t.Fatal(err)
		}
	}
	know()
	old := h.grant(t, act("agent-001", ""))
	size := h.Size()
	if know(); h.Size() != size {
		t.Error("a key that is known is recorded again")
	}
	h.reopen(t, second)
	activate(t, h, limited)
	know()
	young := h.grant(t, act("agent-001", ""))
	for name, d := range map[string]kernel.Decision{"the old key's": old, "the new key's": young} {
		if _, err := h.redeem(gateway, d); err != nil {
			t.Errorf("%s grant: %v", name, err)
		}
	}
	if keys, err := h.GrantKeys(t.Context()); err != nil || len(keys) != 2 {
		t.Errorf("%d keys, %v, want both", len(keys), err)
	}
	h.pass(grant.MaxLife)
	if keys, err := h.GrantKeys(t.Context()); err != nil || len(keys) != 1 {
		t.Errorf("%d keys an hour later, %v, want one", len(keys), err)
	}
	h.reopen(t, first) // and back
	know()
	if keys, err := h.GrantKeys(t.Context()); err != nil || len(keys) != 2 {
		t.Errorf("%d keys after the first came back, %v", len(keys), err)
	}
}

func TestAnAnswerThatIsGivenAgainHasItsGrant(t *testing.T) {
	grants := granting(t)
	h := openLimited(t, grants)
	ask := withGrant(act("agent-001", "retry-1"))
	first, err := h.Decide(t.Context(), gateway, ask)
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.Decide(t.Context(), gateway, ask)
	if err != nil || !again.Replayed || again.Grant == nil || *again.Grant != *first.Grant {
		t.Errorf("again: %+v, %v, want %+v", again.Grant, err, first.Grant)
	}
	h.reopen(t, grants)
	activate(t, h, limited)
	h.pass(time.Second)
	if again, err = h.Decide(t.Context(), gateway, ask); err != nil || !again.Replayed || again.Grant == nil || *again.Grant != *first.Grant {
		t.Errorf("after a restart: %+v, %v, want %+v", again.Grant, err, first.Grant)
	}
	if n := h.allows(t, "act"); n != 1 {
		t.Errorf("%d decisions, want 1", n)
	}
}

func TestAnActionThatNeedsAGrantIsAllowedWithOneOnly(t *testing.T) {
	needy := strings.Replace(limited, "act: {resource: thing}", "act: {resource: thing, grant: required}", 1)
	needy = strings.Replace(needy, "{thing: {}}", `{thing: {"environment?": "enum(a)"}}`, 1)
	h := openLimited(t, granting(t))
	activate(t, h, needy)
	d, err := h.Decide(t.Context(), gateway, act("agent-001", ""))
	if err != nil || d.Grant == nil {
		t.Errorf("Decide = %+v, %v, want a grant that nobody asked for", d.Grant, err)
	}
	phase1 := act("agent-001", "")
	phase1.Phase1, phase1.Request.Resource.Attributes = true, map[string]any{"environment": "a"}
	if d, err := h.Decide(t.Context(), gateway, phase1); code(err) != kernel.GrantMissing {
		t.Errorf("through a door that hands out none: %v %s, %v", d.Decision, d.Reason, err)
	}
	keyless := openLimited(t, nil)
	activate(t, keyless, needy)
	size := keyless.Size()
	if _, err := keyless.Decide(t.Context(), gateway, act("agent-001", "")); code(err) != kernel.Unsupported || keyless.Size() != size {
		t.Errorf("without a key: %v, %d entries", err, keyless.Size()-size)
	}
}

// TestAGrantOfANodeThatIsGoneIsEnded: what it reserved is free for the others
// a while after it expired, in which the node may have been slow only.
func TestAGrantOfANodeThatIsGoneIsEnded(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		var now atomic.Int64
		now.Store(noon.UnixNano())
		f.clock = func() time.Time { return time.Unix(0, now.Load()) }
		stays := f.nodes(t, limited)[2]
		gone := f.node(t, 3, func(cfg *gate.Config) { granting(t)(cfg); cfg.GrantLife = time.Minute })
		for range 5 {
			if d := patiently(t, gone, withGrant(act("agent-001", ""))); d.Grant == nil {
				t.Fatalf("no grant: %+v", d)
			}
		}
		gone.closeNow(t)
		for _, c := range []struct {
			after time.Duration
			calls int // that are allowed
		}{{0, 0}, {time.Minute, 0}, {4 * time.Second, 0}, {time.Second, 5}} {
			now.Add(int64(c.after))
			if err := stays.Adopt(t.Context()); err != nil {
				t.Fatal(err)
			}
			for i := range c.calls + 1 {
				if d := patiently(t, stays, act("agent-001", "")); (d.Decision == kernel.Allow) != (i < c.calls) {
					t.Errorf("%s later, call %d: %v %s, want %d allowed", c.after, i+1, d.Decision, d.Reason, c.calls)
				}
			}
		}
	})
}
