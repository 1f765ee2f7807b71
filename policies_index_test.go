package kernel_test

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

const libraryIndex = libraryFolder + "/README.md"

// A part is a part of the language that a bundle can use.
type part struct {
	name string
	used func(s shipped, text string) bool
}

// languageParts are what the index of the library shows, in its order.
var languageParts = []part{
	{"tables", func(s shipped, _ string) bool { return anyRule(s, func(r *pdl.Rule) bool { return r.Row }) }},
	{"approvals", func(s shipped, _ string) bool { return len(s.bundle.Approvals) > 0 }},
	{"facts", func(s shipped, _ string) bool { return len(s.bundle.Schema.Facts) > 0 }},
	{"events", writes(`(?m)^events:`)},
	{"constraints", func(s shipped, _ string) bool { return len(s.bundle.Schema.Constraints) > 0 }},
	{"calendars", func(s shipped, _ string) bool { return len(s.bundle.Calendars) > 0 }},
	{"data", func(s shipped, _ string) bool { return len(s.bundle.Data) > 0 }},
	{"variables", writes(`(?m)^variables:`)},
	{"shadow rules", func(s shipped, _ string) bool { return anyRule(s, func(r *pdl.Rule) bool { return r.Shadow }) }},
	{"records", func(s shipped, _ string) bool {
		return slices.ContainsFunc(s.bundle.Schema.Actions, func(a pdl.Action) bool { return hasRecord(a.Params) })
	}},
	{"grants", writes(`grant: required`)},
	{"registry", writes(`from: registry`)},
	{"patterns", writes(`\.matches\(`)},
	{"glob", writes(`\.glob\(`)},
	{"networks", writes(`\.(containsIP|containsCIDR)\(`)},
	{"lists", writes(`\.(exists|all|exists_one)\(`)},
	{"time", writes(`duration\("|\.get[A-Z]`)},
}

func anyRule(s shipped, holds func(*pdl.Rule) bool) bool {
	return slices.ContainsFunc(s.bundle.Rules, holds)
}

func hasRecord(attributes []pdl.Attribute) bool {
	return slices.ContainsFunc(attributes, func(a pdl.Attribute) bool { return a.Type.Kind == pdl.Record })
}

func writes(pattern string) func(shipped, string) bool {
	found := regexp.MustCompile(pattern)
	return func(_ shipped, text string) bool { return found.MatchString(text) }
}

// indexed finds the tables of the index: a comment that lists policies, and
// the table that is written from it.
var indexed = regexp.MustCompile(`(?s)<!-- policies: ([^>]*?) -->\n.*?<!-- end -->`)

// TestDocsIndexTheLibrary compares the index of the library with its folders,
// or writes its tables: what each policy is about stands in the first lines of
// its schema, and what it uses is looked up. Every part of the language is
// used by some.
func TestDocsIndexTheLibrary(t *testing.T) {
	rows, left := map[string]string{}, map[string]bool{}
	unused := map[string]bool{}
	for _, p := range languageParts {
		unused[p.name] = true
	}
	for _, s := range shippedBundles(t) {
		if s.inLibrary() {
			name := path.Base(s.folder)
			rows[name], left[name] = s.indexRow(t, unused), true
		}
	}
	for _, p := range languageParts {
		if unused[p.name] {
			t.Errorf("no policy of the library uses %s", p.name)
		}
	}
	text := readDoc(t, libraryIndex)
	want := indexed.ReplaceAllStringFunc(text, func(section string) string {
		names := indexed.FindStringSubmatch(section)[1]
		table := "| policy | what it is about | uses |\n|---|---|---|\n"
		for _, name := range strings.Fields(names) {
			if !left[name] {
				t.Errorf("%s: the policy %q is listed twice, or there is none", libraryIndex, name)
			}
			delete(left, name)
			table += rows[name]
		}
		return fmt.Sprintf("<!-- policies: %s -->\n%s<!-- end -->", names, table)
	})
	if len(left) > 0 {
		t.Errorf("%s does not list %v", libraryIndex, left)
	}
	switch {
	case want == text:
	case *update:
		if err := os.WriteFile(libraryIndex, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is not up to date: make docs", libraryIndex)
	}
}

var libraryHeader = regexp.MustCompile(`^# ([^\n]+\.)\n#\n(?:# [^\n]+\n)*?# Protects against: (?:[^\n]+\n)+?# Assumes: (?:[^\n]+\n)+?pdl: v1\n`)

// indexRow writes the line of a policy, and notes what it uses.
func (s shipped) indexRow(t *testing.T, unused map[string]bool) string {
	t.Helper()
	var text strings.Builder
	about := ""
	for _, f := range s.files {
		text.Write(f.Data)
		if path.Base(f.Name) != "schema.yaml" {
			continue
		}
		header := libraryHeader.FindSubmatch(f.Data)
		if header == nil {
			t.Errorf("%s begins with a sentence, what it protects against, and what it assumes", f.Name)
			return ""
		}
		about = string(header[1])
	}
	var uses []string
	for _, p := range languageParts {
		if p.used(s, text.String()) {
			uses = append(uses, p.name)
			delete(unused, p.name)
		}
	}
	name := path.Base(s.folder)
	return fmt.Sprintf("| [%s](%s/policy.yaml) | %s | %s |\n", name, name, about, strings.Join(uses, ", "))
}
