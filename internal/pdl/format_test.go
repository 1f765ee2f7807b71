package pdl_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// TestFormatGolden formats testdata/format/*.yaml and compares with the .golden
// beside it, whose form is final.
func TestFormatGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/format/*.yaml")
	if err != nil || len(paths) < 10 {
		t.Fatalf("found %d files to format (%v), want at least 10", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			got := format(t, readFile(t, path))
			golden := strings.TrimSuffix(path, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want := readFile(t, golden); !bytes.Equal(got, want) {
				t.Errorf("Format(%s) =\n%s\nwant\n%s", path, got, want)
			}
			if again := format(t, got); !bytes.Equal(again, got) {
				t.Errorf("formatting twice changes\n%s\ninto\n%s", got, again)
			}
		})
	}
}

func format(t *testing.T, data []byte) []byte {
	t.Helper()
	got, found := pdl.Format(pdl.File{Name: "a.yaml", Data: data})
	if len(found) > 0 {
		t.Fatalf("Format refuses:\n%s\n%v", data, found)
	}
	return got
}

// TestFormatKeepsTheMeaning formats every bundle of the tree and every broken
// document that is YAML: the version of a bundle stays, what was wrong with a
// document stays wrong, and nothing changes the second time.
func TestFormatKeepsTheMeaning(t *testing.T) {
	schema := pdl.File{Name: "schema.yaml", Data: readFile(t, "testdata/schema.yaml")}
	for _, bundle := range everyBundle(t) {
		if before, after := bundleVersion(t, bundle), bundleVersion(t, formatAll(t, bundle)); before != after {
			t.Errorf("%s: the version was %s and is %s", bundle[0].Name, before, after)
		}
	}
	paths, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(paths) < 60 {
		t.Fatalf("found %d broken documents (%v), want at least 60", len(paths), err)
	}
	formatted := 0
	for _, path := range paths {
		data := readFile(t, path)
		got, found := pdl.Format(pdl.File{Name: path, Data: data})
		if found.HasErrors() {
			if got != nil {
				t.Errorf("Format(%s) returns both a text and %v", path, found)
			}
			continue
		}
		formatted++
		if again := format(t, got); !bytes.Equal(again, got) {
			t.Errorf("%s: formatting twice changes\n%s\ninto\n%s", path, got, again)
		}
		sameFindings(t, path, schema, data, got)
	}
	if formatted < 100 {
		t.Errorf("only %d of %d broken documents were formatted", formatted, len(paths))
	}
}

// sameFindings compares what the compiler says before and after: as many
// findings of the same severities, but for conditions that were only written
// wrongly.
func sameFindings(t *testing.T, path string, schema pdl.File, before, after []byte) {
	t.Helper()
	for _, mended := range []string{"folded", "double-quoted", "two-lines", "json"} {
		if strings.Contains(path, mended) {
			return
		}
	}
	_, was := pdl.Compile([]pdl.File{schema, {Name: "a.yaml", Data: before}})
	_, is := pdl.Compile([]pdl.File{schema, {Name: "a.yaml", Data: after}})
	if len(was) != len(is) {
		t.Errorf("%s: the findings were\n%v\nand are\n%v", path, was, is)
	}
}

// everyBundle lists the bundles that are shipped, the corpus and the starter.
func everyBundle(t testing.TB) [][]pdl.File {
	t.Helper()
	var bundles [][]pdl.File
	root := "../.."
	folders := append(glob(t, root+"/policies/*/"), glob(t, root+"/policies/examples/*/")...)
	for _, folder := range append(folders, glob(t, root+"/policies/library/*/")...) {
		var files []pdl.File
		for _, path := range glob(t, folder+"/*.yaml") {
			files = append(files, pdl.File{Name: path, Data: readFile(t, path)})
		}
		if len(files) > 0 {
			bundles = append(bundles, files)
		}
	}
	var starter []pdl.File
	for _, path := range glob(t, root+"/internal/app/starter/*.yaml") {
		if f := (pdl.File{Name: path, Data: readFile(t, path)}); !pdl.IsRegistryFile(f) {
			starter = append(starter, f)
		}
	}
	bundles = append(bundles, starter)
	for _, path := range glob(t, root+"/testdata/corpus/*.yaml") {
		bundles = append(bundles, []pdl.File{{Name: path, Data: readFile(t, path)}})
	}
	if len(bundles) < 15 {
		t.Fatalf("found %d bundles, want at least 15", len(bundles))
	}
	return bundles
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func formatAll(t *testing.T, bundle []pdl.File) []pdl.File {
	t.Helper()
	var formatted []pdl.File
	for _, f := range bundle {
		got, found := pdl.Format(f)
		if len(found) > 0 {
			t.Fatalf("Format(%s) refuses: %v", f.Name, found)
		}
		if again := format(t, got); !bytes.Equal(again, got) {
			t.Errorf("%s: formatting twice changes\n%s\ninto\n%s", f.Name, got, again)
		}
		formatted = append(formatted, pdl.File{Name: f.Name, Data: got})
	}
	return formatted
}

