package eval_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
)

const shipping = `
pdl: v1
kind: schema
name: shipping
agents: any
resources:
  webapp: {environment: "enum(production, staging)"}
  content: {environment: "enum(production)"}
  bare: {}
  free: {environment: string(..8)}
actions:
  ship:
    resource: [webapp, content, bare, free]
    params: {"actions?": "list(string, ..2)"}
---
pdl: v1
kind: policy
name: p
rules:
  - id: production
    match: {action: ship, resource.type: webapp, resource.environment: production}
    effect: REQUIRE_APPROVAL
    approvals: 2
  - id: free
    match: {action: ship, resource.type: free}
    effect: ALLOW
`

func ship(kind string, environment any) kernel.Request {
	return kernel.Request{
		Agent: kernel.Agent{ID: "anonymous"}, Action: "ship",
		Resource: kernel.Resource{Type: kind, ID: kind, Attributes: map[string]any{"environment": environment}},
	}
}

func TestPhase1NeverRefusesAValue(t *testing.T) {
	p, _ := program(t, shipping)
	absent := ship("webapp", "production")
	absent.Resource.Attributes = nil
	neither := ship("", "production")
	neither.Resource.Attributes = nil
	for _, c := range []struct {
		name           string
		req            kernel.Request
		reason, advice string
	}{
		{"an unknown type", ship("webap", "production"),
			`No policy matched artifact type "webap" in environment "production"`,
			`did you mean "webapp"? the declared artifact types are bare, content, free, webapp`},
		{"a type in another case", ship("WebApp", "production"), `No policy matched artifact type "WebApp" in environment "production"`,
			`did you mean "webapp"? the declared artifact types are bare, content, free, webapp`},
		{"no type", ship("", "production"), `No policy matched an absent artifact type in environment "production"`,
			"the declared artifact types are bare, content, free, webapp"},
		{"neither", neither, "No policy matched an absent artifact type without an environment", "the declared artifact types are bare, content, free, webapp"},
		{"an unknown environment", ship("webapp", "prod"), `No policy matched artifact type "webapp" in environment "prod"`,
			"the declared environments are production, staging"},
		{"an environment that only another type has", ship("content", "staging"), `No policy matched artifact type "content" in environment "staging"`,
			"the declared environments are production"},
		{"an environment in another case", ship("webapp", "Staging"), `No policy matched artifact type "webapp" in environment "Staging"`,
			`did you mean "staging"? the declared environments are production, staging`},
		{"an empty environment", ship("webapp", ""), `No policy matched artifact type "webapp" in environment ""`, "the declared environments are production, staging"},
		{"an environment that is null", ship("webapp", nil), `No policy matched artifact type "webapp" without an environment`, "the declared environments are production, staging"},
		{"no environment", absent, `No policy matched artifact type "webapp" without an environment`, "the declared environments are production, staging"},
		{"a long environment", ship("webapp", strings.Repeat("x", 5000)), `No policy matched artifact type "webapp" in environment "` + strings.Repeat("x", 64) + `…"`,
			"the declared environments are production, staging"},
		{"an environment with a quote and a line", ship("webapp", "a\"\nb"), `No policy matched artifact type "webapp" in environment "a\"\nb"`,
			"the declared environments are production, staging"},
		{"a type without environments", ship("bare", "production"), `No policy matched artifact type "bare" in environment "production"`, ""},
		{"a text beyond its bound", ship("free", "123456789"), `No policy matched artifact type "free" in environment "123456789"`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, err := p.Decide(eval.Input{Request: c.req, Now: noon(), Phase1: true})
			if err != nil {
				t.Fatalf("Decide = %v, want a verdict", err)
			}
			if v.Decision != kernel.Deny || v.RiskLevel != kernel.Critical || v.ApprovalsRequired != 0 || v.Code != kernel.CodeUnknownResource ||
				len(v.Constraints)+len(v.Rules) != 0 {
				t.Errorf("Decide = %s, want a critical DENY %s", text(t, v), kernel.CodeUnknownResource)
			}
			if v.Reason != c.reason || v.Advice != c.advice {
				t.Errorf("Decide says %q, %q, want %q, %q", v.Reason, v.Advice, c.reason, c.advice)
			}
		})
	}
}

func TestPhase1DecidesWhatTheBundleDeclares(t *testing.T) {
	p, _ := program(t, shipping)
	for _, c := range []struct {
		req    kernel.Request
		want   kernel.Effect
		code   kernel.Code
		reason string
	}{
		{ship("webapp", "production"), kernel.RequireApproval, kernel.CodeRule, "2 approvals required by p/production"},
		{ship("webapp", "staging"), kernel.Deny, kernel.CodeNoMatchingRule, `No policy matched artifact type "webapp" in environment "staging"`},
		{ship("free", "anything"), kernel.Allow, kernel.CodeRule, "allowed by p/free"},
	} {
		v, err := p.Decide(eval.Input{Request: c.req, Now: noon(), Phase1: true})
		if err != nil || v.Decision != c.want || v.Code != c.code || v.Reason != c.reason {
			t.Errorf("Decide(%s) = %s, %v, want %v %s %q", text(t, c.req), text(t, v), err, c.want, c.code, c.reason)
		}
	}
}

func TestPhase1StillRefusesTypesAndOtherMembers(t *testing.T) {
	p, _ := program(t, shipping)
	tooMany := ship("webapp", "staging")
	tooMany.Params = map[string]any{"actions": []any{"a", "b", "c"}}
	for _, c := range []struct {
		req  kernel.Request
		path string
	}{
		{ship("webapp", int64(1)), "$.resource.environment"},
		{ship("webapp", true), "$.resource.environment"},
		{tooMany, "$.params.actions"},
	} {
		_, err := p.Decide(eval.Input{Request: c.req, Now: noon(), Phase1: true})
		var e *kernel.Error
		if !errors.As(err, &e) || e.Code != kernel.Invalid || e.Path != c.path {
			t.Errorf("Decide(%s) = %v, want %s at %s", text(t, c.req), err, kernel.Invalid, c.path)
		}
	}
}

func TestPhase1WithoutTheActionIsAnUnknownAction(t *testing.T) {
	p, _ := program(t, everyType)
	v, err := p.Decide(eval.Input{Request: ship("webapp", "production"), Now: noon(), Phase1: true})
	if err != nil || v.Code != kernel.CodeUnknownAction || v.Decision != kernel.Deny {
		t.Errorf("Decide = %s, %v, want DENY %s", text(t, v), err, kernel.CodeUnknownAction)
	}
}

func TestWithoutPhase1AnUnknownEnvironmentIsInvalid(t *testing.T) {
	p, _ := program(t, shipping)
	_, err := p.Decide(eval.Input{Request: ship("webapp", "prod"), Now: noon()})
	var e *kernel.Error
	if !errors.As(err, &e) || e.Path != "$.resource.environment" {
		t.Errorf("Decide = %v, want %s at $.resource.environment", err, kernel.Invalid)
	}
}
