package prove_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/prove"
)

// twoBundles are alike but for what %[1]s, %[2]s, %[3]s and %[4]s stand for: a
// constraint, an event, the values of constants, and a condition.
const twoBundles = `pdl: v1
kind: schema
name: pair
agents: any
resources: {repo: {}}
actions:
  deploy: {resource: repo, params: {tags: "list(string(..20), ..100)", numbers: "list(int(0..1000), ..100)"}}
  rollback: {resource: repo}
constraints: {lines: %[1]s}
facts:
  hour: {event: deploy, by: [agent.id], count: true, within: 1h}
  day: {event: %[2]s, by: [agent.id], count: true, within: 24h}
---
pdl: v1
kind: data
name: d
types: {tags: list(string), numbers: list(int)}
values: %[3]s
---
pdl: v1
kind: policy
name: p
rules:
  - {id: five, match: {action: deploy}, when: '%[4]s', effect: ALLOW, constraints: {lines: 5}}
  - {id: ten, match: {action: deploy}, when: '%[4]s', effect: ALLOW, constraints: {lines: 10}}
`

func twoOf(t *testing.T, a, b [4]any) (child, parent *prove.Policy) {
	t.Helper()
	return policy(t, fmt.Sprintf(twoBundles, a[:]...)), policy(t, fmt.Sprintf(twoBundles, b[:]...))
}

func verdictOf(t *testing.T, results []prove.Result, err error, action string) prove.Verdict {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Name == action {
			return r.Verdict
		}
	}
	t.Fatalf("nobody was asked about %s: %v", action, results)
	return ""
}

// TestWhatTwoBundlesShare holds that names which two bundles share do not make
// what they mean the same.
func TestWhatTwoBundlesShare(t *testing.T) {
	p := prover(t, prove.Config{})
	const some = "{tags: [a], numbers: [1]}"
	long := strings.Repeat("7, ", 49)
	for _, test := range []struct {
		name  string
		a, b  [4]any
		equal prove.Verdict // do both decide the same?
		below prove.Verdict // does the first allow no more?
	}{
		{"the smaller of two numbers, and the larger",
			[4]any{"int.min", "deploy", some, "true"}, [4]any{"int.max", "deploy", some, "true"}, prove.Counterexample, prove.Proved},
		{"one condition on other constants, of which two elements tell",
			[4]any{"int.min", "deploy", some, "params.tags.exists(x, x in data.d.tags)"},
			[4]any{"int.min", "deploy", "{tags: [b], numbers: [1]}", "!params.tags.exists(x, x in data.d.tags)"}, prove.Counterexample, prove.Counterexample},
		{"long lists that differ at the end",
			[4]any{"int.min", "deploy", "{tags: [a], numbers: [" + long + "1]}", "params.numbers == data.d.numbers"},
			[4]any{"int.min", "deploy", "{tags: [a], numbers: [" + long + "2]}", "params.numbers == data.d.numbers"}, prove.Possible, prove.Possible},
		{"a bound on a fact that the other bundle defines otherwise",
			[4]any{"int.min", "deploy", some, "facts.hour > 5"}, [4]any{"int.min", "rollback", some, "facts.day > 5"}, prove.Unsupported, prove.Unsupported},
		{"the same bound, defined alike",
			[4]any{"int.min", "deploy", some, "facts.hour > 5"}, [4]any{"int.min", "deploy", some, "facts.day > 5"}, prove.Counterexample, prove.Proved},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, b := twoOf(t, test.a, test.b)
			results, err := p.Equiv(context.Background(), a, b)
			if v := verdictOf(t, results, err, "deploy"); v != test.equal {
				t.Errorf("equiv says %v, want %v", v, test.equal)
			}
			results, err = p.Subset(context.Background(), a, b)
			if v := verdictOf(t, results, err, "deploy"); v != test.below {
				t.Errorf("subset says %v, want %v", v, test.below)
			}
		})
	}
}

// TestSchemasThatTakeOthers holds that a request which one bundle takes and the
// other refuses is a difference, also where no rule reads what it is refused for.
func TestSchemasThatTakeOthers(t *testing.T) {
	p := prover(t, prove.Config{})
	const schema = `pdl: v1
kind: schema
name: pair
agents: any
resources: {repo: {}}
actions: {deploy: {resource: repo, params: {x: "int(0..9)", %s}}}
---
pdl: v1
kind: policy
name: p
rules: [{id: some, match: {action: deploy}, when: params.x > 5, effect: ALLOW}]
`
	for name, test := range map[string]struct {
		a, b string
		want prove.Verdict
	}{
		"a wider enum":        {`a: "enum(p, q)"`, `a: "enum(q, p, r)"`, prove.Counterexample},
		"an enum in an order": {`a: "enum(p, q)"`, `a: "enum(q, p)"`, prove.Proved},
		"a wider int":         {`a: "int(0..9)"`, `a: "int(0..10)"`, prove.Counterexample},
		"a longer text":       {`a: "string(..9)"`, `a: "string(..10)"`, prove.Counterexample},
		"what may be absent":  {`a: bool`, `"a?": bool`, prove.Counterexample},
		"a longer list":       {`a: "list(bool, ..30)"`, `a: "list(bool, ..31)"`, prove.Counterexample},
		"a list of longer":    {`a: "list(string(..9), ..30)"`, `a: "list(string(..10), ..30)"`, prove.Counterexample},
		"a member of records": {`a: "list({k: bool, j: bool})"`, `a: "list({k: bool, 'j?': bool})"`, prove.Counterexample},
		"inside of a record":  {`a: {k: bool, j: "int(0..1)"}`, `a: {k: bool, j: "int(0..2)"}`, prove.Counterexample},
		"the same":            {`a: {k: bool, j: "int(0..1)"}`, `a: {j: "int(0..1)", k: bool}`, prove.Proved},
	} {
		t.Run(name, func(t *testing.T) {
			narrow, wide := policy(t, fmt.Sprintf(schema, test.a)), policy(t, fmt.Sprintf(schema, test.b))
			results, err := p.Equiv(context.Background(), narrow, wide)
			if v := verdictOf(t, results, err, "deploy"); v != test.want {
				t.Errorf("equiv says %v, want %v: %v", v, test.want, results)
			}
			results, err = p.Subset(context.Background(), wide, narrow)
			if v := verdictOf(t, results, err, "deploy"); v != test.want {
				t.Errorf("subset says %v, want %v", v, test.want)
			}
			results, err = p.Subset(context.Background(), narrow, wide)
			if v := verdictOf(t, results, err, "deploy"); v != prove.Proved {
				t.Errorf("subset of the wider says %v, want PROVED", v)
			}
		})
	}
}
