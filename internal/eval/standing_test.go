package eval_test

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

const fleet = `
pdl: v1
kind: schema
name: fleet
%s
agent:
  role: {type: "enum(junior, sre)", from: registry}
  level?: {type: "int(0..10)", from: registry}
  mood?: {type: string, from: request}
  badge?: {type: {number: int, place?: string}, from: registry}
resources:
  service:
    environment: enum(staging, production)
    owner?: {type: string, from: registry}
actions:
  deploy: {resource: service, params: {fast: bool}}
---
pdl: v1
kind: policy
name: p
rules:
  - {id: sre, match: {action: deploy, agent.role: sre}, effect: ALLOW}
  - {id: production, match: {action: deploy, agent.role: junior, resource.environment: production}, effect: DENY}
`

// asked is a request that says nothing that the registry knows.
func asked() kernel.Request {
	return kernel.Request{
		Agent: kernel.Agent{ID: "a", Attributes: map[string]any{}}, Action: "deploy",
		Resource: kernel.Resource{Type: "service", ID: "svc", Attributes: map[string]any{"environment": "staging"}},
		Params:   map[string]any{"fast": true},
	}
}

func known() registry.Standing {
	return registry.Standing{
		Version: 3, Status: registry.Active, Capability: "all",
		Agent:    map[string]any{"role": "sre", "name": "not declared"},
		Resource: map[string]any{"environment": "staging", "owner": "team"},
	}
}

func TestWhatTheRegistrySaysComesBeforeTheRules(t *testing.T) {
	p, _ := program(t, fmt.Sprintf(fleet, "agents: registered"))
	for _, c := range []struct {
		name   string
		change func(*kernel.Request, *registry.Standing)
		want   kernel.Code
		reason string
	}{
		{"nothing is wrong", func(*kernel.Request, *registry.Standing) {}, kernel.CodeRule, "1 rule"},
		{"the same value is said", func(r *kernel.Request, _ *registry.Standing) {
			r.Agent.Attributes["role"], r.Resource.Attributes["owner"] = "sre", "team"
		}, kernel.CodeRule, ""},
		{"the switch goes before all", func(r *kernel.Request, st *registry.Standing) {
			*st = registry.Standing{Killed: "action deploy"}
			r.Action = "unknown"
		}, kernel.CodeKilled, "a kill switch stops action deploy"},
		{"nobody knows it", func(r *kernel.Request, st *registry.Standing) {
			*st = registry.Standing{}
			r.Action = "unknown"
		}, kernel.CodeUnknownAgent, `the registry knows no agent "a"`},
		{"it is suspended", func(r *kernel.Request, st *registry.Standing) {
			st.Status, r.Action = registry.Suspended, "unknown"
		}, kernel.CodeAgentSuspended, `agent "a" is suspended`},
		{"it is retired", func(_ *kernel.Request, st *registry.Standing) { st.Status = registry.Retired }, kernel.CodeAgentSuspended, `agent "a" is retired`},
		{"an unknown action before a conflict", func(r *kernel.Request, _ *registry.Standing) {
			r.Action, r.Agent.Attributes["role"] = "unknown", "junior"
		}, kernel.CodeUnknownAction, ""},
		{"an unknown type before a conflict", func(r *kernel.Request, _ *registry.Standing) {
			r.Resource.Type, r.Agent.Attributes["role"] = "unknown", "junior"
		}, kernel.CodeUnknownResource, ""},
		{"another value", func(r *kernel.Request, _ *registry.Standing) { r.Agent.Attributes["role"] = "junior" },
			kernel.CodeAttributeConflict, "the request says agent.role otherwise than the registry"},
		{"a value where the registry has none", func(r *kernel.Request, _ *registry.Standing) { r.Agent.Attributes["level"] = int64(9) },
			kernel.CodeAttributeConflict, "the request says agent.level otherwise than the registry"},
		{"another value of a resource", func(r *kernel.Request, _ *registry.Standing) { r.Resource.Attributes["environment"] = "production" },
			kernel.CodeAttributeConflict, "the request says resource.environment otherwise than the registry"},
		{"an owner of a resource that has none", func(r *kernel.Request, st *registry.Standing) {
			st.Resource, r.Resource.Attributes["owner"] = nil, "me"
		}, kernel.CodeAttributeConflict, "the request says resource.owner otherwise than the registry"},
		{"a conflict before what is missing and the capability", func(r *kernel.Request, st *registry.Standing) {
			st.Agent, st.Capability, r.Resource.Attributes["owner"] = nil, "", "me"
		}, kernel.CodeAttributeConflict, ""},
		{"a required value is missing", func(_ *kernel.Request, st *registry.Standing) { st.Agent, st.Capability = nil, "" },
			kernel.CodeAttributeMissing, "the registry does not say agent.role"},
		{"a value that does not fit", func(_ *kernel.Request, st *registry.Standing) { st.Agent["role"] = "wizard" },
			kernel.CodeAttributeMissing, `what the registry says of agent.role does not fit the schema: "wizard" is none of the declared values`},
		{"an optional value that does not fit", func(_ *kernel.Request, st *registry.Standing) { st.Agent["level"] = "9" },
			kernel.CodeAttributeMissing, "what the registry says of agent.level does not fit the schema: an integer is wanted, not a string"},
		{"a record that fits", func(r *kernel.Request, st *registry.Standing) {
			st.Agent["badge"] = map[string]any{"number": int64(7)}
			r.Agent.Attributes["badge"] = map[string]any{"number": int64(7)}
		}, kernel.CodeRule, ""},
		{"another member of a record", func(r *kernel.Request, st *registry.Standing) {
			st.Agent["badge"] = map[string]any{"number": int64(7)}
			r.Agent.Attributes["badge"] = map[string]any{"number": int64(7), "place": "here"}
		}, kernel.CodeAttributeConflict, "the request says agent.badge otherwise than the registry"},
		{"a record that does not fit", func(_ *kernel.Request, st *registry.Standing) {
			st.Agent["badge"] = map[string]any{"place": "here"}
		}, kernel.CodeAttributeMissing, "what the registry says of agent.badge.number does not fit the schema: number is required"},
		{"no capability", func(_ *kernel.Request, st *registry.Standing) { st.Capability = "" },
			kernel.CodeCapabilityMissing, `agent "a" has no capability for deploy on service "svc"`},
		{"a capability whose limit it is beyond", func(_ *kernel.Request, st *registry.Standing) {
			st.Capability, st.Limit = "", "by all, params.speed is at most 5"
		}, kernel.CodeCapabilityMissing, `agent "a" has no capability for deploy on service "svc": by all, params.speed is at most 5`},
		{"what the request may say itself", func(r *kernel.Request, st *registry.Standing) {
			st.Resource, r.Agent.Attributes["mood"] = nil, "fine"
		}, kernel.CodeRule, ""},
	} {
		req, st := asked(), known()
		c.change(&req, &st)
		v, err := p.Decide(eval.Input{Request: req, Now: day, Standing: &st})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		early := c.want != kernel.CodeRule
		if v.Code != c.want || c.reason != "" && early && v.Reason != c.reason {
			t.Errorf("%s: %s %q, want %s %q", c.name, v.Code, v.Reason, c.want, c.reason)
		}
		if early && (v.Decision != kernel.Deny || v.RiskLevel != kernel.Critical) || !early && v.Decision != kernel.Allow {
			t.Errorf("%s: %s, %s", c.name, v.Decision, v.RiskLevel)
		}
		narrow := p.Narrow(st, req.Resource.Type)
		again, err := p.Decide(eval.Input{Request: req, Now: day, Standing: &narrow})
		if err != nil || again.Code != v.Code || again.Reason != v.Reason {
			t.Errorf("%s: by what the program looks at alone it is %s %q, %v", c.name, again.Code, again.Reason, err)
		}
	}
}

