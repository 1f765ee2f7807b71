package main

import (
	"encoding/json"
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/strixlabs/execution-kernel/bench/peers/contest"
)

// celGo evaluates the conditions of the request's action and merges their
// effects itself: cel-go evaluates expressions, the rest is the caller's.
type celGo struct{ byAction map[string][]celRule }

type celRule struct {
	contest.Rule
	condition cel.Program
}

func newCEL(set contest.Set) (contest.Engine, error) {
	env, err := cel.NewEnv(
		cel.Variable("agent.role", cel.StringType),
		cel.Variable("resource.environment", cel.StringType),
		cel.Variable("resource.sensitivity", cel.StringType),
		cel.Variable("params.amount", cel.IntType),
	)
	if err != nil {
		return nil, err
	}
	c := &celGo{map[string][]celRule{}}
	for _, r := range set.Rules {
		condition, err := celCondition(env, r)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.ID, err)
		}
		c.byAction[r.Action] = append(c.byAction[r.Action], celRule{r, condition})
	}
	return c, nil
}

func celCondition(env *cel.Env, r contest.Rule) (cel.Program, error) {
	ast, issues := env.Compile(fmt.Sprintf(
		"resource.environment == %q && agent.role == %q && resource.sensitivity == %q && params.amount %s %d",
		r.Environment, r.Role, r.Sensitivity, r.Op, r.Limit))
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	return env.Program(ast, cel.EvalOptions(cel.OptOptimize))
}

func (c *celGo) Prepare(q *contest.Request) (func(*contest.Answer) error, error) {
	values := celActivation(q)
	return func(a *contest.Answer) error { return c.decide(q.Action, values, a) }, nil
}

func (c *celGo) Struct(q *contest.Request, a *contest.Answer) error {
	return c.decide(q.Action, celActivation(q), a)
}

func (c *celGo) JSON(body []byte, a *contest.Answer) error {
	var q contest.Request
	if err := json.Unmarshal(body, &q); err != nil {
		return err
	}
	return c.Struct(&q, a)
}

func (c *celGo) decide(action string, values cel.Activation, a *contest.Answer) error {
	denied, asked, allowed := false, false, false
	for _, r := range c.byAction[action] {
		held, _, err := r.condition.Eval(values)
		if err != nil {
			return fmt.Errorf("rule %s: %w", r.ID, err)
		}
		if held != types.True {
			continue
		}
		a.Rules = append(a.Rules, r.ID)
		switch r.Effect {
		case contest.Deny:
			denied = true
		case contest.RequireApproval:
			asked, a.Approvals = true, max(a.Approvals, r.Approvals)
		case contest.Allow:
			allowed = true
		}
	}
	switch {
	case denied:
		a.Effect, a.Approvals = contest.Deny, 0
	case asked:
		a.Effect = contest.RequireApproval
	case allowed:
		a.Effect = contest.Allow
	}
	return nil
}

// A celValues holds a request as CEL's own values: nothing is looked up in a
// map or converted while a condition is evaluated.
type celValues struct{ role, environment, sensitivity, amount ref.Val }

func celActivation(q *contest.Request) cel.Activation {
	return &celValues{types.String(q.Agent.Role), types.String(q.Resource.Environment),
		types.String(q.Resource.Sensitivity), types.Int(q.Params.Amount)}
}

func (v *celValues) ResolveName(name string) (any, bool) {
	switch name {
	case "agent.role":
		return v.role, true
	case "resource.environment":
		return v.environment, true
	case "resource.sensitivity":
		return v.sensitivity, true
	case "params.amount":
		return v.amount, true
	}
	return nil, false
}

func (v *celValues) Parent() interpreter.Activation { return nil }
