package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strixlabs/execution-kernel/internal/store"
)

// Entries implements store.Reader.
func (db *DB) Entries(ctx context.Context, q store.Query) iter.Seq2[store.Entry, error] {
	left := q.Limit
	if q.Limit <= 0 {
		left = math.MaxInt
	}
	return pages(ctx, db, fmt.Sprintf("entries of shard %d", q.Shard), func(ctx context.Context, c *pgxpool.Conn) (*page[store.Entry], error) {
		if left <= 0 {
			return nil, nil
		}
		lo, hi, err := window(ctx, c, q)
		if err != nil || lo >= hi {
			return nil, err
		}
		p := selection(q, lo, hi, min(left, pageRows))
		p.read = func(row pgx.Row) (store.Entry, int, error) {
			e, err := readEntry(row)
			if err != nil {
				return e, 0, err
			}
			at := int64(e.Seq)
			if at < lo || at >= hi {
				return e, 0, errOrder
			}
			if q.Newest {
				hi, q.From = at, e.Seq
			} else {
				lo, q.From = at+1, e.Seq+1
			}
			if left--; q.Newest && at == 0 {
				left = 0 // From 0 would mean the head again
			}
			return e, len(e.Body) + requestSize(e), nil
		}
		return p, nil
	})
}

func requestSize(e store.Entry) int {
	if e.Private == nil {
		return 0
	}
	return len(e.Private.Request)
}

// window returns the seqs [lo, hi) that a query can select. Instants never go
// back, so a time is a place in the log; what lies beyond the head is not in it.
func window(ctx context.Context, c *pgxpool.Conn, q store.Query) (lo, hi int64, err error) {
	err = c.QueryRow(ctx, "SELECT size FROM kernel.heads WHERE shard = $1", int64(q.Shard)).Scan(&hi)
	if err != nil {
		return 0, 0, none(err)
	}
	switch {
	case !q.Newest:
		lo = place(q.From)
	case q.From > 0:
		hi = min(hi, place(q.From))
	}
	var n int64
	if q.Since != 0 {
		err := c.QueryRow(ctx, "SELECT seq FROM kernel.entries WHERE shard = $1 AND instant >= $2 ORDER BY instant, seq LIMIT 1",
			int64(q.Shard), q.Since).Scan(&n)
		if err != nil {
			return 0, 0, none(err)
		}
		lo = max(lo, n)
	}
	if q.Until != 0 {
		err := c.QueryRow(ctx, "SELECT seq + 1 FROM kernel.entries WHERE shard = $1 AND instant < $2 ORDER BY instant DESC, seq DESC LIMIT 1",
			int64(q.Shard), q.Until).Scan(&n)
		if err != nil {
			return 0, 0, none(err)
		}
		hi = min(hi, n)
	}
	return lo, hi, nil
}

// none makes an empty selection of a row that is not there.
func none(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	return err
}

func selection(q store.Query, lo, hi int64, rows int) *page[store.Entry] {
	private, join := privateColumns, joinPrivate
	if q.Bare {
		private, join = noPrivate, ""
	}
	p := &page[store.Entry]{args: []any{int64(q.Shard), lo, hi, rows}, rows: rows}
	where := " WHERE e.shard = $1 AND e.seq >= $2 AND e.seq < $3"
	equal := func(column, value, also string) {
		if value != "" {
			p.args = append(p.args, value)
			where += fmt.Sprintf(" AND %s = $%d%s", column, len(p.args), also)
		}
	}
	// The additions tell the server that an index, which leaves out some rows,
	// has all that are wanted.
	equal("e.agent", q.Agent, " AND e.agent <> ''")
	equal("e.action", q.Action, " AND e.action <> ''")
	equal("e.decision", q.Decision, "")
	equal("e.caller", q.Caller, "")
	if q.Kind == "decision" {
		equal("e.kind", q.Kind, "")
	} else {
		equal("e.kind", q.Kind, " AND e.kind <> 'decision'")
	}
	order := " ORDER BY e.seq"
	if q.Newest {
		order += " DESC"
	}
	p.sql = "SELECT " + entryColumns + private + " FROM kernel.entries AS e" + join + where + order + " LIMIT $4"
	return p
}
