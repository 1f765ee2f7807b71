package prove_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/prove"
)

const glassBundle = `pdl: v1
kind: schema
name: glass
agents: any
resources: {service: {}}
actions: {deploy: {resource: service, params: {size: int(0..100)}}}
---
pdl: v1
kind: approval
name: pair
of: [{role: sre}]
separation_of_duty: [requester]
expires: 4h
break_glass: {of: [{role: lead}], min_reason: 20, expires: 1h, review: {of: [{role: auditor}], within: 24h}}
---
pdl: v1
kind: approval
name: safety
of: [{role: safety}]
---
pdl: v1
kind: policy
name: p
rules:
  - {id: ask, match: {action: deploy}, effect: REQUIRE_APPROVAL, approval: pair}
  - {id: large, match: {action: deploy}, when: params.size > 50, effect: REQUIRE_APPROVAL, approval: safety}
`

// TestWhatAGlassLetsIsNeverSilentlyEqual: whoever may allow more alone makes a
// policy looser, whatever else is the same.
func TestWhatAGlassLetsIsNeverSilentlyEqual(t *testing.T) {
	const clause = "break_glass: {of: [{role: lead}], min_reason: 20, expires: 1h, review: {of: [{role: auditor}], within: 24h}}\n"
	p := prover(t, prove.Config{})
	for _, test := range []struct {
		name     string
		old, new string
		want     prove.Direction
	}{
		{"the same", "", "", prove.Equivalent},
		{"it gained one", "of: [{role: safety}]\n", "of: [{role: safety}]\nbreak_glass: {of: [{role: lead}], review: {of: [{role: auditor}], within: 1h}}\n", prove.Looser},
		{"it lost its one", clause, "", prove.Stricter},
		{"others too", "of: [{role: lead}], min", "of: [{role: lead}, {role: sre}], min", prove.Looser},
		{"others instead", "of: [{role: lead}], min", "of: [{role: sre}], min", prove.Incomparable},
		{"less of a reason", "min_reason: 20", "min_reason: 10", prove.Looser},
		{"for as long as it waits", "expires: 1h, ", "", prove.Looser},
		{"shorter", "expires: 1h", "expires: 30m", prove.Stricter},
		{"a later review", "within: 24h", "within: 48h", prove.Looser},
		{"a review by others too", "of: [{role: auditor}], within", "of: [{role: auditor}, {role: sre}], within", prove.Looser},
		{"whoever asked too", "separation_of_duty: [requester]\n", "", prove.Looser},
		{"where another workflow was asked as well", "params.size > 50", "params.size > 60", prove.Looser},
		{"where one is asked that has none", "params.size > 50", "params.size > 40", prove.Stricter},
	} {
		changed := strings.Replace(glassBundle, test.old, test.new, 1)
		if test.old != "" && changed == glassBundle {
			t.Fatalf("%s: %q is not there", test.name, test.old)
		}
		older, newer := policy(t, glassBundle), policy(t, changed)
		changes, err := p.Diff(context.Background(), older, newer)
		if err != nil {
			t.Fatal(err)
		}
		last := changes[len(changes)-1]
		if last.Aspect != prove.BreakingGlass || last.Direction != test.want {
			t.Errorf("%s: %s %s, want %s", test.name, last.Aspect, last.Direction, test.want)
		}
		if why := changes[len(changes)-1].Looser.Why; test.name == "it gained one" && why != "safety gained break_glass" || test.name == "less of a reason" && why != "pair: break_glass.min_reason was 20 and is 10" {
			t.Errorf("%s: it says %q", test.name, why)
		}
		if !strings.HasPrefix(test.name, "the same") && !strings.HasPrefix(test.name, "it ") {
			continue // the formulas are those of the aspect
		}
		equal := map[bool]prove.Verdict{true: prove.Proved, false: prove.Counterexample}[test.want == prove.Equivalent]
		results, err := p.Equiv(context.Background(), older, newer)
		if got := verdictOf(t, results, err, "deploy"); got != equal {
			t.Errorf("%s: are both the same? %s", test.name, got)
		}
		within := map[bool]prove.Verdict{true: prove.Proved, false: prove.Counterexample}[test.want == prove.Equivalent || test.want == prove.Stricter]
		results, err = p.Subset(context.Background(), newer, older)
		if got := verdictOf(t, results, err, "deploy"); got != within {
			t.Errorf("%s: is the newer within the older? %s", test.name, got)
		}
	}
}

// TestAPolicyWithoutAGlassIsNotAskedAboutOne: what it never had is not said.
func TestAPolicyWithoutAGlassIsNotAskedAboutOne(t *testing.T) {
	changes, err := prover(t, prove.Config{}).Diff(context.Background(), policy(t, refunds), policy(t, refunds))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		if c.Aspect == prove.BreakingGlass {
			t.Errorf("it says %s", fmt.Sprint(c.Aspect, c.Direction))
		}
	}
}
