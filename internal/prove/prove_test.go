package prove_test

import (
	"context"
	"os"
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
		t.Skipf("there is no solver to ask: %v", err)
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
