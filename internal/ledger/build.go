package ledger

import (
	"errors"
	"fmt"
	"time"

	"github.com/strixlabs/execution-kernel/internal/merkle"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// A Builder makes the entries of one batch and the head they lead to. It
// writes nothing: the batch is the caller's to commit.
type Builder struct {
	shard   int
	tree    *merkle.Tree
	last    time.Time
	entries []store.Entry
}

// Extend returns a builder of entries that follow a head, which it does not
// change. It fails when the head contradicts itself.
func Extend(shard int, head store.Head) (*Builder, error) {
	tree, err := restore(head)
	if err != nil {
		return nil, fmt.Errorf("extend shard %d: %w", shard, err)
	}
	return &Builder{shard: shard, tree: tree}, nil
}

// restore rebuilds the tree of a head. The root tells whether the range is its own.
func restore(head store.Head) (*merkle.Tree, error) {
	tree, err := merkle.Restore(head.Size, head.Range)
	if err != nil {
		return nil, err
	}
	// The zero Head of an empty shard has no root.
	if tree.Root() != head.Root && (head.Size > 0 || head.Root != merkle.Hash{}) {
		return nil, fmt.Errorf("the head's range at size %d does not hash to its root; run `kernel log verify`", head.Size)
	}
	return tree, nil
}

// Append makes the next entry. It sets Shard and Seq, and for a decision the
// commitment, from the private part: required with a decision and an event,
// refused with any other kind. An error leaves the builder as it was.
func (b *Builder) Append(e Entry, private *store.Private) (store.Entry, error) {
	e.Shard, e.Seq = b.shard, b.tree.Size()
	if err := b.commit(&e, private); err != nil {
		return store.Entry{}, err
	}
	if e.Instant.Before(b.last) {
		return store.Entry{}, fmt.Errorf("entry %d: its instant is before that of the entry before", e.Seq)
	}
	body, err := Encode(e)
	if err != nil {
		return store.Entry{}, err
	}
	row := derive(e, body)
	row.Private = private
	if err := b.tree.Append(row.Leaf); err != nil {
		return store.Entry{}, err
	}
	b.last = e.Instant
	b.entries = append(b.entries, row)
	return row, nil
}

func (b *Builder) commit(e *Entry, private *store.Private) error {
	if e.commitment() == nil {
		if private != nil {
			return fmt.Errorf("entry %d: only decisions and events have a private part", e.Seq)
		}
		return nil
	}
	if private == nil {
		return fmt.Errorf("entry %d: its private part is missing", e.Seq)
	}
	if err := checkParts(private); err != nil {
		return fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	if e.Event != nil {
		r := *e.Event
		r.Commitment = Commit(private.Salt, private.Request)
		e.Event = &r
		return nil
	}
	d := *e.Decision
	d.Commitment = Commit(private.Salt, private.Request)
	if d.Verdict.RequestDigest != "" && d.Verdict.RequestDigest != private.Digest {
		return errors.New("the verdict is about another request than the private part")
	}
	d.Verdict.RequestDigest = ""
	e.Decision = &d
	return nil
}

// derive makes the row of an entry: what Verify recomputes.
func derive(e Entry, body []byte) store.Entry {
	row := store.Entry{
		Shard: e.Shard, Seq: e.Seq, Instant: e.Instant.UnixNano(), Kind: string(e.Kind()),
		Body: body, Leaf: merkle.LeafHash(body), Caller: e.Caller,
	}
	if d := e.Decision; d != nil {
		row.ID, row.Agent, row.Action, row.Decision = d.ID, d.Agent, d.Action, d.Verdict.Decision.String()
	}
	return row
}

// Entries returns the entries appended so far.
func (b *Builder) Entries() []store.Entry { return b.entries }

// Head returns the head after them.
func (b *Builder) Head() store.Head {
	return store.Head{Size: b.tree.Size(), Root: b.tree.Root(), Range: b.tree.Hashes()}
}
