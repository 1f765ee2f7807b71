package kernel_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/strixlabs/execution-kernel/contract"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// TestDocsSchemasAreThoseOfTheLanguage compares the schemas that editors use
// with what the compiler's own grammar says, or writes them.
func TestDocsSchemasAreThoseOfTheLanguage(t *testing.T) {
	want := map[string][]byte{"pdl": pdl.JSONSchemaOfAny()}
	for _, kind := range pdl.Kinds() {
		want[kind] = pdl.JSONSchema(kind)
	}
	for kind, schema := range want {
		path := filepath.Join("contract", "pdl", kind+".schema.json")
		if *update {
			if err := os.WriteFile(path, schema, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if have, err := os.ReadFile(path); err != nil || !bytes.Equal(have, schema) {
			t.Errorf("%s is not what the grammar says: run make docs (%v)", path, err)
		}
		if have, ok := contract.PDL(kind); !ok || !bytes.Equal(have, schema) {
			t.Errorf("contract.PDL(%q) is not what the grammar says", kind)
		}
	}
	files, err := filepath.Glob("contract/pdl/*")
	if err != nil || len(files) != len(want) {
		t.Errorf("contract/pdl holds %v (%v), want %d schemas", files, err, len(want))
	}
}

// schemas compiles the schemas of the grammar: one for each kind, and "pdl".
func schemas(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiled := map[string]*jsonschema.Schema{}
	add := func(kind string, text []byte) {
		tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		top := tree.(map[string]any)
		if top["$schema"] != "https://json-schema.org/draft/2020-12/schema" || top["$id"] != kind+".schema.json" || top["title"] == nil || top["description"] == nil {
			t.Errorf("%s: $schema %v, $id %v, title %v, description %v", kind, top["$schema"], top["$id"], top["title"], top["description"])
		}
		described(t, kind, top)
		if err := compiler.AddResource("file:///"+kind+".schema.json", tree); err != nil {
			t.Fatal(err)
		}
		if compiled[kind], err = compiler.Compile("file:///" + kind + ".schema.json"); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
	}
	add("pdl", pdl.JSONSchemaOfAny())
	for _, kind := range pdl.Kinds() {
		add(kind, pdl.JSONSchema(kind))
	}
	return compiled
}

// described wants a description of every member.
func described(t *testing.T, at string, schema map[string]any) {
	t.Helper()
	for key, value := range schema {
		below, isMap := value.(map[string]any)
		switch {
		case isMap && (key == "properties" || key == "patternProperties"):
			for name, member := range below {
				m := member.(map[string]any)
				if m["description"] == nil || m["description"] == "" {
					t.Errorf("%s.%s has no description", at, name)
				}
				described(t, at+"."+name, m)
			}
		case isMap && key != "if":
			described(t, at, below)
		case key == "anyOf" || key == "allOf":
			for _, choice := range value.([]any) {
				described(t, at, choice.(map[string]any))
			}
		}
	}
}

// TestEveryDocumentFitsItsSchema: what the compiler takes the schemas take.
func TestEveryDocumentFitsItsSchema(t *testing.T) {
	compiled := schemas(t)
	seen := map[string]int{}
	for name, text := range goodDocuments(t) {
		for _, doc := range instances(t, name, text) {
			kind, _ := doc["kind"].(string)
			seen[kind]++
			for _, schema := range []string{kind, "pdl"} {
				if compiled[schema] == nil {
					t.Fatalf("%s: no schema for kind %q", name, kind)
				}
				if err := compiled[schema].Validate(doc); err != nil {
					t.Errorf("%s: the %s %v does not fit the schema %q: %v", name, kind, doc["name"], schema, err)
				}
			}
		}
	}
	for _, kind := range pdl.Kinds() {
		if seen[kind] == 0 {
			t.Errorf("no document of kind %s was looked at", kind)
		}
	}
}

// goodDocuments lists the texts of the tree that compile: policies, the
// corpus, the starter and the examples of the documents.
func goodDocuments(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, doc := range documents(t) {
		for _, b := range blocksOf(t, doc) {
			if _, ok := pdlBlock(b); ok {
				texts[fmt.Sprintf("%s:%d", b.doc, b.line)] = b.text
			}
		}
	}
	for _, root := range []string{"policies", "internal/app/starter", "testdata/corpus"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" {
				return err
			}
			text, err := os.ReadFile(path)
			if !pdl.IsRegistryFile(pdl.File{Name: path, Data: text}) {
				texts[path] = string(text)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(texts) < 25 {
		t.Fatalf("found %d texts, want at least 25", len(texts))
	}
	return texts
}

// instances reads documents as the YAML readers of editors do.
func instances(t *testing.T, name, text string) []map[string]any {
	t.Helper()
	var docs []map[string]any
	dec := yaml.NewDecoder(strings.NewReader(text))
	for {
		var n yaml.Node
		if err := dec.Decode(&n); err != nil {
			if len(docs) == 0 {
				t.Fatalf("%s: %v", name, err)
			}
			return docs
		}
		docs = append(docs, instance(n.Content[0]).(map[string]any))
	}
}

var numberText = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)

// instance types scalars by the core schema of YAML 1.2, which has no dates.
func instance(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			m[n.Content[i].Value] = instance(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			list = append(list, instance(item))
		}
		return list
	}
	plain := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	switch {
	case plain && (n.Value == "true" || n.Value == "false"):
		return n.Value == "true"
	case plain && (n.Value == "" || n.Value == "null" || n.Value == "~"):
		return nil
	case plain && numberText.MatchString(n.Value):
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(n.Value))
		if err == nil {
			return v
		}
	}
	return n.Value
}

