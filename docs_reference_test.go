package kernel_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

const languageReference = "docs/language.md"

// TestDocsReferenceIsComplete looks in the reference of the language for every
// kind of document, every key of one, every word that a key takes, every
// function of conditions.
func TestDocsReferenceIsComplete(t *testing.T) {
	text := readDoc(t, languageReference)
	named := func(name string) bool {
		return regexp.MustCompile(`[^A-Za-z0-9_]` + regexp.QuoteMeta(name) + `[^A-Za-z0-9_]`).MatchString(text)
	}
	seen := 0
	look := func(what, name string) {
		if seen++; !named(name) {
			t.Errorf("%s says nothing of %s %s", languageReference, what, name)
		}
	}
	for _, kind := range pdl.Kinds() {
		look("the kind", kind)
		form, _ := pdl.KindForm(kind)
		eachKey(form, map[*pdl.Form]bool{}, func(key pdl.Key) {
			look("the key of "+kind+",", key.Name)
			if key.Form != nil && key.Form.Text != nil {
				for _, word := range key.Form.Text.Words {
					look("a value of "+key.Name+",", word)
				}
			}
		})
	}
	for _, f := range pdl.Functions() {
		look("the function", f.Name)
	}
	if seen < 150 {
		t.Errorf("only %d names were looked for", seen)
	}
}

// eachKey visits the keys of a form and of all that stands under it.
func eachKey(f *pdl.Form, visited map[*pdl.Form]bool, visit func(pdl.Key)) {
	if f == nil || visited[f] {
		return
	}
	visited[f] = true
	for _, key := range f.Keys {
		visit(key)
		eachKey(key.Form, visited, visit)
	}
	eachKey(f.Items, visited, visit)
	if f.Other != nil {
		eachKey(f.Other.Form, visited, visit)
	}
}

// meaning finds the keys that make more of a document than its head.
var meaning = regexp.MustCompile(`(?m)^(rules|resources|rows|cases|values|weekly|entries|of):`)

// TestDocsReferenceChecksItsExamples: whatever looks like a policy or like a
// condition on a page is in a block that some test compiles.
func TestDocsReferenceChecksItsExamples(t *testing.T) {
	checked := 0
	for _, doc := range documents(t) {
		for _, b := range blocksOf(t, doc) {
			_, compiled := pdlBlock(b)
			switch {
			case compiled || b.info == "yaml pdl-error" || strings.HasPrefix(b.info, "cel "):
				checked++
			case strings.Contains(b.text, "pdl: v1") && meaning.MatchString(b.text) && b.info != "console":
				t.Errorf("%s:%d: a policy that no test compiles: say `yaml pdl`", doc, b.line)
			case doc == languageReference && (b.info == "yaml" || b.info == "cel" || b.info == ""):
				t.Errorf("%s:%d: an example that no test checks: say `yaml pdl`, or `cel` with an action", doc, b.line)
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d examples are checked", checked)
	}
}
