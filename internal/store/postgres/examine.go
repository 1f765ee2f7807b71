package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrAltered is returned, wrapped, for a database in which something was put
// beside our tables that could rewrite what is committed, or hide it.
var ErrAltered = errors.New("its schema was altered")

// alterations finds triggers, rules and row policies on our tables.
func alterations(ctx context.Context, c *pgxpool.Conn) ([]string, error) {
	rows, err := c.Query(ctx, `SELECT 'the trigger ' || t.tgname || ' on ' || r.relname FROM pg_trigger AS t
			JOIN pg_class AS r ON r.oid = t.tgrelid WHERE r.relnamespace = 'kernel'::regnamespace AND NOT t.tgisinternal
		UNION ALL SELECT 'the rule ' || u.rulename || ' on ' || r.relname FROM pg_rewrite AS u
			JOIN pg_class AS r ON r.oid = u.ev_class WHERE r.relnamespace = 'kernel'::regnamespace
		UNION ALL SELECT 'row security on ' || r.relname FROM pg_class AS r
			WHERE r.relnamespace = 'kernel'::regnamespace AND r.relrowsecurity
		UNION ALL SELECT r.relname || ' is not kept through a crash' FROM pg_class AS r
			WHERE r.relnamespace = 'kernel'::regnamespace AND r.relkind IN ('r', 'i') AND r.relpersistence <> 'p'`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

const maxDamages = 20

// strays are rows that belong to no entry and that reading entries never shows.
var strays = []struct{ query, sentence string }{
	{
		`SELECT p.shard, p.seq FROM kernel.private AS p LEFT JOIN kernel.entries AS e ON e.shard = p.shard AND e.seq = p.seq WHERE e.seq IS NULL`,
		"shard %d: there is a request for entry %d, but no entry",
	},
	{
		`SELECT e.shard, e.seq FROM kernel.entries AS e JOIN kernel.heads AS h ON h.shard = e.shard WHERE e.seq >= h.size`,
		"shard %d: the row of entry %d is outside the log",
	},
	{
		`SELECT p.shard, p.seq FROM kernel.private AS p JOIN kernel.heads AS h ON h.shard = p.shard WHERE p.seq >= h.size`,
		"shard %d: the request beside entry %d is outside the log",
	},
	{
		`SELECT e.shard, min(e.seq) FROM kernel.entries AS e LEFT JOIN kernel.heads AS h ON h.shard = e.shard WHERE h.shard IS NULL GROUP BY e.shard`,
		"shard %d: there are entries from %d on, but no head",
	},
	{
		`SELECT h.shard, h.instant FROM kernel.heads AS h JOIN kernel.entries AS e ON e.shard = h.shard AND e.seq = h.size - 1 WHERE e.instant <> h.instant`,
		"shard %d: the head has the instant %d, the last entry another",
	},
	{
		`SELECT shard, coalesce(l.epoch, 0) FROM kernel.leases AS l FULL JOIN kernel.heads AS h USING (shard) WHERE coalesce(l.epoch, 0) <> coalesce(h.epoch, 0)`,
		"shard %d: its lease has epoch %d, its head another or none",
	},
}

// Examine implements store.Examiner with a search for stray rows and for what
// could rewrite others. Its own files the server checks itself (pg_amcheck).
func (db *DB) Examine(ctx context.Context) (damages []string, err error) {
	err = db.with(ctx, 600, func(ctx context.Context, c *pgxpool.Conn) error {
		altered, err := alterations(ctx, c)
		for _, a := range altered {
			damages = append(damages, "PostgreSQL: "+a)
		}
		for _, s := range strays {
			if err != nil {
				return err
			}
			err = findStrays(ctx, c, s.query, func(shard, n int64) { damages = append(damages, fmt.Sprintf(s.sentence, shard, n)) })
		}
		return err
	})
	if err != nil {
		return damages, fmt.Errorf("examine the database: %w", err)
	}
	return damages, nil
}

func findStrays(ctx context.Context, c *pgxpool.Conn, query string, found func(shard, n int64)) error {
	rows, err := c.Query(ctx, query+" LIMIT $1", maxDamages)
	if err != nil {
		return err
	}
	var shard, n int64
	_, err = pgx.ForEachRow(rows, []any{&shard, &n}, func() error {
		found(shard, n)
		return nil
	})
	return err
}
