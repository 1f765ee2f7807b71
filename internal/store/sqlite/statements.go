package sqlite

import (
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/strixlabs/execution-kernel/internal/store"
)

// Lookup and idempotency remember keptBatches commits at least; the older ones
// are forgotten pruneStep at a time.
const (
	keptBatches = 4096
	pruneStep   = 1024
)

// expireAtOnce bounds what one commit deletes of expired records.
const expireAtOnce = 256

// statements are those of the connection that commits, prepared once.
type statements struct {
	batches int64 // the number of the last batch

	begin, commit, rollback   *sqlite.Stmt
	findBatch, insertBatch    *sqlite.Stmt
	pruneBatches              *sqlite.Stmt
	head, setHead, lastTime   *sqlite.Stmt
	insertEntry, insertSecret *sqlite.Stmt
	record, setRecord         *sqlite.Stmt
	deleteRecord, expire      *sqlite.Stmt
}

func (s *statements) prepare(c *sqlite.Conn) error {
	var err error
	if s.batches, err = resultInt64(c, "SELECT coalesce(max(n), 0) FROM batches"); err != nil {
		return err
	}
	for _, p := range []struct {
		stmt **sqlite.Stmt
		sql  string
	}{
		{&s.begin, "BEGIN IMMEDIATE"},
		{&s.commit, "COMMIT"},
		{&s.rollback, "ROLLBACK"},
		{&s.findBatch, "SELECT 1 FROM batches WHERE id = ?"},
		{&s.insertBatch, "INSERT INTO batches (id, n) VALUES (?, ?)"},
		{&s.pruneBatches, "DELETE FROM batches WHERE n <= ?"},
		{&s.head, "SELECT size FROM heads WHERE shard = ?"},
		{&s.setHead, `INSERT INTO heads (shard, size, root, "range") VALUES (?1, ?2, ?3, ?4)
			ON CONFLICT (shard) DO UPDATE SET size = ?2, root = ?3, "range" = ?4`},
		{&s.lastTime, "SELECT instant FROM entries WHERE shard = ? AND seq = ?"},
		{&s.insertEntry, `INSERT INTO entries (shard, seq, instant, kind, id, caller, agent, action, decision, leaf, body)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`},
		{&s.insertSecret, "INSERT INTO private (shard, seq, request, salt, digest) VALUES (?, ?, ?, ?, ?)"},
		{&s.record, "SELECT version, expires FROM records WHERE kind = ? AND key = ?"},
		{&s.setRecord, `INSERT INTO records (kind, key, version, value, expires) VALUES (?1, ?2, ?3, ?4, ?5)
			ON CONFLICT (kind, key) DO UPDATE SET version = ?3, value = ?4, expires = ?5`},
		{&s.deleteRecord, "DELETE FROM records WHERE kind = ? AND key = ?"},
		{&s.expire, `DELETE FROM records WHERE (kind, key) IN
			(SELECT kind, key FROM records WHERE expires <> 0 AND expires < ?1 ORDER BY expires LIMIT ?2)`},
	} {
		stmt, err := c.Prepare(p.sql)
		if err != nil {
			return fmt.Errorf("prepare %q: %w", p.sql, err)
		}
		*p.stmt = stmt
	}
	return nil
}

// run runs a statement that returns no rows.
func run(stmt *sqlite.Stmt) error {
	if _, err := stmt.Step(); err != nil {
		return err
	}
	return stmt.Reset()
}

// row runs a statement for its first row, if there is one.
func row(stmt *sqlite.Stmt, read func()) (found bool, err error) {
	found, err = stmt.Step()
	if err != nil {
		return false, err
	}
	if found && read != nil {
		read()
	}
	return found, stmt.Reset()
}

func (s *statements) isCommitted(id string) (bool, error) {
	s.findBatch.BindText(1, id)
	return row(s.findBatch, nil)
}

// checkHead holds the batch to the head it was built on.
func (s *statements) checkHead(b *store.Batch) error {
	var size uint64
	s.head.BindInt64(1, int64(b.Shard))
	if _, err := row(s.head, func() { size = uint64(s.head.ColumnInt64(0)) }); err != nil {
		return err
	}
	if size != b.PrevSize {
		return fmt.Errorf("%w: shard %d has %d entries, the batch follows %d", store.ErrHeadMoved, b.Shard, size, b.PrevSize)
	}
	if size == 0 || len(b.Entries) == 0 {
		return nil
	}
	last := b.Entries[0].Instant
	s.lastTime.BindInt64(1, int64(b.Shard))
	s.lastTime.BindInt64(2, int64(size-1))
	if _, err := row(s.lastTime, func() { last = s.lastTime.ColumnInt64(0) }); err != nil {
		return err
	}
	if b.Entries[0].Instant < last {
		return fmt.Errorf("entry %d: %w", b.PrevSize, store.ErrInstantBack)
	}
	return nil
}

