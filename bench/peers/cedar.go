package main

import (
	"encoding/json"
	"fmt"

	"github.com/cedar-policy/cedar-go"

	"github.com/strixlabs/execution-kernel/bench/peers/contest"
)

// cedarGo authorizes against all policies, or against those of the request's
// action where somebody has sorted them beforehand.
type cedarGo struct {
	all      *cedar.PolicySet            // nil with byAction
	byAction map[string]*cedar.PolicySet // nil with all
	rules    map[cedar.PolicyID]contest.Rule
}

func newCedar(set contest.Set) (contest.Engine, error) {
	c := cedarGo{all: cedar.NewPolicySet()}
	return &c, c.add(set, func(string) *cedar.PolicySet { return c.all })
}

func newCedarIndexed(set contest.Set) (contest.Engine, error) {
	c := cedarGo{byAction: map[string]*cedar.PolicySet{}}
	for _, action := range set.Actions {
		c.byAction[action] = cedar.NewPolicySet()
	}
	return &c, c.add(set, func(action string) *cedar.PolicySet { return c.byAction[action] })
}

func (c *cedarGo) add(set contest.Set, home func(action string) *cedar.PolicySet) error {
	c.rules = map[cedar.PolicyID]contest.Rule{}
	for _, r := range set.Rules {
		var policy cedar.Policy
		if err := policy.UnmarshalCedar([]byte(cedarPolicy(r))); err != nil {
			return fmt.Errorf("policy %s: %w", r.ID, err)
		}
		home(r.Action).Add(cedar.PolicyID(r.ID), &policy)
		c.rules[cedar.PolicyID(r.ID)] = r
	}
	return nil
}

// cedarPolicy writes a rule. Cedar permits or forbids: a permit that needs
// approval carries an annotation, which the caller looks up.
func cedarPolicy(r contest.Rule) string {
	effect, note := "permit", ""
	switch r.Effect {
	case contest.Deny:
		effect = "forbid"
	case contest.RequireApproval:
		note = fmt.Sprintf("@approvals(\"%d\")\n", r.Approvals)
	}
	return fmt.Sprintf(`%s%s (principal, action == Action::%q, resource) when {
	resource.environment == %q && principal.role == %q && resource.sensitivity == %q && context.amount %s %d
};`, note, effect, r.Action, r.Environment, r.Role, r.Sensitivity, r.Op, r.Limit)
}

func (c *cedarGo) Prepare(q *contest.Request) (func(*contest.Answer) error, error) {
	request, entities := cedarRequest(q)
	return func(a *contest.Answer) error { return c.decide(q.Action, request, entities, a) }, nil
}

func (c *cedarGo) Struct(q *contest.Request, a *contest.Answer) error {
	request, entities := cedarRequest(q)
	return c.decide(q.Action, request, entities, a)
}

func (c *cedarGo) JSON(body []byte, a *contest.Answer) error {
	var q contest.Request
	if err := json.Unmarshal(body, &q); err != nil {
		return err
	}
	return c.Struct(&q, a)
}

func (c *cedarGo) decide(action string, request cedar.Request, entities cedar.EntityMap, a *contest.Answer) error {
	policies := c.all
	if policies == nil {
		policies = c.byAction[action]
	}
	decision, why := cedar.Authorize(policies, entities, request)
	if len(why.Errors) > 0 {
		return fmt.Errorf("policy %s: %s", why.Errors[0].PolicyID, why.Errors[0].Message)
	}
	if decision == cedar.Allow {
		a.Effect = contest.Allow
	}
	for _, reason := range why.Reasons {
		// The count is in the annotation too; a map of what was read
		// from it once is what a caller would keep.
		if n := c.rules[reason.PolicyID].Approvals; n > 0 && decision == cedar.Allow {
			a.Effect, a.Approvals = contest.RequireApproval, max(a.Approvals, n)
		}
		a.Rules = append(a.Rules, string(reason.PolicyID))
	}
	return nil
}

func cedarRequest(q *contest.Request) (cedar.Request, cedar.EntityMap) {
	agent := cedar.NewEntityUID("Agent", cedar.String(q.Agent.ID))
	resource := cedar.NewEntityUID("Service", cedar.String(q.Resource.ID))
	request := cedar.Request{
		Principal: agent, Action: cedar.NewEntityUID("Action", cedar.String(q.Action)), Resource: resource,
		Context: cedar.NewRecord(cedar.RecordMap{"amount": cedar.Long(q.Params.Amount)}),
	}
	return request, cedar.EntityMap{
		agent: {UID: agent, Attributes: cedar.NewRecord(cedar.RecordMap{"role": cedar.String(q.Agent.Role)})},
		resource: {UID: resource, Attributes: cedar.NewRecord(cedar.RecordMap{
			"environment": cedar.String(q.Resource.Environment), "sensitivity": cedar.String(q.Resource.Sensitivity)})},
	}
}
