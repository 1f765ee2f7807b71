package prove_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/prove"
	"github.com/strixlabs/execution-kernel/internal/solver"
)

// solvers returns those that are installed; a test without any is left out,
// loudly, and in CI it fails.
func solvers(t testing.TB, setting string) []solver.Binary {
	t.Helper()
	list, err := solver.Find(context.Background(), setting)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skipf("LEFT OUT: %v", err)
	}
	return list
}

func policy(t testing.TB, text string) *prove.Policy {
	t.Helper()
	b, diagnostics := pdl.Compile([]pdl.File{{Name: "test.yaml", Data: []byte(text)}})
	if b == nil {
		t.Fatalf("compile: %v", diagnostics)
	}
	p, err := prove.NewPolicy(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func prover(t testing.TB, c prove.Config) *prove.Prover {
	t.Helper()
	if c.Solvers == nil {
		c.Solvers = solvers(t, "")
	}
	c.Limits.Timeout = 10 * time.Second
	p, err := prove.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const refunds = `pdl: v1
kind: schema
name: refunds
agents: any
agent: {role: "enum(clerk, manager)"}
resources:
  order: {region: string}
actions:
  refund:
    resource: order
    params: {amount: "int(0..1000000)", "reason?": string}
---
pdl: v1
kind: policy
name: p
rules:
  - {id: small, match: {action: refund}, when: params.amount <= 100, effect: ALLOW}
  - {id: large, match: {action: refund, agent.role: manager}, when: params.amount > 100 && params.amount < 5000, effect: REQUIRE_APPROVAL, approvals: 2}
  - {id: named, match: {action: refund}, when: 'has(params.reason) && params.reason == "fraud"', effect: DENY}
`

func TestPropertiesOfASmallPolicy(t *testing.T) {
	pol := policy(t, refunds)
	p := prover(t, prove.Config{})
	results, err := p.Properties(context.Background(), pol, []prove.Property{
		{Name: "clerks", Claim: prove.Never, Decisions: []kernel.Effect{kernel.RequireApproval}, Scope: []pdl.Atom{{Path: "agent.role", Values: []string{"clerk"}}}},
		{Name: "nobody", Claim: prove.Never, Decisions: []kernel.Effect{kernel.RequireApproval}},
		{Name: "somebody", Claim: prove.Reachable, Decisions: []kernel.Effect{kernel.Allow}},
		{Name: "two", Claim: prove.Always, Decisions: []kernel.Effect{kernel.RequireApproval}, AtLeast: true, Approvals: 2},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []prove.Verdict{prove.Proved, prove.Counterexample, prove.Proved, prove.Counterexample} {
		if results[i].Verdict != want {
			t.Errorf("%s is %s (%s), want %s", results[i].Name, results[i].Verdict, results[i].Why, want)
		}
		if x := results[i].Example; x != nil {
			t.Logf("%s: %v %v -> %v", results[i].Name, x.Input.Request, x.Input.Facts, x.Verdict)
		}
	}
}

const lintable = `pdl: v1
kind: schema
name: lintable
agents: any
strict: false
agent: {role: "enum(clerk, manager)"}
resources:
  order: {region: string}
actions:
  refund:
    resource: order
    params: {amount: "int(0..1000000)", "reason?": string}
  purge: {resource: order}
constraints:
  zones: set.intersect
---
pdl: v1
kind: policy
name: p
rules:
  - {id: small, match: {action: refund}, when: params.amount <= 100, effect: ALLOW}
  - {id: tiny, match: {action: refund}, when: params.amount <= 10, effect: ALLOW}
  - {id: big, match: {action: refund}, when: params.amount > 5000, effect: DENY}
  - {id: huge, match: {action: refund}, when: params.amount > 9000, effect: ALLOW}
  - {id: none, match: {action: refund}, when: params.amount < 5 && params.amount > 6, effect: DENY}
  - {id: fraud, match: {action: refund}, when: params.reason == "fraud", effect: DENY}
  - {id: eu, match: {action: refund, resource.region: eu}, effect: ALLOW, constraints: {zones: [a, b]}}
  - {id: clerks, match: {action: refund, agent.role: clerk}, effect: REQUIRE_APPROVAL, constraints: {zones: [c]}}
`

func TestLintFindsWhatIsTheMatter(t *testing.T) {
	for _, s := range []string{solver.CVC5, solver.Z3} {
		findings, err := prover(t, prove.Config{Solvers: solvers(t, s)}).Lint(context.Background(), policy(t, lintable))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range findings {
			got = append(got, fmt.Sprint(f.Kind, " ", f.Rule, f.Action, f.By))
			if f.Example != nil {
				t.Logf("%s %s%s: %s %v -> %v", f.Kind, f.Rule, f.Action, f.Message, f.Example.Input.Request, f.Example.Verdict.Code)
			}
		}
		want := []string{
			"can-err p/fraud[]", "overridden p/huge[p/big]", "never-matches p/none[]", "redundant p/tiny[p/small]",
			"never-allowed purge[]", "conflict refund[zones]", "only-default refund[]",
		}
		if !slices.Equal(got, want) {
			t.Errorf("with %s lint finds\n%q, want\n%q", s, got, want)
		}
	}
}

func TestDiffOfALoweredQuorum(t *testing.T) {
	older := policy(t, refunds)
	newer := policy(t, strings.Replace(refunds, "approvals: 2", "approvals: 1", 1))
	changes, err := prover(t, prove.Config{}).Diff(context.Background(), older, newer)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprint(c.Action, " ", c.Aspect, " ", c.Direction))
	}
	want := []string{"refund allow equivalent", "refund approval equivalent", "refund quorum looser"}
	if !slices.Equal(got, want) {
		t.Errorf("Diff = %q, want %q", got, want)
	}
	x := changes[2].Looser.Example
	if x == nil || x.Verdict.ApprovalsRequired != 2 || x.Other == nil || x.Other.ApprovalsRequired != 1 {
		t.Errorf("the example of the quorum is %+v", x)
	}
}

func TestSubsetAndEquivalence(t *testing.T) {
	parent := policy(t, refunds)
	child := policy(t, strings.Replace(refunds, "amount <= 100", "amount <= 50", 1))
	p := prover(t, prove.Config{})
	for _, test := range []struct {
		what string
		ask  func() ([]prove.Result, error)
		want prove.Verdict
	}{
		{"a child is within its parent", func() ([]prove.Result, error) { return p.Subset(context.Background(), child, parent) }, prove.Proved},
		{"a parent is not within its child", func() ([]prove.Result, error) { return p.Subset(context.Background(), parent, child) }, prove.Counterexample},
		{"they differ", func() ([]prove.Result, error) { return p.Equiv(context.Background(), child, parent) }, prove.Counterexample},
		{"a policy is equivalent to one that is written otherwise", func() ([]prove.Result, error) {
			return p.Equiv(context.Background(), parent, policy(t, strings.Replace(refunds, "when: params.amount <= 100", "when: '!(params.amount >= 101)'", 1)))
		}, prove.Proved},
	} {
		results, err := test.ask()
		if err != nil {
			t.Fatal(err)
		}
		if len(results) != 1 || results[0].Verdict != test.want {
			t.Errorf("%s: %+v, want %s", test.what, results, test.want)
		}
	}
}

// TestAFactOfOneSide: a fact that one side declares is what some history gives,
// to the other as well.
func TestAFactOfOneSide(t *testing.T) {
	const without = `
pdl: v1
kind: schema
name: deployments
agents: any
resources: {service: {}}
actions: {deploy: {resource: service}}
---
pdl: v1
kind: policy
name: deployments
rules: [{id: any, match: {action: deploy}, effect: ALLOW}]
`
	with := func(when string) string {
		fact := "actions: {deploy: {resource: service}}\nfacts: {n: {event: deploy, by: [agent.id], count: true, within: 1h}}\n"
		rule := ", {id: often, match: {action: deploy}, when: " + when + ", effect: DENY}]"
		return strings.Replace(strings.Replace(without, "actions: {deploy: {resource: service}}\n", fact, 1), "}]", "}"+rule, 1)
	}
	p := prover(t, prove.Config{})
	for _, test := range []struct {
		what, older, newer string
		want               prove.Direction
	}{
		{"a fact that decides nothing, taken away", with("facts.n < 0"), without, prove.Equivalent},
		{"a fact that decides nothing, added", without, with("facts.n < 0"), prove.Equivalent},
		{"a limit, taken away", with("facts.n >= 3"), without, prove.Looser},
		{"a limit, added", without, with("facts.n >= 3"), prove.Stricter},
	} {
		changes, err := p.Diff(context.Background(), policy(t, test.older), policy(t, test.newer))
		if err != nil {
			t.Fatal(err)
		}
		c := changes[0]
		if c.Direction != test.want {
			t.Errorf("%s: %s, want %s", test.what, c.Direction, test.want)
		}
		for _, x := range []*prove.Example{c.Looser.Example, c.Stricter.Example} {
			if x == nil {
				continue
			}
			if n, _ := x.Input.Facts["n"].(int64); n < 3 {
				t.Errorf("%s: the example has the facts %v", test.what, x.Input.Facts)
			}
			if _, given := x.First.Facts["n"]; given != (test.older != without) {
				t.Errorf("%s: the older policy is shown the facts %v", test.what, x.First.Facts)
			}
		}
	}
}

// TestBundlesWithOtherSchemas: what one side declares otherwise is no reason to
// say that nothing changed.
func TestBundlesWithOtherSchemas(t *testing.T) {
	p := prover(t, prove.Config{})
	older := policy(t, refunds)
	for _, test := range []struct {
		what, old, new string
		want           prove.Verdict
	}{
		{"a parameter that nothing reads", `params: {amount: "int(0..1000000)"`, `params: {note?: string, amount: "int(0..1000000)"`, prove.Proved},
		{"another type", `region: string`, `region: int`, prove.Unsupported},
		{"amounts below zero, which were refused, are allowed", `"int(0..1000000)"`, `"int(-5..1000000)"`, prove.Counterexample},
		{"amounts that nothing allows", `"int(0..1000000)"`, `"int(0..2000000)"`, prove.Proved},
		{"a role that may ask for large amounts", `"enum(clerk, manager)"`, `"enum(clerk, manager, boss)"`, prove.Counterexample},
	} {
		changes, err := p.Diff(context.Background(), older, policy(t, strings.Replace(refunds, test.old, test.new, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if got := changes[1].Looser; got.Verdict != test.want {
			t.Errorf("%s: %s (%s), want %s", test.what, got.Verdict, got.Why, test.want)
		} else if got.Example != nil && got.Example.Refused == "" {
			t.Errorf("%s: the older policy takes %v", test.what, got.Example.Input.Request)
		}
	}
}

// TestNarrowerIsMoreThanASubset: removing a rule that allows may uncover
// another that obliges to less, which no subset tells.
func TestNarrowerIsMoreThanASubset(t *testing.T) {
	const obliging = `pdl: v1
kind: schema
name: s
agents: any
resources: {order: {}}
actions: {refund: {resource: order, params: {amount: "int(0..100)"}}}
constraints: {two_keys: flag}
---
pdl: v1
kind: policy
name: p
rules:
  - {id: all, match: {action: refund}, when: params.amount < 50, effect: ALLOW}
  - {id: keys, match: {action: refund}, when: params.amount < 10, effect: ALLOW, constraints: {two_keys: true}}
  - {id: risky, match: {action: refund}, when: params.amount > 80, effect: ALLOW, risk: high}
  - {id: calm, match: {action: refund}, when: params.amount > 70, effect: ALLOW}
  - {id: asked, match: {action: refund}, when: params.amount == 60, effect: REQUIRE_APPROVAL, approvals: 2}
`
	p, parent := prover(t, prove.Config{}), policy(t, obliging)
	for _, test := range []struct {
		what, old, new   string
		narrower, subset prove.Verdict
	}{
		{"the rule without a constraint allows less", "amount < 50", "amount < 20", prove.Proved, prove.Proved},
		{"the one that obliges does", "amount < 10", "amount < 5", prove.Counterexample, prove.Proved},
		{"the one of high risk does", "amount > 80", "amount > 90", prove.Counterexample, prove.Proved},
		{"fewer are asked", "approvals: 2", "approvals: 1", prove.Counterexample, prove.Counterexample},
		{"more are", "approvals: 2", "approvals: 3", prove.Counterexample, prove.Proved},
	} {
		child := policy(t, strings.Replace(obliging, test.old, test.new, 1))
		narrower, err := p.Narrower(context.Background(), child, parent)
		if err != nil {
			t.Fatal(err)
		}
		subset, err := p.Subset(context.Background(), child, parent)
		if err != nil {
			t.Fatal(err)
		}
		if narrower[0].Verdict != test.narrower || subset[0].Verdict != test.subset {
			t.Errorf("%s: narrower %s, subset %s, want %s and %s", test.what, narrower[0].Verdict, subset[0].Verdict, test.narrower, test.subset)
		}
	}
}
