package eval_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
)

const everyType = `
pdl: v1
kind: schema
name: types
agents: any
agent:
  role: enum(junior, senior, sre)
  owner?: string
resources:
  service:
    environment: enum(development, staging, production)
    public?: bool
  page: {}
actions:
  deploy:
    resource: service
    params:
      replicas: int(1..5)
      note?: string(..4)
      after?: timestamp
      tags?: list(string(..3), ..2)
      sizes?: list(int(0..9))
      levels?: list(enum(low, high))
      files?: "list({path: string(..5), \"mode?\": enum(read, write), \"size?\": int(0..9)}, ..3)"
      blob?: json
      payment?: {cents: int(0..9), "memo?": string(..4), to: {known: bool, "tier?": "enum(gold, lead)"}}
  look: {resource: any, params: {"most?": int(0..9), "*": json}}
context:
  ticket?: string
constraints:
  zones: set.intersect
---
pdl: v1
kind: policy
name: p
rules:
  - id: allow
    match: {action: [deploy, look]}
    effect: ALLOW
`

func noon() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) }

func deploy() kernel.Request {
	return kernel.Request{
		Agent:    kernel.Agent{ID: "agent-001", Attributes: map[string]any{"role": "junior"}},
		Action:   "deploy",
		Resource: kernel.Resource{Type: "service", ID: "svc/a", Attributes: map[string]any{"environment": "staging"}},
		Params:   map[string]any{"replicas": int64(1)},
	}
}

func TestARequestThatDoesNotFitTheSchemaIsInvalidAndSaysWhere(t *testing.T) {
	p, _ := program(t, everyType)
	type request = kernel.Request
	for _, c := range []struct {
		name               string
		change             func(*request)
		path, says, andTip string
	}{
		{"a value that no enum has", func(r *request) { r.Resource.Attributes["environment"] = "prodution" },
			"$.resource.environment", `"prodution" is none of the declared values`, `did you mean "production"? it is one of development, staging, production`},
		{"a value that is near to none", func(r *request) { r.Agent.Attributes["role"] = "boss" },
			"$.agent.role", "none of the declared values", "it is one of junior, senior, sre"},
		{"another case", func(r *request) { r.Agent.Attributes["role"] = "Junior" }, "$.agent.role", "none of the declared values", `did you mean "junior"?`},
		{"an enum that is a number", func(r *request) { r.Agent.Attributes["role"] = int64(1) }, "$.agent.role", "a string is wanted, not an integer", "it is one of"},
		{"an enum that is null", func(r *request) { r.Agent.Attributes["role"] = nil }, "$.agent.role", "a string is wanted, not null", "it is one of"},
		{"an optional attribute that is null", func(r *request) { r.Agent.Attributes["owner"] = nil }, "$.agent.owner", "not null", "a string of at most 4096 characters"},
		{"a missing required attribute", func(r *request) { delete(r.Resource.Attributes, "environment") },
			"$.resource.environment", "environment is required", "it is one of development, staging, production"},
		{"a missing parameter", func(r *request) { r.Params = nil }, "$.params.replicas", "replicas is required", "it is an integer in 1..5"},
		{"a misspelt attribute", func(r *request) {
			delete(r.Resource.Attributes, "environment")
			r.Resource.Attributes["enviroment"] = "staging"
		}, "$.resource.enviroment", "declares no attribute", `did you mean "environment"?`},
		{"an unknown attribute", func(r *request) { r.Agent.Attributes["shoe_size"] = int64(9) },
			"$.agent.shoe_size", "declares no attribute", "agent may have owner, role"},
		{"an unknown parameter with a strange name", func(r *request) { r.Params["a b"] = int64(9) }, "$.params['a b']", "declares no attribute", "params may have"},
		{"unknown context", func(r *request) { r.Context = map[string]any{"ticked": "x"} }, "$.context.ticked", "declares no attribute", `did you mean "ticket"?`},
		{"the instant of the decision", func(r *request) { r.Context = map[string]any{"now": "2026-01-01T00:00:00Z"} },
			"$.context.now", "the kernel's own clock", "leave it out"},
		{"an int below its range", func(r *request) { r.Params["replicas"] = int64(0) }, "$.params.replicas", "0 is outside 1..5", "it is an integer in 1..5"},
		{"an int above its range", func(r *request) { r.Params["replicas"] = int64(6) }, "$.params.replicas", "6 is outside 1..5", ""},
		{"an int in quotes", func(r *request) { r.Params["replicas"] = "3" }, "$.params.replicas", "an integer is wanted, not a string", ""},
		{"a fraction", func(r *request) { r.Params["replicas"] = kernel.Number("1.5") }, "$.params.replicas", "an integer is wanted, not a number that is no integer", ""},
		{"a Go int", func(r *request) { r.Params["replicas"] = 3 }, "$.params.replicas", "an integer is wanted, not a Go int", ""},
		{"a bool that is a string", func(r *request) { r.Resource.Attributes["public"] = "true" }, "$.resource.public", "a boolean is wanted, not a string", "it is true or false"},
		{"a string that is an object", func(r *request) { r.Params["note"] = map[string]any{} }, "$.params.note", "a string is wanted, not an object", ""},
		{"a string of five code points", func(r *request) { r.Params["note"] = "ééééé" }, "$.params.note", "5 characters, more than 4", "at most 4 characters"},
		{"a string with NUL", func(r *request) { r.Params["note"] = "a\x00" }, "$.params.note", "U+0000", ""},
		{"a string that is not UTF-8", func(r *request) { r.Params["note"] = "a\xff" }, "$.params.note", "UTF-8", ""},
		{"a date without a time", func(r *request) { r.Params["after"] = "2026-06-01" }, "$.params.after", "no RFC 3339 timestamp", "2026-11-23T20:00:00Z"},
		{"a time without a zone", func(r *request) { r.Params["after"] = "2026-06-01T12:00:00" }, "$.params.after", "no RFC 3339 timestamp", ""},
		{"a day that does not exist", func(r *request) { r.Params["after"] = "2026-02-30T12:00:00Z" }, "$.params.after", "no RFC 3339 timestamp", ""},
		{"an instant too early", func(r *request) { r.Params["after"] = "1899-12-31T23:59:59Z" }, "$.params.after", "outside 1900-01-01..2190-01-01", ""},
		{"an instant too late", func(r *request) { r.Params["after"] = "2190-01-01T00:00:00.000000001Z" }, "$.params.after", "outside 1900-01-01..2190-01-01", ""},
		{"a list that is a string", func(r *request) { r.Params["tags"] = "a" }, "$.params.tags", "a list is wanted, not a string", ""},
		{"a list that is too long", func(r *request) { r.Params["tags"] = []any{"a", "b", "c"} }, "$.params.tags", "3 elements, more than 2", ""},
		{"an element that is too long", func(r *request) { r.Params["tags"] = []any{"a", "abcd"} }, "$.params.tags[1]", "4 characters, more than 3", "each element is a string"},
		{"an element of another type", func(r *request) { r.Params["sizes"] = []any{int64(1), "2"} }, "$.params.sizes[1]", "an integer is wanted, not a string", ""},
		{"an element out of range", func(r *request) { r.Params["sizes"] = []any{int64(10)} }, "$.params.sizes[0]", "10 is outside 0..9", ""},
		{"an element that is null", func(r *request) { r.Params["sizes"] = []any{nil} }, "$.params.sizes[0]", "not null", ""},
		{"an element that no enum has", func(r *request) { r.Params["levels"] = []any{"low", "hi"} }, "$.params.levels[1]", `"hi" is none of the declared values`, "each element is one of low, high"},
		{"a list in a list", func(r *request) { r.Params["sizes"] = []any{[]any{}} }, "$.params.sizes[0]", "an integer is wanted, not a list", ""},
		{"no agent", func(r *request) { r.Agent.ID = "" }, "$.agent.id", "id is required", ""},
		{"no resource", func(r *request) { r.Resource.ID = "" }, "$.resource.id", "id is required", ""},
		{"an attribute of another resource type", func(r *request) {
			r.Action, r.Params, r.Resource.Type = "look", nil, "page"
		}, "$.resource.environment", "declares no attribute", "resource takes no attributes here"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := deploy()
			c.change(&req)
			v, err := p.Decide(eval.Input{Request: req, Now: noon()})
			var e *kernel.Error
			if !errors.As(err, &e) || e.Code != kernel.Invalid {
				t.Fatalf("Decide = %v, %v, want an error with code %s", v, err, kernel.Invalid)
			}
			if e.Path != c.path || !strings.Contains(e.Message, c.says) || !strings.Contains(e.Hint, c.andTip) {
				t.Errorf("Decide = %s: %s (%s), want %s: …%s… (…%s…)", e.Path, e.Message, e.Hint, c.path, c.says, c.andTip)
			}
			if v.Decision != kernel.Deny || v.Code != "" {
				t.Errorf("an invalid request has the verdict %v, want the zero one", v)
			}
			if _, err := p.Explain(eval.Input{Request: req, Now: noon()}); !errors.As(err, &e) {
				t.Errorf("Explain = %v, want the same refusal", err)
			}
		})
	}
}

