package pdl_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// largeBundle has n rules in documents of 50, over 20 actions.
func largeBundle(n int) []pdl.File {
	var schema, policies strings.Builder
	schema.WriteString("pdl: v1\nkind: schema\nname: large\nagents: any\nagent: {team: string, level: int(0..10), owner?: string}\n" +
		"resources:\n  service: {environment: \"enum(a, b, c)\", owner_team?: string}\nactions:\n")
	for i := range 20 {
		fmt.Fprintf(&schema, "  action_%d: {resource: service, params: {n: int, tags: list(string), p%d: string}}\n", i, i)
	}
	for i := range n {
		if i%50 == 0 {
			fmt.Fprintf(&policies, "---\npdl: v1\nkind: policy\nname: p%d\nvariables:\n  foreign: has(resource.owner_team) && resource.owner_team != agent.team\nrules:\n", i/50)
		}
		fmt.Fprintf(&policies, "  - id: r%d\n    match: {action: [action_%d, action_%d], resource.environment: b}\n    when: |\n"+
			"      variables.foreign && params.n > %d && params.tags.exists(t, t.startsWith(\"x\")) ||\n"+
			"      has(agent.owner) && agent.owner in [\"a\", \"b\"]\n    effect: DENY\n", i, i%20, (i+1+i/20%19)%20, i)
	}
	return []pdl.File{{Name: "schema.yaml", Data: []byte(schema.String())}, {Name: "policies.yaml", Data: []byte(policies.String())}}
}

func TestThousandRulesCompileInSeconds(t *testing.T) {
	const limit = 10 * time.Second // about a second on two idle cores
	watch := stopwatch(t)
	b, found := pdl.Compile(largeBundle(1000))
	if b == nil {
		t.Fatal(found)
	}
	if took := watch(); took > limit {
		t.Errorf("1,000 rules took %v, more than %v", took, limit)
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		files := largeBundle(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				pdl.Compile(files)
			}
		})
	}
}
