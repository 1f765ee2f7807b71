package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/strixlabs/execution-kernel/internal/merkle"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// A Seal is a signed checkpoint.
type Seal struct {
	Size uint64 // entries it vouches for
	Note string // the signed note
	tree *merkle.Tree
}

// A Sealer signs checkpoints of one shard, each an extension of the one
// before. It is not safe for concurrent use.
type Sealer struct {
	reader store.Reader
	signer *Signer
	shard  int
	last   Seal // its tree is never nil
}

// ErrDiffers is returned, wrapped, when the log is not the one that was signed
// or that its own head describes.
var ErrDiffers = errors.New("the log was changed; run `kernel log verify`")

// NewSealer continues from the last signed note, "" when there is none. It
// reads every stored leaf hash and compares them with the head and with what
// was signed: a log that is shorter or different is [ErrDiffers], and must not
// be written to. It costs about two seconds for a million entries.
func NewSealer(ctx context.Context, r store.Reader, signer *Signer, shard int, last string) (*Sealer, error) {
	s := &Sealer{reader: r, signer: signer, shard: shard, last: Seal{tree: &merkle.Tree{}}}
	signed := merkle.Checkpoint{}
	if last != "" {
		var err error
		if signed, err = openOf(signer.VerifierKey(), last, shard); err != nil {
			return nil, err
		}
	}
	head, err := r.Head(ctx, shard)
	if err != nil {
		return nil, err
	}
	if head.Size < signed.Size {
		return nil, fmt.Errorf("%w: entries %d to %d are missing; a checkpoint of size %d was signed",
			ErrDiffers, head.Size, signed.Size-1, signed.Size)
	}
	if err := s.readLeaves(ctx, signed, head); err != nil {
		return nil, err
	}
	s.last.Note, s.last.Size = last, signed.Size
	return s, nil
}

// readLeaves builds the tree of the stored leaves up to the signed size, and
// checks that it is the one that was signed and leads to the head.
func (s *Sealer) readLeaves(ctx context.Context, signed merkle.Checkpoint, head store.Head) error {
	tree := &merkle.Tree{}
	check := func() error {
		if tree.Size() != signed.Size {
			return nil
		}
		if signed.Size > 0 && tree.Root() != signed.Root {
			return fmt.Errorf("%w: entries 0 to %d are not those that were signed", ErrDiffers, signed.Size-1)
		}
		s.last.tree = tree.Clone()
		return nil
	}
	if err := check(); err != nil {
		return err
	}
	for leaf, err := range leaves(ctx, s.reader, s.shard, 0) {
		if err != nil {
			return err
		}
		if leaf.Seq != tree.Size() {
			return fmt.Errorf("%w: entry %d is missing, the next that is there is %d", ErrDiffers, tree.Size(), leaf.Seq)
		}
		if err := errors.Join(tree.Append(leaf.Hash), check()); err != nil {
			return err
		}
		if tree.Size() == head.Size {
			break
		}
	}
	return differs(tree, head)
}

// leaves reads the stored leaf hashes the fastest way the engine has.
func leaves(ctx context.Context, r store.Reader, shard int, from uint64) iter.Seq2[store.Leaf, error] {
	if fast, ok := r.(store.LeafReader); ok {
		return fast.Leaves(ctx, shard, from)
	}
	return func(yield func(store.Leaf, error) bool) {
		for e, err := range r.Entries(ctx, store.Query{Shard: shard, From: from, Bare: true}) {
			if !yield(store.Leaf{Seq: e.Seq, Hash: e.Leaf}, err) {
				return
			}
		}
	}
}

// differs says where a tree and a head disagree.
func differs(tree *merkle.Tree, head store.Head) error {
	if tree.Size() != head.Size {
		return fmt.Errorf("%w: entry %d is missing; the head says that there are %d", ErrDiffers, tree.Size(), head.Size)
	}
	if head.Size > 0 && tree.Root() != head.Root {
		return fmt.Errorf("%w: the entries up to %d do not lead to the head's root", ErrDiffers, head.Size-1)
	}
	if _, err := restore(head); err != nil {
		return fmt.Errorf("%w: %w", ErrDiffers, err)
	}
	return nil
}

// Latest returns the last note that was kept and the size it vouches for; ""
// when there is none.
func (s *Sealer) Latest() (note string, size uint64) { return s.last.Note, s.last.Size }

// Seal signs the log as it is now. The entries since the last checkpoint are
// read back from the store and hashed as stored: what is signed is what can be
// read, not what was meant to be written. The caller persists the note, then
// calls Keep; until then the next Seal begins at the same place.
func (s *Sealer) Seal(ctx context.Context) (Seal, error) {
	head, err := s.reader.Head(ctx, s.shard)
	if err != nil {
		return Seal{}, err
	}
	if head.Size < s.last.Size {
		return Seal{}, fmt.Errorf("%w: the head went back from %d to %d", ErrDiffers, s.last.Size, head.Size)
	}
	tree := s.last.tree.Clone()
	if err := s.readBack(ctx, tree, head.Size); err != nil {
		return Seal{}, err
	}
	if err := differs(tree, head); err != nil {
		return Seal{}, err
	}
	note, err := s.signer.Sign(merkle.Checkpoint{Origin: ShardOrigin(s.signer.Origin(), s.shard), Size: tree.Size(), Root: tree.Root()})
	if err != nil {
		return Seal{}, err
	}
	return Seal{Size: tree.Size(), Note: note, tree: tree}, nil
}

func (s *Sealer) readBack(ctx context.Context, tree *merkle.Tree, size uint64) error {
	if tree.Size() == size {
		return nil
	}
	for e, err := range bodies(ctx, s.reader, s.shard, tree.Size()) {
		if err != nil {
			return err
		}
		if e.Seq != tree.Size() {
			return fmt.Errorf("%w: entry %d is missing", ErrDiffers, tree.Size())
		}
		leaf := merkle.LeafHash(e.Body)
		if leaf != e.Hash {
			return fmt.Errorf("%w: entry %d does not hash to its leaf", ErrDiffers, e.Seq)
		}
		if err := tree.Append(leaf); err != nil {
			return err
		}
		if tree.Size() == size {
			break
		}
	}
	return nil
}

// bodies reads what is hashed, and the stored hashes, the fastest way the
// engine has.
func bodies(ctx context.Context, r store.Reader, shard int, from uint64) iter.Seq2[store.Body, error] {
	if fast, ok := r.(store.LeafReader); ok {
		return fast.Bodies(ctx, shard, from)
	}
	return func(yield func(store.Body, error) bool) {
		for e, err := range r.Entries(ctx, store.Query{Shard: shard, From: from, Bare: true}) {
			if !yield(store.Body{Leaf: store.Leaf{Seq: e.Seq, Hash: e.Leaf}, Body: e.Body}, err) {
				return
			}
		}
	}
}

// Keep makes a seal the last one. Call it when the note is persisted.
func (s *Sealer) Keep(sealed Seal) {
	if sealed.tree != nil && sealed.Size >= s.last.Size {
		s.last = sealed
	}
}
