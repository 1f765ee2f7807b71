package ledger_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/merkle"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// A line is one entry of a log that an earlier version wrote, as bytes.
type line struct {
	Body    string `json:"body"`
	Request string `json:"request,omitempty"`
	Salt    []byte `json:"salt,omitempty"`
	Digest  string `json:"digest,omitempty"`
}

// TestALogOfTheFirstVersionVerifiesAndReplays keeps a promise: a log is
// evidence for as long as somebody keeps it. Its files are never changed; a new
// version of the format adds a folder.
func TestALogOfTheFirstVersionVerifiesAndReplays(t *testing.T) {
	dir := filepath.Join("testdata", "v1")
	program := compile(t, filepath.Join(dir, "*.yaml"))
	if _, err := os.Stat(filepath.Join(dir, "log.jsonl")); os.IsNotExist(err) && *update {
		writeOldLog(t, dir, program)
	}
	s := readOldLog(t, filepath.Join(dir, "log.jsonl"))
	trust := ledger.Trust{VerifierKey: read(t, dir, "log.pub"), Checkpoints: []string{read(t, dir, "log.checkpoint")}}
	report, err := ledger.Verify(t.Context(), s, trust)
	if err != nil || !report.OK() || report.Trust.Size != report.Entries || report.Entries < 10 {
		t.Errorf("Verify = %d entries, %v, %v, trust %v", report.Entries, report.List, err, report.Trust)
	}
	replayed, err := ledger.Replay(t.Context(), s, ledger.Policies{Load: func(string) (*eval.Program, error) { return program, nil }})
	if err != nil || !replayed.OK() || replayed.Decisions != uint64(len(questions())) {
		t.Errorf("Replay = %d decisions, %v, %v", replayed.Decisions, replayed.List, err)
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// readOldLog puts the entries of a file into a store, byte for byte.
func readOldLog(t *testing.T, path string) *storetest.Memory {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var tree merkle.Tree
	b := &store.Batch{ID: "old"}
	for text := range bytes.Lines(data) {
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			t.Fatal(err)
		}
		e, err := ledger.Decode([]byte(l.Body))
		if err != nil {
			t.Fatal(err)
		}
		row := store.Entry{
			Seq: e.Seq, Instant: e.Instant.UnixNano(), Kind: string(e.Kind()), Body: []byte(l.Body),
			Leaf: merkle.LeafHash([]byte(l.Body)), Caller: e.Caller,
		}
		if d := e.Decision; d != nil {
			row.ID, row.Agent, row.Action, row.Decision = d.ID, d.Agent, d.Action, d.Verdict.Decision.String()
			row.Private = &store.Private{Request: []byte(l.Request), Salt: l.Salt, Digest: l.Digest}
		}
		b.Entries = append(b.Entries, row)
		if err := tree.Append(row.Leaf); err != nil {
			t.Fatal(err)
		}
	}
	b.Next = store.Head{Size: tree.Size(), Root: tree.Root(), Range: tree.Hashes()}
	var s storetest.Memory
	if out, err := s.Commit(t.Context(), b); err != nil || out.Status != store.Committed {
		t.Fatal(out, err)
	}
	return &s
}

// writeOldLog makes the files, once.
func writeOldLog(t *testing.T, dir string, program *eval.Program) {
	t.Helper()
	var s storetest.Memory
	grow(t, &s, 3)
	decide(t, &s, program, nil)
	private, public, err := ledger.GenerateKey("test.example/v1", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ledger.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := ledger.NewSealer(t.Context(), &s, signer, 0, "")
	if err != nil {
		t.Fatal(err)
	}
	seal, err := sealer.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	for row, err := range s.Entries(t.Context(), store.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		l := line{Body: string(row.Body)}
		if p := row.Private; p != nil {
			l.Request, l.Salt, l.Digest = string(p.Request), p.Salt, p.Digest
		}
		text, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		log.Write(append(text, '\n'))
	}
	for name, data := range map[string]string{"log.jsonl": log.String(), "log.pub": public, "log.checkpoint": seal.Note} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
