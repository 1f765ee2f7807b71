package ledger_test

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/merkle"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// sample is a decision that can be appended.
func sample() (ledger.Entry, *store.Private) {
	return ledger.Entry{
		Instant: time.Unix(1_800_000_000, 5).UTC(), Node: "node-1", Batch: "batch-1", Caller: "gateway-001", Door: "decisions",
		Decision: &ledger.Decided{ID: "01KB0000000000000000000001", Agent: "agent-001", Action: "deploy", Verdict: kernel.Verdict{
			Decision: kernel.Allow, RiskLevel: kernel.Medium, Constraints: map[string]any{"log": true}, Reason: "because",
			Code: kernel.CodeRule, Rules: []string{"a/b"}, PolicyVersion: version,
		}},
	}, ledger.NewPrivate(bytes.Repeat([]byte{3}, ledger.SaltSize), []byte(`{"action":"deploy"}`))
}

func TestADecisionIsReadBackAsItWasAnswered(t *testing.T) {
	b, err := ledger.Extend(4, store.Head{})
	if err != nil {
		t.Fatal(err)
	}
	e, private := sample()
	e.Decision.Verdict.RequestDigest = private.Digest
	row, err := b.Append(e, private)
	if err != nil {
		t.Fatal(err)
	}
	want := kernel.Decision{
		ID: e.Decision.ID, Verdict: e.Decision.Verdict, DecidedAt: e.Instant,
		Entry: kernel.EntryRef{Shard: 4, Leaf: hex.EncodeToString(row.Leaf[:])},
	}
	if got, err := ledger.Decision(row); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Decision = %+v, %v, want %+v", got, err, want)
	}
	row.Private, want.RequestDigest = nil, ""
	if got, err := ledger.Decision(row); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Decision after erasure = %+v, %v, want %+v", got, err, want)
	}
	if bytes.Contains(row.Body, []byte(private.Digest)) {
		t.Error("the entry tells the request's digest")
	}
}

func TestABuilderMakesRowsAndTheHeadTheyLeadTo(t *testing.T) {
	var tree merkle.Tree
	head := store.Head{}
	for size := range 20 {
		b, err := ledger.Extend(0, head)
		if err != nil {
			t.Fatal(err)
		}
		for range size {
			seq := tree.Size()
			e, private := sample()
			row, err := b.Append(e, private)
			if err != nil {
				t.Fatal(err)
			}
			if row.Seq != seq || row.Leaf != merkle.LeafHash(row.Body) || row.Private != private || row.Kind != "decision" ||
				row.ID != e.Decision.ID || row.Agent != "agent-001" || row.Action != "deploy" || row.Decision != "ALLOW" ||
				row.Caller != "gateway-001" || row.Instant != e.Instant.UnixNano() {
				t.Fatalf("Append = %+v", row)
			}
			if err := tree.Append(row.Leaf); err != nil {
				t.Fatal(err)
			}
		}
		if len(b.Entries()) != size {
			t.Errorf("%d entries, want %d", len(b.Entries()), size)
		}
		head = b.Head()
		if head.Size != tree.Size() || head.Root != tree.Root() || !slices.Equal(head.Range, tree.Hashes()) {
			t.Errorf("Head = %+v, want that of %d leaves", head, tree.Size())
		}
	}
}

func TestABuilderRefusesWhatWouldNotVerify(t *testing.T) {
	for name, spoil := range map[string]func(e *ledger.Entry, p *store.Private) *store.Private{
		"a decision without its request": func(*ledger.Entry, *store.Private) *store.Private { return nil },
		"a request beside a refusal": func(e *ledger.Entry, p *store.Private) *store.Private {
			e.Decision, e.Refusal = nil, &ledger.Refused{Code: kernel.Invalid, Count: 1}
			return p
		},
		"a short salt":   func(_ *ledger.Entry, p *store.Private) *store.Private { p.Salt = p.Salt[:31]; return p },
		"another digest": func(_ *ledger.Entry, p *store.Private) *store.Private { p.Digest = "sha256:00"; return p },
		"a verdict on another": func(e *ledger.Entry, p *store.Private) *store.Private {
			e.Decision.Verdict.RequestDigest = "x"
			return p
		},
		"an instant before":      func(e *ledger.Entry, p *store.Private) *store.Private { e.Instant = e.Instant.Add(-1); return p },
		"what cannot be encoded": func(e *ledger.Entry, p *store.Private) *store.Private { e.Caller = "\xff"; return p },
	} {
		b, err := ledger.Extend(0, store.Head{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Append(sample()); err != nil {
			t.Fatal(err)
		}
		before := b.Head()
		e, private := sample()
		private = spoil(&e, private)
		if row, err := b.Append(e, private); err == nil {
			t.Errorf("%s: Append = %+v, want an error", name, row)
		}
		if !reflect.DeepEqual(b.Head(), before) || len(b.Entries()) != 1 {
			t.Errorf("%s: the builder changed", name)
		}
	}
}

func TestAHeadThatContradictsItselfIsNotExtended(t *testing.T) {
	b, err := ledger.Extend(0, store.Head{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Append(sample()); err != nil {
		t.Fatal(err)
	}
	good := b.Head()
	for name, head := range map[string]store.Head{
		"another root":   {Size: 1, Root: [32]byte{1}, Range: good.Range},
		"another range":  {Size: 1, Root: good.Root, Range: [][32]byte{{1}}},
		"too few hashes": {Size: 3, Root: good.Root, Range: good.Range},
		"a root of none": {Root: [32]byte{1}},
	} {
		if _, err := ledger.Extend(0, head); err == nil {
			t.Errorf("%s: Extend succeeds, want an error", name)
		}
	}
	if _, err := ledger.Extend(0, good); err != nil {
		t.Errorf("Extend: %v", err)
	}
}

func TestCommitmentsOfDistinctRequestsDiffer(t *testing.T) {
	salt := bytes.Repeat([]byte{1}, ledger.SaltSize)
	base := ledger.Commit(salt, []byte("{}"))
	if ledger.Commit(salt, []byte("{} ")) == base || ledger.Commit(bytes.Repeat([]byte{2}, ledger.SaltSize), []byte("{}")) == base {
		t.Error("two commitments are the same")
	}
	// The salt's length is fixed, so that no byte can move between the two.
	moved := &store.Private{Salt: salt[:31], Request: append([]byte{1}, "{}"...), Digest: kernel.Digest(append([]byte{1}, "{}"...))}
	if err := ledger.CheckPrivate(base, moved); err == nil {
		t.Error("CheckPrivate takes a salt of 31 bytes")
	}
	if err := ledger.CheckPrivate(base, ledger.NewPrivate(salt, []byte("{}"))); err != nil {
		t.Errorf("CheckPrivate = %v", err)
	}
}
