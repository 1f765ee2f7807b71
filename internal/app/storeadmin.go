package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/store/postgres"
	"github.com/strixlabs/execution-kernel/internal/store/sqlite"
)

// A StoreStatus is what can be said of a store without a kernel.
type StoreStatus struct {
	Engine  string      `json:"engine"`        // SQLite or PostgreSQL
	Store   string      `json:"store"`         // a path or a URL, without its password
	Schema  int64       `json:"schema"`        // version of its schema; 0: never prepared
	Newest  int64       `json:"newest"`        // the version that this program knows
	Entries uint64      `json:"entries"`       // of the log, in all shards; 0 where it cannot be read yet
	Root    string      `json:"root,omitzero"` // of shard 0
	Leases  []LeaseLine `json:"leases"`
}

// A LeaseLine is one lease as it is shown.
type LeaseLine struct {
	Shard int     `json:"shard"`
	Owner string  `json:"owner"`
	Epoch uint64  `json:"epoch"`
	Left  float64 `json:"left"` // seconds until it expires; 0: it has
}

// Status looks at the configured store.
func Status(ctx context.Context, cfg Config) (StoreStatus, error) {
	folder, err := cfg.reading()
	if err != nil {
		return StoreStatus{}, err
	}
	s := StoreStatus{Engine: "SQLite", Store: cfg.storeName(folder), Schema: sqlite.SchemaVersion, Newest: sqlite.SchemaVersion, Leases: []LeaseLine{}}
	if cfg.Store != "" {
		s.Engine, s.Newest = "PostgreSQL", postgres.SchemaVersion
		if s.Schema, err = postgres.Version(ctx, cfg.Store); err != nil {
			return s, storeError(err)
		}
		if s.Schema != s.Newest {
			return s, nil
		}
	}
	db, err := cfg.openReader(ctx, folder)
	if err != nil {
		return s, err
	}
	return s, errors.Join(s.read(ctx, db), db.Close())
}

func (s *StoreStatus) read(ctx context.Context, db engine) error {
	shards, err := db.Shards(ctx)
	if err != nil {
		return err
	}
	for _, shard := range shards {
		head, err := db.Head(ctx, shard)
		if err != nil {
			return err
		}
		if s.Entries += head.Size; shard == 0 && head.Size > 0 {
			s.Root = fmt.Sprintf("%x", head.Root)
		}
	}
	if s.Engine == "SQLite" {
		return nil // its leases are known to the process that has it open
	}
	leases, err := db.Leases(ctx)
	for _, l := range leases {
		s.Leases = append(s.Leases, LeaseLine{l.Shard, l.Owner, l.Epoch, l.Left.Round(time.Millisecond).Seconds()})
	}
	return err
}

// MigrateStore prepares the configured store, or brings it up to date, and
// returns its name. A file is migrated by the kernel that opens it.
func MigrateStore(ctx context.Context, cfg Config) (string, error) {
	if cfg.Store == "" {
		return "", kernel.Errorf(kernel.Invalid, "no database is named; the SQLite of a data folder is migrated by \"kernel serve\"").
			WithHint("name one: --store postgres://user@host:5432/database?sslmode=verify-full")
	}
	if err := postgres.Migrate(ctx, cfg.Store); err != nil {
		return "", storeError(err)
	}
	return postgres.Redact(cfg.Store), nil
}
