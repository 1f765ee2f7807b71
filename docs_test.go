package kernel_test

import (
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

var update = flag.Bool("update", false, "write the generated parts of the documents")

const maxReadmeWords = 1000

// A block is one fenced block of a document.
type block struct {
	doc  string // README.md, docs/language.md
	line int    // of its first line of text
	info string // what stands behind the fence: console, yaml pdl
	text string
}

// TestDocsRun runs what the documents show, with the commands built from this
// tree, and compares what they print.
func TestDocsRun(t *testing.T) {
	if testing.Short() {
		t.Skip("LEFT OUT with -short: the documents run for some seconds; make test runs them")
	}
	bin := buildCommands(t)
	t.Run("docs/cli.md", func(t *testing.T) { checkReference(t, bin) })
	for _, doc := range documents(t) {
		steps := consoleSteps(t, doc)
		if len(steps) == 0 {
			continue
		}
		t.Run(doc, func(t *testing.T) {
			if _, err := exec.LookPath("curl"); err != nil && uses(steps, "curl") {
				if os.Getenv("CI") == "true" {
					t.Fatal("the document shows curl, which is not installed on this machine: install it")
				}
				t.Skip("LEFT OUT: the document shows curl, which is not installed on this machine")
			}
			if uses(steps, "kernel prove") {
				needsSolver(t)
			}
			s := newSession(t, bin)
			for _, step := range steps {
				s.play(step)
			}
		})
	}
}

// needsSolver leaves a document out that shows kernel prove where there is no
// solver, loudly, and fails in CI.
func needsSolver(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("cvc5"); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("the document shows kernel prove, and cvc5 is not installed on this machine: install it")
	}
	t.Skip("LEFT OUT: the document shows kernel prove, and cvc5 is not installed on this machine")
}

// TestDocsCompile checks the policies that the documents show. All `yaml pdl`
// blocks of a document are one bundle, whose tests must pass, and all
// `yaml pdl NAME` blocks another; a block `yaml pdl-error` added to the first
// must be refused with the text of the block that follows.
func TestDocsCompile(t *testing.T) {
	for _, doc := range documents(t) {
		blocks := blocksOf(t, doc)
		bundles := bundlesOf(blocks)
		for _, name := range kernel.SortedKeys(bundles) {
			compileExamples(t, doc, bundles[name])
		}
		bundle := bundles[""]
		for i, b := range slices.Backward(blocks) { // backward: rewriting a block moves those below it
			if b.info != "yaml pdl-error" {
				continue
			}
			if i+1 == len(blocks) || blocks[i+1].info != "text" {
				t.Errorf("%s:%d: a pdl-error block is followed by a text block with the message", doc, b.line)
				continue
			}
			refuseExample(t, b, bundle, blocks[i+1])
		}
	}
}

func compileExamples(t *testing.T, doc string, bundle []pdl.File) {
	t.Helper()
	b, diagnostics := pdl.Compile(bundle)
	for _, d := range diagnostics {
		t.Errorf("%s: %s", doc, d)
	}
	if diagnostics.HasErrors() {
		return
	}
	program, err := eval.New(b)
	if err != nil {
		t.Errorf("%s: %v", doc, err)
		return
	}
	for _, c := range eval.RunTests(program, b.Tests).Cases {
		if !c.Pass {
			t.Errorf("%s: the test %q fails: %s%v", doc, c.Name, c.Error, c.Diff)
		}
	}
}

// refuseExample compares what the compiler says of a bad document with the
// block that shows it, or writes that block.
func refuseExample(t *testing.T, b block, bundle []pdl.File, shown block) {
	t.Helper()
	bad := pdl.File{Name: "example.yaml", Data: []byte(b.text)}
	_, diagnostics := pdl.Compile(append(slices.Clone(bundle), bad))
	if !diagnostics.HasErrors() {
		t.Errorf("%s:%d: the compiler accepts what the document shows as an error", b.doc, b.line)
		return
	}
	said := ""
	for _, d := range diagnostics {
		said += d.String() + "\n"
	}
	switch {
	case *update:
		shown.replace(t, said)
	case said != shown.text:
		t.Errorf("%s:%d: the document shows\n%s\nthe compiler says\n%s", shown.doc, shown.line, shown.text, said)
	}
}

// replace writes new text into the document.
func (b block) replace(t *testing.T, text string) {
	t.Helper()
	lines := strings.SplitAfter(readDoc(t, b.doc), "\n")
	lines = slices.Replace(lines, b.line-1, b.line-1+strings.Count(b.text, "\n"), text)
	if err := os.WriteFile(b.doc, []byte(strings.Join(lines, "")), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestReadmeIsShort(t *testing.T) {
	if n := len(strings.Fields(readDoc(t, "README.md"))); n > maxReadmeWords {
		t.Errorf("README.md has %d words, more than %d", n, maxReadmeWords)
	}
}

var makeCommand = regexp.MustCompile(`(?m)\bmake ([a-z-]+)`)

// TestDocsNameRealTargets checks `make` lines, which no test can run: one of
// them runs this test.
func TestDocsNameRealTargets(t *testing.T) {
	makefile := readDoc(t, "Makefile")
	for _, doc := range documents(t) {
		for _, b := range blocksOf(t, doc) {
			for _, m := range makeCommand.FindAllStringSubmatch(b.text, -1) {
				if b.info == "sh" && !strings.Contains(makefile, "\n"+m[1]+":") {
					t.Errorf("%s:%d: there is no target %q in the Makefile", doc, b.line, m[1])
				}
			}
		}
	}
}

// documents lists what people read: the papers at the root, and docs/.
func documents(t *testing.T) []string {
	t.Helper()
	var docs []string
	walkTree(t, func(path string, d fs.DirEntry) {
		if !d.IsDir() && filepath.Ext(path) == ".md" && !strings.Contains(path, "testdata") {
			docs = append(docs, filepath.ToSlash(path))
		}
	})
	if !slices.Contains(docs, "README.md") {
		t.Fatal("no README.md found: the test does not run at the module root")
	}
	return docs
}

func readDoc(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocksOf returns the fenced blocks of a document.
func blocksOf(t *testing.T, doc string) []block {
	t.Helper()
	var blocks []block
	var open *block
	for i, line := range strings.Split(readDoc(t, doc), "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open == nil:
			open = &block{doc: doc, line: i + 2, info: strings.TrimSpace(info)}
		case fence:
			blocks, open = append(blocks, *open), nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	if open != nil {
		t.Fatalf("%s:%d: the block is not closed", doc, open.line)
	}
	return blocks
}

// buildCommands builds kernel and solo and returns the folder they are in.
func buildCommands(t *testing.T) string {
	t.Helper()
	walkTree(t, func(string, fs.DirEntry) {}) // see load
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "./cmd/kernel", "./cmd/solo")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build.Args, err, out)
	}
	return bin
}
