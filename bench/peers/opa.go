package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/strixlabs/execution-kernel/bench/peers/contest"
)

// opa evaluates a prepared query. Every rule begins with equalities of input
// members and constants, which is what OPA's rule index is made for.
type opa struct{ query rego.PreparedEvalQuery }

func newOPA(set contest.Set) (contest.Engine, error) {
	query, err := rego.New(rego.Query("data.peers.decision"), rego.Module("peers.rego", opaModule(set))).PrepareForEval(context.Background())
	if err != nil {
		return nil, err
	}
	return opa{query}, nil
}

func (o opa) Prepare(q *contest.Request) (func(*contest.Answer) error, error) {
	input := opaInput(q)
	return func(a *contest.Answer) error { return o.decide(input, a) }, nil
}

func (o opa) Struct(q *contest.Request, a *contest.Answer) error { return o.decide(opaInput(q), a) }

func (o opa) JSON(body []byte, a *contest.Answer) error {
	input, err := ast.ValueFromReader(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return o.decide(input, a)
}

func (o opa) decide(input ast.Value, a *contest.Answer) error {
	results, err := o.query.Eval(context.Background(), rego.EvalParsedInput(input))
	if err != nil {
		return err
	}
	if len(results) != 1 || len(results[0].Expressions) != 1 {
		return fmt.Errorf("the query has the results %v", results)
	}
	decision, ok := results[0].Expressions[0].Value.(map[string]any)
	if !ok {
		return fmt.Errorf("the decision is %v", results[0].Expressions[0].Value)
	}
	switch decision["effect"] {
	case "ALLOW":
		a.Effect = contest.Allow
	case "REQUIRE_APPROVAL":
		approvals, err := decision["approvals"].(json.Number).Int64()
		if err != nil {
			return err
		}
		a.Effect, a.Approvals = contest.RequireApproval, int(approvals)
	}
	for _, set := range []string{"deny", "approve", "allow"} {
		for _, id := range decision[set].([]any) {
			a.Rules = append(a.Rules, id.(string))
		}
	}
	return nil
}

// opaInput builds OPA's own values, which is faster than to give it Go's.
func opaInput(q *contest.Request) ast.Value {
	text := func(key, value string) [2]*ast.Term {
		return [2]*ast.Term{ast.InternedTerm(key), ast.StringTerm(value)}
	}
	return ast.NewObject(
		[2]*ast.Term{ast.InternedTerm("agent"), ast.ObjectTerm(text("id", q.Agent.ID), text("role", q.Agent.Role))},
		text("action", q.Action),
		[2]*ast.Term{ast.InternedTerm("resource"), ast.ObjectTerm(text("type", q.Resource.Type), text("id", q.Resource.ID),
			text("environment", q.Resource.Environment), text("sensitivity", q.Resource.Sensitivity))},
		[2]*ast.Term{ast.InternedTerm("params"), ast.ObjectTerm(
			[2]*ast.Term{ast.InternedTerm("amount"), ast.NumberTerm(json.Number(fmt.Sprint(q.Params.Amount)))})},
	)
}

// opaModule writes the rules as partial sets of ids, one for each effect.
func opaModule(set contest.Set) string {
	var b strings.Builder
	b.WriteString(`package peers

default effect := "DENY"

effect := "REQUIRE_APPROVAL" if {
	count(deny) == 0
	count(approve) > 0
}

effect := "ALLOW" if {
	count(deny) == 0
	count(approve) == 0
	count(allow) > 0
}

decision := {
	"effect": effect,
	"approvals": max({0} | {n | some id in approve; n := approvals[id]}),
	"deny": deny,
	"approve": approve,
	"allow": allow,
}

`)
	counts := []string{}
	for _, r := range set.Rules {
		name := map[contest.Effect]string{contest.Deny: "deny", contest.RequireApproval: "approve", contest.Allow: "allow"}[r.Effect]
		fmt.Fprintf(&b, `%s contains %q if {
	input.action == %q
	input.resource.environment == %q
	input.agent.role == %q
	input.resource.sensitivity == %q
	input.params.amount %s %d
}

`, name, r.ID, r.Action, r.Environment, r.Role, r.Sensitivity, r.Op, r.Limit)
		if r.Approvals > 0 {
			counts = append(counts, fmt.Sprintf("%q: %d", r.ID, r.Approvals))
		}
	}
	fmt.Fprintf(&b, "approvals := {%s}\n", strings.Join(counts, ", "))
	return b.String()
}
