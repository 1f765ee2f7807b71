package pdl_test

import (
	"testing"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// TestNoPolicyIsTakenForARegistry: what is left out of a bundle denies nothing.
func TestNoPolicyIsTakenForARegistry(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       bool
	}{
		{"registry.yaml", "registry: v1\n", true},
		{"policies/registry.yaml", "# who\nregistry: v1\n", true},
		{`policies\registry.yaml`, "registry: v1\n", true},
		{"registry.yml", "registry: v1\n", false},
		{"agents.yaml", "registry: v1\n", false},
		{"registry.yaml", "pdl: v1\nkind: policy\n", false},
		{"registry.yaml", "registry: v1\n---\npdl: v1\nkind: policy\n", false},
		{"registry.yaml", "registry: v1\n---\n{\"pdl\": v1, kind: policy}\n", false},
		{"registry.yaml", "", false},
		{"registry.yaml", "agents: {}\n", false},
	} {
		if got := pdl.IsRegistryFile(pdl.File{Name: c.name, Data: []byte(c.text)}); got != c.want {
			t.Errorf("IsRegistryFile(%s, %q) = %v, want %v", c.name, c.text, got, c.want)
		}
	}
}
