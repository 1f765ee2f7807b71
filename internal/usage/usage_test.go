package usage_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/usage"
)

const bundle = `pdl: v1
kind: schema
name: s
agents: any
agent: {role: "enum(clerk, manager)", "team?": string}
resources:
  order: {region: string, card: {limit: "int(0..1000)", "kind?": "enum(debit, credit)"}}
  parcel: {region: string}
actions:
  pay: {resource: order, params: {amount: "int(0..1000)", "tip?": "int(0..100)", wait: duration, gift: bool, note: string}}
  ship: {resource: [order, parcel], params: {amount: string}}
  mcp.github.*: {resource: order, params: {}}
---
pdl: v1
kind: policy
name: p
rules:
  - {id: deny, match: {action: pay}, when: params.amount > 900, effect: DENY}
  - {id: pay, match: {action: pay, agent.role: [clerk, manager]}, when: 'params.amount > 9 && params.amount < 800', effect: ALLOW}
  - {id: either, match: {action: [pay, ship]}, effect: ALLOW}
  - {id: tools, match: {action: "mcp.github.*"}, effect: ALLOW}
  - {id: quiet, match: {action: pay}, effect: ALLOW, mode: shadow}
`

func meter(t *testing.T, text string, most int) *usage.Meter {
	t.Helper()
	b, found := pdl.Compile([]pdl.File{{Name: "b.yaml", Data: []byte(text)}})
	if b == nil {
		t.Fatal(found)
	}
	return usage.New(b, most)
}

func request(action, resource string, role string, params map[string]any) *kernel.Request {
	r := &kernel.Request{Action: action, Params: params}
	r.Agent.ID, r.Agent.Attributes = "agent-001", map[string]any{"role": role}
	r.Resource.Type, r.Resource.ID = resource, "o-1"
	r.Resource.Attributes = map[string]any{"region": "eu"}
	if resource == "order" {
		r.Resource.Attributes["card"] = map[string]any{"limit": int64(500)}
	}
	return r
}

func pay(amount int64, more ...any) *kernel.Request {
	params := map[string]any{"amount": amount, "wait": "36h", "gift": false, "note": fmt.Sprint("n", amount)}
	for i := 0; i+1 < len(more); i += 2 {
		params[more[i].(string)] = more[i+1]
	}
	return request("pay", "order", "clerk", params)
}

// texts are the proposals in a word each.
func texts(m *usage.Meter) map[string]string {
	list := map[string]string{}
	for _, p := range m.Proposals() {
		var match []string
		for _, a := range p.Narrowing.Match {
			match = append(match, fmt.Sprint(a.Path, a.Values))
		}
		list[p.Name] = strings.TrimSpace(string(p.Advice) + " " + strings.Join(append(match, p.Narrowing.When), " "))
	}
	return list
}

func TestARuleIsHeldToWhatItAllowed(t *testing.T) {
	m := meter(t, bundle, 8)
	for _, r := range []*kernel.Request{pay(40), pay(10, "tip", int64(7)), pay(90, "tip", int64(3))} {
		m.Add([]string{"p/pay"}, r)
	}
	m.Add([]string{"p/either"}, request("ship", "parcel", "manager", map[string]any{"amount": "1"}))
	m.Add([]string{"p/either"}, request("ship", "order", "clerk", map[string]any{"amount": "1"}))
	m.Add([]string{"p/tools"}, request("mcp.github.create_issue", "order", "clerk", nil))
	m.Add([]string{"p/deny"}, pay(5))
	got := texts(m)
	want := map[string]string{
		// The rule says already that the amount is 10 and more; its role has no
		// room for a third; notes are new each time.
		"p/pay": `narrower agent.role[clerk] resource.region[eu] params.amount > 9 && !has(agent.team) && params.amount <= 90 && !params.gift && ` +
			`(!has(params.tip) || params.tip >= 3 && params.tip <= 7) && params.wait == duration("36h0m0s") && !has(resource.card.kind) && resource.card.limit == 500`,
		// Parcels have no card, and the amount of a payment is another thing.
		"p/either": "narrower action[ship] params.amount[1] resource.region[eu] !has(agent.team)",
		"p/tools":  "narrower action[mcp.github.create_issue] agent.role[clerk] !has(agent.team) && !has(resource.card.kind) && resource.card.limit == 500",
	}
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s:\n%s, want\n%s", name, got[name], want[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("there are proposals for %v: rules that deny and shadow rules have none", kernel.SortedKeys(got))
	}
}

// TestWhatIsNotKnownIsLeftAlone: neither what was blocked, nor values that are
// too many, nor a family of which too much was seen.
func TestWhatIsNotKnownIsLeftAlone(t *testing.T) {
	m := meter(t, bundle, 2)
	for i := range 3 {
		m.Add([]string{"p/tools"}, request(fmt.Sprint("mcp.github.t", i), "order", []string{"clerk", "manager"}[i%2], nil))
	}
	m.Block("pay", "something was erased")
	for _, p := range m.Proposals() {
		switch p.Name {
		case "p/pay", "p/either":
			if p.Advice != usage.Kept || p.Why != "something was erased" {
				t.Errorf("%s is %s: %s", p.Name, p.Advice, p.Why)
			}
		case "p/tools":
			if slices.ContainsFunc(p.Narrowing.Match, func(a pdl.Atom) bool { return a.Path == "action" }) {
				t.Errorf("three of a family were seen, and the rule is held to %v", p.Narrowing.Match)
			}
		}
	}
}

func TestARuleThatAllowedNothingIsUnused(t *testing.T) {
	m := meter(t, bundle, 8)
	m.Add([]string{"p/pay"}, pay(40))
	if got := texts(m); got["p/tools"] != "unused" || got["p/either"] != "unused" {
		t.Errorf("%v", got)
	}
}

// TestWhatIsProposedCanBeWritten: the text that is made of proposals compiles,
// and holding a rule to the same again proposes nothing.
func TestWhatIsProposedCanBeWritten(t *testing.T) {
	m := meter(t, bundle, 8)
	seen := func(m *usage.Meter) {
		m.Add([]string{"p/pay", "p/either"}, pay(40, "note", `a "b" 'c' \`))
		m.Add([]string{"p/pay", "p/either"}, pay(10, "tip", int64(7), "note", `a "b" 'c' \`))
		m.Add([]string{"p/tools"}, request("mcp.github.create_issue", "order", "clerk", nil))
	}
	seen(m)
	var list []pdl.Narrowing
	for _, p := range m.Proposals() {
		list = append(list, p.Narrowing)
	}
	files, err := pdl.Narrow([]pdl.File{{Name: "b.yaml", Data: []byte(bundle)}}, list)
	if err != nil {
		t.Fatal(err)
	}
	again := meter(t, string(files[0].Data), 8)
	seen(again)
	for name, advice := range texts(again) {
		if advice != "kept" {
			t.Errorf("held to what it allowed, %s is still %s\n%s", name, advice, files[0].Data)
		}
	}
}
