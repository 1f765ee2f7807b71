package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/bench/peers/contest"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

const oursName = "execution-kernel"

// ours decides with the evaluator that the service uses.
type ours struct{ evaluator *eval.Evaluator }

func newOurs(set contest.Set) (contest.Engine, error) {
	bundle, diagnostics := pdl.Compile(oursFiles(set))
	if diagnostics.HasErrors() {
		return nil, fmt.Errorf("compile: %v", diagnostics[0])
	}
	program, err := eval.New(bundle)
	if err != nil {
		return nil, err
	}
	return &ours{program.NewEvaluator(eval.Config{})}, nil
}

// now is the instant of every decision. No rule looks at it.
var now = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func (o *ours) Prepare(q *contest.Request) (func(*contest.Answer) error, error) {
	request := oursRequest(q)
	return func(a *contest.Answer) error { return o.decide(request, a) }, nil
}

func (o *ours) Struct(q *contest.Request, a *contest.Answer) error {
	return o.decide(oursRequest(q), a)
}

// JSON gives the evaluator the bytes as they are: nobody changes them while
// it decides.
func (o *ours) JSON(body []byte, a *contest.Answer) error {
	v, err := o.evaluator.DecideJSON(unsafe.String(unsafe.SliceData(body), len(body)), eval.Input{Now: now})
	if err != nil {
		return err
	}
	return answer(v, a)
}

func (o *ours) decide(request kernel.Request, a *contest.Answer) error {
	v, err := o.evaluator.Decide(eval.Input{Request: request, Now: now})
	if err != nil {
		return err
	}
	return answer(v, a)
}

func answer(v kernel.Verdict, a *contest.Answer) error {
	switch v.Decision {
	case kernel.Deny:
	case kernel.Allow:
		a.Effect = contest.Allow
	case kernel.RequireApproval:
		a.Effect, a.Approvals = contest.RequireApproval, v.ApprovalsRequired
	default:
		return fmt.Errorf("the decision is %v", v.Decision)
	}
	for _, id := range v.Rules {
		a.Rules = append(a.Rules, id[strings.IndexByte(id, '/')+1:]) // ids are document/id
	}
	return nil
}

func oursRequest(q *contest.Request) kernel.Request {
	return kernel.Request{
		Agent:  kernel.Agent{ID: q.Agent.ID, Attributes: map[string]any{"role": q.Agent.Role}},
		Action: q.Action,
		Resource: kernel.Resource{Type: q.Resource.Type, ID: q.Resource.ID,
			Attributes: map[string]any{"environment": q.Resource.Environment, "sensitivity": q.Resource.Sensitivity}},
		Params: map[string]any{"amount": q.Params.Amount},
	}
}

// oursFiles writes the rules as several documents: none may be over a MiB.
func oursFiles(set contest.Set) []pdl.File {
	files := []pdl.File{{Name: "schema.yaml", Data: oursSchema(set)}}
	for rules := range slices.Chunk(set.Rules, 1000) {
		name := fmt.Sprintf("rules%d", len(files))
		files = append(files, pdl.File{Name: name + ".yaml", Data: oursRules(name, rules)})
	}
	return files
}

func oursSchema(set contest.Set) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `pdl: v1
kind: schema
name: peers
agents: any
agent:
  role: enum(%s)
  "team?": string
resources:
  service:
    environment: enum(%s)
    sensitivity: enum(%s)
    "owner_team?": string
context:
  "ticket?": string
  "source_ip?": string
actions:
`, strings.Join(contest.Roles, ", "), strings.Join(contest.Environments, ", "), strings.Join(contest.Sensitivities, ", "))
	for _, action := range set.Actions {
		fmt.Fprintf(&b, `  %s:
    resource: service
    params:
      amount: int(0..%d)
      "version?": string
      "strategy?": enum(rolling, canary)
      "labels?": list(string, ..32)
`, action, contest.MaxAmount)
	}
	return []byte(b.String())
}

func oursRules(name string, rules []contest.Rule) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "pdl: v1\nkind: policy\nname: %s\nrules:\n", name)
	for _, r := range rules {
		fmt.Fprintf(&b, "  - id: %s\n    match: {action: %s, resource.environment: %s, agent.role: %s, resource.sensitivity: %s}\n",
			r.ID, r.Action, r.Environment, r.Role, r.Sensitivity)
		fmt.Fprintf(&b, "    when: params.amount %s %d\n    effect: %s\n", r.Op, r.Limit, r.Effect)
		if r.Approvals > 0 {
			fmt.Fprintf(&b, "    approvals: %d\n", r.Approvals)
		}
	}
	return []byte(b.String())
}
