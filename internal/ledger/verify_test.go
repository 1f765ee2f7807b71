package ledger_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/merkle"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// A faulty reader hides what its store has.
type faulty struct {
	store.Store
	entries func(iter.Seq2[store.Entry, error]) iter.Seq2[store.Entry, error]
	head    func(store.Head) store.Head
	damages []string
	err     error // of Examine
}

func (f faulty) Entries(ctx context.Context, q store.Query) iter.Seq2[store.Entry, error] {
	if f.entries == nil {
		return f.Store.Entries(ctx, q)
	}
	return f.entries(f.Store.Entries(ctx, q))
}

func (f faulty) Head(ctx context.Context, shard int) (store.Head, error) {
	h, err := f.Store.Head(ctx, shard)
	if f.head != nil {
		h = f.head(h)
	}
	return h, err
}

func (f faulty) Examine(context.Context) ([]string, error) { return f.damages, f.err }

// edit passes on each entry as change leaves it, or not at all.
func edit(change func(e *store.Entry) bool) func(iter.Seq2[store.Entry, error]) iter.Seq2[store.Entry, error] {
	return func(in iter.Seq2[store.Entry, error]) iter.Seq2[store.Entry, error] {
		return func(yield func(store.Entry, error) bool) {
			for e, err := range in {
				if err == nil && !change(&e) {
					continue
				}
				if !yield(e, err) {
					return
				}
			}
		}
	}
}

func TestVerifyNamesWhatAStoreHides(t *testing.T) {
	var s storetest.Memory
	grow(t, &s, 30)
	for _, c := range []struct {
		name   string
		reader faulty
		want   []string
	}{
		{"nothing", faulty{}, nil},
		{
			"an entry", faulty{entries: edit(func(e *store.Entry) bool { return e.Seq != 7 })},
			[]string{"entry 7: it is missing"},
		},
		{
			"the tail", faulty{entries: edit(func(e *store.Entry) bool { return e.Seq < 25 })},
			[]string{"entry 25: it is missing, as are all up to entry 29"},
		},
		{
			"the true instant", faulty{entries: edit(func(e *store.Entry) bool {
				if e.Seq == 3 {
					e.Instant--
				}
				return true
			})},
			[]string{"entry 3: its instant is before", "entry 3: its column instant"},
		},
		{
			"the true shard", faulty{entries: edit(func(e *store.Entry) bool {
				if e.Seq == 3 {
					e.Shard = 1
				}
				return true
			})},
			[]string{"entry 3: its column shard is 1, its body says 0"},
		},
		{
			"some rows that cannot be read", faulty{entries: func(in iter.Seq2[store.Entry, error]) iter.Seq2[store.Entry, error] {
				return func(yield func(store.Entry, error) bool) {
					for e, err := range in {
						if e.Seq >= 10 && e.Seq < 15 {
							yield(store.Entry{}, errors.New("bad page"))
							return
						}
						if !yield(e, err) {
							return
						}
					}
				}
			}},
			[]string{"the entries up to 9 could be read, then reading failed: bad page", "entry 10: it cannot be read, or is missing, and so all up to entry"},
		},
		{
			"all rows", faulty{entries: func(iter.Seq2[store.Entry, error]) iter.Seq2[store.Entry, error] {
				return func(yield func(store.Entry, error) bool) { yield(store.Entry{}, errors.New("bad disk")) }
			}},
			[]string{"no entry could be read, then reading failed: bad disk", "entry 0: it cannot be read, or is missing, and so all up to entry 29"},
		},
		{
			"a head that it had before", faulty{head: func(store.Head) store.Head { return store.Head{} }},
			[]string{"entry 0: it is beyond the head, which says that there are 0 entries"},
		},
		{"damage in its files", faulty{damages: []string{"row 3 missing from index"}}, []string{"row 3 missing from index"}},
		{"whether there is damage", faulty{err: errors.New("no idea")}, []string{"the store could not be examined: no idea"}},
	} {
		c.reader.Store = &s
		report, err := ledger.Verify(t.Context(), c.reader, ledger.Trust{})
		if err != nil {
			t.Errorf("%s: Verify: %v", c.name, err)
		}
		if len(c.want) == 0 != report.OK() {
			t.Errorf("%s: findings %v", c.name, report.List)
		}
		for _, want := range c.want {
			if !slices.ContainsFunc(report.List, func(f ledger.Finding) bool { return strings.HasPrefix(f.String(), want) }) {
				t.Errorf("%s: findings %q, want %q", c.name, report.List, want)
			}
		}
	}
}

