package pdl_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

var update = flag.Bool("update", false, "write testdata/bad/*.golden")

// TestDiagnosticsSayWhatIsWrong compiles each broken document together with
// testdata/schema.yaml (unless it brings a schema, or says `# alone`) and
// compares everything the compiler says with the golden file beside it.
func TestDiagnosticsSayWhatIsWrong(t *testing.T) {
	schema := readFile(t, "testdata/schema.yaml")
	paths, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(paths) < 60 {
		t.Fatalf("found %d broken documents (%v), want at least 60", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			bad := readFile(t, path)
			files := []pdl.File{{Name: "bad.yaml", Data: bad}}
			if !bytes.Contains(bad, []byte("kind: schema")) && !bytes.HasPrefix(bad, []byte("# alone")) {
				files = append(files, pdl.File{Name: "schema.yaml", Data: schema})
			}
			_, found := pdl.Compile(files)
			found = slices.DeleteFunc(found, func(d pdl.Diagnostic) bool { return d.File == "schema.yaml" }) // what it leaves unused
			checkGolden(t, strings.TrimSuffix(path, ".yaml")+".golden", found)
		})
	}
}

func checkGolden(t *testing.T, path string, found pdl.Diagnostics) {
	t.Helper()
	var text strings.Builder
	for _, d := range found {
		text.WriteString(d.String() + "\n")
	}
	if len(found) == 0 {
		t.Error("the broken document has no finding")
	}
	if *update {
		if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want := string(readFile(t, path)); text.String() != want {
		t.Errorf("%s:\n%swant\n%s", path, text.String(), want)
	}
	for _, theirs := range []string{"undeclared reference", "container", "overload", "ERROR:", "go-yaml", "@result", "_==_"} {
		if said := strings.Join(messages(found), "\n"); strings.Contains(said, theirs) {
			t.Errorf("%s speaks of %q", path, theirs)
		}
	}
}

func messages(found pdl.Diagnostics) []string {
	var list []string
	for _, d := range found {
		list = append(list, d.Message+"; "+d.Suggestion)
	}
	return list
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
