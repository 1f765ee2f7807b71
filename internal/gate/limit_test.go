package gate_test

import (
	"fmt"
	"testing"
	"time"

	kernel "github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

const tillBundle = `
pdl: v1
kind: schema
name: till
resources:
  order:
    shop?: {type: string, from: registry}
actions:
  refund: {resource: order, params: {cents: "int(0..)", "unit?": string, "*": json}}
---
pdl: v1
kind: policy
name: p
rules:
  - {id: all, match: {action: refund}, effect: ALLOW}
`

const tillDocument = `{"registry": "v1",
  "agents": {
    "agent-001": {"capabilities": {"refund": {"actions": ["refund"], "resources": [{"type": "order", "id": "*"}], "lend": 1,
      "limits": {"params.cents": {"max": 100}, "params.unit": {"in": ["EUR"]}}}}},
    "agent-002": {},
    "agent-003": {"capabilities": {"local": {"actions": ["refund"], "resources": [{"type": "order", "id": "*"}],
      "limits": {"resource.shop": {"in": ["north"]}}}}}},
  "resources": {"order": {"o/1": {"shop": "north"}, "o/2": {"shop": "south"}}}}`

// openTill opens a gate whose agents may refund within limits.
func openTill(t *testing.T, change func(*gate.Config)) *house {
	t.Helper()
	h := open(t, change)
	files := []pdl.File{{Name: "till.yaml", Data: []byte(tillBundle)}}
	if err := h.Activate(t.Context(), admin, compile(t, files), files); err != nil {
		t.Fatal(err)
	}
	if a := h.apply(t, tillDocument); len(a.Warnings) > 0 {
		t.Fatal(a.Warnings)
	}
	return h
}

func refundBy(agent, order string, params map[string]any) gate.Ask {
	return gate.Ask{Door: "decisions", Request: kernel.Request{
		Agent: kernel.Agent{ID: agent}, Action: "refund", Resource: kernel.Resource{Type: "order", ID: order}, Params: params,
	}}
}

func TestWhatIsBeyondALimitIsDeniedAndRecorded(t *testing.T) {
	h := openTill(t, nil)
	for _, c := range []struct {
		agent, order string
		params       map[string]any
		limit        string
	}{
		{"agent-001", "o/1", map[string]any{"cents": int64(100), "unit": "EUR"}, ""},
		{"agent-001", "o/1", map[string]any{"cents": int64(101), "unit": "EUR"}, "by refund, params.cents is at most 100"},
		{"agent-001", "o/1", map[string]any{"cents": int64(1), "unit": "USD"}, `by refund, params.unit is "EUR"`},
		{"agent-001", "o/1", map[string]any{"cents": int64(1)}, `by refund, params.unit is there, and "EUR"`},
		{"agent-001", "o/1", map[string]any{"cents": int64(1), "Unit": "EUR", "params.unit": "EUR"}, `by refund, params.unit is there, and "EUR"`},
		{"agent-003", "o/1", map[string]any{"cents": int64(1000)}, ""},
		{"agent-003", "o/2", map[string]any{"cents": int64(1), "shop": "north"}, `by local, resource.shop is "north"`},
		{"agent-003", "o/3", map[string]any{"cents": int64(1)}, `by local, resource.shop is registered, and "north"`},
	} {
		d, err := h.Decide(t.Context(), dev, refundBy(c.agent, c.order, c.params))
		if err != nil {
			t.Fatal(err)
		}
		log := h.entries(t)
		if st := log[len(log)-1].Decision.Standing; st.Limit != c.limit || (st.Capability == "") != (c.limit != "") {
			t.Errorf("%v: the entry says %+v, want the limit %q", c.params, st, c.limit)
		}
		want := kernel.CodeRule
		if c.limit != "" {
			want = kernel.CodeCapabilityMissing
		}
		if d.Code != want || (d.Decision == kernel.Allow) != (c.limit == "") {
			t.Errorf("%v on %s: %s by %s %q, want %s", c.params, c.order, d.Decision, d.Code, d.Reason, want)
		}
	}
	claimed := refundBy("agent-003", "o/2", map[string]any{"cents": int64(1)})
	claimed.Request.Resource.Attributes = map[string]any{"shop": "north"}
	if got := h.code(t, claimed); got != kernel.CodeAttributeConflict {
		t.Errorf("a claimed shop: %s", got)
	}
	h.sound(t)
}

// An ALLOW is worth what its limits are worth when it is used.
func TestALimitThatIsLoweredTakesBackWhatWasAllowed(t *testing.T) {
	h := openTill(t, granting(t))
	if err := h.KnowGrantKey(t.Context(), "folder-1"); err != nil {
		t.Fatal(err)
	}
	asked := refundBy("agent-001", "o/1", map[string]any{"cents": int64(90), "unit": "EUR"})
	asked.Request.RequestID, asked.Request.Grant = "once", true
	d, err := h.Decide(t.Context(), dev, asked)
	if err != nil || d.Grant == nil {
		t.Fatalf("Decide = %+v, %v", d, err)
	}
	lent, err := h.Lend(t.Context(), agent1, registry.Delegation{From: "agent-001", To: "agent-002", Of: "refund", Capability: registry.Capability{
		Actions: []string{"refund"}, Resources: []registry.Target{{Type: "order", ID: "o/1"}}, Expires: noon.Add(time.Hour),
		Limits: []registry.Limit{{Path: "params.cents", Max: new(int64(80))}, {Path: "params.unit", In: []any{"EUR"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	lentOn := refundBy("agent-002", "o/1", map[string]any{"cents": int64(70), "unit": "EUR"})
	if got := h.code(t, lentOn); got != kernel.CodeRule {
		t.Errorf("within what was lent: %s", got)
	}
	h.apply(t, `{"registry": "v1", "agents": {"agent-001": {"capabilities": {"refund": {"actions": ["refund"], "resources": [{"type": "order", "id": "*"}], "lend": 1,
		"limits": {"params.cents": {"max": 50}, "params.unit": {"in": ["EUR"]}}}}}}}`)
	if _, err := h.redeem(dev, d); !isCode(err, kernel.GrantCapability) {
		t.Errorf("the limit was lowered, and the grant is redeemed: %v", err)
	}
	if _, err := h.Decide(t.Context(), dev, asked); !isCode(err, kernel.Spent) {
		t.Errorf("the limit was lowered, and the ALLOW is given again: %v", err)
	}
	denied, err := h.Decide(t.Context(), dev, lentOn)
	if err != nil || denied.Code != kernel.CodeCapabilityMissing {
		t.Errorf("the lender's limit was lowered: %+v, %v", denied, err)
	}
	if want := fmt.Sprintf("agent %q has no capability for refund on order %q: by refund, params.cents is at most 50", "agent-002", "o/1"); denied.Reason != want {
		t.Errorf("the reason is %q, want %q (lent by %s)", denied.Reason, want, lent.ID)
	}
	h.sound(t)
}