// TestSchemasRefuseUnknownKeys: documents with keys that the compiler does not
// know do not fit, and neither does any other key at any place that has known
// ones.
func TestSchemasRefuseUnknownKeys(t *testing.T) {
	compiled := schemas(t)
	paths, err := filepath.Glob("internal/pdl/testdata/bad/*.golden")
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, golden := range paths {
		said, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(said), ": unknown key ") {
			continue
		}
		bad, err := os.ReadFile(strings.TrimSuffix(golden, "golden") + "yaml")
		if err != nil {
			t.Fatal(err)
		}
		fits := true
		for _, doc := range instances(t, golden, string(bad)) {
			fits = fits && compiled["pdl"].Validate(doc) == nil
		}
		if refused++; fits {
			t.Errorf("%s: the compiler knows no such key, and the schema takes it", golden)
		}
	}
	if refused < 3 {
		t.Errorf("found %d documents with unknown keys, want at least 3", refused)
	}
	for _, kind := range pdl.Kinds() {
		form, _ := pdl.KindForm(kind)
		for _, k := range form.Keys {
			closed(t, kind+"."+k.Name, k.Form)
		}
	}
}

// closed wants every form with known keys alone to be closed.
func closed(t *testing.T, at string, f *pdl.Form) {
	t.Helper()
	if f == nil {
		t.Fatalf("%s has no form", at)
	}
	for _, k := range f.Keys {
		if k.Name == "" || k.About == "" {
			t.Errorf("%s: the key %q says nothing about itself", at, k.Name)
		}
		closed(t, at+"."+k.Name, k.Form)
	}
	if f.Items != nil {
		closed(t, at+"[]", f.Items)
	}
	if f.Other != nil {
		closed(t, at+".*", f.Other.Form)
	}
}

var keyRead = regexp.MustCompile(`(?:got\[|keys\[|need\(|member\(|cells\[)"([a-z_]+)"`)

// TestSchemasHaveEveryKeyThatIsRead compares the keys that the compiler's code
// asks for with those of the schemas.
func TestSchemasHaveEveryKeyThatIsRead(t *testing.T) {
	declared := map[string]bool{}
	for _, kind := range pdl.Kinds() {
		form, _ := pdl.KindForm(kind)
		collectKeys(form, declared)
	}
	sources, err := filepath.Glob("internal/pdl/*.go")
	if err != nil {
		t.Fatal(err)
	}
	code := ""
	for _, path := range sources {
		if strings.HasSuffix(path, "_test.go") || strings.Contains(path, "grammar") {
			continue
		}
		text := readDoc(t, path)
		code += text
		for _, m := range keyRead.FindAllStringSubmatch(text, -1) {
			if !declared[m[1]] {
				t.Errorf("%s reads the key %q, which no schema has", path, m[1])
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(declared)) {
		if !strings.Contains(code, `"`+key+`"`) {
			t.Errorf("the schemas have the key %q, which the compiler never reads", key)
		}
	}
}

func collectKeys(f *pdl.Form, into map[string]bool) {
	for _, k := range f.Keys {
		into[k.Name] = true
		collectKeys(k.Form, into)
	}
	if f.Items != nil {
		collectKeys(f.Items, into)
	}
	if f.Other != nil {
		collectKeys(f.Other.Form, into)
	}
}

// TestSchemasShowExamplesThatFit: an editor offers them.
func TestSchemasShowExamplesThatFit(t *testing.T) {
	shown := 0
	var definitions any // that parts of the schema refer to
	var look func(at string, schema map[string]any)
	look = func(at string, schema map[string]any) {
		if examples, ok := schema["examples"].([]any); ok {
			compiler := jsonschema.NewCompiler()
			if definitions != nil {
				schema = maps.Clone(schema)
				schema["$defs"] = definitions
			}
			if err := compiler.AddResource("file:///example.json", schema); err != nil {
				t.Fatal(err)
			}
			compiled, err := compiler.Compile("file:///example.json")
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range examples {
				if shown++; compiled.Validate(e) != nil {
					t.Errorf("%s: the example %v does not fit: %v", at, e, compiled.Validate(e))
				}
			}
		}
		for key, value := range schema {
			if below, ok := value.(map[string]any); ok {
				look(at+"."+key, below)
			}
		}
	}
	for _, kind := range pdl.Kinds() {
		tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(pdl.JSONSchema(kind)))
		if err != nil {
			t.Fatal(err)
		}
		definitions = tree.(map[string]any)["$defs"]
		look(kind, tree.(map[string]any))
	}
	if shown < 10 {
		t.Errorf("the schemas show %d examples, want at least 10", shown)
	}
}

// TestEveryKindHasAReader: a kind of the grammar that the compiler does not
// read would be ignored in silence.
func TestEveryKindHasAReader(t *testing.T) {
	text := readDoc(t, "internal/pdl/compile.go")
	for _, kind := range pdl.Kinds() {
		if kind != "schema" && !strings.Contains(text, `c.each("`+kind+`"`) {
			t.Errorf("internal/pdl/compile.go compiles no documents of kind %s", kind)
		}
		if pdl.JSONSchema(kind) == nil {
			t.Errorf("there is no schema for kind %s", kind)
		}
	}
	if pdl.JSONSchema("nothing") != nil {
		t.Error("there is a schema for a kind that is none")
	}
	var tree map[string]any
	if err := json.Unmarshal(pdl.JSONSchemaOfAny(), &tree); err != nil {
		t.Error(err)
	}
}