func TestVerifyGoesOnBesideCommits(t *testing.T) {
	var s storetest.Memory
	grow(t, &s, 30)
	reader := faulty{Store: &s}
	reader.entries = edit(func(e *store.Entry) bool {
		if e.Seq%10 == 0 {
			grow(t, &s, 3)
		}
		return true
	})
	reader.head = func(h store.Head) store.Head { return h }
	report, err := ledger.Verify(t.Context(), reader, ledger.Trust{})
	if err != nil || !report.OK() || report.Entries < 30 {
		t.Errorf("Verify = %d entries, %v, %v", report.Entries, report.List, err)
	}
}

func TestVerifyRefusesTrustItCannotUse(t *testing.T) {
	var s storetest.Memory
	if _, err := ledger.Verify(t.Context(), &s, ledger.Trust{VerifierKey: "nonsense"}); err == nil {
		t.Error("Verify takes a key that is none")
	}
	if _, err := ledger.Verify(t.Context(), &s, ledger.Trust{Checkpoints: []string{"a note"}}); err == nil {
		t.Error("Verify takes a checkpoint without a key")
	}
	s.FailReads(errors.New("away"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ledger.Verify(ctx, &s, ledger.Trust{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Verify = %v, want context.Canceled", err)
	}
}

func TestAnEmptyLogAgreesWithItsCheckpoint(t *testing.T) {
	var s storetest.Memory
	signer := newSigner(t, "test.example/log")
	sealer, err := ledger.NewSealer(t.Context(), &s, signer, 0, "")
	if err != nil {
		t.Fatal(err)
	}
	seal, err := sealer.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	trust := ledger.Trust{VerifierKey: signer.VerifierKey(), Checkpoints: []string{seal.Note}}
	if report, err := ledger.Verify(t.Context(), &s, trust); err != nil || !report.OK() || report.Trust.Checkpoints != 1 {
		t.Errorf("Verify = %v, %v, trust %v", report.List, err, report.Trust)
	}
	wrong, err := signer.Sign(merkle.Checkpoint{Origin: signer.Origin()})
	if err != nil {
		t.Fatal(err)
	}
	trust.Checkpoints = []string{wrong}
	if report, err := ledger.Verify(t.Context(), &s, trust); err != nil || report.OK() {
		t.Errorf("Verify = %v, %v; want the root of an empty log refused", report.List, err)
	}
}

func TestASealerSignsOnlyWhatItCanReadBack(t *testing.T) {
	for name, spoil := range map[string]func(e *store.Entry) bool{
		"a flipped bit":    func(e *store.Entry) bool { e.Body = append([]byte{e.Body[0] ^ 1}, e.Body[1:]...); return true },
		"another leaf":     func(e *store.Entry) bool { e.Leaf[0] ^= 1; return true },
		"an entry missing": func(e *store.Entry) bool { return e.Seq != 6 },
		"replaced with its hash": func(e *store.Entry) bool {
			e.Body = []byte(strings.Replace(string(e.Body), `"c"`, `"d"`, 1))
			e.Leaf = merkle.LeafHash(e.Body)
			return true
		},
	} {
		var s storetest.Memory
		grow(t, &s, 5)
		reader := &faulty{Store: &s}
		sealer, err := ledger.NewSealer(t.Context(), reader, newSigner(t, "test.example/log"), 0, "")
		if err != nil {
			t.Fatal(err)
		}
		seal, err := sealer.Seal(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sealer.Keep(seal)
		grow(t, &s, 5)
		reader.entries = edit(spoil)
		if _, err := sealer.Seal(t.Context()); !errors.Is(err, ledger.ErrDiffers) {
			t.Errorf("%s: Seal = %v, want ErrDiffers", name, err)
		}
		reader.entries = nil
		if seal, err := sealer.Seal(t.Context()); err != nil || seal.Size != 10 {
			t.Errorf("%s: the next Seal = %d, %v, want 10", name, seal.Size, err)
		}
	}
}

func TestASealerRefusesLeavesThatDoNotLeadToTheHead(t *testing.T) {
	var s storetest.Memory
	grow(t, &s, 8)
	signer := newSigner(t, "test.example/log")
	for name, reader := range map[string]faulty{
		"a leaf":    {entries: edit(func(e *store.Entry) bool { e.Leaf[1] ^= 1; return true })},
		"an entry":  {entries: edit(func(e *store.Entry) bool { return e.Seq != 3 })},
		"the tail":  {entries: edit(func(e *store.Entry) bool { return e.Seq < 5 })},
		"the root":  {head: func(h store.Head) store.Head { h.Root[0] ^= 1; return h }},
		"the range": {head: func(h store.Head) store.Head { h.Range[0][0] ^= 1; return h }},
	} {
		reader.Store = &s
		if _, err := ledger.NewSealer(t.Context(), reader, signer, 0, ""); !errors.Is(err, ledger.ErrDiffers) {
			t.Errorf("%s: NewSealer = %v, want ErrDiffers", name, err)
		}
	}
}
