package gate_test

import (
	"maps"
	"strings"
	"testing"

	kernel "github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// TestAGateActivatesOnlyWhatItCanDecideBy: constraints that
// nobody keeps must not be handed out as if somebody did.
func TestAGateActivatesOnlyWhatItCanDecideBy(t *testing.T) {
	h := open(t, nil)
	size, active := h.Size(), h.PolicyVersion()
	for schema, want := range map[string]string{
		"agents: any\nresources: {service: {}}\nactions: {deploy: {resource: service}}\nconstraints: {log_full_io: {merge: flag, by: kernel}}": "this version of kernel serve keeps none",
	} {
		files := []pdl.File{{Name: "b.yaml", Data: []byte("pdl: v1\nkind: schema\nname: s\n" + schema +
			"\n---\npdl: v1\nkind: policy\nname: p\nrules: [{id: r, match: {action: deploy}, effect: ALLOW}]\n")}}
		err := h.Activate(t.Context(), admin, compile(t, files), files)
		if !isCode(err, kernel.Unsupported) || !strings.Contains(err.Error(), want) {
			t.Errorf("Activate(%q) = %v, want %q", schema, err, want)
		}
	}
	if h.Size() != size || h.PolicyVersion() != active {
		t.Errorf("%d entries and policy %s, want %d and %s", h.Size(), h.PolicyVersion(), size, active)
	}
}

func TestAGateKeepsTheSourcesOfWhatItActivates(t *testing.T) {
	h := open(t, nil)
	size := h.Size()
	program, files := shipping(t)
	other := []pdl.File{{Name: "b.yaml", Data: []byte("pdl: v1\nkind: schema\nname: s\nagents: any\nresources: {service: {}}\nactions: {deploy: {resource: service}}\n")}}
	for name, c := range map[string][]pdl.File{"of another bundle": other, "none": nil, "broken": {{Name: "b.yaml", Data: []byte("pdl: v2")}}} {
		if err := h.Activate(t.Context(), admin, program, c); err == nil {
			t.Errorf("files that are %s are kept", name)
		}
	}
	if err := h.Activate(t.Context(), admin, compile(t, other), files); err == nil || h.Size() != size {
		t.Errorf("another program is activated: %v, %d entries", err, h.Size()-size)
	}
}

// TestAnAnswerSaysWhoKeepsItsConstraints, again and in the record, too.
func TestAnAnswerSaysWhoKeepsItsConstraints(t *testing.T) {
	for by, want := range map[string]kernel.KeptBy{"door": nil, "caller": {"attribution": "caller"}} {
		h := open(t, nil)
		files := []pdl.File{{Name: "b.yaml", Data: []byte("pdl: v1\nkind: schema\nname: s\nagents: any\nresources: {webapp: {environment: string}}\n" +
			"actions: {ship: {resource: webapp}}\nconstraints: {canary: flag, attribution: {merge: flag, by: " + by + "}}\n---\npdl: v1\nkind: policy\nname: p\n" +
			"rules: [{id: r, match: {action: ship}, effect: ALLOW, constraints: {canary: true, attribution: true}}]\n")}}
		if err := h.Activate(t.Context(), admin, compile(t, files), files); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			d, err := h.Decide(t.Context(), agent1, ship("agent-001", "development", "id-1"))
			if err != nil || !maps.Equal(d.KeptBy, want) || len(d.Constraints) != 2 {
				t.Errorf("by: %s: Decide = %+v, %v, want kept by %v", by, d, err, want)
			}
			if read, err := h.Decision(t.Context(), agent1, d.ID); err != nil || !maps.Equal(read.KeptBy, want) {
				t.Errorf("by: %s: Decision = %+v, %v, want kept by %v", by, read, err, want)
			}
		}
	}
}