func TestARequestAtItsBoundsFits(t *testing.T) {
	p, _ := program(t, everyType)
	for _, change := range []func(*kernel.Request){
		func(*kernel.Request) {},
		func(r *kernel.Request) { r.Params["replicas"] = int64(5) },
		func(r *kernel.Request) { r.Params["note"] = "éééé" },
		func(r *kernel.Request) { r.Params["note"] = "" },
		func(r *kernel.Request) { r.Params["after"] = "1900-01-01T00:00:00Z" },
		func(r *kernel.Request) { r.Params["after"] = "2190-01-01T01:00:00+01:00" },
		func(r *kernel.Request) { r.Params["tags"] = []any{} },
		func(r *kernel.Request) { r.Params["tags"] = []any{"abc", "éüß"} },
		func(r *kernel.Request) { r.Params["levels"] = []any{"low", "low"} },
		func(r *kernel.Request) { r.Context = map[string]any{"ticket": "CHG-1"} },
		func(r *kernel.Request) { r.Resource.Attributes["public"] = false },
	} {
		req := deploy()
		change(&req)
		v, err := p.Decide(eval.Input{Request: req, Now: noon()})
		if err != nil || v.Decision != kernel.Allow {
			t.Errorf("Decide(%s) = %v, %v, want ALLOW", text(t, req), v, err)
		}
	}
}

func TestTheInstantOfADecisionIsBounded(t *testing.T) {
	p, _ := program(t, everyType)
	for _, c := range []struct {
		now  time.Time
		fine bool
	}{
		{time.Time{}, false},
		{time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC).Add(-time.Nanosecond), false},
		{time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), true},
		{time.Date(2190, 1, 1, 0, 0, 0, 0, time.UTC), true},
		{time.Date(2190, 1, 1, 0, 0, 0, 1, time.UTC), false},
	} {
		v, err := p.Decide(eval.Input{Request: deploy(), Now: c.now})
		var e *kernel.Error
		if fine := err == nil; fine != c.fine || errors.As(err, &e) || !fine && v.Decision != kernel.Deny {
			t.Errorf("Decide at %v = %v, %v, want an error of ours unless it is in range", c.now, v, err)
		}
	}
}
