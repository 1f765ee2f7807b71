package app_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel/internal/app"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

const policyToServe = `
---
pdl: v1
kind: policy
name: p
rules:
  - {id: r, match: {action: deploy}, effect: ALLOW}
`

// TestServeRefusesWhatItCannotMeet compiles bundles that check takes and a
// kernel of this version cannot decide with.
func TestServeRefusesWhatItCannotMeet(t *testing.T) {
	for _, c := range []struct{ schema, want string }{
		{"agents: any\nresources: {service: {}}\nactions: {deploy: {resource: service}}\nconstraints: {log_full_io: {merge: flag, by: kernel}}",
			"b.yaml:7:46: the kernel itself keeps the constraint log_full_io: this version of kernel serve keeps none; say by: door"},
	} {
		source := app.BundleSource{Name: "b", Files: []pdl.File{{Name: "b.yaml", Data: []byte("pdl: v1\nkind: schema\nname: s\n" + c.schema + policyToServe)}}}
		if _, err := app.Compile(source); err != nil {
			t.Errorf("Compile(%q) = %v, want none", c.schema, err)
		}
		_, err := app.CompileToServe(source)
		var refused app.DiagnosticsError
		if !errors.As(err, &refused) || len(refused.Diagnostics) != 1 || !refused.Diagnostics.HasErrors() {
			t.Errorf("CompileToServe(%q) = %v, want one error", c.schema, err)
			continue
		}
		if got, _, _ := strings.Cut(refused.Diagnostics[0].String(), "\n"); got != c.want {
			t.Errorf("CompileToServe(%q) says %q, want %q", c.schema, got, c.want)
		}
	}
}

func TestServeTakesWhatCountsReports(t *testing.T) {
	schema := "pdl: v1\nkind: schema\nname: s\nagents: any\nresources: {service: {}}\nactions: {deploy: {resource: service}}\nevents: {tested: {reporters: [\"role:ci\"], resource: service}}\nfacts:\n  n: {event: tested, by: [agent.id], count: true, within: 1h}\n" +
		"---\npdl: v1\nkind: policy\nname: q\nrules: [{id: r, match: {action: deploy}, when: facts.n > 3, effect: DENY}]"
	if _, err := app.CompileToServe(app.BundleSource{Name: "b", Files: []pdl.File{{Name: "b.yaml", Data: []byte(schema + policyToServe)}}}); err != nil {
		t.Errorf("CompileToServe = %v, want none", err)
	}
}

func TestServeTakesWhatNeedsARegistry(t *testing.T) {
	schema := "pdl: v1\nkind: schema\nname: s\nagent: {role: {type: bool, from: registry}}\nresources: {service: {}}\nactions: {deploy: {resource: service}}"
	if _, err := app.CompileToServe(app.BundleSource{Name: "b", Files: []pdl.File{{Name: "b.yaml", Data: []byte(schema + policyToServe)}}}); err != nil {
		t.Errorf("CompileToServe = %v, want none", err)
	}
}

func TestServeTakesWhatNeedsNothing(t *testing.T) {
	schema := "pdl: v1\nkind: schema\nname: s\nagents: any\nresources: {service: {}}\nactions: {deploy: {resource: service}}"
	if _, err := app.CompileToServe(app.BundleSource{Name: "b", Files: []pdl.File{{Name: "b.yaml", Data: []byte(schema + policyToServe)}}}); err != nil {
		t.Errorf("CompileToServe = %v, want none", err)
	}
}
