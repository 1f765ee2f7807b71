package app

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// A Log is the log of a data folder, or of a copy of one, for reading: without
// a kernel or beside a running one.
type Log struct {
	folder Folder
	db     engine
	seen   func(done, of uint64) // told of progress; nil: nobody
}

// OpenLog opens the log of a data folder, or of a database. progress is called while the whole
// log is read; nil: it is not.
func OpenLog(ctx context.Context, cfg Config, progress func(done, of uint64)) (*Log, error) {
	folder, err := cfg.reading()
	if err != nil {
		return nil, err
	}
	db, err := cfg.openReader(ctx, folder)
	if err != nil {
		return nil, err
	}
	return &Log{folder: folder, db: db, seen: progress}, nil
}

// Close closes the log.
func (l *Log) Close() error { return l.db.Close() }

// A Row is an entry as lists show it. What it says of an entry it took from the
// entry's body, and compared with the columns that queries find it by.
type Row struct {
	Shard    int       `json:"shard"`
	Seq      uint64    `json:"seq"`
	Instant  time.Time `json:"instant"`
	Kind     string    `json:"kind"`
	Caller   string    `json:"caller"`
	ID       string    `json:"decision_id,omitzero"`
	Agent    string    `json:"agent,omitzero"`
	Action   string    `json:"action,omitzero"`
	Decision string    `json:"decision,omitzero"`
	Change   string    `json:"change,omitzero"` // of other kinds: what the entry says happened
	Object   string    `json:"object,omitzero"` // of other kinds: to what
	Leaf     string    `json:"leaf"`
	Problem  string    `json:"problem,omitzero"` // why the entry was changed after it was written
}

// rowOf takes nothing from the columns of an entry but what finds it: what it
// shows is what the body says, which is what was hashed.
func rowOf(row store.Entry) Row {
	e, err := ledger.Read(row)
	r := Row{Shard: row.Shard, Seq: row.Seq, Leaf: hex.EncodeToString(row.Leaf[:])}
	if err != nil {
		r.Problem = err.Error()
	}
	r.Instant, r.Kind, r.Caller = e.Instant.UTC(), string(e.Kind()), e.Caller
	r.says(e)
	return r
}

// Shards returns the shards there are, shard 0 first; or, with one of them, it
// alone. One that is not there is an error.
func (l *Log) Shards(ctx context.Context, only *int) ([]int, error) {
	shards, err := l.db.Shards(ctx)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(shards, 0) {
		shards = append([]int{0}, shards...)
	}
	if only == nil {
		return shards, nil
	}
	if !slices.Contains(shards, *only) {
		last := shards[len(shards)-1]
		return nil, kernel.Errorf(kernel.NotFound, "the log of %s has no shard %d", l.folder.Path, *only).
			WithHint("its shards are numbered up to %d; \"kernel log verify\" lists them", last)
	}
	return []int{*only}, nil
}

// List yields the entries that a query selects, of several shards as one log in
// the order of their instants. Queries go by columns, so an entry whose columns
// were changed may be missing: only Verify tells.
func (l *Log) List(ctx context.Context, shards []int, q store.Query) iter.Seq2[Row, error] {
	queries := make([]store.Query, len(shards))
	for i, shard := range shards {
		queries[i] = q
		queries[i].Shard = shard
	}
	return func(yield func(Row, error) bool) {
		n := 0
		for e, err := range store.Merged(ctx, l.db, queries) {
			if n++; !yield(rowOf(e), err) || n == q.Limit {
				return
			}
		}
	}
}

// A Shown is one entry with everything the log holds of it.
type Shown struct {
	Row
	Entry   jsontext.Value `json:"entry"`            // what the leaf is the hash of
	Request jsontext.Value `json:"request,omitzero"` // what was decided, in canonical form
	Digest  string         `json:"request_digest,omitzero"`
}

