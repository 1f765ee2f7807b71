package ledger

import (
	"context"
	"fmt"
	"slices"

	"github.com/strixlabs/execution-kernel/internal/merkle"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// A shardRead is one shard in a run of Verify.
type shardRead struct {
	*verification
	shard int

	head      store.Head   // when it began
	next      uint64       // the seq expected next
	last      int64        // the instant of the entry before
	bodies    *merkle.Tree // of the entries as they are; nil after a gap
	leaves    *merkle.Tree // of their stored leaf hashes; nil after a gap
	light     uint64       // decisions before this seq are hashed, not read
	pending   []claim      // not reached yet, by size
	agreed    uint64       // the size up to which the log is as some checkpoint says
	different bool         // from a checkpoint: later ones cannot be compared
	unread    bool         // what comes next could not be read

	count       uint64 // entries that were read
	root        merkle.Hash
	checkpoints int    // signed ones that it agrees with
	signed      uint64 // entries that the largest of them vouches for
}

func newShardRead(v *verification, shard int) *shardRead {
	return &shardRead{verification: v, shard: shard, bodies: &merkle.Tree{}, leaves: &merkle.Tree{}}
}

// entry notes what is wrong with an entry of the shard.
func (p *shardRead) entry(seq uint64, format string, args ...any) {
	p.add(Finding{Shard: p.shard, Seq: seq, HasSeq: true, Message: fmt.Sprintf(format, args...)})
}

// log notes what is wrong with the shard.
func (p *shardRead) log(format string, args ...any) {
	p.add(Finding{Shard: p.shard, Message: fmt.Sprintf(format, args...)})
}

// problems notes what an entry contradicts.
func (v *verification) problems(e Entry, list []string) {
	for _, problem := range list {
		v.add(Finding{Shard: e.Shard, Seq: e.Seq, HasSeq: true, Message: problem})
	}
}

// maxHoles bounds how often reading goes on behind rows that cannot be read.
const maxHoles = 64

// begin reads the head. What was committed until then will be read.
func (p *shardRead) begin(ctx context.Context) (err error) {
	if p.head, err = p.reader.Head(ctx, p.shard); ctx.Err() != nil {
		return ctx.Err()
	}
	return p.unreadable(p, "the head could not be read", err)
}

// entries reads every entry once.
func (p *shardRead) entries(ctx context.Context) error {
	p.reached()
	skip := uint64(0)
	for range maxHoles {
		damage := p.readFrom(ctx, p.next+skip)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case damage == nil:
			return nil
		}
		// Nothing at p.next+skip could be read. Try farther on, and name what
		// lies between when something can be read again.
		if !p.unread {
			p.log("%s, then reading failed: %v", p.readSoFar(), damage)
			skip = 0
		}
		p.unread = true
		if skip = max(1, 2*skip); p.next+skip >= p.head.Size {
			return nil
		}
	}
	p.log("reading was given up at entry %d: too much is damaged", p.next)
	return nil
}

func (p *shardRead) readSoFar() string {
	if p.next == 0 {
		return "no entry could be read"
	}
	return fmt.Sprintf("the entries up to %d could be read", p.next-1)
}

// readFrom checks entries until the end or the first that cannot be read.
func (p *shardRead) readFrom(ctx context.Context, from uint64) error {
	for row, err := range p.reader.Entries(ctx, store.Query{Shard: p.shard, From: from}) {
		if err != nil {
			return err
		}
		if len(p.parts) > 1 && row.Seq >= p.head.Size && p.grew(ctx, row.Seq) {
			return nil // what it rests on may not have been read
		}
		p.take(row)
	}
	return nil
}

// grew reports whether an entry was committed since the head was read.
func (p *shardRead) grew(ctx context.Context, seq uint64) bool {
	now, err := p.reader.Head(ctx, p.shard)
	return err == nil && seq < now.Size
}

func (p *shardRead) take(row store.Entry) {
	p.count++
	if row.Seq != p.next {
		p.gap(row.Seq)
	}
	p.next = row.Seq + 1
	if row.Instant < p.last {
		p.entry(row.Seq, "its instant is before that of the entry before it")
	}
	p.last = row.Instant
	leaf := merkle.LeafHash(row.Body)
	if leaf != row.Leaf {
		p.entry(row.Seq, "it does not hash to its leaf: the body or the leaf was changed")
	}
	if row.Seq >= p.light || !isDecision(row.Body) {
		p.body(row)
	}
	p.extend(leaf, row.Leaf)
	p.reached()
}

// gap notes that entries are missing. What follows cannot be hashed into the
// tree: no root after it can be compared.
func (p *shardRead) gap(seq uint64) {
	if seq < p.next {
		p.entry(seq, "it stands after entry %d", p.next-1)
	} else {
		p.missing(p.next, seq)
	}
	p.bodies, p.leaves = nil, nil
	p.unread = false
}

