package sqlite

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

const maxDamages = 20

// strays are rows that belong to no entry and that reading entries never shows.
var strays = []struct{ query, sentence string }{
	{
		"SELECT p.shard, p.seq FROM private AS p LEFT JOIN entries AS e ON e.shard = p.shard AND e.seq = p.seq WHERE e.seq IS NULL",
		"shard %d: there is a request for entry %d, but no entry",
	},
	{
		"SELECT shard, seq FROM entries AS e WHERE seq < 0 OR seq >= (SELECT size FROM heads AS h WHERE h.shard = e.shard)",
		"shard %d: the row of entry %d is outside the log",
	},
	{
		"SELECT shard, seq FROM private AS p WHERE seq < 0 OR seq >= (SELECT size FROM heads AS h WHERE h.shard = p.shard)",
		"shard %d: the request beside entry %d is outside the log",
	},
	{
		"SELECT e.shard, min(e.seq) FROM entries AS e LEFT JOIN heads AS h ON h.shard = e.shard WHERE h.shard IS NULL GROUP BY e.shard",
		"shard %d: there are entries from %d on, but no head",
	},
}

// Examine implements store.Examiner with SQLite's integrity_check, which also
// compares every index with its table, and a search for stray rows.
func (db *DB) Examine(ctx context.Context) (damages []string, err error) {
	err = db.read(ctx, func(c *sqlite.Conn) (err error) {
		// It looks up every row in every index, at random.
		if err := pragmas(c, "cache_size=-262144"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, pragmas(c, readerCache)) }()
		add := func(s string) { damages = append(damages, s) }
		err = sqlitex.ExecuteTransient(c, fmt.Sprintf("PRAGMA integrity_check(%d)", maxDamages), &sqlitex.ExecOptions{
			ResultFunc: func(stmt *sqlite.Stmt) error {
				if s := stmt.ColumnText(0); s != "ok" {
					add("SQLite: " + s)
				}
				return nil
			},
		})
		for _, s := range strays {
			if err == nil {
				err = findStrays(c, s.query, s.sentence, add)
			}
		}
		if damage := damageOf(err); damage != "" && ctx.Err() == nil {
			add(damage)
			return nil
		}
		return err
	})
	return damages, err
}

func findStrays(c *sqlite.Conn, query, sentence string, add func(string)) error {
	return sqlitex.ExecuteTransient(c, fmt.Sprintf("%s LIMIT %d", query, maxDamages), &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error {
			add(fmt.Sprintf(sentence, stmt.ColumnInt64(0), stmt.ColumnInt64(1)))
			return nil
		},
	})
}

// damageOf tells a damaged file from one that could not be read.
func damageOf(err error) string {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return ""
	}
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultCorrupt, sqlite.ResultNotADB:
		return "SQLite cannot read on: " + err.Error()
	}
	return ""
}
