package main

import (
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// sql changes a log behind the kernel's back: sql DATA STATEMENT.
func sql(ts *testscript.TestScript, _ bool, args []string) {
	c, err := sqlite.OpenConn(filepath.Join(ts.MkAbs(args[0]), "kernel.db"), sqlite.OpenReadWrite)
	ts.Check(err)
	ts.Check(sqlitex.ExecuteTransient(c, args[1], nil))
	ts.Check(c.Close())
}

// copydata copies a data folder as an administrator would: copydata FROM TO.
func copydata(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.CopyFS(ts.MkAbs(args[1]), os.DirFS(ts.MkAbs(args[0]))))
}
