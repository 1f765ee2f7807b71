package main

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/casbin/casbin/v3"
	"github.com/casbin/casbin/v3/model"

	"github.com/strixlabs/execution-kernel/bench/peers/contest"
)

// casbinModel has two questions, because Casbin knows two effects: r asks
// whether the request is permitted, approvals counting as permits, and r2
// whether it needs an approval. The rules for approvals are in p and in p2.
const casbinModel = `
[request_definition]
r = action, environment, role, sensitivity, amount
r2 = action, environment, role, sensitivity, amount
[policy_definition]
p = action, environment, role, sensitivity, op, limit, eft, id
p2 = action, environment, role, sensitivity, op, limit, eft, id
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
e2 = some(where (p.eft == allow))
[matchers]
m = r.action == p.action && r.environment == p.environment && r.role == p.role && r.sensitivity == p.sensitivity && within(r.amount, p.op, p.limit)
m2 = r2.action == p2.action && r2.environment == p2.environment && r2.role == p2.role && r2.sensitivity == p2.sensitivity && within(r2.amount, p2.op, p2.limit)
`

// casbinGo matches every policy of the model, one after the other.
type casbinGo struct {
	enforcer *casbin.Enforcer
	approval casbin.EnforceContext
}

func newCasbin(set contest.Set) (contest.Engine, error) {
	m, err := model.NewModelFromString(casbinModel)
	if err != nil {
		return nil, err
	}
	enforcer, err := casbin.NewEnforcer(m)
	if err != nil {
		return nil, err
	}
	enforcer.AddFunction("within", casbinWithin)
	permits, approvals := casbinPolicies(set)
	if _, err := enforcer.AddPolicies(permits); err != nil {
		return nil, err
	}
	if _, err := enforcer.AddNamedPolicies("p2", approvals); err != nil {
		return nil, err
	}
	return &casbinGo{enforcer, casbin.NewEnforceContext("2")}, nil
}

func casbinPolicies(set contest.Set) (permits, approvals [][]string) {
	for _, r := range set.Rules {
		effect := "allow"
		if r.Effect == contest.Deny {
			effect = "deny"
		}
		line := []string{r.Action, r.Environment, r.Role, r.Sensitivity, r.Op, strconv.FormatInt(r.Limit, 10), effect, r.ID}
		permits = append(permits, line)
		if r.Effect == contest.RequireApproval {
			approvals = append(approvals, line)
		}
	}
	return permits, approvals
}

// casbinWithin compares a number, which Casbin's expressions hold as a float,
// with one of a policy, which is text.
func casbinWithin(args ...any) (any, error) {
	limit, err := strconv.ParseFloat(args[2].(string), 64)
	if err != nil {
		return nil, err
	}
	if args[1].(string) == "<" {
		return args[0].(float64) < limit, nil
	}
	return args[0].(float64) >= limit, nil
}

func (c *casbinGo) Prepare(q *contest.Request) (func(*contest.Answer) error, error) {
	first, second := casbinValues(q), append([]any{c.approval}, casbinValues(q)...)
	return func(a *contest.Answer) error { return c.decide(first, second, a) }, nil
}

func (c *casbinGo) Struct(q *contest.Request, a *contest.Answer) error {
	second := append([]any{c.approval}, casbinValues(q)...)
	return c.decide(second[1:], second, a)
}

func (c *casbinGo) JSON(body []byte, a *contest.Answer) error {
	var q contest.Request
	if err := json.Unmarshal(body, &q); err != nil {
		return err
	}
	return c.Struct(&q, a)
}

func (c *casbinGo) decide(permit, approval []any, a *contest.Answer) error {
	permitted, policy, err := c.enforcer.EnforceEx(permit...)
	if err != nil {
		return err
	}
	if permitted {
		a.Effect = contest.Allow
		asked, why, err := c.enforcer.EnforceEx(approval...)
		if err != nil {
			return err
		}
		if asked {
			a.Effect, policy = contest.RequireApproval, why
		}
	}
	if len(policy) > 0 {
		if len(policy) != 8 {
			return fmt.Errorf("the policy %v has no id", policy)
		}
		a.Rules = append(a.Rules, policy[7])
	}
	return nil
}

func casbinValues(q *contest.Request) []any {
	return []any{q.Action, q.Resource.Environment, q.Agent.Role, q.Resource.Sensitivity, q.Params.Amount}
}
