package app_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/strixlabs/execution-kernel/internal/app"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// sarifSchema is the schema of the standard, with formats of texts asserted.
func sarifSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	data, err := os.ReadFile("testdata/sarif/sarif-schema-2.1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	id := tree.(map[string]any)["id"].(string)
	if err := compiler.AddResource(id, tree); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile(id)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

const faulty = `pdl: v1
kind: schema
name: s
agents: any
strict: false
resources: {account: {}}
actions: {pay: {resource: account, params: {amount: "int(0..100)", "note?": string}}}
---
pdl: v1
kind: approval
name: owners
of: [{role: sre}]
---
pdl: v1
kind: policy
name: p
rules:
  - {id: small, match: {action: pay}, when: params.amount < 10, effect: ALLOW}
  - {id: tiny, match: {action: pay}, when: params.amount < 5, effect: ALLOW}
  - {id: noted, match: {action: pay}, when: params.note == "<b>&\u2028", effect: DENY}
  - {id: asked, match: {action: pay}, when: params.amount > 50, effect: REQUIRE_APPROVAL, approval: owners}
---
pdl: v1
kind: property
name: q
properties:
  - {id: broken, scope: {action: pay}, never: ALLOW, when: params.amount > 5}
  - {id: holds, scope: {action: pay}, never: ALLOW, when: params.amount > 10}
`

// TestSARIFIsValid: what each task prints is what the standard's own schema
// takes, and has what GitHub's code scanning asks for besides: a message, a
// relative address and a line of every result, and a rule for it.
func TestSARIFIsValid(t *testing.T) {
	schema, prover := sarifSchema(t), proverOf(t, app.ProveConfig{Timeout: time.Minute, FailOn: app.FailOnAny})
	bundle := func(name, text string) app.BundleSource {
		return app.BundleSource{Name: name, Files: []pdl.File{{Name: name + "/b c.yaml", Data: []byte(text)}}}
	}
	one := bundle("one", strings.ReplaceAll(faulty, `\u2028`, ""))
	two := bundle("two", strings.NewReplacer(`\u2028`, "", "amount < 10", "amount < 12", "role: sre", "role: dev").Replace(faulty))
	for name, task := range map[string]func() (*app.Proof, error){
		"properties": func() (*app.Proof, error) { return prover.Properties(t.Context(), []app.BundleSource{one}) },
		"lint":       func() (*app.Proof, error) { return prover.Lint(t.Context(), []app.BundleSource{one}) },
		"diff":       func() (*app.Proof, error) { return prover.Diff(t.Context(), one, two) },
		"equiv":      func() (*app.Proof, error) { return prover.Equiv(t.Context(), one, two) },
		"nothing":    func() (*app.Proof, error) { return prover.Equiv(t.Context(), one, one) },
	} {
		proof, err := task()
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(proof.SARIF("v1.2.3"))
		if err != nil {
			t.Fatal(err)
		}
		tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err == nil {
			err = schema.Validate(tree)
		}
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, data)
			continue
		}
		run := tree.(map[string]any)["runs"].([]any)[0].(map[string]any)
		results := run["results"].([]any)
		if (len(results) == 0) != (name == "nothing") {
			t.Errorf("%s: there are %d results", name, len(results))
		}
		for _, r := range results {
			at := r.(map[string]any)["locations"].([]any)[0].(map[string]any)["physicalLocation"].(map[string]any)
			if uri := at["artifactLocation"].(map[string]any)["uri"].(string); uri == "" || strings.HasPrefix(uri, "/") || strings.Contains(uri, " ") {
				t.Errorf("%s: a result is at %q, want a relative address", name, uri)
			}
		}
	}
}

// TestTheSchemaOfSARIFRefusesOthers: a schema that takes everything would show
// nothing.
func TestTheSchemaOfSARIFRefusesOthers(t *testing.T) {
	schema := sarifSchema(t)
	for _, text := range []string{
		`{"version": "2.1.0"}`, `{"version": "2.0.0", "runs": []}`, `{"version": "2.1.0", "runs": [{"results": []}]}`,
		`{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}, "results": [{"level": "bad", "message": {"text": "x"}}]}]}`,
		`{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}, "results": [{"level": "error"}]}]}`,
		`{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}, "results": [{"message": {"text": "x"}, "locations": [{"physicalLocation": {"region": {"startLine": 0}}}]}]}]}`,
	} {
		tree, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if schema.Validate(tree) == nil {
			t.Errorf("%s is taken", text)
		}
	}
}
