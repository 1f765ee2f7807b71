package eval_test

import (
	"fmt"
	"maps"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// The bundles of the benchmarks: rules over the action, the environment, the
// role, the sensitivity and a number. Of ten rules two deny and one asks for
// approval. A larger policy is one about more actions, as in life.
var (
	benchEnvironments  = []string{"development", "staging", "production"}
	benchRoles         = []string{"junior", "senior", "sre", "release_bot"}
	benchSensitivities = []string{"public", "internal", "confidential", "secret"}
	benchSizes         = []int{10, 100, 1000, 10_000}
)

func benchActions(rules int) int { return rules / 10 }

func benchSource(rules int) []pdl.File {
	var b strings.Builder
	fmt.Fprintf(&b, "pdl: v1\nkind: schema\nname: bench\nagents: any\nagent:\n  role: enum(%s)\n  team?: string\n"+
		"resources:\n  service:\n    environment: enum(%s)\n    sensitivity: enum(%s)\n    owner_team?: string\n"+
		"context:\n  ticket?: string\n  source_ip?: string\nconstraints:\n  log_all_actions: flag\n  max_rows: int.min\nactions:\n",
		strings.Join(benchRoles, ", "), strings.Join(benchEnvironments, ", "), strings.Join(benchSensitivities, ", "))
	for i := range benchActions(rules) {
		fmt.Fprintf(&b, "  action_%d:\n    resource: service\n    params: {amount: int, \"version?\": string, \"strategy?\": \"enum(rolling, canary)\", \"labels?\": \"list(string, ..32)\"}\n", i)
	}
	files := []pdl.File{{Name: "schema.yaml", Data: []byte(b.String())}}
	for from := 0; from < rules; from += 1000 {
		b.Reset()
		fmt.Fprintf(&b, "pdl: v1\nkind: policy\nname: rules%d\nrules:\n", from/1000)
		for i := from; i < min(from+1000, rules); i++ {
			benchRule(&b, i, benchActions(rules))
		}
		files = append(files, pdl.File{Name: fmt.Sprintf("rules%d.yaml", from/1000), Data: []byte(b.String())})
	}
	return files
}

func benchRule(b *strings.Builder, i, actions int) {
	r := uint32(i) * 2654435761 // spreads the choices; Knuth
	pick := func(words []string) string { r = r*1664525 + 1013904223; return words[r>>16%uint32(len(words))] }
	fmt.Fprintf(b, "  - id: r%d\n    match: {action: action_%d", i, i%actions)
	if r>>8%10 < 7 {
		fmt.Fprintf(b, ", resource.environment: %s", pick(benchEnvironments))
	}
	if r>>12%10 < 5 {
		fmt.Fprintf(b, ", agent.role: %s", pick(benchRoles))
	}
	fmt.Fprintf(b, "}\n    when: resource.sensitivity %s %q && params.amount %s %d\n",
		pick([]string{"==", "!=", "!="}), pick(benchSensitivities), pick([]string{"<", ">="}), r%100_000)
	switch i % 10 {
	case 3, 8:
		b.WriteString("    effect: DENY\n    risk: high\n    reason: Not with this much at stake.\n    advice: Ask a senior agent.\n")
	case 6:
		b.WriteString("    effect: REQUIRE_APPROVAL\n    risk: medium\n    approvals: 2\n    constraints: {log_all_actions: true, max_rows: 100}\n")
	default:
		b.WriteString("    effect: ALLOW\n    constraints: {log_all_actions: true}\n")
	}
}

func benchProgram(tb testing.TB, rules int) *eval.Program {
	tb.Helper()
	return lower(tb, compile(tb, benchSource(rules)...))
}

// benchInputs are requests that reach every action, environment and role.
func benchInputs(tb testing.TB, rules, n int) []eval.Input {
	tb.Helper()
	inputs := make([]eval.Input, n)
	for i := range inputs {
		req := kernel.Request{
			Agent:  kernel.Agent{ID: fmt.Sprintf("agent-%03d", i%100), Attributes: map[string]any{"role": benchRoles[i%len(benchRoles)]}},
			Action: fmt.Sprintf("action_%d", i*7%benchActions(rules)),
			Resource: kernel.Resource{Type: "service", ID: "svc/checkout", Attributes: map[string]any{
				"environment": benchEnvironments[i/4%len(benchEnvironments)], "sensitivity": benchSensitivities[i/12%len(benchSensitivities)]}},
			Params: map[string]any{"amount": int64(i * 7919 % 100_000), "version": "1.4.2"},
		}
		digest, err := req.Digest()
		if err != nil {
			tb.Fatal(err)
		}
		inputs[i] = eval.Input{Request: req, Now: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), Digest: digest}
	}
	return inputs
}

// BenchmarkDecide decides requests that are Go values already.
func BenchmarkDecide(b *testing.B) {
	for _, rules := range benchSizes {
		b.Run(fmt.Sprint(rules), func(b *testing.B) {
			e, inputs := benchProgram(b, rules).NewEvaluator(eval.Config{}), benchInputs(b, rules, 256)
			matched := 0
			for i := range inputs {
				v, err := e.Decide(inputs[i])
				if err != nil {
					b.Fatal(err)
				}
				matched += len(v.Rules)
			}
			b.ReportAllocs()
			measure := startCPU(b)
			for i := 0; b.Loop(); i++ {
				if _, err := e.Decide(inputs[i%len(inputs)]); err != nil {
					b.Fatal(err)
				}
			}
			measure.report(b)
			b.ReportMetric(float64(matched)/float64(len(inputs)), "rules/op")
		})
	}
}

