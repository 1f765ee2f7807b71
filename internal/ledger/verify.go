package ledger

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"

	"github.com/strixlabs/execution-kernel/internal/merkle"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// shard is the one shard of this version.
const onlyShard = 0

// Verify reads the whole log and reports everything that is not as the kernel
// writes it: entries missing, added, changed or out of order, rows that
// disagree with their entry, requests that are not what was committed to, a
// head that does not follow from the entries, and a log that is not the one
// that was signed. It may run beside a kernel that writes.
//
// The error says why it could not verify; a log that fails is no error but a
// report that is not OK.
func Verify(ctx context.Context, r store.Reader, trust Trust) (Report, error) {
	v := verification{reader: r}
	if trust.Records {
		v.history = newHistory()
	}
	v.Kinds = map[Kind]uint64{}
	if trust.VerifierKey != "" {
		key, err := note.NewVerifier(trust.VerifierKey)
		if err != nil {
			return v.Report, fmt.Errorf("the verifier key is not one: %w", err)
		}
		v.Trust.Log = key.Name()
	}
	for _, step := range []func(context.Context) error{
		v.examine,
		func(ctx context.Context) error { return v.claims(ctx, trust) },
		v.entries,
		v.end,
		v.records,
	} {
		if err := step(ctx); err != nil {
			return v.Report, err
		}
	}
	if trust.Records && trust.VerifierKey != "" && v.Entries > 0 && v.Trust.Checkpoints == 0 {
		v.log("no signed checkpoint: only the log's own hashes were used, so a log rewritten as a whole would not be noticed")
	}
	return v.Report, nil
}

// A verification is a run of Verify.
type verification struct {
	Report
	reader store.Reader

	head      store.Head   // when it began
	next      uint64       // the seq expected next
	last      int64        // the instant of the entry before
	bodies    *merkle.Tree // of the entries as they are; nil after a gap
	leaves    *merkle.Tree // of their stored leaf hashes; nil after a gap
	history   *history     // what the entries so far said; nil: it is not checked
	light     uint64       // decisions before this seq are hashed, not read
	pending   []claim      // not reached yet, by size
	agreed    uint64       // the size up to which the log is as some checkpoint says
	different bool         // from a checkpoint: later ones cannot be compared
	unread    bool         // what comes next could not be read
}

// examine asks the engine about damage that reading entries does not show.
func (v *verification) examine(ctx context.Context) error {
	engine, ok := v.reader.(store.Examiner)
	if !ok {
		return nil
	}
	damages, err := engine.Examine(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, d := range damages {
		v.log("%s", d)
	}
	if err != nil {
		v.log("the store could not be examined: %v", err)
	}
	return nil
}

// maxHoles bounds how often reading goes on behind rows that cannot be read.
const maxHoles = 64

// entries reads every entry once.
func (v *verification) entries(ctx context.Context) (err error) {
	v.bodies, v.leaves = &merkle.Tree{}, &merkle.Tree{}
	if v.head, err = v.reader.Head(ctx, onlyShard); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		v.log("the head could not be read: %v", err)
	}
	v.reached()
	skip := uint64(0)
	for range maxHoles {
		damage := v.readFrom(ctx, v.next+skip)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case damage == nil:
			return nil
		}
		// Nothing at v.next+skip could be read. Try farther on, and name what
		// lies between when something can be read again.
		if !v.unread {
			v.log("%s, then reading failed: %v", v.readSoFar(), damage)
			skip = 0
		}
		v.unread = true
		if skip = max(1, 2*skip); v.next+skip >= v.head.Size {
			return nil
		}
	}
	v.log("reading was given up at entry %d: too much is damaged", v.next)
	return nil
}

func (v *verification) readSoFar() string {
	if v.next == 0 {
		return "no entry could be read"
	}
	return fmt.Sprintf("the entries up to %d could be read", v.next-1)
}

// readFrom checks entries until the end or the first that cannot be read.
func (v *verification) readFrom(ctx context.Context, from uint64) error {
	for row, err := range v.reader.Entries(ctx, store.Query{Shard: onlyShard, From: from}) {
		if err != nil {
			return err
		}
		v.entry(row)
	}
	return nil
}

func (v *verification) entry(row store.Entry) {
	v.Entries++
	if row.Seq != v.next {
		v.gap(row.Seq)
	}
	v.next = row.Seq + 1
	if row.Instant < v.last {
		v.Findings.entry(row.Seq, "its instant is before that of the entry before it")
	}
	v.last = row.Instant
	leaf := merkle.LeafHash(row.Body)
	if leaf != row.Leaf {
		v.Findings.entry(row.Seq, "it does not hash to its leaf: the body or the leaf was changed")
	}
	if row.Seq >= v.light || !isDecision(row.Body) {
		v.body(row)
	}
	v.extend(leaf, row.Leaf)
	v.reached()
}

