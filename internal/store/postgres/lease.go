package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strixlabs/execution-kernel/internal/store"
)

// left is what is left of a lease, in microseconds of the server's clock.
const left = "greatest(0, extract(epoch FROM expires - clock_timestamp()) * 1000000)::bigint"

// Acquire implements store.Leaser. The epoch is written where commits look: a
// commit under way holds that row, so that it is over when Acquire returns.
func (db *DB) Acquire(ctx context.Context, shard int, owner string, life time.Duration) (store.Lease, error) {
	if err := store.CheckLease(shard, owner, life); err != nil {
		return store.Lease{}, err
	}
	lease := store.Lease{Shard: shard, Owner: owner}
	err := db.leasing(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		err := scanLease(&lease, c.QueryRow(ctx, `WITH l AS (
				INSERT INTO kernel.leases AS l (shard, owner, epoch, expires) VALUES ($1, $2, 1, clock_timestamp() + $3::bigint * interval '1 microsecond')
				ON CONFLICT (shard) DO UPDATE SET owner = excluded.owner, epoch = l.epoch + 1, expires = excluded.expires
				WHERE l.owner = excluded.owner OR l.expires <= clock_timestamp() RETURNING shard, epoch, expires
			), h AS (
				INSERT INTO kernel.heads (shard, epoch) SELECT shard, epoch FROM l ON CONFLICT (shard) DO UPDATE SET epoch = excluded.epoch
			) SELECT epoch, `+left+` FROM l`, int32(shard), owner, life.Microseconds()))
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		var other string
		if err := c.QueryRow(ctx, "SELECT owner FROM kernel.leases WHERE shard = $1", int32(shard)).Scan(&other); err != nil {
			return err
		}
		return fmt.Errorf("%w: shard %d is that of %s", store.ErrHeld, shard, other)
	})
	if err != nil {
		return store.Lease{}, fmt.Errorf("lease shard %d: %w", shard, err)
	}
	return lease, nil
}

// Renew implements store.Leaser.
func (db *DB) Renew(ctx context.Context, l store.Lease, life time.Duration) (store.Lease, error) {
	if err := store.CheckLease(l.Shard, l.Owner, life); err != nil {
		return store.Lease{}, err
	}
	err := db.leasing(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		err := scanLease(&l, c.QueryRow(ctx, `UPDATE kernel.leases SET expires = clock_timestamp() + $4::bigint * interval '1 microsecond'
			WHERE shard = $1 AND owner = $2 AND epoch = $3 RETURNING epoch, `+left, int32(l.Shard), l.Owner, int64(l.Epoch), life.Microseconds()))
		if errors.Is(err, pgx.ErrNoRows) {
			return store.ErrFenced
		}
		return err
	})
	if err != nil {
		return store.Lease{}, fmt.Errorf("renew the lease of shard %d: %w", l.Shard, err)
	}
	return l, nil
}

func scanLease(l *store.Lease, row pgx.Row) error {
	var epoch, micros int64
	if err := row.Scan(&epoch, &micros); err != nil {
		return err
	}
	l.Epoch, l.Left = uint64(epoch), time.Duration(micros)*time.Microsecond
	return nil
}

// Release implements store.Leaser.
func (db *DB) Release(ctx context.Context, l store.Lease) error {
	err := db.leasing(ctx, func(ctx context.Context, c *pgxpool.Conn) error {
		_, err := c.Exec(ctx, "UPDATE kernel.leases SET expires = '-infinity' WHERE shard = $1 AND owner = $2 AND epoch = $3",
			int64(l.Shard), l.Owner, int64(l.Epoch))
		return err
	})
	if err != nil {
		return fmt.Errorf("release shard %d: %w", l.Shard, err)
	}
	return nil
}

func (db *DB) leasing(ctx context.Context, f func(context.Context, *pgxpool.Conn) error) error {
	if db.readOnly {
		return errReadOnly
	}
	return db.with(ctx, 1, f)
}

// Now returns the server's time, by which leases expire.
func (db *DB) Now(ctx context.Context) (now time.Time, err error) {
	err = db.with(ctx, 1, func(ctx context.Context, c *pgxpool.Conn) error {
		return c.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&now)
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("ask the server for its time: %w", err)
	}
	return now.UTC(), nil
}

// Leases implements store.Leaser.
func (db *DB) Leases(ctx context.Context) (list []store.Lease, err error) {
	err = db.with(ctx, 1, func(ctx context.Context, c *pgxpool.Conn) error {
		rows, err := c.Query(ctx, "SELECT shard, owner, epoch, CASE WHEN isfinite(expires) THEN "+left+" ELSE 0 END FROM kernel.leases ORDER BY shard")
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (l store.Lease, err error) {
			var epoch, micros int64
			err = row.Scan(&l.Shard, &l.Owner, &epoch, &micros)
			l.Epoch, l.Left = uint64(epoch), time.Duration(micros)*time.Microsecond
			return l, err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the leases: %w", err)
	}
	return list, nil
}