var day = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestARequestThatDoesNotFitIsInvalidBeforeAConflict(t *testing.T) {
	p, _ := program(t, fmt.Sprintf(fleet, "agents: registered"))
	for name, c := range map[string]struct {
		change func(*kernel.Request, *registry.Standing)
		path   string
	}{
		"the role is a number": {func(r *kernel.Request, _ *registry.Standing) { r.Agent.Attributes["role"] = int64(1) }, "$.agent.role"},
		"the role is null":     {func(r *kernel.Request, _ *registry.Standing) { r.Agent.Attributes["role"] = nil }, "$.agent.role"},
		"the role is an object": {func(r *kernel.Request, _ *registry.Standing) {
			r.Agent.Attributes["role"] = map[string]any{"is": "sre"}
		}, "$.agent.role"},
		"the role in another case":                  {func(r *kernel.Request, _ *registry.Standing) { r.Agent.Attributes["role"] = "SRE" }, "$.agent.role"},
		"a name in another case":                    {func(r *kernel.Request, _ *registry.Standing) { r.Agent.Attributes["Role"] = "sre" }, "$.agent.Role"},
		"what only the registry holds":              {func(r *kernel.Request, _ *registry.Standing) { r.Agent.Attributes["name"] = "not declared" }, "$.agent.name"},
		"a parameter is missing, beside a conflict": {func(r *kernel.Request, _ *registry.Standing) { r.Params, r.Agent.Attributes["role"] = nil, "junior" }, "$.params.fast"},
		"a claim is missing, beside a missing role": {func(r *kernel.Request, st *registry.Standing) {
			*st = registry.Standing{Status: registry.Active}
			r.Resource.Attributes = nil
		}, "$.resource.environment"},
	} {
		req, st := asked(), known()
		c.change(&req, &st)
		before := maps.Clone(st.Agent)
		v, err := p.Decide(eval.Input{Request: req, Now: day, Standing: &st})
		var e *kernel.Error
		if !errors.As(err, &e) || e.Code != kernel.Invalid || e.Path != c.path {
			t.Errorf("%s: %+v, %v; want invalid at %s", name, v, err, c.path)
		}
		if !maps.Equal(before, st.Agent) {
			t.Errorf("%s: what the registry knows was changed to %v", name, st.Agent)
		}
	}
}

func TestUnderAnyAgentOnlyWhatIsTrustedAndStoppedHolds(t *testing.T) {
	p, _ := program(t, fmt.Sprintf(fleet, "agents: any"))
	sre := func(st *registry.Standing) { st.Agent = map[string]any{"role": "sre"} }
	for _, c := range []struct {
		name   string
		change func(*registry.Standing)
		want   kernel.Code
	}{
		{"unknown, and of no role", func(*registry.Standing) {}, kernel.CodeAttributeMissing},
		{"known, without a capability", func(st *registry.Standing) { st.Status = registry.Active; sre(st) }, kernel.CodeRule},
		{"suspended", func(st *registry.Standing) { st.Status = registry.Suspended; sre(st) }, kernel.CodeAgentSuspended},
		{"stopped", func(st *registry.Standing) { st.Killed = "everything"; sre(st) }, kernel.CodeKilled},
	} {
		st := registry.Standing{}
		c.change(&st)
		v, err := p.Decide(eval.Input{Request: asked(), Now: day, Standing: &st})
		if err != nil || v.Code != c.want {
			t.Errorf("%s: %s, %v; want %s", c.name, v.Code, err, c.want)
		}
	}
}
