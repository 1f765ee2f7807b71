package postgres

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/strixlabs/execution-kernel/internal/store"
)

// Lookup and idempotency remember keptBatches commits at least; the older ones
// are forgotten now and then.
const (
	keptBatches = 1 << 16
	pruneStep   = 1024
)

// expireAtOnce bounds what one commit deletes of expired records.
const expireAtOnce = 256

// A writing is one try at writing a batch. What does not hold is noticed only
// when everything was sent; it is rolled back then.
type writing struct {
	batch *store.Batch
	prune bool // forget old batches too

	known bool // the batch is committed already
	head  struct {
		size, instant, epoch int64
		commit               string // synchronous_commit
		found                bool
	}
	unmet map[store.RecordKey]bool
}

// send brings the batch. Without an error the transaction can be committed,
// unless the batch is known or something of it failed.
func (w *writing) send(ctx context.Context, c *pgx.Conn) error {
	w.unmet = map[store.RecordKey]bool{}
	var p pgx.Batch
	p.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	w.queueBatch(&p)
	w.queueHead(&p)
	w.queueRecords(&p)
	w.queueEntries(&p)
	w.queueExpiry(&p)
	w.queueAnnouncements(&p)
	err := c.SendBatch(ctx, &p).Close()
	switch {
	case w.known: // whatever failed then, it failed because of that
		return nil
	case w.head.found:
		if err := w.checkHead(); err != nil {
			return err
		}
	}
	if err != nil && c.IsClosed() {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return err
}

// queueBatch reserves the ID, or waits for whoever commits under it just now.
func (w *writing) queueBatch(p *pgx.Batch) {
	p.Queue("WITH new AS (INSERT INTO kernel.batches (id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING id) SELECT count(*) FROM new", w.batch.ID).
		QueryRow(func(row pgx.Row) error {
			var fresh int64
			err := row.Scan(&fresh)
			w.known = err == nil && fresh == 0
			return err
		})
	if w.prune {
		p.Queue("DELETE FROM kernel.batches WHERE n < (SELECT max(n) FROM kernel.batches) - $1::bigint", int64(keptBatches))
	}
}

// queueHead locks the shard.
func (w *writing) queueHead(p *pgx.Batch) {
	shard := int32(w.batch.Shard)
	if w.batch.PrevSize == 0 {
		p.Queue("INSERT INTO kernel.heads (shard) VALUES ($1) ON CONFLICT DO NOTHING", shard)
	}
	p.Queue("SELECT size, instant, epoch, current_setting('synchronous_commit') FROM kernel.heads WHERE shard = $1 FOR UPDATE", shard).
		Query(func(rows pgx.Rows) error {
			w.head.found = true
			if rows.Next() {
				if err := rows.Scan(&w.head.size, &w.head.instant, &w.head.epoch, &w.head.commit); err != nil {
					return err
				}
			}
			return rows.Err()
		})
}

// checkHead holds the batch to the head it was built on.
func (w *writing) checkHead() error {
	b, h := w.batch, w.head
	switch {
	case uint64(h.epoch) != b.Epoch:
		return fmt.Errorf("%w: shard %d has epoch %d, the batch carries %d", store.ErrFenced, b.Shard, h.epoch, b.Epoch)
	case uint64(h.size) != b.PrevSize:
		return fmt.Errorf("%w: shard %d has %d entries, the batch follows %d", store.ErrHeadMoved, b.Shard, h.size, b.PrevSize)
	case !synchronous(h.commit):
		return fmt.Errorf("%w: synchronous_commit was switched to %s", ErrUnsafe, h.commit)
	case h.size > 0 && len(b.Entries) > 0 && b.Entries[0].Instant < h.instant:
		return fmt.Errorf("entry %d: %w", b.PrevSize, store.ErrInstantBack)
	}
	return nil
}

// keys are columns of records, in the order in which every node locks them.
type keys struct {
	list    []store.RecordKey
	kinds   []string
	hashes  [][]byte
	texts   []string
	version []int64
	values  [][]byte
	expires []int64
}

func (k *keys) add(key store.RecordKey, version uint64, value []byte, expires int64) {
	hash := sha256.Sum256([]byte(key.Key))
	k.list = append(k.list, key)
	k.kinds = append(k.kinds, key.Kind)
	k.hashes = append(k.hashes, hash[:])
	k.texts = append(k.texts, key.Key)
	k.version = append(k.version, int64(version))
	k.values = append(k.values, value)
	k.expires = append(k.expires, expires)
}

// missing takes from unmet the keys that rows (kind, hash) name.
func (w *writing) missing(k *keys, rows pgx.Rows) error {
	held := map[[2]string]bool{}
	for rows.Next() {
		var kind string
		var hash []byte
		if err := rows.Scan(&kind, &hash); err != nil {
			return err
		}
		held[[2]string{kind, string(hash)}] = true
	}
	for i, key := range k.list {
		if !held[[2]string{k.kinds[i], string(k.hashes[i])}] {
			w.unmet[key] = true
		}
	}
	return rows.Err()
}

// records are the guards and transitions of one kind.
type records struct {
	absent, present     keys // that must not be there, and that must have a version
	made, changed, gone keys
}

func (r *records) guards() int      { return len(r.absent.list) + len(r.present.list) }
func (r *records) transitions() int { return len(r.made.list) + len(r.changed.list) + len(r.gone.list) }

// queueRecords holds what guards saw until the end of the transaction, and
// changes what transitions change. So that no two nodes wait for each other, all
// take places and locks in one order: kind after kind, of a kind first the
// places of what is not there and then the locks of what is, each by hash.
func (w *writing) queueRecords(p *pgx.Batch) {
	kinds := map[string]*records{}
	of := func(kind string) *records {
		if kinds[kind] == nil {
			kinds[kind] = &records{}
		}
		return kinds[kind]
	}
	for _, g := range w.batch.Guards {
		if r := of(g.Kind); g.Version == 0 {
			r.absent.add(g.RecordKey, 0, nil, 0)
		} else {
			r.present.add(g.RecordKey, g.Version, nil, 0)
		}
	}
	for _, t := range sorted(w.batch.Transitions) {
		switch r := of(t.Kind); {
		case t.From == 0 && t.Value == nil: // it deletes what must not be there
			r.absent.add(t.RecordKey, 0, nil, 0)
		case t.Value == nil:
			r.gone.add(t.RecordKey, t.From, nil, 0)
		case t.From == 0:
			r.made.add(t.RecordKey, t.To(), t.Value, t.Expires)
		default:
			r.changed.add(t.RecordKey, t.From, t.Value, t.Expires)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		r := kinds[kind]
		if r.guards() > 0 && r.transitions() > 0 {
			w.queueBoth(p, r)
			continue
		}
		w.queueGuards(p, r)
		w.queueTransitions(p, r)
	}
}

// queueBoth is for a kind of which some records are guarded and others changed:
// all are locked as if they were changed, since two nodes that hold what the
// other wants to change would wait for each other.
func (w *writing) queueBoth(p *pgx.Batch, r *records) {
	w.queuePlaces(p, slices.Concat(r.absent.kinds, r.made.kinds), slices.Concat(r.absent.hashes, r.made.hashes), slices.Concat(r.absent.texts, r.made.texts))
	p.Queue(lockRecords+" ORDER BY r.kind, r.hash FOR UPDATE OF r",
		slices.Concat(r.absent.kinds, r.present.kinds, r.made.kinds, r.changed.kinds, r.gone.kinds),
		slices.Concat(r.absent.hashes, r.present.hashes, r.made.hashes, r.changed.hashes, r.gone.hashes))
	w.queueGuards(p, r)
	w.queueTransitions(p, r)
}

// queuePlaces takes the places of records that are not there, with version 0.
// Nobody else can take them meanwhile, and they are gone before the commit.
func (w *writing) queuePlaces(p *pgx.Batch, kinds []string, hashes [][]byte, texts []string) {
	if len(kinds) == 0 {
		return
	}
	p.Queue(`INSERT INTO kernel.records (kind, hash, key, version, value, expires)
		SELECT DISTINCT kind, hash, key, 0, ''::bytea, 0 FROM unnest($1::text[], $2::bytea[], $3::text[]) AS k (kind, hash, key) ORDER BY kind, hash
		ON CONFLICT DO NOTHING`, kinds, hashes, texts)
}

// queueGuards holds what a guard saw.
func (w *writing) queueGuards(p *pgx.Batch, r *records) {
	if k := &r.absent; len(k.list) > 0 {
		w.queuePlaces(p, k.kinds, k.hashes, k.texts)
		p.Queue(lockRecords+` AND (r.version = 0 OR r.expires <> 0 AND r.expires < $3) ORDER BY r.kind, r.hash FOR SHARE OF r`,
			k.kinds, k.hashes, w.batch.Expire).
			Query(func(rows pgx.Rows) error { return w.missing(k, rows) })
		p.Queue(`DELETE FROM kernel.records AS r USING unnest($1::text[], $2::bytea[]) AS k (kind, hash)
			WHERE r.kind = k.kind AND r.hash = k.hash AND r.version = 0`, k.kinds, k.hashes)
	}
	if k := &r.present; len(k.list) > 0 {
		p.Queue(`SELECT r.kind, r.hash FROM kernel.records AS r JOIN unnest($1::text[], $2::bytea[], $3::bigint[]) AS k (kind, hash, version)
			ON r.kind = k.kind AND r.hash = k.hash AND r.version = k.version ORDER BY r.kind, r.hash FOR SHARE OF r`,
			k.kinds, k.hashes, k.version).
			Query(func(rows pgx.Rows) error { return w.missing(k, rows) })
	}
}

const lockRecords = `SELECT r.kind, r.hash FROM kernel.records AS r
	JOIN unnest($1::text[], $2::bytea[]) AS k (kind, hash) ON r.kind = k.kind AND r.hash = k.hash WHERE true`

// queueTransitions changes the records that have the version they must have.
func (w *writing) queueTransitions(p *pgx.Batch, r *records) {
	if k := &r.made; len(k.list) > 0 {
		p.Queue(`INSERT INTO kernel.records AS r (kind, hash, key, version, value, expires)
			SELECT kind, hash, key, version, value, expires FROM unnest($1::text[], $2::bytea[], $3::text[], $7::bigint[], $4::bytea[], $5::bigint[]) AS k (kind, hash, key, version, value, expires)
			ON CONFLICT (kind, hash) DO UPDATE SET version = excluded.version, value = excluded.value, expires = excluded.expires
			WHERE r.version = 0 OR r.expires <> 0 AND r.expires < $6 RETURNING kind, hash`,
			k.kinds, k.hashes, k.texts, k.values, k.expires, w.batch.Expire, k.version).
			Query(func(rows pgx.Rows) error { return w.missing(k, rows) })
	}
	// Where all are changed, the change takes the locks in order itself.
	if n := len(r.changed.list) + len(r.gone.list); n > 1 && len(r.gone.list) > 0 {
		p.Queue(lockRecords+" ORDER BY r.kind, r.hash FOR UPDATE OF r",
			slices.Concat(r.changed.kinds, r.gone.kinds), slices.Concat(r.changed.hashes, r.gone.hashes))
	}
	if k := &r.changed; len(k.list) > 0 {
		p.Queue(`UPDATE kernel.records AS r SET version = k.version + 1, value = k.value, expires = k.expires
			FROM (SELECT k.* FROM kernel.records AS r
				JOIN unnest($1::text[], $2::bytea[], $3::bigint[], $4::bytea[], $5::bigint[]) AS k (kind, hash, version, value, expires)
				ON r.kind = k.kind AND r.hash = k.hash AND r.version = k.version ORDER BY r.kind, r.hash FOR UPDATE OF r) AS k
			WHERE r.kind = k.kind AND r.hash = k.hash AND r.version = k.version RETURNING r.kind, r.hash`,
			k.kinds, k.hashes, k.version, k.values, k.expires).
			Query(func(rows pgx.Rows) error { return w.missing(k, rows) })
	}
	if k := &r.gone; len(k.list) > 0 {
		p.Queue(`DELETE FROM kernel.records AS r USING unnest($1::text[], $2::bytea[], $3::bigint[]) AS k (kind, hash, version)
			WHERE r.kind = k.kind AND r.hash = k.hash AND r.version = k.version RETURNING r.kind, r.hash`,
			k.kinds, k.hashes, k.version).
			Query(func(rows pgx.Rows) error { return w.missing(k, rows) })
	}
}

func sorted(list []store.Transition) []store.Transition {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b store.Transition) int {
		if c := strings.Compare(a.Kind, b.Kind); c != 0 {
			return c
		}
		x, y := sha256.Sum256([]byte(a.Key)), sha256.Sum256([]byte(b.Key))
		return slices.Compare(x[:], y[:])
	})
	return list
}

// failed returns the keys that did not hold, guards first, in the batch's order.
func (w *writing) failed() (failed []store.RecordKey) {
	add := func(key store.RecordKey) {
		if w.unmet[key] {
			failed = append(failed, key)
		}
	}
	for _, g := range w.batch.Guards {
		add(g.RecordKey)
	}
	for _, t := range w.batch.Transitions {
		add(t.RecordKey)
	}
	return failed
}
