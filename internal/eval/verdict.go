package eval

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// merge makes the verdict of an outcome. Every step is commutative,
// associative and idempotent; only names decide an order.
func (p *Program) merge(in *Input, sh *shape, o outcome) kernel.Verdict {
	constraints, conflict := p.meet(o.held)
	v := kernel.Verdict{
		Decision: kernel.Deny, PolicyVersion: p.version, RiskLevel: riskOf(sh.action, o), Constraints: map[string]any{}, Rules: namesOf(o.inOrder()),
	}
	switch deny, ask, allow := o.of(kernel.Deny), o.of(kernel.RequireApproval), o.of(kernel.Allow); {
	case len(o.erred) > 0:
		v.Code, v.Reason = kernel.CodeEvaluationError, evaluationError(o.erred)
	case len(deny) > 0:
		v.Code = kernel.CodeRule
		v.Reason, v.Advice = words(deny, "denied by "+listed(deny))
	case conflict != nil:
		v.Code, v.Reason = kernel.CodeConstraintConflict, conflict.reason()
	case len(ask) > 0:
		v.Decision, v.Code, v.Constraints = kernel.RequireApproval, kernel.CodeRule, constraints
		v.ApprovalsRequired, v.Workflows = mostApprovals(ask), workflowsOf(ask)
		v.Reason, v.Advice = words(ask, approvalReason(ask, v.ApprovalsRequired))
	case len(allow) > 0:
		v.Decision, v.Code, v.Constraints = kernel.Allow, kernel.CodeRule, constraints
		v.Reason, v.Advice = words(allow, "allowed by "+listed(allow))
	default:
		v.Code = kernel.CodeNoMatchingRule
		v.Reason, v.Advice = noMatchingRule(in, sh), adviceNoRule
	}
	return v
}

// riskOf returns the highest of the action's own risk and the risks in M; a
// condition that failed is critical.
func riskOf(a *action, o outcome) kernel.Risk {
	if len(o.erred) > 0 {
		return kernel.Critical
	}
	risk := a.risk
	for _, r := range o.held {
		risk = max(risk, r.Risk)
	}
	return risk
}

// inOrder lists X, then M from DENY to ALLOW, each by name.
func (o outcome) inOrder() []*rule {
	list := append([]*rule{}, o.erred...)
	for _, e := range []kernel.Effect{kernel.Deny, kernel.RequireApproval, kernel.Allow} {
		list = append(list, o.of(e)...)
	}
	return list
}

func mostApprovals(rules []*rule) int {
	most := 0
	for _, r := range rules {
		most = max(most, r.needed)
	}
	return most
}

// workflowsOf lists the workflows that rules name, sorted; nil when none does.
func workflowsOf(rules []*rule) []string {
	var names []string
	for _, r := range rules {
		if r.Approval != "" {
			names = append(names, r.Approval)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// words returns the reason and the advice of the first rule that has one.
func words(rules []*rule, own string) (reason, advice string) {
	for _, r := range rules {
		reason, advice = cmp.Or(reason, r.Reason), cmp.Or(advice, r.Advice)
	}
	return cmp.Or(reason, own), advice
}

func approvalReason(ask []*rule, most int) string {
	var deciding []*rule
	for _, r := range ask {
		if r.needed == most {
			deciding = append(deciding, r)
		}
	}
	if most == 1 {
		return "1 approval required by " + listed(deciding)
	}
	return fmt.Sprintf("%d approvals required by %s", most, listed(deciding))
}

func evaluationError(erred []*rule) string {
	if len(erred) == 1 {
		return "the condition of " + listed(erred) + " has no value for this request, so it is denied"
	}
	return "the conditions of " + listed(erred) + " have no value for this request, so it is denied"
}

const adviceNoRule = "change the request, or ask whoever keeps the policy for a rule that allows it"

func noMatchingRule(in *Input, sh *shape) string {
	if in.Phase1 {
		return "No policy matched " + phase1Cell(&in.Request)
	}
	// What rules single out has no say here: shadow rules do it, too.
	if _, isFamily := pdl.Family(sh.action.origin); isFamily {
		return fmt.Sprintf("no rule allows this action of %s on this %s", sh.action.origin, sh.resourceType)
	}
	return fmt.Sprintf("no rule allows %s on this %s", sh.action.origin, sh.resourceType)
}

func namesOf(rules []*rule) []string {
	names := make([]string, len(rules))
	for i, r := range rules {
		names[i] = r.Name
	}
	return names
}

// listed joins names for a sentence, at most three of them.
func listed(rules []*rule) string {
	const limit = 3
	names := namesOf(rules)
	switch n := len(names); {
	case n == 1:
		return names[0]
	case n > limit:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:limit], ", "), n-limit)
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
}
