package simulation_test

import (
	"crypto/rand"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/pdl"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/simulation"
)

var (
	seeds  = flag.Uint64("seeds", 0, "how many worlds are run; 0: 300 with -short, else 5,000")
	first  = flag.Uint64("seed", 1, "the first seed")
	events = flag.Int("events", 400, "events in a world")
	nodes  = flag.Uint64("nodes", 3, "worlds have up to so many nodes")
)

const fleet = `{"registry": "v1", "agents": {
  "agent-001": {"capabilities": {"all": {"actions": ["*"], "resources": [{"type": "*", "id": "*"}]}}},
  "agent-002": {"capabilities": {"all": {"actions": ["*"], "resources": [{"type": "*", "id": "*"}]}}},
  "agent-003": {"capabilities": {"all": {"actions": ["*"], "resources": [{"type": "*", "id": "*"}]}}}}}`

// setting is what all worlds have in common.
var setting = sync.OnceValue(func() simulation.Setting {
	files := []pdl.File{{Name: "b.yaml", Data: []byte(simulation.Policy)}}
	bundle, diags := pdl.Compile(files)
	if bundle == nil {
		panic(diags)
	}
	program, err := eval.New(bundle)
	must(err)
	tree, err := kernel.DecodeJSON([]byte(fleet))
	must(err)
	document, err := registry.ReadDocument(tree)
	must(err)
	key, _, err := ledger.GenerateKey("test.example/log", rand.Reader)
	must(err)
	signer, err := ledger.NewSigner(key)
	must(err)
	return simulation.Setting{Nodes: 3, Events: *events, Program: program, Files: files, Registry: document, Signer: signer}
})

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// run runs the world of a seed.
func run(t *testing.T, seed uint64, fault simulation.Fault) (report simulation.Report, err error) {
	s := setting()
	s.Seed, s.Fault = seed, fault
	s.Nodes = 1 + int(seed%*nodes)
	synctest.Test(t, func(*testing.T) { report, err = simulation.Run(s) })
	return report, err
}

func TestNoWorldBreaksAPromise(t *testing.T) {
	n := *seeds
	if n == 0 {
		n = 5_000
		if testing.Short() {
			n = 300
		}
	}
	var mu sync.Mutex
	var sum simulation.Report
	t.Run("worlds", func(t *testing.T) {
		step := uint64(runtime.GOMAXPROCS(0))
		for i := range step {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				for seed := *first + i; seed < *first+n && !t.Failed(); seed += step {
					report, err := run(t, seed, nil)
					if err != nil {
						t.Errorf("%v\nagain: go test ./internal/simulation -run NoWorld -seed %d -seeds 1 -events %d -nodes %d", err, seed, *events, *nodes)
					}
					mu.Lock()
					sum.Add(report)
					mu.Unlock()
				}
			})
		}
	})
	t.Logf("%d worlds: %+v", n, sum)
	if sum.Answers == 0 || n > 50 && (sum.Allows == 0 || sum.Crashes == 0) {
		t.Errorf("%+v: that tests nothing", sum)
	}
}

// TestSeedsThatOnceFailed runs what is kept in testdata/seeds: a seed and its
// number of events in each line.
func TestSeedsThatOnceFailed(t *testing.T) {
	data, err := os.ReadFile("testdata/seeds")
	must(err)
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		s := setting()
		if _, err := fmt.Sscan(line, &s.Seed, &s.Nodes, &s.Events); err != nil {
			t.Fatalf("testdata/seeds: %q: %v", line, err)
		}
		synctest.Test(t, func(t *testing.T) {
			if _, err := simulation.Run(s); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPlantedFaultsAreFound(t *testing.T) {
	for name, fault := range map[string]simulation.Fault{
		"guards are dropped":                     simulation.DropGuards,
		"guards of facts are dropped":            simulation.DropFactGuards,
		"an unknown outcome is taken for done":   simulation.GuessUnknown,
		"an unknown outcome is taken for undone": simulation.ForgetUnknown,
		"request_ids are not kept":               simulation.ForgetRequestIDs,
	} {
		t.Run(name, func(t *testing.T) {
			for seed := uint64(1); seed <= 200; seed++ {
				if _, err := run(t, seed, fault); err != nil {
					return
				}
			}
			t.Error("200 worlds did not find it")
		})
	}
}
