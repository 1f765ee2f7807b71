package sqlite

import (
	"errors"
	"fmt"
	"io/fs"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/strixlabs/execution-kernel"
)

// ErrAltered is returned, wrapped, for a file whose tables, indexes or triggers
// are not those of this version: a trigger could rewrite what is committed.
var ErrAltered = errors.New("its schema was altered")

// checkSchema compares the schema of a file with what the migrations make.
func checkSchema(c *sqlite.Conn) error {
	want, err := freshSchema()
	if err != nil {
		return err
	}
	got, err := schema(c)
	if err != nil {
		return err
	}
	for _, name := range kernel.SortedKeys(got) {
		if want[name] == "" {
			return fmt.Errorf("%w: %s is not of this program", ErrAltered, name)
		}
	}
	for _, name := range kernel.SortedKeys(want) {
		if got[name] != want[name] {
			return fmt.Errorf("%w: %s is missing or different", ErrAltered, name)
		}
	}
	return nil
}

// freshSchema migrates an empty database in memory.
func freshSchema() (objects map[string]string, err error) {
	c, err := sqlite.OpenConn(":memory:", sqlite.OpenReadWrite)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	for _, name := range names { // in the order of their numbers; there is no way down
		script, err := migrations.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if err := sqlitex.ExecuteScript(c, string(script), nil); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return schema(c)
}

// schema returns the SQL of every object but those that SQLite and goose make
// themselves: those are named one by one, since whoever can write the file can
// give any name to anything, and a trigger or view is never one of them.
func schema(c *sqlite.Conn) (map[string]string, error) {
	objects := map[string]string{}
	err := sqlitex.ExecuteTransient(c, `SELECT type || ' ' || name, sql FROM sqlite_schema
		WHERE NOT (type = 'table' AND name IN ('goose_db_version', 'sqlite_sequence', 'sqlite_stat1', 'sqlite_stat4'))
		AND NOT (type = 'index' AND name LIKE 'sqlite\_autoindex\_%' ESCAPE '\' AND coalesce(sql, '') = '')`, &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error {
			objects[stmt.ColumnText(0)] = stmt.ColumnText(1)
			return nil
		},
	})
	return objects, err
}
