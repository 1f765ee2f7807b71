package pdl

import (
	"slices"

	"github.com/strixlabs/execution-kernel"
)

// verdictCodes are the codes a verdict of this version can have; a service
// that cannot record answers UNAVAILABLE, which no policy decides.
var verdictCodes = []string{
	string(kernel.CodeRule), string(kernel.CodeNoMatchingRule), string(kernel.CodeEvaluationError),
	string(kernel.CodeConstraintConflict), string(kernel.CodeUnknownAction), string(kernel.CodeUnknownResource),
}

func (c *compiler) expectation(n *node) Expectation {
	var e Expectation
	f := c.fields(n, "expect", expectForm.names(), nil)
	if f == nil {
		return e
	}
	if len(n.pairs) == 0 {
		c.errorf(n.span(), "name a decision at least", "the case expects nothing")
	}
	if v := f.got["decision"]; v != nil {
		if w, ok := c.word(v, "decision", kernel.EffectNames()); ok {
			e.Decision = new(kernel.Effect)
			_ = e.Decision.UnmarshalText([]byte(w))
		}
	}
	if v := f.got["risk_level"]; v != nil {
		risk := c.risk(v, "risk_level")
		e.RiskLevel = &risk
	}
	if v := f.got["approvals_required"]; v != nil {
		if i, ok := c.integer(v, "approvals_required", 0, maxApprovals); ok {
			approvals := int(i)
			e.ApprovalsRequired = &approvals
		}
	}
	if v := f.got["code"]; v != nil {
		if w, ok := c.word(v, "code", verdictCodes); ok {
			code := kernel.Code(w)
			e.Code = &code
		}
	}
	if v := f.got["workflows"]; v != nil {
		e.Workflows = c.expectedWorkflows(v)
	}
	c.expectedTexts(f, &e)
	if v := f.got["constraints"]; v != nil {
		e.Constraints = map[string]any{}
		for _, o := range c.obligations(v) {
			e.Constraints[o.Name] = o.Value
		}
	}
	return e
}

func (c *compiler) expectedTexts(f *fields, e *Expectation) {
	if v := f.got["reason"]; v != nil {
		if s, ok := c.text(v, "reason", 2*maxSentence); ok {
			e.Reason = &s
		}
	}
	if v := f.got["advice"]; v != nil {
		if s, ok := c.stringValue(v, "advice", maxSentence); ok {
			text := s.(string)
			e.Advice = &text
		}
	}
	if v := f.got["rules"]; v != nil {
		e.Rules = c.expectedRules(v, "rules")
	}
	if v := f.got["rules_include"]; v != nil {
		e.RulesInclude = c.expectedRules(v, "rules_include")
	}
}

// expectedWorkflows reads names of approval documents; none is a list, too.
func (c *compiler) expectedWorkflows(n *node) []string {
	names := []string{}
	for _, item := range c.items(n, "workflows") {
		name, ok := c.text(item, "workflows", 128)
		switch {
		case !ok:
		case c.workflows[name] == nil:
			c.errorf(item.span(), c.near(name, kernel.SortedKeys(c.workflows), "approval documents are "), "no approval document is called %q", clip(name))
		case slices.Contains(names, name):
			c.errorf(item.span(), "", "the workflow %q is listed twice", name)
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// expectedRules reads the names of rules; the list is not nil, so that an
// empty one expects no rule.
func (c *compiler) expectedRules(n *node, what string) []string {
	names := []string{}
	for _, item := range c.items(n, what) {
		name, ok := c.text(item, what, 1<<13)
		switch {
		case !ok:
		case !c.isRule(name):
			c.errorf(item.span(), c.near(name, c.ruleNames, ""), "no rule is called %q", clip(name))
		case slices.Contains(names, name):
			c.errorf(item.span(), "", "the rule %q is listed twice", name)
		default:
			names = append(names, name)
		}
	}
	return names
}

func (c *compiler) isRule(name string) bool {
	_, ok := slices.BinarySearch(c.ruleNames, name)
	return ok
}
