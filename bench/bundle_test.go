package bench

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// The bundle of every benchmark: rules over ten actions, each of which looks
// at the action, the environment, the role, the sensitivity and a number. Of
// ten rules seven allow, two deny and one asks for approval.
const (
	actions     = 10
	maxSeverity = 1_000_000
)

var (
	environments = []string{"development", "staging", "production"}
	roles        = []string{"junior", "senior", "operator", "release_bot"}
	sensitivity  = []string{"public", "internal", "secret"}
)

// bundle writes a schema and a policy with n rules.
func bundle(n int) []pdl.File {
	return []pdl.File{{Name: "schema.yaml", Data: []byte(schema())}, {Name: "rules.yaml", Data: []byte(rules(n))}}
}

func schema() string {
	var b strings.Builder
	fmt.Fprintf(&b, `pdl: v1
kind: schema
name: bench
agents: any
agent:
  role: enum(%s)
  "team?": string
resources:
  service:
    environment: enum(%s)
    sensitivity: enum(%s)
    "owner_team?": string
actions:
`, strings.Join(roles, ", "), strings.Join(environments, ", "), strings.Join(sensitivity, ", "))
	for i := range actions {
		fmt.Fprintf(&b, `  act%d:
    resource: service
    params:
      severity: int(0..%d)
      "version?": string
      "strategy?": enum(rolling, canary)
      "labels?": list(string, ..32)
`, i, maxSeverity)
	}
	b.WriteString(`context:
  "ticket?": string
  "source_ip?": string
constraints:
  log_all_actions: flag
`)
	return b.String()
}

func rules(n int) string {
	var b strings.Builder
	b.WriteString("pdl: v1\nkind: policy\nname: rules\nrules:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - id: r%d\n    match: {action: act%d, resource.environment: %s, agent.role: %s}\n", i,
			i%actions, environments[i/actions%len(environments)], roles[i/7%len(roles)])
		fmt.Fprintf(&b, "    when: resource.sensitivity != %q && params.severity >= %d && params.severity < %d\n",
			sensitivity[i/11%len(sensitivity)], i*7%(maxSeverity/2), maxSeverity/2+i*13%(maxSeverity/2))
		switch i % 10 {
		case 3, 8:
			b.WriteString("    effect: DENY\n    risk: high\n    reason: Too severe.\n")
		case 6:
			b.WriteString("    effect: REQUIRE_APPROVAL\n    risk: medium\n    approvals: 2\n")
		default:
			b.WriteString("    effect: ALLOW\n    constraints: {log_all_actions: true}\n")
		}
	}
	return b.String()
}

// now is the instant of every decision: benchmarks do not look at a clock.
var now = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// request asks for the i-th of a cycle of requests that reach every action,
// environment and role.
func request(i int) kernel.Request {
	return kernel.Request{
		Agent:  kernel.Agent{ID: "agent-001", Attributes: map[string]any{"role": roles[i/7%len(roles)]}},
		Action: fmt.Sprintf("act%d", i%actions),
		Resource: kernel.Resource{Type: "service", ID: "svc/checkout", Attributes: map[string]any{
			"environment": environments[i/actions%len(environments)], "sensitivity": "internal"}},
		Params: map[string]any{"severity": int64(i * 7919 % maxSeverity), "version": "1.4.2"},
	}
}

func requests(n int) []kernel.Request {
	all := make([]kernel.Request, n)
	for i := range all {
		all[i] = request(i)
	}
	return all
}

func compile(tb testing.TB, n int) *eval.Program {
	tb.Helper()
	b, diagnostics := pdl.Compile(bundle(n))
	if diagnostics.HasErrors() {
		tb.Fatalf("%d rules do not compile: %v", n, diagnostics[0])
	}
	program, err := eval.New(b)
	if err != nil {
		tb.Fatal(err)
	}
	return program
}
