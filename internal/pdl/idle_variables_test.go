package pdl_test

import (
	"testing"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// Variables of two documents are two, however rules write their names.
func TestRulesOnOtherVariablesDoNotRepeatEachOther(t *testing.T) {
	for _, name := range []string{"variables.small", "variables . small", "variables\n      .small"} {
		policy := func(document, variable string) string {
			return "---\npdl: v1\nkind: policy\nname: " + document + "\nvariables: {small: " + variable + "}\nrules:\n" +
				"  - id: r\n    match: {action: deploy}\n    when: |-\n      " + name + "\n    effect: ALLOW\n"
		}
		const schema = "pdl: v1\nkind: schema\nname: s\nagents: any\nresources: {service: {}}\nactions:\n  deploy: {resource: service, params: {size: \"int(0..100)\"}}\n"
		for second, want := range map[string]int{"params.size > 90": 0, "params.size < 5": 1} {
			_, found := pdl.Compile([]pdl.File{{Name: "b.yaml", Data: []byte(schema + policy("p", "params.size < 5") + policy("q", second))}})
			if len(found) != want {
				t.Errorf("%q, %s: %v, want %d warnings", name, second, found, want)
			}
		}
	}
}
