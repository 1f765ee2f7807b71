package app

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// watched returns a reloader of a starter bundle, the bundle's policies, and
// the versions that it activated.
func watched(t *testing.T) (r *reloader, policies string, versions *[]string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "policies")
	if _, err := InitBundle(dir); err != nil {
		t.Fatal(err)
	}
	files, err := ReadBundle(dir)
	if err != nil {
		t.Fatal(err)
	}
	versions = new([]string)
	f := fingerprint(files)
	taken, err := CompilePath(dir)
	if err != nil {
		t.Fatal(err)
	}
	return &reloader{
		path: dir, log: slog.New(slog.DiscardHandler), changed: func(bool) {}, dealt: f, seen: f, taken: taken.Program.Version(),
		active: func() string {
			if n := len(*versions); n > 0 {
				return (*versions)[n-1]
			}
			return taken.Program.Version()
		},
		activate: func(_ context.Context, c Compiled) error {
			*versions = append(*versions, c.Program.Version())
			return nil
		},
	}, filepath.Join(dir, "policies.yaml"), versions
}

func edit(t *testing.T, path, old, new string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(data), old, new)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestWhatWasPushedDecidesUntilTheFolderChanges, and readiness tells of it.
func TestWhatWasPushedDecidesUntilTheFolderChanges(t *testing.T) {
	r, file, versions := watched(t)
	*versions = append(*versions, "sha256:pushed")
	r.look(t.Context())
	if err := r.probe(t.Context()); err == nil || !strings.Contains(err.Error(), "was pushed") || len(*versions) != 1 {
		t.Errorf("probe = %v, %v, want that what was pushed decides", err, *versions)
	}
	edit(t, file, "risk: high", "risk: critical")
	for range 3 {
		r.look(t.Context())
	}
	if err := r.probe(t.Context()); err != nil || len(*versions) != 2 {
		t.Errorf("probe = %v, %v, want the folder's", err, *versions)
	}
}

func TestChangeIsTakenUpOnceItHoldsStill(t *testing.T) {
	r, file, versions := watched(t)
	r.look(t.Context())
	edit(t, file, "risk: high", "risk: critical")
	r.look(t.Context())
	if len(*versions) != 0 {
		t.Errorf("after one look %d bundles were activated, want 0", len(*versions))
	}
	edit(t, file, "risk: critical", "risk: medium") // still being written
	r.look(t.Context())
	if len(*versions) != 0 {
		t.Errorf("while it changes %d bundles were activated, want 0", len(*versions))
	}
	for range 3 {
		r.look(t.Context())
	}
	if len(*versions) != 1 {
		t.Errorf("once it holds still %d bundles were activated, want 1", len(*versions))
	}
}

func TestBundleThatCouldNotBeRecordedIsTriedAgain(t *testing.T) {
	r, file, versions := watched(t)
	take := r.activate
	r.activate = func(context.Context, Compiled) error { return errors.New("the disk is full") }
	edit(t, file, "risk: high", "risk: critical")
	for range 3 {
		r.look(t.Context())
	}
	if r.probe(t.Context()) == nil {
		t.Error("probe = nil while the change is not recorded, want an error")
	}
	r.activate = take
	r.look(t.Context())
	if len(*versions) != 1 || r.probe(t.Context()) != nil {
		t.Errorf("with space again %d bundles were activated, probe = %v, want 1 and nil", len(*versions), r.probe(t.Context()))
	}
}

func TestFolderThatIsGoneChangesNothing(t *testing.T) {
	r, _, versions := watched(t)
	if err := os.Rename(r.path, r.path+".away"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		r.look(t.Context())
	}
	if len(*versions) != 0 || r.probe(t.Context()) == nil {
		t.Errorf("%d bundles were activated, probe = %v, want 0 and an error", len(*versions), r.probe(t.Context()))
	}
	if err := os.Rename(r.path+".away", r.path); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		r.look(t.Context())
	}
	if r.probe(t.Context()) != nil {
		t.Errorf("with the folder back probe = %v, want nil", r.probe(t.Context()))
	}
}

func TestFingerprintTellsNamesFromContents(t *testing.T) {
	one := fingerprint([]pdl.File{{Name: "a", Data: []byte("bc")}, {Name: "d"}})
	for _, other := range [][]pdl.File{
		{{Name: "ab", Data: []byte("c")}, {Name: "d"}},
		{{Name: "a", Data: []byte("bcd")}},
		{{Name: "d"}, {Name: "a", Data: []byte("bc")}},
		nil,
	} {
		if one == fingerprint(other) {
			t.Errorf("fingerprint(%v) is that of another folder", other)
		}
	}
}

// TestWhatIsWrongWithAPolicyIsALineOfTheLog: a caret below an excerpt is for
// terminals, and unreadable inside a JSON text.
func TestWhatIsWrongWithAPolicyIsALineOfTheLog(t *testing.T) {
	r, file, _ := watched(t)
	var out strings.Builder
	r.log = Config{LogFormat: "json"}.NewLogger(&out, false)
	edit(t, file, "effect:", "efect:")
	for range 3 {
		r.look(t.Context())
	}
	for line := range strings.Lines(out.String()) {
		var said struct{ Msg, At, Problem, Hint string }
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			t.Fatal(err)
		}
		if said.Msg != "policy diagnostic" {
			continue
		}
		if !strings.HasPrefix(said.At, file+":") || said.Problem == "" || strings.Contains(line, "\\n") || strings.Contains(line, "^") {
			t.Errorf("the log has %s", line)
		}
		return
	}
	t.Errorf("the log says nothing of the policy: %s", out.String())
}
