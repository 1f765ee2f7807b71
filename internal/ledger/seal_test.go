package ledger_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

func newSigner(t *testing.T, origin string) *ledger.Signer {
	t.Helper()
	private, public, err := ledger.GenerateKey(origin, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ledger.NewSigner(private + "\n")
	if err != nil {
		t.Fatal(err)
	}
	if s.VerifierKey() != public || s.Origin() != origin {
		t.Fatalf("signer of %s with %s, want %s with %s", s.Origin(), s.VerifierKey(), origin, public)
	}
	return s
}

// grow commits n access entries.
func grow(t *testing.T, s store.Store, n int) {
	t.Helper()
	head, err := s.Head(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	b, err := ledger.Extend(0, head)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		_, err := b.Append(ledger.Entry{
			Instant: time.Unix(1_700_000_000, 0), Node: "n", Batch: "b", Caller: "c",
			Access: &ledger.Access{What: "decisions"},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	id := "batch-" + strings.Repeat("x", int(head.Size)+1)
	out, err := s.Commit(t.Context(), &store.Batch{ID: id, PrevSize: head.Size, Next: b.Head(), Entries: b.Entries()})
	if err != nil || out.Status != store.Committed {
		t.Fatal(out, err)
	}
}

func TestEachSealExtendsTheLast(t *testing.T) {
	s, signer := &storetest.Memory{}, newSigner(t, "test.example/log")
	sealer, err := ledger.NewSealer(t.Context(), s, signer, 0, "")
	if err != nil {
		t.Fatal(err)
	}
	last := ""
	for _, n := range []int{1, 3, 7} {
		grow(t, s, n)
		seal, err := sealer.Seal(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c, err := ledger.OpenNote(signer.VerifierKey(), seal.Note)
		if err != nil || c.Size != seal.Size {
			t.Fatalf("OpenNote = %+v, %v", c, err)
		}
		sealer.Keep(seal)
		last = seal.Note
	}
	again, err := ledger.NewSealer(t.Context(), s, signer, 0, last)
	if err != nil {
		t.Fatal(err)
	}
	if signed, size := again.Latest(); signed != last || size != 11 {
		t.Errorf("Latest = %d entries, want 11", size)
	}
}

func TestASealerRefusesALogThatIsNotTheSignedOne(t *testing.T) {
	long, short, signer := &storetest.Memory{}, &storetest.Memory{}, newSigner(t, "test.example/log")
	grow(t, long, 5)
	grow(t, short, 3)
	sealer, err := ledger.NewSealer(t.Context(), long, signer, 0, "")
	if err != nil {
		t.Fatal(err)
	}
	seal, err := sealer.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.NewSealer(t.Context(), short, signer, 0, seal.Note); err == nil {
		t.Error("a log whose tail was cut off is continued")
	}
	if _, err := ledger.NewSealer(t.Context(), long, newSigner(t, "test.example/log"), 0, seal.Note); err == nil {
		t.Error("a note by another key is believed")
	}
}

func TestOpenNoteBelievesOnlyItsKeyAndItsLog(t *testing.T) {
	s := &storetest.Memory{}
	grow(t, s, 1)
	signer := newSigner(t, "test.example/log")
	sealer, err := ledger.NewSealer(t.Context(), s, signer, 0, "")
	if err != nil {
		t.Fatal(err)
	}
	seal, err := sealer.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, key, note string }{
		{"no key", "", seal.Note},
		{"another key", newSigner(t, "test.example/log").VerifierKey(), seal.Note},
		{"no note", signer.VerifierKey(), ""},
		{"another size", signer.VerifierKey(), strings.Replace(seal.Note, "\n1\n", "\n2\n", 1)},
		{"another origin", signer.VerifierKey(), strings.Replace(seal.Note, "test.example/log\n", "test.example/lok\n", 1)},
	} {
		if got, err := ledger.OpenNote(c.key, c.note); err == nil {
			t.Errorf("%s: OpenNote = %+v", c.name, got)
		}
	}
}