// Show returns the entry of a shard with a number, or of a decision with an id.
func (l *Log) Show(ctx context.Context, shard int, name string) (Shown, error) {
	entry := func() (store.Entry, error) { return l.db.EntryByID(ctx, name) }
	if seq, err := strconv.ParseUint(name, 10, 63); err == nil {
		entry = func() (store.Entry, error) { return l.db.Entry(ctx, shard, seq) }
	}
	e, err := entry()
	if errors.Is(err, store.ErrNotFound) {
		return Shown{}, kernel.Errorf(kernel.NotFound, "no entry %q in shard %d of the log of %s", name, shard, l.folder.Path).
			WithHint("name a number, with --shard, or a decision id; \"kernel log list\" shows them")
	}
	if err != nil {
		return Shown{}, err
	}
	if !jsontext.Value(e.Body).IsValid() {
		return Shown{}, fmt.Errorf("entry %d is damaged; run \"kernel log verify\"", e.Seq)
	}
	s := Shown{Row: rowOf(e), Entry: e.Body}
	if e.Private != nil {
		s.Request, s.Digest = e.Private.Request, e.Private.Digest
	}
	return s, nil
}

// Verify checks the whole log. pubkey is a file with the log's public key, ""
// for the one in the folder; checkpoints are files with signed notes beside
// the folder's own.
func (l *Log) Verify(ctx context.Context, pubkey string, checkpoints []string) (ledger.Report, error) {
	trust, err := l.trust(pubkey, checkpoints)
	if err != nil {
		return ledger.Report{}, err
	}
	r, err := l.counted(ctx)
	if err != nil {
		return ledger.Report{}, err
	}
	return ledger.Verify(ctx, r, trust)
}

func (l *Log) trust(pubkey string, checkpoints []string) (ledger.Trust, error) {
	if pubkey == "" {
		if _, err := os.Stat(l.folder.LogPub()); err == nil {
			pubkey = l.folder.LogPub()
		}
	}
	if pubkey == "" {
		if len(checkpoints) > 0 {
			return ledger.Trust{}, kernel.Errorf(kernel.Invalid, "a checkpoint is worth nothing without the public key of the log").
				WithHint("name it with --pubkey FILE")
		}
		return ledger.Trust{Records: true}, nil
	}
	key, err := ReadInput(pubkey, maxKeyFile)
	if err != nil {
		return ledger.Trust{}, err
	}
	trust := l.folder.trust(string(key))
	for _, path := range checkpoints {
		note, err := ReadInput(path, maxKeyFile)
		if err != nil {
			return ledger.Trust{}, err
		}
		trust.Checkpoints = append(trust.Checkpoints, string(note))
	}
	return trust, nil
}

// Replay evaluates every decision again, by the policies the log keeps.
func (l *Log) Replay(ctx context.Context) (ledger.ReplayReport, error) {
	r, err := l.counted(ctx)
	if err != nil {
		return ledger.ReplayReport{}, err
	}
	return ledger.Replay(ctx, r, ledger.Policies{Entered: true, Load: func(version string) (*eval.Program, error) {
		return gate.LoadProgram(ctx, l.db, version)
	}})
}

// Audit checks what the log says of effects.
func (l *Log) Audit(ctx context.Context) (ledger.AuditReport, error) {
	r, err := l.counted(ctx)
	if err != nil {
		return ledger.AuditReport{}, err
	}
	return ledger.Audit(ctx, r, func(version string) (*eval.Program, error) { return gate.LoadProgram(ctx, l.db, version) })
}

// ReplayFacts counts the facts of every decision again, from the log alone.
func (l *Log) ReplayFacts(ctx context.Context) (ledger.FactsReport, error) {
	r, err := l.counted(ctx)
	if err != nil {
		return ledger.FactsReport{}, err
	}
	return ledger.ReplayFacts(ctx, r, func(version string) (*eval.Program, error) { return gate.LoadProgram(ctx, l.db, version) })
}

// counted tells of progress while entries are read.
func (l *Log) counted(ctx context.Context) (store.Reader, error) {
	if l.seen == nil {
		return l.db, nil
	}
	shards, err := l.Shards(ctx, nil)
	c := &counter{engine: l.db, seen: l.seen}
	for _, shard := range shards {
		head, failed := l.db.Head(ctx, shard)
		err = errors.Join(err, failed)
		c.of += head.Size
	}
	return c, err
}

type counter struct {
	engine
	done, of uint64
	seen     func(done, of uint64)
}

func (c *counter) Entries(ctx context.Context, q store.Query) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for e, err := range c.engine.Entries(ctx, q) {
			if c.done++; c.done%4096 == 0 {
				c.seen(c.done, c.of)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}