// gap notes that entries are missing. What follows cannot be hashed into the
// tree: no root after it can be compared.
func (v *verification) gap(seq uint64) {
	if seq < v.next {
		v.Findings.entry(seq, "it stands after entry %d", v.next-1)
	} else {
		v.missing(v.next, seq)
	}
	v.bodies, v.leaves = nil, nil
	v.unread = false
}

func (v *verification) missing(from, to uint64) {
	what, all := "it is missing", "as are all"
	if v.unread {
		what, all = "it cannot be read, or is missing", "and so all"
	}
	if to == from+1 {
		v.Findings.entry(from, "%s", what)
		return
	}
	v.Findings.entry(from, "%s, %s up to entry %d", what, all, to-1)
}

// extend adds an entry to both trees. Their difference tells entries that were
// changed from entries that were replaced together with their hashes.
func (v *verification) extend(body, leaf merkle.Hash) {
	if v.bodies == nil {
		return
	}
	if v.bodies.Append(body) != nil || v.leaves.Append(leaf) != nil {
		v.bodies, v.leaves = nil, nil
	}
}

// body compares a row with what its body says.
func (v *verification) body(row store.Entry) {
	e, err := Decode(row.Body)
	if err != nil {
		v.Findings.entry(row.Seq, "its body cannot be read: %v", err)
		return
	}
	v.Kinds[e.Kind()]++
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
			v.Findings.entry(row.Seq, "its column %s is %v, its body says %v", c.column, quote(c.got), quote(c.want))
		}
	}
	v.private(e, row)
	if v.history != nil {
		for _, problem := range v.history.follow(e) {
			v.Findings.entry(row.Seq, "%s", problem)
		}
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

func (v *verification) private(e Entry, row store.Entry) {
	switch {
	case e.Decision == nil && row.Private != nil:
		v.Findings.entry(row.Seq, "there is a request beside it, but it is no decision")
	case e.Decision != nil:
		// This version erases nothing, so a request that is gone was removed.
		if err := CheckPrivate(e.Decision.Commitment, row.Private); err != nil {
			v.Findings.entry(row.Seq, "%v", err)
		}
	}
}

// reached compares the tree with the head and the checkpoints of its size.
func (v *verification) reached() {
	if v.bodies != nil && v.bodies.Size() == v.head.Size && v.head.Size > 0 {
		v.compareHead()
	}
	for len(v.pending) > 0 && v.pending[0].Size <= v.next {
		c := v.pending[0]
		v.pending = v.pending[1:]
		if v.bodies != nil && v.bodies.Size() == c.Size && !v.different {
			v.compareClaim(c)
		}
	}
}

func (v *verification) compareHead() {
	if v.bodies.Root() != v.head.Root && v.leaves.Root() != v.head.Root {
		v.log("the head of size %d has another root than the entries: the head was changed, or entries together with their hashes", v.head.Size)
	}
	if !slices.Equal(v.leaves.Hashes(), v.head.Range) && !slices.Equal(v.bodies.Hashes(), v.head.Range) {
		v.log("the head of size %d has another compact range than the entries", v.head.Size)
	}
}

func (v *verification) compareClaim(c claim) {
	switch {
	case v.bodies.Root() == c.Root:
		if c.signed && (v.Trust.Checkpoints == 0 || c.Size > v.agreed) {
			v.Trust.Checkpoints++
			v.Trust.Size = c.Size
		}
		v.agreed = c.Size
		return
	case c.Size == 0:
		v.log("the %s says that an empty log has a root of its own", c.source)
	case v.leaves.Root() == c.Root:
		// The entries that were changed are named already; their hashes are
		// still those that were signed.
	default:
		v.Findings.entry(v.agreed, "from here to entry %d something was replaced together with its hash: the log is not the one of the %s",
			c.Size-1, c.source)
	}
	v.different = true
}

// end compares what was read with what should be there.
func (v *verification) end(ctx context.Context) error {
	head, err := v.reader.Head(ctx, onlyShard)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil: // said before
		head = v.head
	}
	if v.next < v.head.Size {
		v.missing(v.next, v.head.Size)
	}
	if v.next > head.Size {
		v.Findings.entry(head.Size, "it is beyond the head, which says that there are %d entries", head.Size)
	}
	if n := len(v.pending); n > 0 {
		c := v.pending[n-1]
		v.Findings.entry(v.next, "it is missing, as are all up to entry %d: the tail was cut off, which the %s vouches for", c.Size-1, c.source)
	}
	if v.bodies != nil {
		v.Root = v.bodies.Root()
	}
	return nil
}
