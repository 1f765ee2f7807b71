package gate_test

import (
	"strings"
	"testing"

	kernel "github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// TestAGateActivatesOnlyWhatItCanDecideBy: grants that are not
// there must not become attributes that are simply absent.
func TestAGateActivatesOnlyWhatItCanDecideBy(t *testing.T) {
	h := open(t, nil)
	size, active := h.Size(), h.PolicyVersion()
	for schema, want := range map[string]string{
		"agents: any\nresources: {service: {}}\nactions: {deploy: {resource: service, grant: required}}": "hands out no grants",
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
