package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/postgres"
	"github.com/strixlabs/execution-kernel/internal/store/sqlite"
)

// An engine is what keeps the log: both engines are one.
type engine interface {
	store.Store
	store.Examiner
	store.LeafReader
	store.KindLister
}

// A guarded store is one whose failures may have to end the process.
type guarded interface {
	store.Store
	// wait returns why the process must end, or nil when ctx ends first.
	wait(ctx context.Context) error
}

// Budgets: how long a caller waits for its decision to be recorded, unless the
// configuration says. A disk may be slow; a database on the network that is
// must not be waited for.
const (
	diskBudget     = 5 * time.Second
	databaseBudget = 250 * time.Millisecond
)

func (c Config) budget() time.Duration {
	switch {
	case c.BudgetMS > 0:
		return time.Duration(c.BudgetMS) * time.Millisecond
	case c.Store != "":
		return databaseBudget
	}
	return diskBudget
}

// storeConfig gives the store more time than callers have: what it gives up in
// the middle has to be settled before it can go on.
func (c Config) storeConfig() postgres.Config {
	return postgres.Config{Timeout: max(postgres.DefaultTimeout, 4*c.budget())}
}

// storeName is where the log is kept, as it may be printed.
func (c Config) storeName(f Folder) string {
	if c.Store != "" {
		return postgres.Redact(c.Store)
	}
	return f.Database()
}

// openStore opens the log to write it. Of a database it takes a shard.
func (s *service) openStore(ctx context.Context) (engine, guarded, error) {
	if s.cfg.Store == "" {
		if err := s.folder.notMoved(); err != nil {
			return nil, nil, err
		}
		db, err := sqlite.Open(s.folder.Database(), sqlite.Config{FreeBytesFloor: s.cfg.MinFreeMiB << 20})
		if err != nil {
			return nil, nil, err
		}
		s.onClose(func(context.Context) error { return db.Close() })
		return db, &disk{DB: db, failed: make(chan error, 1)}, nil
	}
	db, err := postgres.Open(ctx, s.cfg.Store, s.cfg.storeConfig())
	if err != nil {
		return nil, nil, storeError(err)
	}
	s.onClose(func(context.Context) error { return db.Close() })
	owner, err := s.folder.nodeID()
	if err != nil {
		return nil, nil, err
	}
	l, err := takeLease(ctx, db, owner, s.log)
	if err != nil {
		return nil, nil, err
	}
	s.onClose(l.release)
	return db, l, nil
}

// lease is that of the shard that this node writes; the zero Lease where no
// other node can write.
func (s *service) lease() store.Lease {
	if l, shared := s.store.(*leased); shared {
		return l.lease
	}
	return store.Lease{}
}

// openReader opens the log to read it, beside whoever writes.
func (c Config) openReader(ctx context.Context, f Folder) (engine, error) {
	if c.Store == "" {
		return sqlite.OpenReadOnly(f.Database())
	}
	db, err := postgres.OpenReadOnly(ctx, c.Store, c.storeConfig())
	if err != nil {
		return nil, storeError(err)
	}
	return db, nil
}

// storeError says what to do about a database that cannot be used as it is.
func storeError(err error) error {
	var ours *kernel.Error
	switch {
	case errors.As(err, &ours):
		return err
	case errors.Is(err, postgres.ErrEmpty), errors.Is(err, postgres.ErrOlder), errors.Is(err, postgres.ErrNewer),
		errors.Is(err, postgres.ErrAltered), errors.Is(err, postgres.ErrUnsafe):
		return kernel.Errorf(kernel.Internal, "%v", err)
	}
	return kernel.Errorf(kernel.Unavailable, "%v", err).
		WithHint("start the database, or correct --store (KERNEL_STORE): it has to answer at that address, and let that user in")
}

// openSigned opens the store and the signer of its log. Of a file it is known
// whether it holds a log without opening it.
func (s *service) openSigned(ctx context.Context) (db engine, signer *ledger.Signer, err error) {
	if s.cfg.Store == "" {
		there, err := exists(s.folder.Database())
		if err != nil {
			return nil, nil, err
		}
		if signer, err = s.folder.signer(there); err != nil {
			return nil, nil, err
		}
		db, s.store, err = s.openStore(ctx)
		return db, signer, err
	}
	if db, s.store, err = s.openStore(ctx); err != nil {
		return nil, nil, err
	}
	there, err := hasLog(ctx, db)
	if err != nil {
		return nil, nil, err
	}
	signer, err = s.folder.signer(there)
	return db, signer, err
}

// hasLog reports whether a store holds a log that some key signed.
func hasLog(ctx context.Context, r store.Reader) (bool, error) {
	shards, err := r.Shards(ctx)
	if err != nil {
		return true, err
	}
	for _, shard := range shards {
		head, err := r.Head(ctx, shard)
		if err != nil || head.Size > 0 {
			return true, err
		}
	}
	last, err := lastStored(ctx, r)
	return len(last) > 0, err
}

// verifyCommand is how the log is looked at, for messages.
func (c Config) verifyCommand(f Folder) string {
	if c.Store == "" {
		return fmt.Sprintf("\"kernel log verify --data %s\"", f.Path)
	}
	return fmt.Sprintf("\"kernel log verify --data %s --store %s\"", f.Path, c.storeName(f))
}

// reading names a data folder for reading: of a log in a database nothing but
// the keys need lie there, and not even those.
func (c Config) reading() (Folder, error) {
	if c.Store == "" {
		return OpenFolder(c.Data)
	}
	f, err := c.folder()
	if err != nil {
		return f, err
	}
	if _, err := os.Stat(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return f, fmt.Errorf("look at the data folder: %w", err)
	}
	return f, nil
}
