package pdl_test

import (
	"slices"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

const needySchema = `pdl: v1
kind: schema
name: s
agent:
  role: {type: "enum(a, b)", from: registry}
  team?: {type: string, from: registry?}
  tool?: {type: string, from: request}
resources:
  service:
    owner?: {type: string, from: registry}
actions:
  deploy: {resource: service, grant: required}
  build: {resource: service}
---
pdl: v1
kind: policy
name: p
rules:
  - {id: r, match: {action: deploy}, effect: DENY}
`

func TestNeedsNameWhatABundleNeedsAndWhere(t *testing.T) {
	b, found := pdl.Compile([]pdl.File{{Name: "s.yaml", Data: []byte(needySchema)}})
	if b == nil || len(found) > 0 {
		t.Fatalf("Compile: %v", found)
	}
	checkNeeds(t, b, []need{
		{pdl.NeedRegistry, 3, 7, "agents: registered is the default, and needs the registry of agents"},
		{pdl.NeedRegistry, 5, 36, "agent.role comes from the registry"},
		{pdl.NeedRegistry, 10, 34, "resource.owner comes from the registry"},
		{pdl.NeedGrants, 12, 38, "an ALLOW of deploy hands out a grant"},
	})
}

type need struct {
	kind      pdl.NeedKind
	line, col int
	message   string
}

func checkNeeds(t *testing.T, b *pdl.Bundle, want []need) {
	t.Helper()
	var have []need
	for _, n := range b.Needs() {
		have = append(have, need{n.Kind, n.Found.Line, n.Found.Col, n.Found.Message})
	}
	if !slices.Equal(have, want) {
		t.Errorf("Needs() = %v, want %v", have, want)
	}
}

func TestABundleForAnyAgentNeedsNothing(t *testing.T) {
	b, found := pdl.Compile(wholeBundle())
	if b == nil {
		t.Fatalf("Compile: %v", found)
	}
	if needs := b.Needs(); len(needs) > 0 {
		t.Errorf("Needs() = %v, want none", needs)
	}
}
