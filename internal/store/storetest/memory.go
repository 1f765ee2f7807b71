// Package storetest is the exam that every store takes, and a store in memory
// that takes it too and fails on demand.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/strixlabs/execution-kernel/internal/store"
)

// Memory is a store without a disk. The zero Memory is empty and works. It is
// strict where the port leaves no choice: after an Unknown it refuses every
// other batch until Lookup has settled the one.
type Memory struct {
	// Clock is what leases expire by; nil: they do not.
	Clock func() time.Time

	mu      sync.Mutex
	logs    map[int]*shard
	records map[store.RecordKey]store.Record
	batches map[string]bool
	closed  bool
	leases
	announced
	faults
}

type shard struct {
	head    store.Head
	entries []store.Entry
}

var (
	_ store.Store      = (*Memory)(nil)
	_ store.LeafReader = (*Memory)(nil)
)

var errClosed = errors.New("the store is closed")

// Commit implements store.Store.
func (m *Memory) Commit(ctx context.Context, b *store.Batch) (store.Outcome, error) {
	not := store.Outcome{Status: store.NotCommitted}
	if err := b.Check(); err != nil {
		return not, err
	}
	m.watch(b)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.mayCommit(ctx, b); err != nil {
		return not, fmt.Errorf("commit batch %s: %w", b.ID, err)
	}
	if m.batches[b.ID] {
		m.unsettled = ""
		return store.Outcome{Status: store.Committed}, nil
	}
	f, faulty := m.next()
	if faulty && !f.Written {
		return m.fail(b, f)
	}
	if err := m.checkEpoch(b); err != nil {
		return not, fmt.Errorf("commit batch %s: %w", b.ID, err)
	}
	if err := m.checkHead(b); err != nil {
		return not, fmt.Errorf("commit batch %s: %w", b.ID, err)
	}
	if failed := m.unmet(b); len(failed) > 0 {
		return store.Outcome{Status: store.Conflict, Keys: failed}, nil
	}
	m.apply(b)
	if faulty {
		return m.fail(b, f)
	}
	return store.Outcome{Status: store.Committed}, nil
}

func (m *Memory) mayCommit(ctx context.Context, b *store.Batch) error {
	switch {
	case m.closed:
		return errClosed
	case m.unsettled != "" && m.unsettled != b.ID:
		return fmt.Errorf("batch %s is unknown; Lookup must settle it first", m.unsettled)
	}
	return ctx.Err()
}

func (m *Memory) shard(n int) *shard {
	if m.logs == nil {
		m.logs = map[int]*shard{}
	}
	if m.logs[n] == nil {
		m.logs[n] = &shard{}
	}
	return m.logs[n]
}

func (m *Memory) checkHead(b *store.Batch) error {
	s := m.shard(b.Shard)
	if s.head.Size != b.PrevSize {
		return fmt.Errorf("%w: shard %d has %d entries, the batch follows %d", store.ErrHeadMoved, b.Shard, s.head.Size, b.PrevSize)
	}
	if n := len(s.entries); n > 0 && len(b.Entries) > 0 && b.Entries[0].Instant < s.entries[n-1].Instant {
		return fmt.Errorf("entry %d: %w", b.PrevSize, store.ErrInstantBack)
	}
	for i, e := range b.Entries {
		if e.ID == "" {
			continue
		}
		_, taken := m.find(e.ID)
		if taken || slices.ContainsFunc(b.Entries[:i], func(o store.Entry) bool { return o.ID == e.ID }) {
			return fmt.Errorf("entry %d: decision id %s is taken", e.Seq, e.ID)
		}
	}
	return nil
}

func (m *Memory) unmet(b *store.Batch) (failed []store.RecordKey) {
	version := func(key store.RecordKey, want uint64) uint64 {
		r := m.records[key]
		if want == 0 && r.Expires != 0 && r.Expires < b.Expire {
			return 0
		}
		return r.Version
	}
	for _, g := range b.Guards {
		if version(g.RecordKey, g.Version) != g.Version {
			failed = append(failed, g.RecordKey)
		}
	}
	for _, t := range b.Transitions {
		if version(t.RecordKey, t.From) != t.From {
			failed = append(failed, t.RecordKey)
		}
	}
	return failed
}

