package prove_test

import (
	"context"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/prove"
)

const automatic = `pdl: v1
kind: schema
name: s
agents: any
resources: {service: {}}
actions:
  deploy: {resource: service, params: {size: "int(0..100)", note: string}}
facts:
  deploys: {event: deploy, by: [agent.id], count: true, within: 1h}
---
pdl: v1
kind: data
name: limits
types: {small: int, other: int}
values: {small: 5, other: 5}
---
pdl: v1
kind: calendar
name: hours
zone: UTC
weekly: [{days: [mon, tue], from: "09:00", to: "17:00"}]
---
pdl: v1
kind: approval
name: owners
quorum: 2
of: [{role: sre}]
auto:
  - {when: params.size < data . limits.small, as: smalls}
  - {when: calendar.hours.active(context.now), as: day}
  - {when: facts.deploys < 3, as: seldom}
  - {when: params.note == "a b", as: noted}
  - as: commented
    when: |-
      params.size > 90 // never
      || params.size == 0
---
pdl: v1
kind: policy
name: p
rules:
  - {id: deploy, match: {action: deploy}, effect: REQUIRE_APPROVAL, approval: owners}
  - {id: most, match: {action: deploy}, when: params.size > data.limits.other, effect: REQUIRE_APPROVAL, approval: owners}
`

// TestWhatAVoteReadsIsCompared: an automatic vote is another one when its
// condition is written alike and means something else.
func TestWhatAVoteReadsIsCompared(t *testing.T) {
	p, older := prover(t, prove.Config{}), policy(t, automatic)
	for _, test := range []struct{ what, old, new, says string }{
		{"another constant", "small: 5", "small: 90", "data.limits.small = 5"},
		{"other hours", `to: "17:00"`, `to: "23:00"`, "calendar.hours"},
		{"a fact of another window", "within: 1h", "within: 1m", "facts.deploys"},
		{"space in a text", `"a b"`, `"a  b"`, "auto was"},
		{"a comment takes in more", "// never\n      ||", "// never ||", "auto was"},
	} {
		changed := strings.Replace(automatic, test.old, test.new, 1)
		if changed == automatic {
			t.Fatalf("%s: nothing is replaced", test.what)
		}
		newer := policy(t, changed)
		equiv, err := p.Equiv(context.Background(), older, newer)
		if err != nil {
			t.Fatal(err)
		}
		if equiv[0].Verdict == prove.Proved || !strings.Contains(equiv[0].Why, test.says) {
			t.Errorf("%s: equiv says %s (%s)", test.what, equiv[0].Verdict, equiv[0].Why)
		}
		subset, err := p.Subset(context.Background(), newer, older)
		if err != nil {
			t.Fatal(err)
		}
		if subset[0].Verdict == prove.Proved {
			t.Errorf("%s: subset says PROVED", test.what)
		}
	}
}

// TestWhatNoVoteReadsIsNotCompared: a constant that no vote reads makes no vote
// another one.
func TestWhatNoVoteReadsIsNotCompared(t *testing.T) {
	p := prover(t, prove.Config{})
	changes, err := p.Diff(context.Background(), policy(t, automatic), policy(t, strings.Replace(automatic, "other: 5", "other: 6", 1)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		if c.Direction != prove.Equivalent {
			t.Errorf("%s of %s is %s", c.Aspect, c.Action, c.Direction)
		}
	}
}