func bundleVersion(t *testing.T, bundle []pdl.File) string {
	t.Helper()
	b, found := pdl.Compile(bundle)
	if found.HasErrors() {
		t.Fatalf("%s: %v", bundle[0].Name, found)
	}
	return b.Version
}

// TestFormatEndsSoon formats large files whose form is the worst:
// one line, one mapping, one document after another.
func TestFormatEndsSoon(t *testing.T) {
	for name, piece := range map[string]string{
		"items of one line": "{a: [b, 'é']}, ", "items on lines": "{a: [b, 'é']},\n", "documents": "]\n---\na: [", "comments": "x, # é\n # é\n", "members": "",
	} {
		var text strings.Builder
		text.WriteString("pdl: v1\nb: [")
		for i := 0; text.Len() < pdl.MaxFile/3; i++ {
			if piece == "" {
				fmt.Fprintf(&text, "{k%d: é, 'k': \"x\"}, ", i)
			}
			text.WriteString(piece)
		}
		text.WriteString("]\n")
		watch := stopwatch(t)
		if _, found := pdl.Format(pdl.File{Name: name, Data: []byte(text.String())}); len(found) > 0 {
			t.Errorf("%s: %v", name, found)
		}
		if took := watch(); took > 20*time.Second {
			t.Errorf("%s: took %s", name, took)
		} else {
			t.Logf("%s: %s", name, took)
		}
	}
}

// FuzzFormat formats any bytes. What is formatted stays as it is the second
// time, what compiled still compiles to the same version, and is formatted.
func FuzzFormat(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.yaml", "testdata/format/*.yaml", "../../testdata/corpus/*.yaml"} {
		for _, path := range glob(f, pattern) {
			f.Add(readFile(f, path))
		}
	}
	f.Add([]byte(schemaText + "---" + policyText + "---" + testText))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, found := pdl.Format(pdl.File{Name: "a.yaml", Data: data})
		if (got == nil) != found.HasErrors() {
			t.Fatalf("Format returns %q and %v", got, found)
		}
		before, _ := pdl.Compile([]pdl.File{{Name: "a.yaml", Data: data}})
		if before != nil && got == nil {
			t.Fatalf("what compiles is not formatted: %v", found)
		}
		if got == nil {
			return
		}
		if again := format(t, got); !bytes.Equal(again, got) {
			t.Fatalf("formatting twice changes\n%q\ninto\n%q", got, again)
		}
		if after, found := pdl.Compile([]pdl.File{{Name: "a.yaml", Data: got}}); before != nil && (after == nil || after.Version != before.Version) {
			t.Fatalf("the bundle changed: %v\n%s", found, got)
		}
	})
}

// TestFormatKeepsCommentsAnywhere puts a comment above and behind every line
// of every file, at several indentations: it is kept, and stays where it is
// put the second time.
func TestFormatKeepsCommentsAnywhere(t *testing.T) {
	for _, path := range append(glob(t, "testdata/format/*.yaml"), "../../testdata/corpus/tables.yaml") {
		lines := strings.Split(string(readFile(t, path)), "\n")
		for i := range lines {
			for _, indent := range []int{0, 2, 4, 7} {
				comment := strings.Repeat(" ", indent) + "# remark"
				keepsComment(t, path, i, strings.Join(lines[:i], "\n")+"\n"+comment+"\n"+strings.Join(lines[i:], "\n"))
				keepsComment(t, path, i, strings.Join(lines[:i], "\n")+"\n\n"+comment+"\n\n"+strings.Join(lines[i:], "\n"))
			}
			if !strings.HasSuffix(lines[i], "\r") {
				keepsComment(t, path, i, strings.Join(lines[:i+1], "\n")+" # remark\n"+strings.Join(lines[i+1:], "\n"))
			}
		}
	}
}

func keepsComment(t *testing.T, path string, line int, text string) {
	t.Helper()
	got, found := pdl.Format(pdl.File{Name: "a.yaml", Data: []byte(text)})
	for _, d := range found {
		if strings.Contains(d.Message, "leaves it alone") {
			t.Fatalf("%s, line %d: %s\n%s", path, line+1, d.Message, text)
		}
	}
	if len(found) > 0 {
		return // the comment broke a text
	}
	if strings.Count(string(got), "# remark") != strings.Count(text, "# remark") {
		t.Fatalf("%s, line %d: the comment is lost in\n%s", path, line+1, got)
	}
	if again, _ := pdl.Format(pdl.File{Name: "a.yaml", Data: got}); !bytes.Equal(again, got) {
		t.Fatalf("%s, line %d: formatting twice changes\n%s\ninto\n%s", path, line+1, got, again)
	}
}
