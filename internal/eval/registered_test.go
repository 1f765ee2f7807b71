package eval_test

import (
	"fmt"
	"strings"
	"testing"

	kernel "github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

const registeredSource = `
pdl: v1
kind: schema
name: fleet
agent:
  role: "enum(junior, sre)"
  team?: string
  claimed?: {type: string, from: request}
  limits?: {cents: int(0..100)}
resources:
  service:
    environment: {type: "enum(staging, production)", from: registry}
actions:
  deploy: {resource: service}
  refund: {resource: service, params: {cents: "int(0..500)", "unit?": "enum(EUR, USD)", to: list(string), "*": json, dry: bool, card: {number: string}}}
`

func TestWhatOfARegistryTheSchemaDoesNotReadIsWarnedOf(t *testing.T) {
	p, _ := program(t, registeredSource)
	const good = `"role": "sre", "limits": {"cents": 7}`
	agent := func(attributes, capability string) string {
		return `"agents": {"a": {"attributes": {` + attributes + `}, "capabilities": {"c": {` + capability + `}}}}`
	}
	const refunds = `"actions": ["refund"], "resources": [{"type": "service", "id": "*"}]`
	const covers = `"actions": ["dep*"], "resources": [{"type": "*", "id": "*"}]`
	for _, c := range []struct{ document, want string }{
		{agent(good, covers), ""},
		{`"resources": {"service": {"svc/a": {"environment": "staging"}}}`, ""},
		{`"people": {"p": {"attributes": {"floor": 3}, "roles": ["lead"]}}`, ""},
		{agent(`"role": "sre", "rol": "sre"`, covers), `$.agents.a.attributes.rol: the schema declares no such attribute: nothing reads it; did you mean "role"?`},
		{agent(`"role": "seer"`, covers), "$.agents.a.attributes.role: "},
		{agent(`"role": "sre", "claimed": "x"`, covers), "$.agents.a.attributes.claimed: the schema takes it from the request"},
		{agent(`"role": "sre", "limits": {"cents": 101}`, covers), "$.agents.a.attributes.limits.cents: "},
		{agent(good, `"actions": ["deploi"], "resources": [{"type": "service", "id": "*"}]`), `$.agents.a.capabilities.c.actions: the schema has no action deploi; did you mean "deploy"?`},
		{agent(good, `"actions": ["*"], "resources": [{"type": "servic", "id": "*"}]`), "$.agents.a.capabilities.c.resources: the schema has no resource type servic"},
		{agent(good, `"limits": {"params.cents": {"max": 500}, "params.unit": {"in": ["EUR", "GBP"]}, "params.to": {"prefix": "a"}, "params.other.deep": {"in": [1]}}, `+refunds), ""},
		{agent(good, `"limits": {"params.dry": {"in": [false]}, "params.card.number": {"prefix": "4"}, "params.unit": {"prefix": "E"}, "resource.environment": {"in": ["staging"]}}, `+refunds), ""},
		{agent(good, `"limits": {"params.cents": {"min": 501}}, `+refunds), "$.agents.a.capabilities.c.limits['params.cents']: no int(0..500) is within it: action refund is never covered"},
		{agent(good, `"limits": {"params.cents": {"prefix": "5"}}, `+refunds), "$.agents.a.capabilities.c.limits['params.cents']: prefix is for texts"},
		{agent(good, `"limits": {"params.cents": {"in": ["5"]}}, `+refunds), "$.agents.a.capabilities.c.limits['params.cents']: an integer is wanted, not a string"},
		{agent(good, `"limits": {"params.unit": {"in": ["GBP"]}}, `+refunds), `$.agents.a.capabilities.c.limits['params.unit']: "GBP" is none of the declared values`},
		{agent(good, `"limits": {"params.unit": {"prefix": "G"}}, `+refunds), "$.agents.a.capabilities.c.limits['params.unit']: none of the declared values begins so"},
		{agent(good, `"limits": {"params.to": {"max": 5}}, `+refunds), "$.agents.a.capabilities.c.limits['params.to']: min and max are for integers"},
		{agent(good, `"limits": {"params.card.numbr": {"prefix": "4"}}, `+refunds), "$.agents.a.capabilities.c.limits['params.card.numbr']: action refund has no params.card.numbr"},
		{agent(good, `"limits": {"params.cents": {"max": 5}}, `+covers), `$.agents.a.capabilities.c.limits['params.cents']: action deploy has no params.cents: it is never covered`},
		{agent(good, `"limits": {"resource.enviroment": {"in": ["staging"]}}, `+refunds), `$.agents.a.capabilities.c.limits['resource.enviroment']: resource type service has no resource.enviroment: it is never covered; did you mean "environment"?`},
		{`"resources": {"servise": {"svc/a": {}}}`, `$.resources.servise: the schema has no resource type servise; did you mean "service"?`},
		{`"resources": {"service": {"s": {}}}`, "$.resources.service.s.environment: the registry alone may say it, and does not"},
		{`"resources": {"service": {"s": {"environment": "staging", "x": 1}}}`, "$.resources.service.s.x: the schema declares no such attribute"},
	} {
		list := p.Warn(registryDocument(t, `{"registry": "v1", `+c.document+`}`))
		var got []string
		for _, w := range list {
			got = append(got, w.Path+": "+w.Message)
		}
		if (c.want == "") != (len(got) == 0) || len(got) > 1 || len(got) == 1 && !strings.HasPrefix(got[0], c.want) {
			t.Errorf("%s: %q, want %q", c.document, got, c.want)
		}
	}
}

func TestWarningsAreBounded(t *testing.T) {
	p, _ := program(t, registeredSource)
	var all []string
	for i := range 200 {
		all = append(all, fmt.Sprintf(`"r%d": {}`, i))
	}
	if got := p.Warn(registryDocument(t, `{"registry": "v1", "resources": {"x": {`+strings.Join(all, ",")+`}}}`)); len(got) != 100 {
		t.Errorf("%d warnings, want 100", len(got))
	}
}

func registryDocument(t *testing.T, text string) registry.Document {
	t.Helper()
	tree, err := kernel.DecodeJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	d, err := registry.ReadDocument(tree)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
