package postgres

import (
	"github.com/jackc/pgx/v5"
)

// queueEntries appends to the log and moves the head. Entries that do not fit
// the log fail on its keys, and everything with them.
func (w *writing) queueEntries(p *pgx.Batch) {
	b := w.batch
	n := len(b.Entries)
	if n == 0 {
		return
	}
	type texts = []string
	seq, instant := make([]int64, n), make([]int64, n)
	kind, id, caller := make(texts, n), make(texts, n), make(texts, n)
	agent, action, decision := make(texts, n), make(texts, n), make(texts, n)
	leaf, body := make([][]byte, n), make([][]byte, n)
	var of []int64
	var request, salt [][]byte
	var digest texts
	for i := range b.Entries {
		e := &b.Entries[i]
		seq[i], instant[i] = int64(e.Seq), e.Instant
		kind[i], id[i], caller[i], agent[i], action[i], decision[i] = e.Kind, e.ID, e.Caller, e.Agent, e.Action, e.Decision
		leaf[i], body[i] = e.Leaf[:], e.Body
		if e.Private != nil {
			of, digest = append(of, seq[i]), append(digest, e.Private.Digest)
			request, salt = append(request, e.Private.Request), append(salt, e.Private.Salt)
		}
	}
	p.Queue(`INSERT INTO kernel.entries (shard, seq, instant, kind, id, caller, agent, action, decision, leaf, body)
		SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bytea[], $11::bytea[])`,
		int32(b.Shard), seq, instant, kind, id, caller, agent, action, decision, leaf, body)
	if len(of) > 0 {
		p.Queue(`INSERT INTO kernel.private (shard, seq, request, salt, digest)
			SELECT $1, * FROM unnest($2::bigint[], $3::bytea[], $4::bytea[], $5::text[])`, int32(b.Shard), of, request, salt, digest)
	}
	p.Queue(`UPDATE kernel.heads SET size = $2, root = $3, "range" = $4, instant = $5 WHERE shard = $1`,
		int32(b.Shard), int64(b.Next.Size), b.Next.Root[:], joined(b.Next.Range), instant[n-1])
}

func joined(hashes [][32]byte) []byte {
	all := []byte{}
	for i := range hashes {
		all = append(all, hashes[i][:]...)
	}
	return all
}

// queueExpiry deletes some of the records that have expired, past those that
// another node deals with just now.
func (w *writing) queueExpiry(p *pgx.Batch) {
	if w.batch.Expire == 0 {
		return
	}
	p.Queue(`DELETE FROM kernel.records AS r USING (SELECT kind, hash FROM kernel.records
		WHERE expires <> 0 AND expires < $1 ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED) AS k
		WHERE r.kind = k.kind AND r.hash = k.hash`, w.batch.Expire, int64(expireAtOnce))
}
