package pdl

import (
	"github.com/strixlabs/execution-kernel"
)

// Bounds of rules.
const (
	maxApprovals = 100   // approvals one rule can ask for
	maxSentence  = 1_000 // characters of a reason or an advice
)

func (c *compiler) compilePolicy(d *document) {
	f := c.fields(d.root, "a policy", policyForm.names(), nil)
	variables := &variables{}
	if n := f.got["variables"]; n != nil {
		variables = c.variables(n)
	}
	rules := f.need("rules")
	if rules == nil {
		return
	}
	rules.unordered = true
	ids := map[string]int{}
	for _, n := range c.items(rules, "rules") {
		c.rule(d, n, variables, ids)
	}
	if rules.kind == sequence && len(rules.items) == 0 {
		c.errorf(rules.span(), "", "a policy has at least one rule")
	}
	c.unused(variables)
}

func (c *compiler) rule(d *document, n *node, vars *variables, ids map[string]int) {
	f := c.fields(n, "a rule", ruleForm.names(), nil)
	if f == nil {
		return
	}
	r := &Rule{Pos: n.span().pos()}
	if id := f.need("id"); id != nil {
		r.Pos = id.span().pos()
		r.Name = d.name + "/" + c.ruleID(id, ids)
	}
	c.ruleAt[r] = n.span()
	if id := f.got["id"]; id != nil {
		c.ruleAt[r] = id.span()
	}
	covered := c.match(f, r)
	c.outcome(f, r)
	c.workflowOf(f.got["approval"], r, covered)
	if m := f.got["mode"]; m != nil {
		mode, _ := c.word(m, "mode", []string{"enforce", "shadow"})
		r.Shadow = mode == "shadow"
	}
	if w := f.got["when"]; w != nil {
		r.When = c.condition(w, r, covered, vars)
	}
	c.bundle.Rules = append(c.bundle.Rules, r)
}

func (c *compiler) ruleID(n *node, ids map[string]int) string {
	id, ok := c.name(n, "a rule", documentName)
	if ok && ids[id] > 0 {
		c.errorf(n.span(), "", "the rule id %q is already on line %d", id, ids[id])
	}
	ids[id] = n.line
	return id
}

// outcome reads what a rule says when it holds.
func (c *compiler) outcome(f *fields, r *Rule) {
	effect := f.need("effect")
	if effect == nil {
		return
	}
	w, ok := c.word(effect, "effect", kernel.EffectNames())
	if !ok {
		return
	}
	_ = r.Effect.UnmarshalText([]byte(w))
	if n := f.got["risk"]; n != nil {
		r.Risk = c.risk(n, "risk")
	}
	if n := f.got["reason"]; n != nil {
		r.Reason, _ = c.text(n, "reason", maxSentence)
	}
	if n := f.got["advice"]; n != nil {
		r.Advice, _ = c.text(n, "advice", maxSentence)
	}
	if n := f.got["constraints"]; n != nil {
		r.Constraints = c.ruleObligations(n, r.Effect)
	}
	c.approvals(f.got["approvals"], r, false)
}

// approvals reads how many approvals a rule asks for. A row of a table has the
// column for every effect: 0 is what rows carry that ask for none.
func (c *compiler) approvals(n *node, r *Rule, row bool) {
	if r.Effect == kernel.RequireApproval {
		r.Approvals = 1
	}
	if n == nil {
		return
	}
	i, ok := c.integer(n, "approvals", 0, maxApprovals)
	switch {
	case !ok:
	case r.Effect == kernel.RequireApproval && i == 0:
		c.errorf(n.span(), "say 1 or more, or ALLOW", "REQUIRE_APPROVAL with 0 approvals")
	case r.Effect == kernel.RequireApproval:
		r.Approvals = int(i)
	case !row || i != 0:
		c.errorf(n.span(), "leave it out, or say REQUIRE_APPROVAL", "%s with approvals", r.Effect)
	}
}

// ruleObligations refuses constraints that nobody would ever see: a DENY
// carries none.
func (c *compiler) ruleObligations(n *node, effect kernel.Effect) []Obligation {
	list := c.obligations(n)
	if effect == kernel.Deny && len(list) > 0 {
		c.errorf(n.span(), "leave them out", "constraints of a DENY have no effect")
	}
	return list
}
