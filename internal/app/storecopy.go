package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store/postgres"
	"github.com/strixlabs/execution-kernel/internal/store/sqlite"
)

// A Copied says what a copy brought.
type Copied struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Entries uint64 `json:"entries"`
	Records uint64 `json:"records"`
	Root    string `json:"root"`
}

// CopyStore moves the log of a data folder, on which no kernel may run, into an
// empty database, all or nothing. It is verified before and after; then the
// folder remembers where its log is, so that no kernel goes on with the old one.
func CopyStore(ctx context.Context, data, to string) (c Copied, err error) {
	if err := postgres.CheckURL(to); err != nil {
		return Copied{}, err
	}
	if postgres.IsURL(data) {
		return Copied{}, kernel.Errorf(kernel.Invalid, "a log is copied from a data folder, not from a database").
			WithHint("copy databases with the tools of PostgreSQL, such as pg_dump")
	}
	folder, err := OpenFolder(data)
	if err != nil {
		return Copied{}, err
	}
	if err := folder.notMoved(); err != nil {
		return Copied{}, err
	}
	lock, err := TakeLock(folder)
	if err != nil {
		return Copied{}, err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	from, err := sqlite.OpenReadOnly(folder.Database())
	if err != nil {
		return Copied{}, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	db, err := postgres.Open(ctx, to, postgres.Config{})
	if err != nil {
		return Copied{}, storeError(err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return copyLog(ctx, folder, from, db, postgres.Redact(to))
}

func copyLog(ctx context.Context, folder Folder, from *sqlite.DB, db *postgres.DB, to string) (Copied, error) {
	before, err := folder.intact(ctx, from, "before it is copied")
	if err != nil {
		return Copied{}, err
	}
	n, err := db.Import(ctx, from)
	if err != nil {
		return Copied{}, fmt.Errorf("copy to %s: %w", to, err)
	}
	after, err := folder.intact(ctx, db, "in "+to)
	if err == nil && !slices.Equal(written(after), written(before)) {
		err = fmt.Errorf("the shards of the log in %s are not those that were copied", to)
	}
	if err != nil {
		return Copied{}, err
	}
	c := Copied{From: folder.Database(), To: to, Entries: n.Entries, Records: n.Records, Root: fmt.Sprintf("%x", after.Root)}
	return c, writeFile(folder.MovedFile(), []byte(to+"\n"))
}

// written are the shards that have entries.
func written(r ledger.Report) []ledger.ShardReport {
	return slices.DeleteFunc(slices.Clone(r.Shards), func(s ledger.ShardReport) bool { return s.Entries == 0 })
}

// intact verifies a log by what the data folder vouches for.
func (f Folder) intact(ctx context.Context, db engine, where string) (ledger.Report, error) {
	key, err := readBounded(f.LogPub(), maxKeyFile)
	if err != nil {
		return ledger.Report{}, err
	}
	report, err := ledger.Verify(ctx, db, f.trust(string(key)))
	if err == nil && !report.OK() {
		err = fmt.Errorf("the log %s is not as the kernel wrote it: %d found, the first: %s", where, report.Count, report.List[0])
	}
	return report, err
}

// notMoved refuses a folder whose log is in a database by now. Two logs that
// go on from one are what nobody can tell from a forgery.
func (f Folder) notMoved() error {
	to, err := os.ReadFile(f.MovedFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look where the log is: %w", err)
	}
	return kernel.Errorf(kernel.Invalid, "the log of %s was moved to %s", f.Path, firstLine(string(to))).
		WithHint("name it with --store; to go back to the old log, if nothing was decided since, remove %s", f.MovedFile())
}
