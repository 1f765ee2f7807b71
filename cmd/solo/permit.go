package main

import (
	"fmt"
	"strings"

	"github.com/strixlabs/execution-kernel"
)

// kept are the constraints that solo keeps. An ALLOW with any other is a
// refusal: a permission is worth nothing to one who cannot keep its terms.
var kept = []string{
	"log_all_actions",  // see journal
	"no_self_approval", // the kernel counts no vote of whoever asked, or owns the agent
}

// demanded are the constraints of a decision.
func demanded(d kernel.Decision) []string { return kernel.SortedKeys(d.Constraints) }

// permit is nil when the decision lets solo run the steps.
func permit(d kernel.Decision) error {
	switch d.Decision {
	case kernel.Allow:
		return keeps(d)
	case kernel.RequireApproval:
		return pending(d)
	case kernel.Deny:
	}
	return failf(exitDenied, "denied: %s; nothing ran", sentence(d)).withHint("%s", d.Advice)
}

func keeps(d kernel.Decision) error {
	unkept := d.Unkept(kept...)
	if len(unkept) == 0 {
		return nil
	}
	return failf(exitDenied, "allowed only with %s, which solo does not keep; nothing ran", strings.Join(unkept, ", ")).
		withHint("solo keeps %s; ship this with something that keeps the rest", strings.Join(kept, ", "))
}

func pending(d kernel.Decision) error {
	plural := "s"
	if d.ApprovalsRequired == 1 {
		plural = ""
	}
	return failf(exitPending, "%d approval%s required: %s; nothing ran", d.ApprovalsRequired, plural, sentence(d)).
		withHint("%s", orElse(d.Advice, "an approver runs: kernel approvals approve "+d.ID+"; with --wait 30m solo waits for that"))
}

// sentence says why: the reason and the rule behind it.
func sentence(d kernel.Decision) string {
	why := strings.TrimSuffix(orElse(d.Reason, "the kernel gives no reason"), ".")
	if len(d.Rules) == 0 {
		return fmt.Sprintf("%s (%s)", why, d.Code)
	}
	return fmt.Sprintf("%s (%s)", why, d.Rules[0])
}
