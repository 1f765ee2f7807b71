package pdl_test

import (
	"path/filepath"
	"reflect"
	"testing"
	"unicode/utf8"

	"cel.dev/cel-go/common/types"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// FuzzCompile feeds the compiler any bytes, alone and beside a good schema. It
// must not panic, must say the same twice, must point into the file, and must
// give a bundle exactly when it found no error.
func FuzzCompile(f *testing.F) {
	schema := readFile(f, "testdata/schema.yaml")
	paths, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		f.Add(readFile(f, path))
	}
	f.Add([]byte(schemaText + "---" + policyText + "---" + testText))
	f.Fuzz(func(t *testing.T, data []byte) {
		checkCompile(t, []pdl.File{{Name: "a.yaml", Data: data}})
		checkCompile(t, []pdl.File{{Name: "a.yaml", Data: data}, {Name: "schema.yaml", Data: schema}})
	})
}

func checkCompile(t *testing.T, files []pdl.File) {
	b, found := pdl.Compile(files)
	again, foundAgain := pdl.Compile(files)
	if !reflect.DeepEqual(found, foundAgain) {
		t.Fatalf("two runs differ:\n%v\n%v", found, foundAgain)
	}
	if (b == nil) != found.HasErrors() {
		t.Fatalf("bundle = %v with %v", b, found)
	}
	for _, d := range found {
		if d.Line < 1 || d.Col < 1 || d.EndLine < d.Line || d.EndCol <= d.Col || d.Message == "" || d.Col > utf8.RuneCountInString(d.Source)+1 {
			t.Fatalf("a finding points nowhere: %+v", d)
		}
		_ = d.String()
	}
	if b == nil {
		return
	}
	if again.Version != b.Version {
		t.Fatalf("two runs have versions %s and %s", b.Version, again.Version)
	}
	for _, r := range b.Rules {
		if r.When != nil && r.When.AST.GetType(r.When.AST.Expr().ID()) != types.BoolType {
			t.Fatalf("the condition of %s is no bool", r.Name)
		}
	}
}
