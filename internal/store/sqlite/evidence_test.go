package sqlite_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/merkle"
	"github.com/strixlabs/execution-kernel/internal/store"
	database "github.com/strixlabs/execution-kernel/internal/store/sqlite"
)

// evidence is a log of 60 entries with checkpoints of size 20, 40 and 60.
type evidence struct {
	dir    string
	signer *ledger.Signer
	notes  []string
}

func (ev *evidence) trust(notes ...string) ledger.Trust {
	return ledger.Trust{VerifierKey: ev.signer.VerifierKey(), Checkpoints: notes}
}

func makeEvidence(t *testing.T) *evidence {
	t.Helper()
	key, _, err := ledger.GenerateKey("test.example/log", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ledger.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	ev := &evidence{dir: t.TempDir(), signer: signer}
	db := open(t, filepath.Join(ev.dir, "kernel.db"))
	sealer, err := ledger.NewSealer(t.Context(), db, signer, 0, "")
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < 60; n += 10 {
		commitEntries(t, db, n, 10)
		if n%20 == 0 {
			continue
		}
		seal, err := sealer.Seal(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		commitNote(t, db, seal.Size, seal.Note)
		sealer.Keep(seal)
		ev.notes = append(ev.notes, seal.Note)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return ev
}

// nth makes the n-th entry: mostly decisions, and one of every other kind.
func nth(n int) (ledger.Entry, *store.Private) {
	e, private := decided(n)
	switch n % 12 {
	case 2:
		e.Decision, private = nil, nil
		e.Refusal = &ledger.Refused{Code: kernel.Invalid, Path: "$.agent", Size: 12, Count: 1}
	case 5:
		e.Decision, private = nil, nil
		e.Policy = &ledger.PolicyChange{Change: "activated", Version: policyVersion}
	case 8:
		e.Decision, private = nil, nil
		e.Token = &ledger.TokenChange{Change: "created", ID: "t1", Name: "ci", Roles: []kernel.Role{kernel.RoleAgent}, Agent: "agent-001"}
	case 11:
		e.Decision, private = nil, nil
		e.Access = &ledger.Access{What: "decisions", Query: "limit=5"}
	}
	return e, private
}

func commitEntries(t *testing.T, db *database.DB, from, count int) {
	t.Helper()
	head, err := db.Head(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	build, err := ledger.Extend(0, head)
	if err != nil {
		t.Fatal(err)
	}
	for n := from; n < from+count; n++ {
		if _, err := build.Append(nth(n)); err != nil {
			t.Fatal(err)
		}
	}
	mustCommit(t, db, &store.Batch{ID: fmt.Sprint("b", from), PrevSize: head.Size, Next: build.Head(), Entries: build.Entries()})
}

func commitNote(t *testing.T, db *database.DB, size uint64, note string) {
	t.Helper()
	head, err := db.Head(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	mustCommit(t, db, &store.Batch{
		ID: fmt.Sprint("c", size), PrevSize: head.Size, Next: head,
		Transitions: []store.Transition{{RecordKey: ledger.CheckpointKey(0, size), Value: []byte(note)}},
	})
}

func mustCommit(t *testing.T, db *database.DB, b *store.Batch) {
	t.Helper()
	if out, err := db.Commit(t.Context(), b); err != nil || out.Status != store.Committed {
		t.Fatal(out, err)
	}
}

// copyOf copies the evidence for one tampering.
func (ev *evidence) copyOf(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(ev.dir, "kernel.db"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kernel.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// alter runs SQL on a copy, as anybody with the file can.
func alter(t *testing.T, path, sql string, args ...any) {
	t.Helper()
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if len(args) == 0 {
		err = sqlitex.ExecuteScript(c, sql, nil)
	} else {
		err = sqlitex.Execute(c, sql, &sqlitex.ExecOptions{Args: args})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// edit changes bytes of a copy behind SQLite's back.
func edit(t *testing.T, path, old, new string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(data, []byte(old)); n != 1 {
		t.Fatalf("%d places hold %q, want one", n, old)
	}
	if err := os.WriteFile(path, bytes.Replace(data, []byte(old), []byte(new), 1), 0o600); err != nil {
		t.Fatal(err)
	}
}

// rewrite makes a copy consistent again after change has altered its entries:
// fresh leaves, columns and head, as one who knows the format would.
func rewrite(t *testing.T, path string, change func([]ledger.Entry, []*store.Private) ([]ledger.Entry, []*store.Private)) {
	t.Helper()
	entries, privates := readAll(t, path)
	entries, privates = change(entries, privates)
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	run := func(sql string, args ...any) {
		if err := sqlitex.Execute(c, sql, &sqlitex.ExecOptions{Args: args}); err != nil {
			t.Fatal(err)
		}
	}
	run("BEGIN")
	run("DELETE FROM entries")
	run("DELETE FROM private")
	var tree merkle.Tree
	for i, e := range entries {
		e.Seq = uint64(i)
		body, err := ledger.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		leaf := merkle.LeafHash(body)
		if err := tree.Append(leaf); err != nil {
			t.Fatal(err)
		}
		d, decision := &ledger.Decided{}, ""
		if e.Decision != nil {
			d, decision = e.Decision, e.Decision.Verdict.Decision.String()
		}
		run("INSERT INTO entries VALUES (0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			i, e.Instant.UnixNano(), string(e.Kind()), d.ID, e.Caller, d.Agent, d.Action, decision, leaf[:], string(body))
		if p := privates[i]; p != nil {
			run("INSERT INTO private VALUES (0, ?, ?, ?, ?)", i, string(p.Request), p.Salt, p.Digest)
		}
	}
	root := tree.Root()
	var hashes []byte
	for _, h := range tree.Hashes() {
		hashes = append(hashes, h[:]...)
	}
	run(`UPDATE heads SET size = ?, root = ?, "range" = ?`, int64(tree.Size()), root[:], hashes)
	run("COMMIT")
}

func readAll(t *testing.T, path string) (entries []ledger.Entry, privates []*store.Private) {
	t.Helper()
	db, err := database.OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for row, err := range db.Entries(t.Context(), store.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := ledger.Decode(row.Body)
		if err != nil {
			t.Fatal(err)
		}
		entries, privates = append(entries, e), append(privates, row.Private)
	}
	return entries, privates
}

// cutTail leaves the first n entries, with a head that fits.
func cutTail(t *testing.T, path string, n int) {
	t.Helper()
	rewrite(t, path, func(e []ledger.Entry, p []*store.Private) ([]ledger.Entry, []*store.Private) { return e[:n], p[:n] })
}

func verify(t *testing.T, path string, trust ledger.Trust) ledger.Report {
	t.Helper()
	db, err := database.OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	report, err := ledger.Verify(t.Context(), db, trust)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// corruptIndex changes an agent in an index and not in its table.
func corruptIndex(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; ; at++ { // in the table the caller stands before the agent
		i := bytes.Index(data[at:], []byte("agent-006"))
		if i < 0 {
			t.Fatal("no index entry found")
		}
		if at += i; !bytes.HasSuffix(data[:at], []byte("gateway-001")) && !bytes.HasSuffix(data[:at], []byte(`"`)) {
			data[at+8] = '5'
			break
		}
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
