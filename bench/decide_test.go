package bench

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/eval"
)

// BenchmarkDecide decides a request that is already a Go value, with an
// evaluator that is kept, as the kernel does.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			evaluator, all := compile(b, n).NewEvaluator(eval.Config{}), requests(256)
			b.ReportAllocs()
			measure := startCPU()
			for i := 0; b.Loop(); i++ {
				if _, err := evaluator.Decide(eval.Input{Request: all[i%len(all)], Now: now}); err != nil {
					b.Fatal(err)
				}
			}
			measure.report(b, b.N, "cpu-ns/op")
		})
	}
}

// BenchmarkDecodeDecide begins with the bytes of a request.
func BenchmarkDecodeDecide(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			evaluator, body := compile(b, n).NewEvaluator(eval.Config{}), string(body600())
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			measure := startCPU()
			for b.Loop() {
				if _, err := evaluator.DecideJSON(body, eval.Input{Now: now}); err != nil {
					b.Fatal(err)
				}
			}
			measure.report(b, b.N, "cpu-ns/op")
		})
	}
}

// body600 is a request of 600 bytes, as an agent would send it.
func body600() []byte {
	req := request(13)
	req.Agent.Attributes["team"] = "payments"
	req.Resource.Attributes["owner_team"] = "payments"
	req.Params["strategy"] = "canary"
	req.Params["labels"] = []any{"region=eu-central-1", "tier=frontend", "release=2026-11", "component=checkout-api", "managed-by=release-bot"}
	req.Context = map[string]any{"ticket": "CHG-17", "source_ip": "192.0.2.17"}
	short, err := json.Marshal(req)
	if err != nil {
		panic(err)
	}
	const size = 600
	req.Context["ticket"] = "CHG-17" + strings.Repeat("0", size-len(short))
	body, err := json.Marshal(req)
	if err != nil {
		panic(err)
	}
	return body
}

// A cpuTime measures what the process spent on a processor, in user and
// kernel mode: on a shared machine it is steadier than the time on the wall.
type cpuTime struct{ start time.Duration }

func startCPU() cpuTime { return cpuTime{usedCPU()} }

func (c cpuTime) report(b *testing.B, ops int, unit string) {
	b.ReportMetric(float64((usedCPU()-c.start).Nanoseconds())/float64(ops), unit)
}

func usedCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
