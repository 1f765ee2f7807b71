package prove_test

import (
	"context"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/prove"
)

const voting = `pdl: v1
kind: schema
name: s
agents: any
agent: {team: string}
resources: {service: {owner: string}}
actions:
  deploy: {resource: service, params: {size: "int(0..100)"}}
  stop: {resource: service}
---
pdl: v1
kind: approval
name: owners
quorum: 2
of: [{role: sre}, {team_of: resource.owner}]
require: [{role: sre, min: 1}]
separation_of_duty: [requester]
expires: 4h
escalate: [{after: 1h, to: [{role: lead}]}]
auto: [{when: params.size < 5, as: smalls}]
---
pdl: v1
kind: approval
name: leads
of: [{role: lead}]
---
pdl: v1
kind: policy
name: p
rules:
  - {id: deploy, match: {action: deploy}, effect: REQUIRE_APPROVAL, approval: owners}
  - {id: large, match: {action: deploy}, when: params.size > 50, effect: REQUIRE_APPROVAL, approval: leads}
  - {id: stop, match: {action: stop}, effect: REQUIRE_APPROVAL, approval: leads}
`

// TestWhoMayVoteIsCompared: a change of whom a policy asks is no equivalence,
// whatever it is, and a child that is easier to satisfy is no subset.
func TestWhoMayVoteIsCompared(t *testing.T) {
	p, older := prover(t, prove.Config{}), policy(t, voting)
	for i, test := range []struct {
		what, old, new string
		want           prove.Direction
		says           string
	}{
		{"the same in another order", "of: [{role: sre}, {team_of: resource.owner}]", "of: [{team_of: resource.owner}, {role: sre}]", prove.Equivalent, ""},
		{"others may vote", "of: [{role: sre}, ", "of: [{role: intern}, {role: sre}, ", prove.Looser, "owners: of was [role sre team_of resource.owner] and is [role intern "},
		{"fewer may", "of: [{role: sre}, {team_of: resource.owner}]", "of: [{role: sre}]", prove.Stricter, ""},
		{"others instead", "{team_of: resource.owner}", "{group: owners}", prove.Incomparable, ""},
		{"nobody is kept apart", "separation_of_duty: [requester]\n", "", prove.Looser, "owners: separation_of_duty was [requester] and is []"},
		{"more are", "[requester]", "[requester, delegator]", prove.Stricter, ""},
		{"nothing is required", "require: [{role: sre, min: 1}]\n", "", prove.Looser, ""},
		{"more is required", "min: 1", "min: 2", prove.Stricter, ""},
		{"there is more time", "expires: 4h", "expires: 5h", prove.Looser, "expires was 4h0m0s and is 5h0m0s"},
		{"others vote sooner", "after: 1h", "after: 30m", prove.Looser, ""},
		{"nobody else votes later", "escalate: [{after: 1h, to: [{role: lead}]}]\n", "", prove.Stricter, ""},
		{"more is voted automatically", "auto: [{when: params.size < 5, as: smalls}]", "auto: [{when: params.size < 9, as: smalls}]", prove.Incomparable, "auto was [smalls when params.size < 5]"},
		{"nothing is", "auto: [{when: params.size < 5, as: smalls}]\n", "", prove.Stricter, ""},
		{"large ones ask nobody else", "params.size > 50", "params.size > 60", prove.Looser, ""},
		{"the quorum is less", "quorum: 2", "quorum: 1", prove.Looser, ""},
	} {
		if testing.Short() && i > 3 {
			break // make test asks about all
		}
		newer := policy(t, strings.Replace(voting, test.old, test.new, 1))
		changes, err := p.Diff(context.Background(), older, newer)
		if err != nil {
			t.Fatal(err)
		}
		deploy, stop := changes[3], changes[7]
		if deploy.Aspect != prove.Voters || deploy.Direction != test.want || !strings.Contains(deploy.Looser.Why+deploy.Stricter.Why, test.says) {
			t.Errorf("%s: %s is %s (%s, %s), want %s", test.what, deploy.Aspect, deploy.Direction, deploy.Looser.Why, deploy.Stricter.Why, test.want)
		}
		if stop.Direction != prove.Equivalent {
			t.Errorf("%s: of stop the voters are %s, and nothing has changed there", test.what, stop.Direction)
		}
		equiv, err := p.Equiv(context.Background(), older, newer)
		if err != nil {
			t.Fatal(err)
		}
		if same := equiv[0].Verdict == prove.Proved; same != (test.want == prove.Equivalent) {
			t.Errorf("%s: equiv says %s", test.what, equiv[0].Verdict)
		}
		subset, err := p.Subset(context.Background(), newer, older)
		if err != nil {
			t.Fatal(err)
		}
		if within := subset[0].Verdict == prove.Proved; within != (test.want == prove.Equivalent || test.want == prove.Stricter) {
			t.Errorf("%s: subset says %s", test.what, subset[0].Verdict)
		}
	}
}

// TestADocumentThatNobodyIsAskedByChangesNothing: what differs is what requests
// are asked, not what stands in a bundle.
func TestADocumentThatNobodyIsAskedByChangesNothing(t *testing.T) {
	p := prover(t, prove.Config{})
	unused := strings.Replace(voting, "approval: leads}\n  - {id: stop", "approval: owners}\n  - {id: stop", 1)
	unused = strings.Replace(unused, "effect: REQUIRE_APPROVAL, approval: leads}", "effect: DENY}", 1)
	changes, err := p.Diff(context.Background(), policy(t, unused), policy(t, strings.Replace(unused, "of: [{role: lead}]", "of: [{role: intern}]", 1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		if c.Direction != prove.Equivalent {
			t.Errorf("%s of %s is %s", c.Aspect, c.Action, c.Direction)
		}
	}
}
