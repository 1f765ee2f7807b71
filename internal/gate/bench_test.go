package gate_test

import (
	"context"
	"crypto/rand"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/storetest"
)

// BenchmarkDecide asks a gate over a store in memory: what a decision costs
// besides the door and the disk. 64 callers ask at once, so that commits hold
// many decisions; cpu-ns/op is the time of all threads.
func BenchmarkDecide(b *testing.B) {
	key, _, err := ledger.GenerateKey("test.example/log", rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	signer, err := ledger.NewSigner(key)
	if err != nil {
		b.Fatal(err)
	}
	g, err := gate.New(b.Context(), gate.Config{Store: &swallow{&storetest.Memory{}}, Signer: signer, Rand: rand.Reader, Node: "node-1", Clock: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	program, files := shipping(b)
	if err := g.Activate(b.Context(), admin, program, files); err != nil {
		b.Fatal(err)
	}
	ask := ship("agent-001", "production", "")
	ask.Request.Params = map[string]any{"actions": []any{"modify_db_schema", strings.Repeat("x", 100)}}
	b.SetParallelism(64 / runtime.GOMAXPROCS(0))
	b.ReportAllocs()
	runtime.GC()
	start := usedCPU(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := g.Decide(b.Context(), gateway, ask); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64((usedCPU(b)-start).Nanoseconds())/float64(b.N), "cpu-ns/op")
	if err := g.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// A swallow commits everything and keeps nothing.
type swallow struct{ *storetest.Memory }

func (s *swallow) Commit(context.Context, *store.Batch) (store.Outcome, error) {
	return store.Outcome{Status: store.Committed}, nil
}

func usedCPU(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
