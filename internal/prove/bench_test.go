package prove_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/prove"
	"github.com/strixlabs/execution-kernel/internal/solver"
)

// manyRules writes a policy of n rules over n/25 actions, 20 at least: most
// compare enums and numbers; with texts every second one looks at characters.
func manyRules(n int, texts bool) string {
	var b strings.Builder
	b.WriteString("pdl: v1\nkind: schema\nname: many\nagents: any\nagent: {role: \"enum(a, b, c, d)\", level: \"int(0..10)\", team: string}\n" +
		"resources:\n  thing: {env: \"enum(dev, staging, production)\", owner: string, path: string}\nactions:\n")
	actions := max(20, n/25)
	for i := range actions {
		fmt.Fprintf(&b, "  act%d: {resource: thing, params: {amount: \"int(0..1000000)\", \"reason?\": string, tags: list(string)}}\n", i)
	}
	b.WriteString("facts:\n  n1h: {event: act0, by: [agent.id], count: true, within: 1h}\n---\npdl: v1\nkind: policy\nname: p\nrules:\n")
	effects := []string{"ALLOW", "DENY", "ALLOW", "REQUIRE_APPROVAL", "ALLOW"}
	for i := range n {
		conditions := []string{
			fmt.Sprintf("params.amount > %d && params.amount <= %d", i%7*1000, i%7*1000+900+i%11),
			fmt.Sprintf("agent.level < %d && params.amount + agent.level < %d", i%9, 5000+i%13),
			fmt.Sprintf("has(params.reason) && params.reason == \"r%d\"", i%17),
			fmt.Sprintf("\"t%d\" in params.tags && agent.team != resource.owner", i%5),
			fmt.Sprintf("params.amount * 3 > %d || facts.n1h > %d", 90000+i, i%23),
			fmt.Sprintf("params.tags.exists(t, t == agent.team) && agent.level >= %d", i%10),
		}
		if texts {
			conditions[1] = fmt.Sprintf("resource.path.startsWith(\"/srv/%d/\") && !resource.path.contains(\"..\")", i%6)
			conditions[3] = fmt.Sprintf("resource.path.matches(\"^/srv/[a-z]{1,%d}/[0-9]+$\")", 2+i%5)
			conditions[5] = fmt.Sprintf("resource.path.endsWith(\".%c\") && size(resource.path) < %d", 'a'+rune(i%7), 20+i%9)
		}
		match := []string{"", ", agent.role: " + string('a'+rune(i%4)), ", resource.env: production"}[i%3]
		effect := effects[i%len(effects)]
		fmt.Fprintf(&b, "  - {id: r%d, match: {action: act%d%s}, effect: %s, when: '%s'}\n", i, i%actions, match, effect, conditions[i%len(conditions)])
	}
	return b.String()
}

func benchProver(b *testing.B) *prove.Prover {
	b.Helper()
	p, err := prove.New(prove.Config{Solvers: solvers(b, "both"), Limits: solver.Limits{}})
	if err != nil {
		b.Fatal(err)
	}
	return p
}

func BenchmarkLint(b *testing.B) {
	for _, bench := range []struct {
		rules int
		texts bool
	}{{100, false}, {100, true}, {1000, false}} {
		b.Run(fmt.Sprintf("rules=%d/texts=%t", bench.rules, bench.texts), func(b *testing.B) {
			pol, p := policy(b, manyRules(bench.rules, bench.texts)), benchProver(b)
			for b.Loop() {
				findings, err := p.Lint(context.Background(), pol)
				if err != nil {
					b.Fatal(err)
				}
				open := 0
				for _, f := range findings {
					if f.Kind == prove.Undecided {
						open++
					}
				}
				b.ReportMetric(float64(len(findings)), "findings")
				b.ReportMetric(float64(open), "undecided")
			}
		})
	}
}

func BenchmarkProperty(b *testing.B) {
	pol, p := policy(b, manyRules(1000, false)), benchProver(b)
	property := prove.Property{Name: "bench", Actions: []string{"act7"}, Claim: prove.Never, Decisions: []kernel.Effect{kernel.Allow},
		Scope: []pdl.Atom{{Path: "agent.role", Values: []string{"a"}}}}
	for b.Loop() {
		if _, err := p.Properties(context.Background(), pol, []prove.Property{property}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDiff(b *testing.B) {
	text := manyRules(1000, false)
	older, newer, p := policy(b, text), policy(b, strings.Replace(text, "params.amount <= 1907", "params.amount <= 1950", 2)), benchProver(b)
	for b.Loop() {
		if _, err := p.Diff(context.Background(), older, newer); err != nil {
			b.Fatal(err)
		}
	}
}
