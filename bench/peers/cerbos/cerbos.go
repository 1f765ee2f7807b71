// Command cerbos is Cerbos as a contestant of the comparison in ../README.md.
// It has a module of its own, because Cerbos and OPA need versions of
// github.com/gobwas/glob that do not go together.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing/fstest"

	effectv1 "github.com/cerbos/cerbos/api/genpb/cerbos/effect/v1"
	enginev1 "github.com/cerbos/cerbos/api/genpb/cerbos/engine/v1"
	"github.com/cerbos/cerbos/private/ruletable"
	"github.com/cerbos/cerbos/private/ruletable/compile"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/strixlabs/execution-kernel/bench/peers/contest"
)

func entries() []contest.Entry {
	return []contest.Entry{{Name: "Cerbos", Evidence: contest.OneDenying, New: newCerbos}}
}

func main() {
	if err := contest.Serve(entries(), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
}

// cerbos asks the rule table that Cerbos itself embeds elsewhere: no server,
// no audit log. Its package says that it is private and may change.
type cerbos struct{ evaluator ruletable.Evaluator }

func newCerbos(set contest.Set) (contest.Engine, error) {
	files := fstest.MapFS{"service.yaml": {Data: []byte(policy(set))}}
	table, err := compile.Compile(context.Background(), files)
	if err != nil {
		return nil, err
	}
	evaluator, err := ruletable.NewRuleTableFromProto(table, nil)
	if err != nil {
		return nil, err
	}
	return cerbos{evaluator}, nil
}

// policy writes the rules as one resource policy. The output of a rule is the
// number of approvals it needs; that there is an output names the rule.
func policy(set contest.Set) string {
	var b strings.Builder
	b.WriteString(`apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: service
  version: default
  rules:
`)
	for _, r := range set.Rules {
		effect := "EFFECT_ALLOW"
		if r.Effect == contest.Deny {
			effect = "EFFECT_DENY"
		}
		fmt.Fprintf(&b, "    - name: %s\n      actions: [%s]\n      roles: [%s]\n      effect: %s\n", r.ID, r.Action, r.Role, effect)
		fmt.Fprintf(&b, "      condition: {match: {expr: 'R.attr.environment == %q && R.attr.sensitivity == %q && R.attr.amount %s %d'}}\n",
			r.Environment, r.Sensitivity, r.Op, r.Limit)
		fmt.Fprintf(&b, "      output: {when: {ruleActivated: '%d'}}\n", r.Approvals)
	}
	return b.String()
}

func (c cerbos) Prepare(q *contest.Request) (func(*contest.Answer) error, error) {
	input := checkInput(q)
	return func(a *contest.Answer) error { return c.decide(input, a) }, nil
}

func (c cerbos) Struct(q *contest.Request, a *contest.Answer) error {
	return c.decide(checkInput(q), a)
}

func (c cerbos) JSON(body []byte, a *contest.Answer) error {
	var q contest.Request
	if err := json.Unmarshal(body, &q); err != nil {
		return err
	}
	return c.Struct(&q, a)
}

func (c cerbos) decide(input *enginev1.CheckInput, a *contest.Answer) error {
	outputs, _, err := c.evaluator.Check(context.Background(), []*enginev1.CheckInput{input})
	if err != nil {
		return err
	}
	output := outputs[0]
	if len(output.EvaluationErrors) > 0 {
		return fmt.Errorf("evaluation errors: %v", output.EvaluationErrors)
	}
	rules := output.Outputs
	if output.Actions[input.Actions[0]].Effect == effectv1.Effect_EFFECT_ALLOW {
		a.Effect = contest.Allow
	} else if len(rules) > 0 {
		rules = rules[len(rules)-1:] // Cerbos stops at the first rule that denies
	}
	for _, r := range rules {
		if n := int(r.Val.GetNumberValue()); n > 0 && a.Effect != contest.Deny {
			a.Effect, a.Approvals = contest.RequireApproval, max(a.Approvals, n)
		}
		a.Rules = append(a.Rules, r.Src[strings.LastIndexByte(r.Src, '#')+1:])
	}
	return nil
}

func checkInput(q *contest.Request) *enginev1.CheckInput {
	return &enginev1.CheckInput{
		Principal: &enginev1.Principal{Id: q.Agent.ID, Roles: []string{q.Agent.Role}},
		Resource: &enginev1.Resource{Kind: q.Resource.Type, Id: q.Resource.ID, Attr: map[string]*structpb.Value{
			"environment": structpb.NewStringValue(q.Resource.Environment),
			"sensitivity": structpb.NewStringValue(q.Resource.Sensitivity),
			"amount":      structpb.NewNumberValue(float64(q.Params.Amount)),
		}},
		Actions: []string{q.Action},
	}
}
