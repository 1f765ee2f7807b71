package postgres_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
	"github.com/strixlabs/execution-kernel/internal/store/sqlite"
)

// decided makes a decision like those of a real log, different for each number.
func decided(n int) (ledger.Entry, *store.Private) {
	request := fmt.Appendf(nil, `{"action":"deploy_service","agent":{"id":"agent-%03d"},"context":{"ticket":"CHG-%d"},"params":{"strategy":"rolling","version":"1.4.%d"},"resource":{"environment":"production","id":"svc/checkout","type":"service"}}`, n%500, n, n)
	return ledger.Entry{
		Instant: time.Unix(1_800_000_000, int64(n)*1_000_000).UTC(), Node: "node-1", Batch: "01KB0000000000000000000000", Caller: "gateway-001", Door: "decisions",
		Decision: &ledger.Decided{
			ID: fmt.Sprintf("01KB%022d", n), Agent: fmt.Sprintf("agent-%03d", n%500), Action: "deploy_service",
			Verdict: kernel.Verdict{
				Decision: kernel.Effect(n % 3), RiskLevel: kernel.High, ApprovalsRequired: 2,
				Constraints: map[string]any{"canary_only": true, "max_replicas": int64(3)},
				Reason:      "production needs two people who know the service", Code: kernel.CodeRule,
				Rules:         []string{"change-windows/outside-hours", "base/deploy"},
				PolicyVersion: "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
			},
		},
	}, ledger.NewPrivate(bytes.Repeat([]byte{7}, ledger.SaltSize), request)
}

// BenchmarkCommit commits batches of decisions to both engines, one after the
// other on the same disk.
func BenchmarkCommit(b *testing.B) {
	engines := map[string]func(*testing.B) store.Store{
		"sqlite": func(b *testing.B) store.Store {
			db, err := sqlite.Open(filepath.Join(b.TempDir(), "kernel.db"), sqlite.Config{FreeBytesFloor: -1})
			if err != nil {
				b.Fatal(err)
			}
			return db
		},
		"postgres": func(b *testing.B) store.Store { return open(b, database(b)) },
	}
	for _, size := range []int{1, 16, 64, 256} {
		for _, name := range kernel.SortedKeys(engines) {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				db := engines[name](b)
				defer db.Close()
				commitMany(b, db, size)
			})
		}
	}
}

func commitMany(b *testing.B, db store.Store, size int) {
	var head store.Head
	n := 0
	for b.Loop() {
		build, err := ledger.Extend(0, head)
		if err != nil {
			b.Fatal(err)
		}
		for range size {
			if _, err := build.Append(decided(n)); err != nil {
				b.Fatal(err)
			}
			n++
		}
		batch := &store.Batch{ID: fmt.Sprint(n), PrevSize: head.Size, Next: build.Head(), Entries: build.Entries()}
		if out, err := db.Commit(b.Context(), batch); err != nil || out.Status != store.Committed {
			b.Fatal(out, err)
		}
		head = batch.Next
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "entries/s")
}
