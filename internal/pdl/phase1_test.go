package pdl_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// matrix is the one of the contract, each cell in another spelling.
const matrix = `{
  "webapp": {
    "production": {"risk_level": "HIGH", "approvals_required": 2, "constraints": {"no_self_approval": true, "log_all_actions": true, "isolation_required": false}},
    "staging": {"risk_level": "Medium", "approvals_required": 1, "constraints": ["log_all_actions"]},
    "development": {"risk_level": "low", "approvals_required": 0, "constraints": {}}
  },
  "content": {
    "production": {"risk_level": "LOW", "approvals_required": 0, "constraints": ["log_all_actions"]},
    "development": {"risk_level": "LOW", "approvals_required": 0}
  }
}`

const converted = "# Made from a Phase 1 matrix by `kernel convert phase1`." + `
pdl: v1
kind: schema
name: shipping
agents: any
resources:
  content:
    environment: "enum(development, production, staging)"
  webapp:
    environment: "enum(development, production, staging)"
actions:
  ship:
    resource: [content, webapp]
    params: {"actions?": "list(string, ..256)"}
constraints:
  no_self_approval: flag
  log_all_actions: flag
  isolation_required: flag
---
pdl: v1
kind: table
name: release-matrix
match: {action: ship}
inputs: [resource.type, resource.environment]
outputs: [effect, risk, approvals, constraints, reason]
rows:
  - [content, development, ALLOW,            low,      0, {}, Shipping content to development takes no approval.]
  - [content, production,  ALLOW,            low,      0, {log_all_actions: true}, Shipping content to production takes no approval.]
  - [webapp,  development, ALLOW,            low,      0, {}, Shipping webapp to development takes no approval.]
  - [webapp,  production,  REQUIRE_APPROVAL, high,     2, {no_self_approval: true, log_all_actions: true}, Shipping webapp to production takes 2 approvals.]
  - [webapp,  staging,     REQUIRE_APPROVAL, medium,   1, {log_all_actions: true}, Shipping webapp to staging takes 1 approval.]
  - ["*",     "*",         DENY,             critical, 0, {}, "No policy matched this artifact type and environment."]
---
pdl: v1
kind: test
name: release-matrix
base:
  action: ship
  agent: {id: agent-001}
  resource: {type: content, id: artifact-001, environment: development}
cases:
  - name: content-development
    set: {resource.type: content, resource.environment: development}
    expect: {decision: ALLOW, risk_level: low, approvals_required: 0, constraints: {}, rules: [release-matrix/content-development]}
  - name: content-production
    set: {resource.type: content, resource.environment: production}
    expect: {decision: ALLOW, risk_level: low, approvals_required: 0, constraints: {log_all_actions: true}, rules: [release-matrix/content-production]}
  - name: webapp-development
    set: {resource.type: webapp, resource.environment: development}
    expect: {decision: ALLOW, risk_level: low, approvals_required: 0, constraints: {}, rules: [release-matrix/webapp-development]}
  - name: webapp-production
    set: {resource.type: webapp, resource.environment: production}
    expect: {decision: REQUIRE_APPROVAL, risk_level: high, approvals_required: 2, constraints: {no_self_approval: true, log_all_actions: true}, rules: [release-matrix/webapp-production]}
  - name: webapp-staging
    set: {resource.type: webapp, resource.environment: staging}
    expect: {decision: REQUIRE_APPROVAL, risk_level: medium, approvals_required: 1, constraints: {log_all_actions: true}, rules: [release-matrix/webapp-staging]}
  - name: a cell that the matrix does not have
    set: {resource.type: content, resource.environment: staging}
    expect: {decision: DENY, risk_level: critical, approvals_required: 0, constraints: {}, rules: ["release-matrix/*-*"]}
`

func TestConvertPhase1WritesACompleteBundle(t *testing.T) {
	got, err := pdl.ConvertPhase1([]byte(matrix))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != converted {
		t.Errorf("ConvertPhase1 = %s, want %s", got, converted)
	}
	bundle := compilePhase1(t, got)
	if len(bundle.Rules) != 6 || len(bundle.Tests) != 6 {
		t.Errorf("the bundle has %d rules and %d tests, want 6 and 6", len(bundle.Rules), len(bundle.Tests))
	}
}

