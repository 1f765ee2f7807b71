package kernel_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// TestDocsAndPoliciesAreFormatted: what people copy is in the canonical form.
func TestDocsAndPoliciesAreFormatted(t *testing.T) {
	formatted := 0
	check := func(name, text string) {
		got, found := pdl.Format(pdl.File{Name: name, Data: []byte(text)})
		formatted++
		if len(found) > 0 {
			t.Errorf("%v", found)
		} else if string(got) != text {
			t.Errorf("%s is not in the canonical form; kernel fmt writes\n%s", name, got)
		}
	}
	for _, doc := range documents(t) {
		for _, b := range blocksOf(t, doc) {
			if _, ok := pdlBlock(b); ok {
				check(b.doc, b.text)
			}
		}
	}
	for _, root := range []string{"policies", "internal/app/starter", "examples"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" {
				return err
			}
			text, err := os.ReadFile(path)
			if err == nil && strings.Contains(string(text), "pdl: v1") {
				check(path, string(text))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if formatted < 10 {
		t.Errorf("only %d documents were looked at", formatted)
	}
}
