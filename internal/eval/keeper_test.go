package eval_test

import (
	"maps"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// TestExplanationsSayWhoKeepsConstraints: of those of the verdict, where it is
// not the door.
func TestExplanationsSayWhoKeepsConstraints(t *testing.T) {
	for by, want := range map[string]kernel.KeptBy{"door": nil, "kernel": {"a": "kernel"}, "caller": {"a": "caller"}} {
		p := lower(t, compile(t, pdl.File{Name: "k.yaml", Data: []byte("pdl: v1\nkind: schema\nname: s\nagents: any\nresources: {r: {}}\nactions: {act: {resource: r}}\n" +
			"constraints: {a: {merge: flag, by: " + by + "}, b: flag, c: {merge: flag, by: caller}}\n---\npdl: v1\nkind: policy\nname: p\n" +
			"rules: [{id: r, match: {action: act}, effect: ALLOW, constraints: {a: true, b: true}}]\n")}))
		trace, err := p.Explain(eval.Input{Now: noon(), Request: kernel.Request{
			Agent: kernel.Agent{ID: "agent-001"}, Action: "act", Resource: kernel.Resource{Type: "r", ID: "r"},
		}})
		if err != nil || !maps.Equal(trace.KeptBy, want) || len(trace.Verdict.Constraints) != 2 {
			t.Errorf("by: %s: Explain = %+v, %v, want kept by %v", by, trace, err, want)
		}
	}
}