// unmet returns the keys of guards and transitions that do not hold.
func (s *statements) unmet(b *store.Batch) (failed []store.RecordKey, err error) {
	check := func(key store.RecordKey, want uint64) error {
		version, err := s.version(key, want, b.Expire)
		if err == nil && version != want {
			failed = append(failed, key)
		}
		return err
	}
	for _, g := range b.Guards {
		if err := check(g.RecordKey, g.Version); err != nil {
			return nil, err
		}
	}
	for _, t := range b.Transitions {
		if err := check(t.RecordKey, t.From); err != nil {
			return nil, err
		}
	}
	return failed, nil
}

// version returns a record's version, 0 when there is none. For one that
// should not be there an expired record is none.
func (s *statements) version(key store.RecordKey, want uint64, now int64) (version uint64, err error) {
	s.record.BindText(1, key.Kind)
	s.record.BindText(2, key.Key)
	_, err = row(s.record, func() {
		expires := s.record.ColumnInt64(1)
		if want == 0 && expires != 0 && expires < now {
			return
		}
		version = uint64(s.record.ColumnInt64(0))
	})
	return version, err
}

// insert writes everything and returns about how many bytes that was.
func (s *statements) insert(b *store.Batch) (size int64, err error) {
	for i := range b.Entries {
		n, err := s.entry(&b.Entries[i])
		if err != nil {
			return 0, err
		}
		size += n
	}
	for i := range b.Transitions {
		if err := s.transition(&b.Transitions[i]); err != nil {
			return 0, err
		}
		size += int64(len(b.Transitions[i].Value))
	}
	if b.Expire != 0 {
		s.expire.BindInt64(1, b.Expire)
		s.expire.BindInt64(2, expireAtOnce)
		if err := run(s.expire); err != nil {
			return 0, err
		}
	}
	if len(b.Entries) > 0 {
		if err := s.advance(b.Shard, b.Next); err != nil {
			return 0, err
		}
	}
	return size, s.batch(b.ID)
}

func (s *statements) entry(e *store.Entry) (int64, error) {
	st := s.insertEntry
	st.BindInt64(1, int64(e.Shard))
	st.BindInt64(2, int64(e.Seq))
	st.BindInt64(3, e.Instant)
	st.BindText(4, e.Kind)
	st.BindText(5, e.ID)
	st.BindText(6, e.Caller)
	st.BindText(7, e.Agent)
	st.BindText(8, e.Action)
	st.BindText(9, e.Decision)
	st.BindBytes(10, e.Leaf[:])
	st.BindText(11, string(e.Body))
	if err := run(st); err != nil {
		return 0, fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	if e.Private == nil {
		return int64(len(e.Body)), nil
	}
	st = s.insertSecret
	st.BindInt64(1, int64(e.Shard))
	st.BindInt64(2, int64(e.Seq))
	st.BindText(3, string(e.Private.Request))
	st.BindBytes(4, e.Private.Salt)
	st.BindText(5, e.Private.Digest)
	if err := run(st); err != nil {
		return 0, fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	return int64(len(e.Body) + len(e.Private.Request)), nil
}

func (s *statements) transition(t *store.Transition) error {
	st := s.deleteRecord
	if t.Value != nil {
		st = s.setRecord
		st.BindInt64(3, int64(t.To()))
		st.BindBytes(4, t.Value)
		st.BindInt64(5, t.Expires)
	}
	st.BindText(1, t.Kind)
	st.BindText(2, t.Key)
	if err := run(st); err != nil {
		return fmt.Errorf("%s record %q: %w", t.Kind, t.Key, err)
	}
	return nil
}

func (s *statements) advance(shard int, head store.Head) error {
	hashes := make([]byte, 0, 32*len(head.Range))
	for i := range head.Range {
		hashes = append(hashes, head.Range[i][:]...)
	}
	s.setHead.BindInt64(1, int64(shard))
	s.setHead.BindInt64(2, int64(head.Size))
	s.setHead.BindBytes(3, head.Root[:])
	s.setHead.BindBytes(4, hashes)
	return run(s.setHead)
}

// batch remembers the batch, and now and then forgets the oldest. Numbers of
// batches that are not committed in the end are not missed.
func (s *statements) batch(id string) error {
	s.batches++
	s.insertBatch.BindText(1, id)
	s.insertBatch.BindInt64(2, s.batches)
	if err := run(s.insertBatch); err != nil {
		return err
	}
	if s.batches%pruneStep != 0 {
		return nil
	}
	s.pruneBatches.BindInt64(1, s.batches-keptBatches)
	return run(s.pruneBatches)
}
