package pdl_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

func TestASchemaIsRead(t *testing.T) {
	s := mustCompile(t, schemaText, policyText).Schema
	if s.Name != "shipping" || !s.Strict {
		t.Errorf("schema = %s, strict %v", s.Name, s.Strict)
	}
	got := []string{describe(s.Agent), describe(s.Context)}
	for _, r := range s.Resources {
		got = append(got, r.Name+": "+describe(r.Attributes))
	}
	for _, a := range s.Actions {
		got = append(got, fmt.Sprintf("%s on %v, %s: %s", a.Name, a.Resources, a.Risk, describe(a.Params)))
	}
	for _, c := range s.Constraints {
		got = append(got, fmt.Sprintf("%s %s", c.Name, c.Meet))
	}
	want := []string{
		"experience_level int(0..10), groups list(enum(dev, oncall), ..16), owner? string(..4096), role enum(junior, senior, sre), team string(..4096)",
		"source_ip? string(..4096)",
		"database: environment enum(production, archive), size_gb int(-9007199254740991..9007199254740991)",
		"service: environment enum(development, staging, production), owner_team? string(..4096)",
		"deploy on [service], medium: at timestamp, dry_run bool, strategy enum(rolling, canary), version? string(..4096)",
		"inspect on [database service], low: ",
		"migrate on [database service], low: args list(string(..4096), ..8), strategy enum(rolling, big_bang)",
		"canary_only flag", "log_full_io flag", "max_rows int.min", "regions set.intersect",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("schema =\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func describe(attributes []pdl.Attribute) string {
	var parts []string
	for _, a := range attributes {
		name := a.Name
		if a.Optional {
			name += "?"
		}
		parts = append(parts, name+" "+a.Type.String())
	}
	return strings.Join(parts, ", ")
}

func TestCasesAreTypedByTheSchema(t *testing.T) {
	const base = "pdl: v1\nkind: test\nname: typed\nbase:\n  action: deploy\n  agent: {id: \"7\", role: junior, team: \"3\", experience_level: \"2\", groups: [dev, oncall]}\n" +
		"  resource: {type: service, id: 1.0, environment: production, owner_team: no}\n  params: {strategy: canary, at: 2026-11-23T20:00:00Z, dry_run: false}\n" +
		"  context: {source_ip: 10.0.0.1, now: 2026-11-23T20:00:00Z}\ncases:\n"
	b := mustCompile(t, schemaText, policyText, base+`
  - name: as it stands
    expect: {decision: DENY, risk_level: high, approvals_required: 0, constraints: {}, code: RULE, reason: why, advice: "", rules: [], rules_include: [matrix/*-*]}
  - name: set and unset
    set: {action: inspect, resource: {type: database, id: db, environment: archive, size_gb: 3}, params: {}}
    unset: [context.source_ip, context.now]
    expect: {constraints: {regions: [us, eu], max_rows: 3, canary_only: true}}
  - name: unknown type
    set: {resource: {type: queue, id: q, depth: 7, tags: [a, 1, true], note: "1", more: {n: 1}}}
    expect: {code: UNKNOWN_RESOURCE}
`)
	want := []kernel.Request{{
		Agent:  kernel.Agent{ID: "7", Attributes: map[string]any{"role": "junior", "team": "3", "experience_level": int64(2), "groups": []any{"dev", "oncall"}}},
		Action: "deploy", Resource: kernel.Resource{Type: "service", ID: "1.0", Attributes: map[string]any{"environment": "production", "owner_team": "no"}},
		Params:  map[string]any{"strategy": "canary", "at": "2026-11-23T20:00:00Z", "dry_run": false},
		Context: map[string]any{"source_ip": "10.0.0.1"},
	}}
	want = append(want, want[0], want[0])
	want[1].Action, want[1].Params, want[1].Context = "inspect", nil, nil
	want[1].Resource = kernel.Resource{Type: "database", ID: "db", Attributes: map[string]any{"environment": "archive", "size_gb": int64(3)}}
	want[2].Resource = kernel.Resource{Type: "queue", ID: "q", Attributes: map[string]any{
		"depth": int64(7), "tags": []any{"a", int64(1), true}, "note": "1", "more": map[string]any{"n": int64(1)},
	}}
	for i, test := range b.Tests {
		if !reflect.DeepEqual(test.Request, want[i]) {
			t.Errorf("%s: request = %#v\nwant %#v", test.Name, test.Request, want[i])
		}
		if err := test.Request.Check(); err != nil {
			t.Errorf("%s: %v", test.Name, err)
		}
	}
	if b.Tests[0].Now != "2026-11-23T20:00:00Z" || b.Tests[1].Now != "" {
		t.Errorf("now = %q, %q", b.Tests[0].Now, b.Tests[1].Now)
	}
	checkExpectations(t, b.Tests)
}

func checkExpectations(t *testing.T, tests []*pdl.Test) {
	t.Helper()
	decision, risk, none, code, reason, advice := kernel.Deny, kernel.High, 0, kernel.CodeRule, "why", ""
	want := pdl.Expectation{
		Decision: &decision, RiskLevel: &risk, ApprovalsRequired: &none, Constraints: map[string]any{}, Code: &code,
		Reason: &reason, Advice: &advice, Rules: []string{}, RulesInclude: []string{"matrix/*-*"},
	}
	if !reflect.DeepEqual(tests[0].Expect, want) {
		t.Errorf("expect = %+v, want %+v", tests[0].Expect, want)
	}
	constraints := map[string]any{"regions": []string{"eu", "us"}, "max_rows": int64(3), "canary_only": true}
	if got := tests[1].Expect; !reflect.DeepEqual(got.Constraints, constraints) || got.Decision != nil || got.Rules != nil {
		t.Errorf("expect = %+v, want only constraints %v", got, constraints)
	}
}

func TestDataIsTyped(t *testing.T) {
	b := mustCompile(t, schemaText, policyText, `
pdl: v1
kind: data
name: limits
types: {cents: int(0..100), open: "int(-5..)", debt: int(..0), on: bool, tier: "enum(a, b)", since: timestamp, teams: "list(string(..8), ..3)", levels: list(int), none: list(bool)}
values: {cents: 7, open: -5, debt: -9007199254740991, on: true, tier: b, since: 2026-01-01T00:00:00Z, teams: [no, "1"], levels: [1, -2], none: []}
`)
	want := map[string]any{
		"data.limits.cents": int64(7), "data.limits.open": int64(-5), "data.limits.debt": int64(-(1<<53 - 1)), "data.limits.on": true, "data.limits.tier": "b", "data.limits.since": "2026-01-01T00:00:00Z",
		"data.limits.teams": []any{"no", "1"}, "data.limits.levels": []any{int64(1), int64(-2)}, "data.limits.none": []any{},
		"data.ownership.critical": []any{"svc/checkout", "svc/identity"}, "data.ownership.max_refund": int64(50000),
	}
	got, last := map[string]any{}, ""
	for _, d := range b.Data {
		got[d.Path] = d.Value
		if d.Path <= last {
			t.Errorf("%s comes after %s", d.Path, last)
		}
		last = d.Path
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("data = %v, want %v", got, want)
	}
}

func TestFilesOfOneNameAreRefused(t *testing.T) {
	f := pdl.File{Name: "a.yaml", Data: []byte(schemaText)}
	_, found := pdl.Compile([]pdl.File{f, f})
	if !found.HasErrors() || found[0].Message != "the file is given twice" {
		t.Errorf("found %v", found)
	}
}

func TestTooMuchIsRefused(t *testing.T) {
	big := func(i int) pdl.File {
		return pdl.File{Name: fmt.Sprintf("%02d.yaml", i), Data: []byte(strings.Repeat("#", pdl.MaxFile))}
	}
	var many []pdl.File
	for i := range 17 {
		many = append(many, big(i))
	}
	for _, c := range []struct {
		files []pdl.File
		want  string
	}{
		{[]pdl.File{{Name: "a.yaml", Data: []byte(strings.Repeat("#", pdl.MaxFile+1))}}, "the file has 1048577 bytes"},
		{many, "the files of the bundle have more than"},
		{[]pdl.File{{Name: "a.yaml", Data: []byte(strings.Repeat("---\na\n", pdl.MaxDocuments+1))}}, "the bundle has more than 10000 documents"},
		{nil, "the bundle is empty"},
	} {
		b, found := pdl.Compile(c.files)
		if b != nil || len(found) != 1 || !strings.HasPrefix(found[0].Message, c.want) {
			t.Errorf("found %.200v, want %q", found, c.want)
		}
	}
}
