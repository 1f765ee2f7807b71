package sqlite

import (
	"context"
	"fmt"
	"iter"
	"math"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/strixlabs/execution-kernel/internal/store"
)

// A plan is a query in SQL. The planner of SQLite knows nothing about how rare
// a value is, so the index is chosen here: agents are the rarest.
type plan struct {
	where []string
	args  []any // string or int64
}

func (p *plan) add(condition string, arg any) {
	p.where = append(p.where, condition)
	p.args = append(p.args, arg)
}

func (p *plan) equal(column, value, also string) {
	if value != "" {
		p.add(column+" = ?"+also, value)
	}
}

func (p *plan) prepare(c *sqlite.Conn, sql, order string) (*sqlite.Stmt, error) {
	stmt, err := c.Prepare(sql + " WHERE " + strings.Join(p.where, " AND ") + order)
	if err != nil {
		return nil, err
	}
	for i, arg := range p.args {
		switch arg := arg.(type) {
		case string:
			stmt.BindText(i+1, arg)
		case int64:
			stmt.BindInt64(i+1, arg)
		}
	}
	return stmt, nil
}

// Entries implements store.Reader.
func (db *DB) Entries(ctx context.Context, q store.Query) iter.Seq2[store.Entry, error] {
	left := q.Limit
	if q.Limit <= 0 {
		left = math.MaxInt
	}
	return pages(ctx, db, fmt.Sprintf("entries of shard %d", q.Shard), func(c *sqlite.Conn, page []store.Entry) ([]store.Entry, bool, error) {
		lo, hi, err := window(c, q)
		if err != nil || lo >= hi || left == 0 {
			return page, false, err
		}
		stmt, err := prepareQuery(c, q, lo, hi)
		if err != nil {
			return page, false, err
		}
		page, more, err := fillPage(stmt, page, min(left, pageRows), func() (store.Entry, int, error) {
			e := readEntry(stmt)
			at := int64(e.Seq)
			if at < lo || at >= hi {
				return e, 0, errOrder
			}
			if q.Newest {
				hi, q.From = at, e.Seq
			} else {
				lo, q.From = at+1, e.Seq+1
			}
			return e, len(e.Body) + requestSize(e), nil
		})
		left -= len(page)
		return page, more && lo < hi, err
	})
}

func requestSize(e store.Entry) int {
	if e.Private == nil {
		return 0
	}
	return len(e.Private.Request)
}

// window returns the seqs [lo, hi) that a query can select. Instants never go
// back, so a time is a place in the log.
func window(c *sqlite.Conn, q store.Query) (lo, hi int64, err error) {
	if hi, err = headSize(c, q.Shard); err != nil {
		return 0, 0, err
	}
	if q.Newest {
		if q.From > 0 {
			hi = min(hi, seq(q.From))
		}
	} else {
		lo = seq(q.From)
	}
	for _, bound := range []struct {
		instant int64
		sql     string
		apply   func(int64)
	}{
		{q.Since, "SELECT seq FROM entries INDEXED BY entries_by_instant WHERE shard = ? AND instant >= ? ORDER BY instant, seq LIMIT 1", func(n int64) { lo = max(lo, n) }},
		{q.Until, "SELECT seq + 1 FROM entries INDEXED BY entries_by_instant WHERE shard = ? AND instant < ? ORDER BY instant DESC, seq DESC LIMIT 1", func(n int64) { hi = min(hi, n) }},
	} {
		if bound.instant == 0 {
			continue
		}
		stmt, err := c.Prepare(bound.sql)
		if err != nil {
			return 0, 0, err
		}
		stmt.BindInt64(1, int64(q.Shard))
		stmt.BindInt64(2, bound.instant)
		found, err := row(stmt, func() { bound.apply(stmt.ColumnInt64(0)) })
		if err != nil {
			return 0, 0, err
		}
		if !found {
			return 0, 0, nil
		}
	}
	return lo, hi, nil
}

// headSize is how many entries the head says there are. What lies beyond it, or
// before 0, is not in the log.
func headSize(c *sqlite.Conn, shard int) (n int64, err error) {
	stmt, err := c.Prepare("SELECT size FROM heads WHERE shard = ?")
	if err != nil {
		return 0, err
	}
	stmt.BindInt64(1, int64(shard))
	_, err = row(stmt, func() { n = stmt.ColumnInt64(0) })
	return n, err
}

func seq(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

func prepareQuery(c *sqlite.Conn, q store.Query, lo, hi int64) (*sqlite.Stmt, error) {
	var p plan
	p.add("e.shard = ?", int64(q.Shard))
	p.add("e.seq >= ?", lo)
	p.add("e.seq < ?", hi)
	// The additions tell SQLite that an index, which leaves out some rows, has
	// all that are wanted.
	p.equal("e.agent", q.Agent, " AND e.agent <> ''")
	p.equal("e.action", q.Action, " AND e.action <> ''")
	p.equal("e.decision", q.Decision, "")
	p.equal("e.caller", q.Caller, "")
	if q.Kind == "decision" {
		p.equal("e.kind", q.Kind, "")
	} else {
		p.equal("e.kind", q.Kind, " AND e.kind <> 'decision'")
	}
	order := " ORDER BY e.seq"
	if q.Newest {
		order += " DESC"
	}
	private, join := privateColumns, joinPrivate
	if q.Bare {
		private, join = noPrivate, ""
	}
	return p.prepare(c, "SELECT "+entryColumns+private+" FROM entries AS e"+index(q)+join, order)
}

func index(q store.Query) string {
	switch {
	case q.Agent != "":
		return " INDEXED BY entries_by_agent"
	case q.Action != "":
		return " INDEXED BY entries_by_action"
	case q.Kind != "" && q.Kind != "decision":
		return " INDEXED BY entries_by_kind"
	}
	return ""
}
