package prove_test

import (
	"context"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/prove"
)

const trusting = `pdl: v1
kind: schema
name: s
agent: {team: {type: string, from: registry}}
resources:
  service: {owner: {type: string, from: registry}, tier: {type: "int(0..9)", from: registry?}}
  bucket: {}
actions:
  deploy: {resource: service}
  fill: {resource: bucket}
---
pdl: v1
kind: policy
name: p
rules:
  - {id: deploy, match: {action: deploy}, when: agent.team == resource.owner && resource.tier < 3, effect: ALLOW}
  - {id: fill, match: {action: fill}, effect: ALLOW}
`

// TestTrustIsCompared: whoever believes a request what another asks the registry
// about allows more, though the rules are the same.
func TestTrustIsCompared(t *testing.T) {
	p, older := prover(t, prove.Config{}), policy(t, trusting)
	for _, test := range []struct {
		what, old, new, says string
		fill                 bool // it is about that action, too
	}{
		{"an attribute of the resource", "owner: {type: string, from: registry}", "owner: string", "resource.owner", false},
		{"whatever the registry leaves out", "owner: {type: string, from: registry}", "owner: {type: string, from: registry?}", "resource.owner", false},
		{"where it was left out already", `from: registry?`, "from: request", "resource.tier", false},
		{"an attribute of the agent", "team: {type: string, from: registry}", "team: {type: string, from: request}", "agent.team", true},
		{"agents that nobody knows", "name: s\n", "name: s\nagents: any\n", "agents", true},
	} {
		newer := policy(t, strings.Replace(trusting, test.old, test.new, 1))
		equiv, err := p.Equiv(context.Background(), older, newer)
		if err != nil {
			t.Fatal(err)
		}
		subset, err := p.Subset(context.Background(), newer, older)
		if err != nil {
			t.Fatal(err)
		}
		for i, action := range []string{"deploy", "fill"} {
			for task, r := range map[string]prove.Result{"equiv": equiv[i], "subset": subset[i]} {
				if want := action == "deploy" || test.fill; (r.Verdict == prove.Unsupported && strings.Contains(r.Why, test.says)) != want || r.Verdict == prove.Counterexample {
					t.Errorf("%s: %s of %s says %s (%s)", test.what, task, action, r.Verdict, r.Why)
				}
			}
		}
		changes, err := p.Diff(context.Background(), older, newer)
		if err != nil {
			t.Fatal(err)
		}
		if changes[0].Action != "deploy" || changes[0].Direction != prove.Undetermined {
			t.Errorf("%s: diff says that %s of %s is %s", test.what, changes[0].Aspect, changes[0].Action, changes[0].Direction)
		}
		stricter, err := p.Subset(context.Background(), older, newer)
		if err != nil {
			t.Fatal(err)
		}
		if stricter[0].Verdict != prove.Proved {
			t.Errorf("%s: the stricter one is %s within the other (%s)", test.what, stricter[0].Verdict, stricter[0].Why)
		}
	}
}
