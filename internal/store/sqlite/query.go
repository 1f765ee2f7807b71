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
		for err == nil && lo < hi && left > 0 && len(page) == 0 {
			from, to := lo, hi
			if q.Agent != "" {
				from, to = block(lo, hi, q.Newest)
			}
			var more bool
			page, more, err = entries(c, q, page, from, to, min(left, pageRows))
			if more { // of this block
				last := int64(page[len(page)-1].Seq)
				from, to = last, last+1
			}
			if q.Newest {
				hi, q.From = from, uint64(from)
			} else {
				lo, q.From = to, uint64(to)
			}
		}
		left -= len(page)
		return page, lo < hi && left > 0, err
	})
}

// blockBits is how many bits of its seq do not tell an entry's block, in the
// index of agents.
const blockBits = 10

// block returns the first block of [lo, hi), or the last one when the newest
// come first.
func block(lo, hi int64, newest bool) (from, to int64) {
	if newest {
		return max(lo, (hi-1)>>blockBits<<blockBits), hi
	}
	return lo, min(hi, (lo>>blockBits+1)<<blockBits)
}

// entries fills a page with what a query selects of [lo, hi), and reports whether
// there may be more.
func entries(c *sqlite.Conn, q store.Query, page []store.Entry, lo, hi int64, limit int) ([]store.Entry, bool, error) {
	stmt, err := prepareQuery(c, q, lo, hi)
	if err != nil {
		return page, false, err
	}
	return fillPage(stmt, page, limit, func() (store.Entry, int, error) {
		e := readEntry(stmt)
		at := int64(e.Seq)
		if at < lo || at >= hi {
			return e, 0, errOrder
		}
		if q.Newest {
			hi = at
		} else {
			lo = at + 1
		}
		return e, len(e.Body) + requestSize(e), nil
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
	size := hi
	if q.Newest {
		if q.From > 0 {
			hi = min(hi, seq(q.From))
		}
	} else {
		lo = seq(q.From)
	}
	for _, bound := range []struct {
		instant int64
		apply   func(int64)
	}{
		{q.Since, func(n int64) { lo = max(lo, n) }},
		{q.Until, func(n int64) { hi = min(hi, n) }},
	} {
		if bound.instant == 0 {
			continue
		}
		n, err := firstSince(c, q.Shard, size, bound.instant)
		if err != nil {
			return 0, 0, err
		}
		bound.apply(n)
	}
	return lo, hi, nil
}

// firstSince halves [0, size) until it has the first place from which on
// entries are not before an instant.
func firstSince(c *sqlite.Conn, shard int, size, instant int64) (int64, error) {
	stmt, err := c.Prepare("SELECT seq, instant FROM entries WHERE shard = ? AND seq >= ? AND seq < ? ORDER BY seq LIMIT 1")
	if err != nil {
		return 0, err
	}
	lo, hi := int64(0), size
	for lo < hi {
		middle := lo + (hi-lo)/2
		seq, at := hi, instant // where there is none, as little as where one is late
		stmt.BindInt64(1, int64(shard))
		stmt.BindInt64(2, middle)
		stmt.BindInt64(3, hi)
		if _, err := row(stmt, func() { seq, at = stmt.ColumnInt64(0), stmt.ColumnInt64(1) }); err != nil {
			return 0, err
		}
		if at < instant {
			lo = seq + 1
		} else {
			hi = middle
		}
	}
	return lo, nil
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
	if q.Agent != "" {
		p.add(fmt.Sprintf("e.seq >> %d = ?", blockBits), lo>>blockBits)
	}
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