func (m *Memory) apply(b *store.Batch) {
	s := m.shard(b.Shard)
	if len(b.Entries) > 0 {
		s.head = cloneHead(b.Next)
	}
	for _, e := range b.Entries {
		s.entries = append(s.entries, cloneEntry(e))
	}
	if m.records == nil {
		m.records, m.batches = map[store.RecordKey]store.Record{}, map[string]bool{}
	}
	for _, t := range b.Transitions {
		if t.Value == nil {
			delete(m.records, t.RecordKey)
			continue
		}
		m.records[t.RecordKey] = store.Record{RecordKey: t.RecordKey, Version: t.To(), Value: bytes.Clone(t.Value), Expires: t.Expires}
	}
	for key, r := range m.records {
		if r.Expires != 0 && r.Expires < b.Expire {
			delete(m.records, key)
		}
	}
	m.batches[b.ID] = true
	m.announce(b.Announce)
}

// SetBack lowers the versions of all records of a kind by one, as somebody with
// SQL could.
func (m *Memory) SetBack(kind string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, r := range m.records {
		if key.Kind == kind {
			r.Version--
			m.records[key] = r
		}
	}
}

// Lookup implements store.Store.
func (m *Memory) Lookup(ctx context.Context, batchID string) (store.Status, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := errors.Join(ctx.Err(), m.lookupErr, m.closedErr()); err != nil {
		return store.Unknown, err
	}
	if m.unsettled == batchID {
		m.unsettled = ""
	}
	if m.batches[batchID] {
		return store.Committed, nil
	}
	return store.NotCommitted, nil
}

// Close implements store.Store.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

func (m *Memory) closedErr() error {
	if m.closed {
		return errClosed
	}
	return nil
}

// reading locks for a read, or says why there is none.
func (m *Memory) reading(ctx context.Context) (unlock func(), err error) {
	m.mu.Lock()
	if err := errors.Join(ctx.Err(), m.readErr, m.closedErr()); err != nil {
		m.mu.Unlock()
		return nil, err
	}
	return m.mu.Unlock, nil
}

// Shards implements store.Reader.
func (m *Memory) Shards(ctx context.Context) (list []int, err error) {
	unlock, err := m.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	for n, s := range m.logs {
		if _, taken := m.byShard[n]; s.head.Size > 0 && !taken {
			list = append(list, n)
		}
	}
	list = slices.AppendSeq(list, maps.Keys(m.byShard))
	slices.Sort(list)
	return list, nil
}

// Head implements store.Reader.
func (m *Memory) Head(ctx context.Context, n int) (store.Head, error) {
	unlock, err := m.reading(ctx)
	if err != nil {
		return store.Head{}, err
	}
	defer unlock()
	return cloneHead(m.shard(n).head), nil
}

// Entry implements store.Reader.
func (m *Memory) Entry(ctx context.Context, n int, seq uint64) (store.Entry, error) {
	unlock, err := m.reading(ctx)
	if err != nil {
		return store.Entry{}, err
	}
	defer unlock()
	if s := m.shard(n); seq < uint64(len(s.entries)) {
		return cloneEntry(s.entries[seq]), nil
	}
	return store.Entry{}, fmt.Errorf("entry %d of shard %d: %w", seq, n, store.ErrNotFound)
}

// EntryByID implements store.Reader.
func (m *Memory) EntryByID(ctx context.Context, id string) (store.Entry, error) {
	unlock, err := m.reading(ctx)
	if err != nil {
		return store.Entry{}, err
	}
	defer unlock()
	if e, found := m.find(id); found && id != "" {
		return cloneEntry(e), nil
	}
	return store.Entry{}, fmt.Errorf("entry of decision %q: %w", id, store.ErrNotFound)
}

func (m *Memory) find(id string) (store.Entry, bool) {
	for _, s := range m.logs {
		if i := slices.IndexFunc(s.entries, func(e store.Entry) bool { return e.ID == id }); i >= 0 {
			return s.entries[i], true
		}
	}
	return store.Entry{}, false
}

