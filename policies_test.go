package kernel_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// requiredCoverage is what the tests of a bundle have to show of it, in
// percent: see `kernel test --coverage`.
const requiredCoverage = 100

// libraryFolder holds the policies that people copy from.
const libraryFolder = "policies/library"

// A shipped is a bundle under policies/.
type shipped struct {
	folder  string
	files   []pdl.File
	bundle  *pdl.Bundle
	program *eval.Program
}

func (s shipped) inLibrary() bool { return strings.HasPrefix(s.folder, libraryFolder+"/") }

// shippedBundles compiles every bundle under policies/, in which the compiler
// must find nothing at all.
func shippedBundles(t *testing.T) []shipped {
	t.Helper()
	files := map[string][]pdl.File{}
	walkTree(t, func(name string, d fs.DirEntry) {
		folder := path.Dir(filepath.ToSlash(name))
		if d.IsDir() || filepath.Ext(name) != ".yaml" || !strings.HasPrefix(folder, "policies/") {
			return
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[folder] = append(files[folder], pdl.File{Name: filepath.ToSlash(name), Data: text})
	})
	var list []shipped
	for _, folder := range kernel.SortedKeys(files) {
		s := shipped{folder: folder, files: files[folder]}
		var found pdl.Diagnostics
		if s.bundle, found = pdl.Compile(s.files); len(found) > 0 {
			t.Errorf("%v", found)
		}
		if found.HasErrors() {
			continue
		}
		var err error
		if s.program, err = eval.New(s.bundle); err != nil {
			t.Errorf("%s: %v", folder, err)
			continue
		}
		list = append(list, s)
	}
	return list
}

// TestPoliciesHold runs the tests of every bundle under policies/ and measures
// what they show.
func TestPoliciesHold(t *testing.T) {
	for _, s := range shippedBundles(t) {
		for _, c := range eval.RunTests(s.program, s.bundle.Tests).Cases {
			if !c.Pass {
				t.Errorf("%s:%d: %s fails: %s %v", c.Pos.File, c.Pos.Line, c.Name, c.Error, c.Diff)
			}
		}
		if got := eval.CoverFully(s.program, s.bundle.Tests); got.Percent < requiredCoverage {
			t.Errorf("%s: the tests cover %.1f percent, less than %d: never matched %v, never decisive %v, branches %+v",
				s.folder, got.Percent, requiredCoverage, got.NeverMatched, got.NeverDecisive, got.Branches)
		}
	}
}

// TestLibrarySaysWhatItProves: each bundle says at least three things of every
// request; make prove proves them.
func TestLibrarySaysWhatItProves(t *testing.T) {
	const least = 3
	for _, s := range shippedBundles(t) {
		if s.inLibrary() && len(s.bundle.Properties) < least {
			t.Errorf("%s has %d properties, want %d at least", s.folder, len(s.bundle.Properties), least)
		}
	}
}

// TestLibraryTestsAttack: what a newcomer would forget to test. Every action is
// asked for, and refused at least once; every optional attribute is once there
// and once absent.
func TestLibraryTestsAttack(t *testing.T) {
	for _, s := range shippedBundles(t) {
		if !s.inLibrary() {
			continue
		}
		if !s.bundle.Schema.Strict {
			t.Errorf("%s: the schema says strict: false", s.folder)
		}
		for i := range s.bundle.Schema.Actions {
			s.attacked(t, &s.bundle.Schema.Actions[i])
		}
	}
}

func (s shipped) attacked(t *testing.T, a *pdl.Action) {
	t.Helper()
	var cases []*pdl.Test
	refused := false
	for _, c := range s.bundle.Tests {
		if c.Request.Action == a.Name || strings.HasPrefix(c.Request.Action, strings.TrimSuffix(a.Name, "*")) && strings.HasSuffix(a.Name, "*") {
			cases = append(cases, c)
			refused = refused || c.Expect.Decision != nil && *c.Expect.Decision == kernel.Deny
		}
	}
	if !refused {
		t.Errorf("%s: no test shows that %s is denied", s.folder, a.Name)
	}
	optional := func(root string, attributes []pdl.Attribute, members func(kernel.Request) map[string]any) {
		for _, at := range attributes {
			has := func(c *pdl.Test) bool { _, ok := members(c.Request)[at.Name]; return ok }
			lacks := func(c *pdl.Test) bool { return !has(c) }
			if at.Optional && !(slices.ContainsFunc(cases, has) && slices.ContainsFunc(cases, lacks)) {
				t.Errorf("%s: %s.%s is optional: show %s with it and without it", s.folder, root, at.Name, a.Name)
			}
		}
	}
	optional("params", a.Params, func(r kernel.Request) map[string]any { return r.Params })
	optional("context", s.contextOf(a), func(r kernel.Request) map[string]any { return r.Context })
}

// contextOf lists the attributes of the context that rules about an action read.
func (s shipped) contextOf(a *pdl.Action) []pdl.Attribute {
	return slices.DeleteFunc(slices.Clone(s.bundle.Schema.Context), func(at pdl.Attribute) bool {
		return !slices.ContainsFunc(s.bundle.Rules, func(r *pdl.Rule) bool {
			return slices.Contains(r.Actions, a.Name) && r.When != nil && reads(r.When.Source, r.When.Variables, "context."+at.Name)
		})
	})
}

// reads reports whether a condition names a path, itself or in a variable.
func reads(source string, variables map[string]string, path string) bool {
	if strings.Contains(source, path) {
		return true
	}
	for _, name := range kernel.SortedKeys(variables) { // which never need themselves
		if strings.Contains(source, "variables."+name) && reads(variables[name], variables, path) {
			return true
		}
	}
	return false
}
