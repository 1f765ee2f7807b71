package gate_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// obliging is a bundle whose verdicts have constraints of every kind.
const obliging = `pdl: v1
kind: schema
name: s
agents: any
resources: {thing: {}}
actions: {use: {resource: thing, params: {n: int}}}
constraints: {canary: flag, max_rows: int.min, delay: int.max, zones: set.intersect, notify: set.union}
---
pdl: v1
kind: policy
name: p
rules:
  - {id: a, match: {action: use}, when: params.n < 10, effect: ALLOW, constraints: {canary: true, max_rows: 5, zones: [a, b], notify: [x]}}
  - {id: b, match: {action: use}, when: params.n < 5, effect: REQUIRE_APPROVAL, constraints: {max_rows: 3, delay: 7, zones: [b, c], notify: [z, y]}}
  - {id: c, match: {action: use}, when: params.n < 2, effect: DENY, reason: Too small., advice: Ask for more.}
`

func use(n int64, id string) gate.Ask {
	return gate.Ask{Door: "decisions", Request: kernel.Request{
		RequestID: id, Agent: kernel.Agent{ID: "agent-001"}, Action: "use", Resource: kernel.Resource{Type: "thing", ID: "t"}, Params: map[string]any{"n": n},
	}}
}

func activate(t *testing.T, h *house, source string) {
	t.Helper()
	files := []pdl.File{{Name: "b.yaml", Data: []byte(source)}}
	if err := h.Activate(t.Context(), admin, compile(t, files), files); err != nil {
		t.Fatal(err)
	}
}

// TestAnAnswerIsWhatTheLogGivesBack: the answer is made beside the entry and
// not read from it, so it is compared with what is read.
func TestAnAnswerIsWhatTheLogGivesBack(t *testing.T) {
	for _, paranoid := range []bool{false, true} {
		h := open(t, func(c *gate.Config) { c.Paranoid = paranoid })
		activate(t, h, obliging)
		for n := range int64(12) {
			id := ""
			if n%2 == 1 {
				id = fmt.Sprint("r-", n)
			}
			d, err := h.Decide(t.Context(), agent1, use(n, id))
			if err != nil {
				t.Fatal(err)
			}
			read, err := h.Decision(t.Context(), agent1, d.ID)
			if err != nil || !reflect.DeepEqual(read, d) {
				t.Errorf("Decision(%s) = %#v, %v, want %#v", d.ID, read, err, d)
			}
			digest, err := use(n, id).Request.Digest()
			if err != nil || d.RequestDigest != digest {
				t.Errorf("the digest of the answer is %s, want %s", d.RequestDigest, digest)
			}
		}
	}
}

func TestAnAnswerIsTheCallersOwn(t *testing.T) {
	h := open(t, nil)
	activate(t, h, obliging)
	for n := range int64(11) {
		first, err := h.Decide(t.Context(), agent1, use(n, ""))
		if err != nil {
			t.Fatal(err)
		}
		before := fmt.Sprint(first.Verdict)
		for _, v := range first.Constraints {
			if set, ok := v.([]string); ok {
				set[0] = "changed"
			}
		}
		first.Constraints["changed"] = true
		for i := range first.Rules {
			first.Rules[i] = "changed"
		}
		second, err := h.Decide(t.Context(), agent1, use(n, ""))
		if err != nil || fmt.Sprint(second.Verdict) != before {
			t.Errorf("Decide = %v, %v after an earlier answer was changed, want %s", second.Verdict, err, before)
		}
	}
}

func TestAnotherPolicyDecidesFromItsActivationOn(t *testing.T) {
	h := open(t, nil)
	for range 2 {
		activate(t, h, obliging)
		first, err := h.Decide(t.Context(), agent1, use(7, ""))
		if err != nil || first.Decision != kernel.Allow {
			t.Fatalf("Decide = %v, %v, want ALLOW", first, err)
		}
		shipped, files := shipping(t)
		if err := h.Activate(t.Context(), admin, shipped, files); err != nil {
			t.Fatal(err)
		}
		second, err := h.Decide(t.Context(), agent1, use(7, ""))
		if err != nil || second.Code != kernel.CodeUnknownAction || second.PolicyVersion != shipped.Version() {
			t.Fatalf("Decide = %v, %v, want %s of the other policy", second, err, kernel.CodeUnknownAction)
		}
	}
}
