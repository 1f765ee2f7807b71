package kernel_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const maxLines = 600

// TestFilesAreShort looks at every Go file, nested modules and tests too.
func TestFilesAreShort(t *testing.T) {
	for _, path := range goFiles(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte("\n")); n > maxLines {
			t.Errorf("%s has %d lines, more than %d: look for the seam", path, n, maxLines)
		}
	}
}

// TestTestsAreNotSkippedInSilence: a skipped test proves nothing, so it must
// at least say why.
func TestTestsAreNotSkippedInSilence(t *testing.T) {
	for _, path := range goFiles(t) {
		if !strings.HasSuffix(path, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && skipsInSilence(call) {
				t.Errorf("%s: a test is skipped without a message that says why", fset.Position(n.Pos()))
			}
			return true
		})
	}
}

// skipsInSilence reports whether call is SkipNow, or Skip and Skipf without a
// sentence in their first argument.
func skipsInSilence(call *ast.CallExpr) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	switch sel.Sel.Name {
	case "SkipNow":
		return true
	case "Skip", "Skipf":
		receiver, ok := sel.X.(*ast.Ident)
		if !ok || (receiver.Name != "t" && receiver.Name != "b" && receiver.Name != "f" && receiver.Name != "tb") {
			return false
		}
		if len(call.Args) == 0 {
			return true
		}
		text, literal := call.Args[0].(*ast.BasicLit)
		return literal && len(strings.Fields(text.Value)) < 3
	}
	return false
}

// goFiles lists every Go file of the tree but the test data.
func goFiles(t *testing.T) []string {
	t.Helper()
	var paths []string
	walkTree(t, func(path string, d fs.DirEntry) {
		if !d.IsDir() && filepath.Ext(path) == ".go" && !strings.Contains(path, "testdata"+string(filepath.Separator)) {
			paths = append(paths, path)
		}
	})
	if len(paths) == 0 {
		t.Fatal("no Go files found: the test does not run at the module root")
	}
	return paths
}