func TestConvertPhase1DoesNotDependOnTheOrderOfMembers(t *testing.T) {
	a, errA := pdl.ConvertPhase1([]byte(`{"a": {"x": {"risk_level": "low", "approvals_required": 1, "constraints": ["log_all_actions", "no_self_approval"]}, "y": {"risk_level": "low", "approvals_required": 0}}, "b": {}}`))
	b, errB := pdl.ConvertPhase1([]byte(`{"b": {}, "a": {"y": {"approvals_required": 0, "risk_level": "LOW"}, "x": {"constraints": {"no_self_approval": true, "log_all_actions": true}, "approvals_required": 1, "risk_level": "Low"}}}`))
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		t.Errorf("ConvertPhase1 = %s, %v and %s, %v, want the same text", a, errA, b, errB)
	}
	compilePhase1(t, a)
}

func TestConvertPhase1WritesNoRowThatNeverHolds(t *testing.T) {
	got, err := pdl.ConvertPhase1([]byte(`{"webapp": {"production": {"risk_level": "low", "approvals_required": 0}}}`))
	if err != nil || strings.Contains(string(got), "*") {
		t.Errorf("ConvertPhase1(a full matrix) = %s, %v, want no row for the rest", got, err)
	}
	compilePhase1(t, got)
}

func TestConvertPhase1TakesNamesThatYAMLReadsOtherwise(t *testing.T) {
	for _, name := range []string{
		"no", "null", "true", "007", "1e3", "2026-11-23", "-", "---", "- a", "@a", "a: b", "a:", ":", "+1", "Web App", "état",
		"配置", ".", "/", "a/b", "anything", "production", strings.Repeat("n", 256),
	} {
		text := strings.ReplaceAll(`{"NAME": {"NAME": {"risk_level": "low", "approvals_required": 100, "constraints": ["isolation_required"]}, "other": {"risk_level": "CRITICAL", "approvals_required": 0}}, "type": {}}`, "NAME", name)
		got, err := pdl.ConvertPhase1([]byte(text))
		if err != nil {
			t.Errorf("ConvertPhase1 with the name %q: %v", name, err)
			continue
		}
		b := compilePhase1(t, got)
		if want := "release-matrix/" + name + "-" + name; b.Rules[1].Name != want && b.Rules[0].Name != want && b.Rules[2].Name != want {
			t.Errorf("with the name %q no rule is named %q", name, want)
		}
	}
}

