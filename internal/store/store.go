// Package store says what the kernel must remember, and leaves how to the
// engines beside it.
//
// It promises atomic batches: a batch that is committed is on disk whole, and
// of any other batch nothing is there.
package store

import (
	"context"
	"errors"
	"iter"
)

// ErrNotFound is returned, wrapped or not, when there is no such thing.
var ErrNotFound = errors.New("not found")

// A Status is how a commit ended. The zero Status is Unknown, so that a
// forgotten one is never taken for a success.
type Status uint8

// The four outcomes of a commit.
const (
	Unknown      Status = iota // nobody can tell yet; Lookup(batch.ID) settles it
	NotCommitted               // nothing was written: the disk is full, the head moved, the engine is away
	Conflict                   // nothing was written: the transitions or guards in Keys did not hold
	Committed                  // on disk
)

// An Outcome is how a commit ended, and with Conflict why.
type Outcome struct {
	Status Status
	Keys   []RecordKey // with Conflict: the guards and transitions that did not hold
}

// A Store keeps the log and the records beside it. One process writes a shard:
// the one whose lease has the shard's epoch.
//
// Implementations are safe for concurrent reads beside one Commit.
type Store interface {
	Reader
	Leaser
	Announcer

	// Commit writes a batch in one transaction. Committed (and a nil error)
	// means that it is on disk: flushed, not merely handed to the operating
	// system. With NotCommitted and Unknown the error says why. Committing a
	// batch ID that is already committed returns Committed and writes nothing.
	//
	// Unknown means that nobody can tell: the caller must not act on it and
	// commits nothing else until Lookup has settled it.
	Commit(ctx context.Context, b *Batch) (Outcome, error)

	// Lookup settles an Unknown: Committed when the batch is on disk,
	// NotCommitted when it is not and never will be. An error settles nothing.
	Lookup(ctx context.Context, batchID string) (Status, error)

	Close() error
}

// A Reader reads what is committed.
type Reader interface {
	// Shards returns the shards of the log in ascending order: those that have
	// entries, and those whose lease was ever taken, where leases are kept on disk.
	Shards(ctx context.Context) ([]int, error)
	// Head returns a shard's head; the zero Head (size 0) where nothing was written.
	Head(ctx context.Context, shard int) (Head, error)
	// Entry returns one entry with its private part, or ErrNotFound.
	Entry(ctx context.Context, shard int, seq uint64) (Entry, error)
	// EntryByID returns the decision entry with this decision id, or ErrNotFound.
	EntryByID(ctx context.Context, id string) (Entry, error)
	// Entries yields the entries that a query selects, with their private
	// parts, in descending order of seq when q.Newest, else ascending.
	Entries(ctx context.Context, q Query) iter.Seq2[Entry, error]
	// Record returns one record, or ErrNotFound.
	Record(ctx context.Context, key RecordKey) (Record, error)
	// Versions returns the version of each record, 0 where there is none,
	// whether it has expired or not, as it is at some moment of the call.
	Versions(ctx context.Context, keys []RecordKey) ([]uint64, error)
	// Records yields the records of a kind in byte order of their keys,
	// beginning after the key `after`.
	Records(ctx context.Context, kind, after string) iter.Seq2[Record, error]
}

// A Head is the Merkle head of one shard of the log.
type Head struct {
	Size  uint64     // entries in the shard: the next seq
	Root  [32]byte   // RFC 6962 tree head hash over the leaves 0…Size−1
	Range [][32]byte // the compact range: hashes of the perfect subtrees, largest first
}

// A Batch is what one commit writes.
type Batch struct {
	ID          string // unique; idempotency key of the commit
	Shard       int
	Epoch       uint64 // of the shard's lease, 0 where none was ever taken; else NotCommitted and ErrFenced
	PrevSize    uint64 // compare-and-set: the head's size before; else NotCommitted and ErrHeadMoved
	Next        Head   // the head after; Size = PrevSize + len(Entries)
	Entries     []Entry
	Guards      []Guard      // must hold, are not changed
	Transitions []Transition // must hold, are changed
	Announce    []string     // kinds of records whose revision goes up: every node must notice
	Expire      int64        // records whose Expires is before this instant count as none; some hundred are deleted; 0: no record expires
}

// ErrHeadMoved accompanies NotCommitted when PrevSize is not the head's size:
// somebody else wrote, or the caller's head is stale. The caller reads the
// head again or steps down.
var ErrHeadMoved = errors.New("head moved")

// ErrFull accompanies NotCommitted when there is no space left, or less than
// the floor kept free. Writing may succeed again later.
var ErrFull = errors.New("no space left")

// An Entry is one row of the log. Body is what the leaf is the hash of; the
// members from ID on are derived from it, for queries, and can be recomputed.
type Entry struct {
	Shard   int
	Seq     uint64
	Instant int64 // nanoseconds since 1970-01-01T00:00:00Z; never before that of the entry before
	Kind    string
	Body    []byte   // canonical JSON (RFC 8785)
	Leaf    [32]byte // SHA-256(0x00 ‖ Body)
	Private *Private // decisions only; nil after erasure too

	ID       string // decision id; empty for other kinds
	Caller   string
	Agent    string // decisions only, as are the next two
	Action   string
	Decision string // DENY, REQUIRE_APPROVAL, ALLOW
}

// Private is the part of a decision that erasure deletes: the entry holds only
// SHA-256(Salt ‖ Request).
type Private struct {
	Request []byte // canonical JSON
	Salt    []byte // 32 random bytes
	Digest  string // sha256:… of Request
}

// A RecordKey names a record: a token, a bundle, a request_id. Keys made of
// several parts are JSON arrays, never joined with a separator.
type RecordKey struct{ Kind, Key string }

// A Record is a small versioned document beside the log.
type Record struct {
	RecordKey
	Version uint64 // one more at each change
	Value   []byte
	Expires int64 // nanoseconds; may be deleted after; 0: never
}

// A Guard holds while the record has this version; 0 means that there is none,
// or an expired one.
type Guard struct {
	RecordKey
	Version uint64
}

// A Transition is a compare-and-set of one record.
type Transition struct {
	RecordKey
	From    uint64 // the version it must have; 0: there must be none, or an expired one
	Value   []byte // nil deletes
	Expires int64

	Begin uint64 // with From 0: the version that the record gets; 0: 1. Who makes a record anew gives it one that it never had
}

// To returns the version that the record has afterwards.
func (t *Transition) To() uint64 {
	if t.From == 0 && t.Begin > 0 {
		return t.Begin
	}
	return t.From + 1
}

// A Query selects entries of one shard. Zero members select everything.
type Query struct {
	Shard                   int
	Kind                    string
	Agent, Action, Decision string
	Caller                  string
	Since, Until            int64  // instants, [Since, Until); 0: unbounded
	From                    uint64 // ascending: entries with seq ≥ From; descending: seq < From, where 0 means from the head
	Newest                  bool   // descending
	Limit                   int    // 0: all
	Bare                    bool   // leaves Private out: the requests are not wanted
}