// benchDocuments are the requests with everything that their schema knows,
// each a document of 600 bytes.
func benchDocuments(tb testing.TB, inputs []eval.Input) []string {
	tb.Helper()
	documents := make([]string, len(inputs))
	for i, in := range inputs {
		req := in.Request
		req.RequestID = fmt.Sprintf("b1f7-%04d", i)
		req.Agent.Attributes = with(req.Agent.Attributes, "team", "payments")
		req.Resource.Attributes = with(req.Resource.Attributes, "owner_team", "payments")
		req.Params = with(with(req.Params, "strategy", "canary"), "labels",
			[]any{"region=eu-central-1", "tier=frontend", "release=2026-11", "component=checkout-api", "managed-by=release-bot"})
		req.Context = map[string]any{"source_ip": "192.0.2.17", "ticket": "CHG-17"}
		short, err := req.MarshalJSON()
		if err != nil || len(short) > 600 {
			tb.Fatalf("%d bytes, %v", len(short), err)
		}
		req.Context["ticket"] = "CHG-17" + strings.Repeat("0", 600-len(short))
		whole, err := req.MarshalJSON()
		if err != nil || len(whole) != 600 {
			tb.Fatalf("%d bytes, %v", len(whole), err)
		}
		documents[i] = string(whole)
	}
	return documents
}

func with(m map[string]any, name string, v any) map[string]any {
	m = maps.Clone(m)
	m[name] = v
	return m
}

// BenchmarkDecideJSON decides documents of 600 bytes.
func BenchmarkDecideJSON(b *testing.B) {
	for _, rules := range benchSizes {
		b.Run(fmt.Sprint(rules), func(b *testing.B) {
			e, inputs := benchProgram(b, rules).NewEvaluator(eval.Config{}), benchInputs(b, rules, 256)
			documents := benchDocuments(b, inputs)
			in := eval.Input{Now: inputs[0].Now, Digest: inputs[0].Digest}
			for _, doc := range documents {
				if _, err := e.DecideJSON(doc, in); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			b.SetBytes(600)
			measure := startCPU(b)
			for i := 0; b.Loop(); i++ {
				if _, err := e.DecideJSON(documents[i%len(documents)], in); err != nil {
					b.Fatal(err)
				}
			}
			measure.report(b)
		})
	}
}

// TestDecisionsDoNotAllocate decides what the benchmarks decide.
func TestDecisionsDoNotAllocate(t *testing.T) {
	for _, rules := range []int{10, 1000} {
		e, inputs := benchProgram(t, rules).NewEvaluator(eval.Config{}), benchInputs(t, rules, 256)
		documents := benchDocuments(t, inputs)
		held, fast := map[int]int{}, 0
		each := func() {
			for i, in := range inputs {
				v, err := e.Decide(in)
				if err != nil {
					t.Fatal(err)
				}
				again, err := e.DecideJSON(documents[i], in)
				if err != nil || again.Decision != v.Decision || len(again.Rules) != len(v.Rules) {
					t.Fatalf("DecideJSON = %v, %v, want %v", again, err, v)
				}
				held[len(v.Rules)]++
			}
		}
		each() // what is remembered is made once
		for i, doc := range documents {
			if _, ok := e.ReadsFast(doc, inputs[i]); ok {
				fast++
			}
		}
		if allocated := testing.AllocsPerRun(5, each); allocated != 0 {
			t.Errorf("%d rules: %d decisions allocate %v times, want 0", rules, 2*len(inputs), allocated)
		}
		if fast != len(documents) || held[0] == 0 || held[1] == 0 || held[2]+held[3] == 0 {
			t.Errorf("%d rules: %d of %d documents are read fast, rules that held: %v", rules, fast, len(documents), held)
		}
	}
}

// BenchmarkCompile makes a program of source files. The processor time is that
// of all threads, garbage included.
func BenchmarkCompile(b *testing.B) {
	for _, rules := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(rules), func(b *testing.B) {
			files := benchSource(rules)
			runtime.GC()
			var checked, lowered time.Duration
			for b.Loop() {
				start := used(b, syscall.RUSAGE_SELF)
				bundle := compile(b, files...)
				middle := used(b, syscall.RUSAGE_SELF)
				lower(b, bundle)
				checked, lowered = checked+middle-start, lowered+used(b, syscall.RUSAGE_SELF)-middle
			}
			perRule := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(b.N) / float64(rules) }
			b.ReportMetric(perRule(checked), "pdl-cpu-µs/rule")
			b.ReportMetric(perRule(lowered), "eval-cpu-µs/rule")
		})
	}
}

// A cpuTime is what the benchmark's thread spent on a processor, in user and
// kernel mode: on a shared machine it is steadier than the time on the wall.
type cpuTime struct{ start time.Duration }

const thisThread = 1 // RUSAGE_THREAD

func startCPU(b *testing.B) cpuTime {
	b.Helper()
	runtime.LockOSThread()
	b.Cleanup(runtime.UnlockOSThread)
	runtime.GC() // what the set-up left behind
	return cpuTime{used(b, thisThread)}
}

func (c cpuTime) report(b *testing.B) {
	b.Helper()
	b.ReportMetric(float64((used(b, thisThread)-c.start).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

func used(b *testing.B, who int) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(who, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