func TestConvertPhase1RefusesWhatIsNotAMatrix(t *testing.T) {
	cell := func(members string) string { return `{"webapp": {"production": {` + members + `}}}` }
	const rest = `"risk_level": "low", "approvals_required": 0`
	for _, c := range []struct{ name, matrix, path, want string }{
		{"nothing", ``, "$", "empty"},
		{"no JSON", `{"a": `, "$.a", "ends early"},
		{"a list", `[]`, "$", "object"},
		{"no types", `{}`, "$", "object"},
		{"no environments", `{"webapp": {}}`, "$", "no environment"},
		{"a duplicate type", `{"webapp": {}, "webapp": {}}`, "$.webapp", "duplicate"},
		{"a duplicate member", cell(`"risk_level": "low", "risk_level": "high"`), "$.webapp.production.risk_level", "duplicate"},
		{"a type that is no object", `{"webapp": null}`, "$.webapp", "object"},
		{"a cell that is no object", `{"webapp": {"production": "low"}}`, "$.webapp.production", "object"},
		{"a type called any", `{"any": {}}`, "$.any", "no name for a resource type"},
		{"a type called *", `{"*": {}}`, "$['*']", "no name for a resource type"},
		{"a type without a name", `{"": {}}`, "$['']", "no name for a resource type"},
		{"a type with a comma", `{"a,b": {}}`, "$['a,b']", "no name for a resource type"},
		{"a long type", `{"` + strings.Repeat("n", 257) + `": {}}`, "$." + strings.Repeat("n", 98), "no name for a resource type"},
		{"an environment with a bracket", `{"webapp": {"a)": {}}}`, "$.webapp['a)']", "no name for an environment"},
		{"an environment with a line break", `{"webapp": {"a\nb": {}}}`, "$.webapp['a\\nb']", "no name for an environment"},
		{"an unknown member", cell(rest + `, "approvers": []`), "$.webapp.production.approvers", `unknown member "approvers"`},
		{"no risk", cell(`"approvals_required": 0`), "$.webapp.production.risk_level", "required"},
		{"no approvals", cell(`"risk_level": "low"`), "$.webapp.production.approvals_required", "required"},
		{"a risk that is no string", cell(`"risk_level": 1, "approvals_required": 0`), "$.webapp.production.risk_level", "string"},
		{"an unknown risk", cell(`"risk_level": "hihg", "approvals_required": 0`), "$.webapp.production.risk_level", `unknown risk level "hihg"`},
		{"negative approvals", cell(`"risk_level": "low", "approvals_required": -1`), "$.webapp.production.approvals_required", "0 to 100"},
		{"too many approvals", cell(`"risk_level": "low", "approvals_required": 101`), "$.webapp.production.approvals_required", "0 to 100"},
		{"half an approval", cell(`"risk_level": "low", "approvals_required": 0.5`), "$.webapp.production.approvals_required", "integer"},
		{"approvals as text", cell(`"risk_level": "low", "approvals_required": "2"`), "$.webapp.production.approvals_required", "integer"},
		{"null constraints", cell(rest + `, "constraints": null`), "$.webapp.production.constraints", "object"},
		{"a constraint that is no boolean", cell(rest + `, "constraints": {"log_all_actions": 1}`), "$.webapp.production.constraints.log_all_actions", "true or false"},
		{"an unknown constraint", cell(rest + `, "constraints": {"log_actions": true}`), "$.webapp.production.constraints.log_actions", "unknown constraint"},
		{"an unknown constraint that is off", cell(rest + `, "constraints": {"log_actions": false}`), "$.webapp.production.constraints.log_actions", "unknown constraint"},
		{"an unknown constraint in a list", cell(rest + `, "constraints": ["log_all_actions", "log"]`), "$.webapp.production.constraints[1]", "unknown constraint"},
		{"a constraint twice", cell(rest + `, "constraints": ["log_all_actions", "log_all_actions"]`), "$.webapp.production.constraints[1]", "twice"},
		{"a number for a constraint", cell(rest + `, "constraints": [1]`), "$.webapp.production.constraints[0]", "name"},
		{"two rows of one name", `{"a-b": {"c": {` + rest + `}}, "a": {"b-c": {` + rest + `}}}`, "$['a-b'].c", `"a-b-c", as that of $.a['b-c']`},
		{"too many environments", `{"webapp": {` + manyEnvironments(1001, rest) + `}}`, "$", "1001 environments"},
	} {
		got, err := pdl.ConvertPhase1([]byte(c.matrix))
		var e *kernel.Error
		if !errors.As(err, &e) || got != nil {
			t.Errorf("%s: ConvertPhase1 = %d bytes, %v, want an error for the caller", c.name, len(got), err)
			continue
		}
		if !strings.HasPrefix(e.Path, c.path) || !strings.Contains(e.Message, c.want) {
			t.Errorf("%s: ConvertPhase1 = %q at %q, want %q at %q", c.name, e.Message, e.Path, c.want, c.path)
		}
	}
}

func manyEnvironments(n int, cell string) string {
	var members []string
	for i := range n {
		members = append(members, fmt.Sprintf(`"e%d": {%s}`, i, cell))
	}
	return strings.Join(members, ", ")
}

func compilePhase1(t *testing.T, text []byte) *pdl.Bundle {
	t.Helper()
	b, diagnostics := pdl.Compile([]pdl.File{{Name: "phase1.yaml", Data: text}})
	if len(diagnostics) > 0 || b == nil {
		t.Fatalf("what ConvertPhase1 wrote does not compile: %v\n%s", diagnostics, text)
	}
	return b
}

// FuzzConvertPhase1 looks for a matrix that converts into a bundle that does
// not compile, or not to the same text twice.
func FuzzConvertPhase1(f *testing.F) {
	f.Add([]byte(matrix))
	f.Add([]byte(`{"a b": {"c:": {"risk_level": "LOW", "approvals_required": 3, "constraints": ["isolation_required"]}}, "2": {}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := pdl.ConvertPhase1(data)
		if err != nil {
			return
		}
		compilePhase1(t, out)
		if again, err := pdl.ConvertPhase1(data); err != nil || !bytes.Equal(out, again) {
			t.Fatalf("ConvertPhase1(%q) = %s and then %s, %v", data, out, again, err)
		}
	})
}
