package gate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	kernel "github.com/strixlabs/execution-kernel"
)

// whatComes asks three times under a policy, has everybody vote, lets time pass,
// and writes down what came of each step.
func whatComes(t *testing.T, policy string) string {
	t.Helper()
	h := open(t, nil)
	activate(t, h, askingSchema+policy)
	h.apply(t, askingPeople)
	var said []string
	first, second, third := h.ask(t, ""), h.ask(t, "canary"), h.ask(t, "")
	said = append(said, fmt.Sprint(first.Workflows, first.ApprovalsRequired))
	due := func() {
		if err := h.Due(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	due()
	for _, who := range []string{"person-001", "person-002", "person-003"} {
		for _, d := range []string{"first", "second"} {
			state, err := h.vote(t, map[string]kernel.Decision{"first": first, "second": second}[d], who)
			said = append(said, fmt.Sprint(who, d, state, err != nil))
		}
	}
	h.pass(31 * time.Minute)
	due()
	for _, who := range []string{"person-004", "person-003"} {
		state, err := h.vote(t, third, who)
		said = append(said, fmt.Sprint(who, state, err != nil))
	}
	h.pass(time.Hour)
	due()
	last, err := h.Decision(t.Context(), admin, third.ID)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(append(said, last.Approval.State), "\n")
}

func TestNoFieldOfAnApprovalIsInert(t *testing.T) {
	base := whatComes(t, askingPolicy)
	for field, change := range map[string][2]string{
		"name":               {"pair", "two"},
		"quorum":             {"quorum: 2", "quorum: 3"},
		"of":                 {"{team_of: resource.owner_team}, ", ""},
		"require":            {"require: [{role: sre, min: 1}]\n", ""},
		"separation_of_duty": {"separation_of_duty: [requester, agent.owner, delegator]\n", ""},
		"expires":            {"expires: 4h", "expires: 1h"},
		"escalate":           {"escalate: [{after: 30m, to: [{role: lead}]}]\n", ""},
		"auto":               {`"canary"`, `"other"`},
	} {
		policy := strings.ReplaceAll(askingPolicy, change[0], change[1])
		if policy == askingPolicy {
			t.Fatalf("%s: %q is not there", field, change[0])
		}
		if got := whatComes(t, policy); got == base {
			t.Errorf("%s changes nothing:\n%s", field, got)
		}
	}
}
