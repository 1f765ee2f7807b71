package kernel_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	fenced  = regexp.MustCompile("(?ms)^```.*?^```$")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
)

// TestDocsLinksLead checks that every relative link names a file of this tree
// and, behind a #, a heading of it.
func TestDocsLinksLead(t *testing.T) {
	for _, doc := range documents(t) {
		prose := fenced.ReplaceAllString(readDoc(t, doc), "")
		for _, m := range link.FindAllStringSubmatch(prose, -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := path.Join(path.Dir(doc), file)
			if file == "" {
				target = doc
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: the link %s leads nowhere: %v", doc, m[1], err)
				continue
			}
			if anchor != "" && !slices.Contains(anchorsOf(readDoc(t, target)), anchor) {
				t.Errorf("%s: the link %s leads to no heading of %s", doc, m[1], target)
			}
		}
	}
}

var notInAnchors = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

// anchorsOf lists the anchors of a document's headings, as GitHub makes them.
func anchorsOf(text string) []string {
	var anchors []string
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		a := notInAnchors.ReplaceAllString(strings.ToLower(strings.TrimSpace(m[1])), "")
		anchors = append(anchors, strings.ReplaceAll(a, " ", "-"))
	}
	return anchors
}

var sourcePath = regexp.MustCompile("`((?:internal|cmd|client|contract|bench|examples|policies|scripts)/[\\w./*-]+)`")

// TestDocsNameRealFiles checks the paths that stand in prose; * is any name.
func TestDocsNameRealFiles(t *testing.T) {
	for _, doc := range documents(t) {
		for _, m := range sourcePath.FindAllStringSubmatch(fenced.ReplaceAllString(readDoc(t, doc), ""), -1) {
			if found, err := filepath.Glob(m[1]); err != nil || len(found) == 0 {
				t.Errorf("%s: there is no %s", doc, m[1])
			}
		}
	}
}

// TestArchitectureShowsEveryRoom keeps the drawing of the floors what the
// table of arch_test.go says.
func TestArchitectureShowsEveryRoom(t *testing.T) {
	words := strings.Fields(readDoc(t, "docs/architecture.md"))
	for _, r := range rooms {
		if r.path != "." && !slices.Contains(words, r.path) {
			t.Errorf("docs/architecture.md does not show %s: draw it on floor %d", r.path, r.floor)
		}
	}
}

var testName = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w*`)

// TestThreatModelNamesRealTests: a defence without a test is a hope.
func TestThreatModelNamesRealTests(t *testing.T) {
	exist := testFunctions(t)
	rows := 0
	for _, line := range strings.Split(readDoc(t, "docs/threat-model.md"), "\n") {
		cells := strings.Split(strings.Trim(line, "| "), "|")
		if !strings.HasPrefix(line, "|") || len(cells) < 3 || strings.HasPrefix(cells[0], "---") || strings.HasPrefix(cells[0], "Threat") {
			continue
		}
		rows++
		names := testName.FindAllString(cells[len(cells)-1], -1)
		if len(names) == 0 {
			t.Errorf("docs/threat-model.md: no test shows what stands against %q", strings.TrimSpace(cells[0]))
		}
		for _, name := range names {
			if !slices.Contains(exist, name) {
				t.Errorf("docs/threat-model.md: there is no test %s", name)
			}
		}
	}
	if rows == 0 {
		t.Error("docs/threat-model.md: no table found")
	}
}

// testFunctions lists the names of all tests and fuzz targets of the tree.
func testFunctions(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, file := range goFiles(t) {
		if !strings.HasSuffix(file, "_test.go") && !strings.Contains(file, "storetest/") {
			continue
		}
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z]\w*)\(`).FindAllStringSubmatch(readDoc(t, file), -1) {
			names = append(names, m[1])
		}
	}
	return names
}

// TestDocsListEveryCode checks that the documents explain every code a caller
// may meet: of verdicts and of problems.
func TestDocsListEveryCode(t *testing.T) {
	text := readDoc(t, "docs/language.md") + readDoc(t, "docs/api.md")
	file, err := parser.ParseFile(token.NewFileSet(), "error.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	codes := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
			code, _ := strconv.Unquote(lit.Value)
			if codes++; !strings.Contains(text, "| `"+code+"` |") {
				t.Errorf("neither docs/language.md nor docs/api.md explains the code `%s` in a table", code)
			}
		}
		return true
	})
	if codes < 10 {
		t.Errorf("found %d codes in error.go; the test looks in the wrong place", codes)
	}
}
