package kernel_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// TestDocsConditions evaluates the blocks `cel ACTION` of the documents: each
// line is a condition about the request of the document's first test of that
// action, and behind // stands whether it is true or false, or errs.
func TestDocsConditions(t *testing.T) {
	lines := 0
	for _, doc := range documents(t) {
		blocks := blocksOf(t, doc)
		for _, b := range blocks {
			if action, shown := strings.CutPrefix(b.info, "cel "); shown {
				lines += checkConditions(t, b, action, bundlesOf(blocks)[""])
			} else if b.info == "cel" {
				t.Errorf("%s:%d: a cel block names its action, so that its lines can be evaluated", doc, b.line)
			}
		}
	}
	if lines < 40 {
		t.Errorf("only %d conditions were looked at", lines)
	}
}

// lenient returns a bundle that takes conditions that may err: some lines do.
func lenient(bundle []pdl.File) []pdl.File {
	files := slices.Clone(bundle)
	for i, f := range files {
		files[i].Data = []byte(strings.Replace(string(f.Data), "kind: schema\n", "kind: schema\nstrict: false\n", 1))
	}
	return files
}

func checkConditions(t *testing.T, b block, action string, bundle []pdl.File) int {
	t.Helper()
	wants, policy := map[string]eval.Result{}, "pdl: v1\nkind: policy\nname: shown\nrules:\n"
	for i, line := range strings.Split(strings.TrimSuffix(b.text, "\n"), "\n") {
		cut := strings.LastIndex(line, "// ")
		if cut < 0 {
			t.Errorf("%s:%d: behind the condition stands // and what it is", b.doc, b.line+i)
			continue
		}
		want, _, _ := strings.Cut(strings.TrimSpace(line[cut+3:]), ":")
		id := fmt.Sprintf("line-%d", b.line+i)
		wants["shown/"+id] = eval.Result(want)
		policy += fmt.Sprintf("  - id: %s\n    match: {action: %s}\n    effect: ALLOW\n    when: |\n      %s\n", id, action, line[:cut])
	}
	compiled, found := pdl.Compile(append(lenient(bundle), pdl.File{Name: "shown.yaml", Data: []byte(policy)}))
	if found.HasErrors() {
		t.Errorf("%s:%d: %v", b.doc, b.line, found)
		return 0
	}
	for _, c := range candidatesOf(t, b, compiled, action) {
		if want, ok := wants[c.Rule]; ok && c.Result != want {
			t.Errorf("%s: %s: the document says %s: %s is %s %s", b.doc, strings.TrimPrefix(c.Rule, "shown/"), want, c.When, c.Result, c.Error)
		}
	}
	return len(wants)
}

// candidatesOf explains the first test about an action.
func candidatesOf(t *testing.T, b block, compiled *pdl.Bundle, action string) []eval.Candidate {
	t.Helper()
	program, err := eval.New(compiled)
	if err != nil {
		t.Fatalf("%s:%d: %v", b.doc, b.line, err)
	}
	i := slices.IndexFunc(compiled.Tests, func(c *pdl.Test) bool { return c.Request.Action == action })
	if i < 0 {
		t.Fatalf("%s:%d: the document has no test about %s", b.doc, b.line, action)
	}
	in := eval.Input{Request: compiled.Tests[i].Request, Facts: compiled.Tests[i].Facts}
	if in.Now, err = time.Parse(time.RFC3339, compiled.Tests[i].Now); err != nil {
		t.Fatalf("%s:%d: the test about %s gives no context.now: %v", b.doc, b.line, action, err)
	}
	trace, err := program.Explain(in)
	if err != nil {
		t.Fatalf("%s:%d: %v", b.doc, b.line, err)
	}
	return trace.Candidates
}

// bundlesOf collects the blocks `yaml pdl` and `yaml pdl NAME`: those of one
// name are one bundle.
func bundlesOf(blocks []block) map[string][]pdl.File {
	bundles := map[string][]pdl.File{}
	for _, b := range blocks {
		if name, ok := pdlBlock(b); ok {
			bundles[name] = append(bundles[name], pdl.File{Name: fmt.Sprintf("%s:%d", b.doc, b.line), Data: []byte(b.text)})
		}
	}
	return bundles
}

// pdlBlock reports whether a block is part of a bundle, and of which.
func pdlBlock(b block) (name string, ok bool) {
	rest, ok := strings.CutPrefix(b.info, "yaml pdl")
	return strings.TrimPrefix(rest, " "), ok && (rest == "" || rest[0] == ' ')
}
