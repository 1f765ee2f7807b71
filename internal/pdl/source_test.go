package pdl_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

func TestWhereAttributesComeFrom(t *testing.T) {
	const text = `
pdl: v1
kind: schema
name: s
%s
agent:
  plain: string
  known: {type: string, from: registry}
  either: {type: string, from: registry?}
  said: {type: string, from: request}
  badge: {type: {from: string}, from: registry}
resources:
  r:
    plain: string
    known: {type: string, from: registry}
    record: {type: string, place: string}
actions:
  a: {resource: r, params: {p: string}}
context: {c: string}
`
	for _, c := range []struct {
		agents     string
		registered bool
		agent      string
	}{
		{"", true, "badge 2, either 1, known 2, plain 2, said 0"},
		{"agents: registered", true, "badge 2, either 1, known 2, plain 2, said 0"},
		{"agents: any", false, "badge 2, either 1, known 2, plain 1, said 0"},
	} {
		bundle, diags := pdl.Compile([]pdl.File{{Name: "s.yaml", Data: fmt.Appendf(nil, text, c.agents)}})
		if bundle == nil {
			t.Fatal(diags)
		}
		s := bundle.Schema
		if got := sources(s.Agent); s.Registered != c.registered || got != c.agent {
			t.Errorf("%q: registered %v, agent: %s; want %v, %s", c.agents, s.Registered, got, c.registered, c.agent)
		}
		if got, want := sources(s.Resources[0].Attributes), "known 2, plain 1, record 1"; got != want {
			t.Errorf("%q: resource: %s, want %s", c.agents, got, want)
		}
		if got := sources(s.Actions[0].Params) + ", " + sources(s.Context); got != "p 0, c 0" {
			t.Errorf("%q: params and context: %s", c.agents, got)
		}
	}
}

func sources(attributes []pdl.Attribute) string {
	var list []string
	for _, a := range attributes {
		list = append(list, fmt.Sprintf("%s %d", a.Name, a.From))
	}
	return strings.Join(list, ", ")
}