func (p *shardRead) missing(from, to uint64) {
	what, all := "it is missing", "as are all"
	if p.unread {
		what, all = "it cannot be read, or is missing", "and so all"
	}
	if to == from+1 {
		p.entry(from, "%s", what)
		return
	}
	p.entry(from, "%s, %s up to entry %d", what, all, to-1)
}

// extend adds an entry to both trees. Their difference tells entries that were
// changed from entries that were replaced together with their hashes.
func (p *shardRead) extend(body, leaf merkle.Hash) {
	if p.bodies == nil {
		return
	}
	if p.bodies.Append(body) != nil || p.leaves.Append(leaf) != nil {
		p.bodies, p.leaves = nil, nil
	}
}

// body compares a row with what its body says.
func (p *shardRead) body(row store.Entry) {
	e, err := Decode(row.Body)
	if err != nil {
		p.entry(row.Seq, "its body cannot be read: %v", err)
		return
	}
	p.Kinds[e.Kind()]++
	want := derive(e, row.Body)
	for _, c := range []struct {
		column    string
		got, want any
	}{
		{"shard", row.Shard, want.Shard},
		{"seq", row.Seq, want.Seq},
		{"instant", row.Instant, want.Instant},
		{"kind", row.Kind, want.Kind},
		{"id", row.ID, want.ID},
		{"caller", row.Caller, want.Caller},
		{"agent", row.Agent, want.Agent},
		{"action", row.Action, want.Action},
		{"decision", row.Decision, want.Decision},
	} {
		if c.got != c.want {
			p.entry(row.Seq, "its column %s is %v, its body says %v", c.column, quote(c.got), quote(c.want))
		}
	}
	p.private(e, row)
	if p.history != nil {
		if len(p.parts) == 1 {
			p.problems(e, p.history.change(e))
		}
		p.history.grant(e)
		p.problems(e, p.history.decision(e))
		p.problems(e, p.history.people(e, len(p.parts) > 1))
	}
}

func quote(v any) any {
	if s, ok := v.(string); ok {
		if len(s) > 100 {
			s = s[:100] + "…"
		}
		return fmt.Sprintf("%q", s)
	}
	return v
}

func (p *shardRead) private(e Entry, row store.Entry) {
	switch {
	case e.commitment() == nil && row.Private != nil:
		p.entry(row.Seq, "there is a request beside it, but it is no decision")
	case e.commitment() != nil && row.Seq >= p.light:
		// This version erases nothing, so a request that is gone was removed.
		if err := CheckPrivate(*e.commitment(), row.Private); err != nil {
			p.entry(row.Seq, "%v", err)
		}
	}
}

// reached compares the tree with the head and the checkpoints of its size.
func (p *shardRead) reached() {
	if p.bodies != nil && p.bodies.Size() == p.head.Size && p.head.Size > 0 {
		p.compareHead()
	}
	for len(p.pending) > 0 && p.pending[0].Size <= p.next {
		c := p.pending[0]
		p.pending = p.pending[1:]
		if p.bodies != nil && p.bodies.Size() == c.Size && !p.different {
			p.compareClaim(c)
		}
	}
}

func (p *shardRead) compareHead() {
	if p.bodies.Root() != p.head.Root && p.leaves.Root() != p.head.Root {
		p.log("the head of size %d has another root than the entries: the head was changed, or entries together with their hashes", p.head.Size)
	}
	if !slices.Equal(p.leaves.Hashes(), p.head.Range) && !slices.Equal(p.bodies.Hashes(), p.head.Range) {
		p.log("the head of size %d has another compact range than the entries", p.head.Size)
	}
}

func (p *shardRead) compareClaim(c claim) {
	switch {
	case p.bodies.Root() == c.Root:
		if c.signed && (p.checkpoints == 0 || c.Size > p.agreed) {
			p.checkpoints++
			p.signed = c.Size
		}
		p.agreed = c.Size
		return
	case c.Size == 0:
		p.log("the %s says that an empty log has a root of its own", c.source)
	case p.leaves.Root() == c.Root:
		// The entries that were changed are named already; their hashes are
		// still those that were signed.
	default:
		p.entry(p.agreed, "from here to entry %d something was replaced together with its hash: the log is not the one of the %s",
			c.Size-1, c.source)
	}
	p.different = true
}

// end compares what was read with what should be there.
func (p *shardRead) end(ctx context.Context) error {
	head, err := p.reader.Head(ctx, p.shard)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil: // said before
		head = p.head
	}
	if p.next < p.head.Size {
		p.missing(p.next, p.head.Size)
	}
	if p.next > head.Size {
		p.entry(head.Size, "it is beyond the head, which says that there are %d entries", head.Size)
	}
	if n := len(p.pending); n > 0 {
		c := p.pending[n-1]
		p.entry(p.next, "it is missing, as are all up to entry %d: the tail was cut off, which the %s vouches for", c.Size-1, c.source)
	}
	if p.bodies != nil {
		p.root = p.bodies.Root()
	}
	return nil
}