// Entries implements store.Reader.
func (m *Memory) Entries(ctx context.Context, q store.Query) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		unlock, err := m.reading(ctx)
		if err != nil {
			yield(store.Entry{}, err)
			return
		}
		entries := slices.Clone(m.shard(q.Shard).entries)
		unlock()
		if q.Newest {
			slices.Reverse(entries)
		}
		n := 0
		for _, e := range entries {
			if !selects(q, e) {
				continue
			}
			if err := ctx.Err(); err != nil {
				yield(store.Entry{}, err)
				return
			}
			if q.Bare {
				e.Private = nil
			}
			if n++; !yield(cloneEntry(e), nil) || n == q.Limit {
				return
			}
		}
	}
}

func selects(q store.Query, e store.Entry) bool {
	for _, f := range [][2]string{
		{q.Kind, e.Kind}, {q.Agent, e.Agent}, {q.Action, e.Action}, {q.Decision, e.Decision}, {q.Caller, e.Caller},
	} {
		if f[0] != "" && f[0] != f[1] {
			return false
		}
	}
	if q.Since != 0 && e.Instant < q.Since || q.Until != 0 && e.Instant >= q.Until {
		return false
	}
	if q.Newest {
		return q.From == 0 || e.Seq < q.From
	}
	return e.Seq >= q.From
}

// Leaves implements store.LeafReader.
func (m *Memory) Leaves(ctx context.Context, n int, from uint64) iter.Seq2[store.Leaf, error] {
	return func(yield func(store.Leaf, error) bool) {
		for e, err := range m.Entries(ctx, store.Query{Shard: n, From: from}) {
			if !yield(store.Leaf{Seq: e.Seq, Hash: e.Leaf}, err) {
				return
			}
		}
	}
}

// Bodies implements store.LeafReader.
func (m *Memory) Bodies(ctx context.Context, n int, from uint64) iter.Seq2[store.Body, error] {
	return func(yield func(store.Body, error) bool) {
		for e, err := range m.Entries(ctx, store.Query{Shard: n, From: from}) {
			if !yield(store.Body{Leaf: store.Leaf{Seq: e.Seq, Hash: e.Leaf}, Body: e.Body}, err) {
				return
			}
		}
	}
}

// Record implements store.Reader.
func (m *Memory) Record(ctx context.Context, key store.RecordKey) (store.Record, error) {
	unlock, err := m.reading(ctx)
	if err != nil {
		return store.Record{}, err
	}
	defer unlock()
	r, ok := m.records[key]
	if !ok {
		return store.Record{}, fmt.Errorf("%s record %q: %w", key.Kind, key.Key, store.ErrNotFound)
	}
	return cloneRecord(r), nil
}

// Versions implements store.Reader.
func (m *Memory) Versions(ctx context.Context, keys []store.RecordKey) ([]uint64, error) {
	unlock, err := m.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	versions := make([]uint64, len(keys))
	for i, key := range keys {
		versions[i] = m.records[key].Version
	}
	return versions, nil
}

// Records implements store.Reader.
func (m *Memory) Records(ctx context.Context, kind, after string) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		unlock, err := m.reading(ctx)
		if err != nil {
			yield(store.Record{}, err)
			return
		}
		var list []store.Record
		for key, r := range m.records {
			if key.Kind == kind && key.Key > after {
				list = append(list, cloneRecord(r))
			}
		}
		unlock()
		slices.SortFunc(list, func(a, b store.Record) int { return strings.Compare(a.Key, b.Key) })
		for _, r := range list {
			if err := ctx.Err(); err != nil {
				yield(store.Record{}, err)
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

func cloneHead(h store.Head) store.Head {
	h.Range = slices.Clone(h.Range)
	return h
}

func cloneRecord(r store.Record) store.Record {
	r.Value = append([]byte{}, r.Value...)
	return r
}

func cloneEntry(e store.Entry) store.Entry {
	e.Body = bytes.Clone(e.Body)
	if e.Private != nil {
		e.Private = &store.Private{
			Request: bytes.Clone(e.Private.Request), Salt: bytes.Clone(e.Private.Salt), Digest: e.Private.Digest,
		}
	}
	return e
}
