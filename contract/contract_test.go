package contract_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/strixlabs/execution-kernel/contract"
)

func TestEverySchemaIsHandedOutAsItIs(t *testing.T) {
	onDisk, err := filepath.Glob("*.schema.json")
	if err != nil || len(onDisk) == 0 || !slices.Equal(contract.Schemas(), onDisk) {
		t.Fatalf("Schemas() = %v, want %v (%v)", contract.Schemas(), onDisk, err)
	}
	for _, name := range append(onDisk, "openapi.yaml") {
		want, err := os.ReadFile(name)
		got, ok := contract.File(name)
		if err != nil || !ok || !bytes.Equal(got, want) {
			t.Errorf("File(%q) differs from the file (%v)", name, err)
		}
	}
	for _, name := range []string{"", ".", "embed.go", "../go.mod", "nothing.schema.json"} {
		if _, ok := contract.File(name); ok {
			t.Errorf("File(%q) hands out something", name)
		}
	}
}

func TestEverySchemaIsJSONSchema2020(t *testing.T) {
	compiler := jsonschema.NewCompiler()
	for _, name := range contract.Schemas() {
		data, _ := contract.File(name)
		tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		top := tree.(map[string]any)
		if top["$id"] != name || top["title"] == nil || top["$schema"] != "https://json-schema.org/draft/2020-12/schema" {
			t.Errorf("%s: $id %v, title %v, $schema %v", name, top["$id"], top["title"], top["$schema"])
		}
		if err := compiler.AddResource("file:///"+name, tree); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range contract.Schemas() {
		if _, err := compiler.Compile("file:///" + name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestServedReferencesPointBelow(t *testing.T) {
	for line := range strings.Lines(string(contract.Served())) {
		if _, ref, found := strings.Cut(line, "$ref: "); found && !strings.HasPrefix(strings.Trim(ref, "'"), "#") &&
			!strings.HasPrefix(strings.Trim(ref, "'"), "./schemas/") {
			t.Errorf("%s", line)
		}
	}
}

// TestTheCodesAreThoseOfTheProgram: a code that the program has and the
// contract has not would surprise its clients.
func TestTheCodesAreThoseOfTheProgram(t *testing.T) {
	var verdicts, problems []string
	for _, code := range codes(t) {
		switch {
		case code == "UNAVAILABLE": // the one verdict that is a problem
			problems = append(problems, code)
		case strings.ToUpper(code) == code:
			verdicts = append(verdicts, code)
		default:
			problems = append(problems, code)
		}
	}
	for file, want := range map[string][]string{"decision.schema.json": verdicts, "problem.schema.json": problems} {
		var schema struct {
			Properties struct{ Code struct{ Enum []string } }
		}
		data, _ := contract.File(file)
		if err := json.Unmarshal(data, &schema); err != nil {
			t.Fatal(err)
		}
		got := schema.Properties.Code.Enum
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || len(got) == 0 {
			t.Errorf("%s: codes %v, want %v", file, got, want)
		}
	}
}

// codes reads the constants of type Code out of the source.
func codes(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../error.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Code" {
			code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, code)
		}
		return true
	})
	return found
}
