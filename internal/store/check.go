package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// An Examiner is an engine that can look for damage below the level of
// entries: in its files, its indexes, or rows that belong to no entry.
type Examiner interface {
	// Examine returns a sentence for each damage it finds, at most some
	// twenty. An error means that it could not look.
	Examine(ctx context.Context) ([]string, error)
}

// A LeafReader is an engine that can read leaf hashes without the entries, or
// with no more of them than what is hashed.
type LeafReader interface {
	// Leaves yields the stored leaf hash of every entry of a shard with
	// seq ≥ from, in ascending order, and its seq.
	Leaves(ctx context.Context, shard int, from uint64) iter.Seq2[Leaf, error]
	// Bodies yields the same, and beside each hash what is stored as the body.
	Bodies(ctx context.Context, shard int, from uint64) iter.Seq2[Body, error]
}

// A Leaf is the stored hash of one entry.
type Leaf struct {
	Seq  uint64
	Hash [32]byte
}

// A Body is the stored hash of one entry, and the stored body.
type Body struct {
	Leaf
	Body []byte
}

const maxSize = 1 << 53 // entries in a shard: what JSON can count

// Check reports why no engine could write the batch: entries that do not
// follow each other from PrevSize, instants that go back, a head of another
// size, an identifier that is empty where it must not be, not UTF-8 or with
// U+0000 in it, two transitions of one record. Engines call it first and
// answer NotCommitted.
func (b *Batch) Check() error {
	if err := checkName("batch id", b.ID); err != nil {
		return err
	}
	if b.Shard < 0 || b.Shard > math.MaxInt32 || b.PrevSize > maxSize || b.Next.Size != b.PrevSize+uint64(len(b.Entries)) {
		return fmt.Errorf("batch %s: %d entries lead shard %d from size %d to %d", b.ID, len(b.Entries), b.Shard, b.PrevSize, b.Next.Size)
	}
	if len(b.Next.Range) != bits.OnesCount64(b.Next.Size) {
		return fmt.Errorf("batch %s: a head of size %d has %d hashes, not %d", b.ID, b.Next.Size, bits.OnesCount64(b.Next.Size), len(b.Next.Range))
	}
	if err := b.checkEntries(); err != nil {
		return fmt.Errorf("batch %s: %w", b.ID, err)
	}
	if err := b.checkRecords(); err != nil {
		return fmt.Errorf("batch %s: %w", b.ID, err)
	}
	return nil
}

func (b *Batch) checkEntries() error {
	for i := range b.Entries {
		e := &b.Entries[i]
		switch {
		case e.Shard != b.Shard || e.Seq != b.PrevSize+uint64(i):
			return fmt.Errorf("entry %d of shard %d stands where %d of %d belongs", e.Seq, e.Shard, b.PrevSize+uint64(i), b.Shard)
		case i > 0 && e.Instant < b.Entries[i-1].Instant:
			return fmt.Errorf("entry %d: %w", e.Seq, ErrInstantBack)
		case e.Kind == "" || len(e.Body) == 0 || !utf8.Valid(e.Body):
			return fmt.Errorf("entry %d has no kind, or its body is empty or not UTF-8", e.Seq)
		case e.Private != nil && !utf8.Valid(e.Private.Request):
			return fmt.Errorf("entry %d: its request is not UTF-8", e.Seq)
		}
		for _, s := range [...]string{e.Kind, e.ID, e.Caller, e.Agent, e.Action, e.Decision} {
			if !cleanText(s) {
				return fmt.Errorf("entry %d: a derived column is not UTF-8 or holds U+0000", e.Seq)
			}
		}
	}
	return nil
}

// ErrInstantBack accompanies NotCommitted when an entry's instant is before
// that of the entry before it. Queries by time rely on the order.
var ErrInstantBack = errors.New("the instant goes back")

func (b *Batch) checkRecords() error {
	seen := make(map[RecordKey]bool, len(b.Transitions))
	for _, t := range b.Transitions {
		if seen[t.RecordKey] {
			return fmt.Errorf("two transitions of the %s record %q", t.Kind, t.Key)
		}
		seen[t.RecordKey] = true
		if err := t.check(); err != nil {
			return err
		}
	}
	for _, g := range b.Guards {
		if err := g.check(); err != nil {
			return err
		}
	}
	for _, kind := range b.Announce {
		if err := checkName("announced kind", kind); err != nil {
			return err
		}
	}
	return nil
}

func (k RecordKey) check() error {
	if err := checkName("kind of a record", k.Kind); err != nil {
		return err
	}
	return checkName("key of a "+k.Kind+" record", k.Key)
}

func checkName(what, s string) error {
	if s == "" || !cleanText(s) {
		return fmt.Errorf("the %s %q is empty, not UTF-8 or holds U+0000", what, s)
	}
	return nil
}

func cleanText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// A KindLister is an engine that can say of which kinds its records are.
type KindLister interface {
	// Kinds returns every kind there is a record of, in byte order.
	Kinds(ctx context.Context) ([]string, error)
}
