package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/strixlabs/execution-kernel/internal/app"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

// TestMinimizeReadsEveryShard: three kernels decide over one database, and the
// facts that each decision recorded are those it is decided by again. Of a
// fact that nobody recorded nothing is concluded.
func TestMinimizeReadsEveryShard(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("LEFT OUT with -short: three kernels and a database take some seconds; make test runs it")
	}
	prover := proverOf(t, app.ProveConfig{Timeout: time.Minute})
	url, list := nodes(t)
	for i, p := range list {
		for _, cents := range []int64{int64(100 * i), 20000} {
			if d, err := p.admin().Decide(t.Context(), ask("agent-001", "pay", cents)); err != nil || d.Decision.String() != "ALLOW" {
				t.Fatalf("node %d: %v, %v", i, d.Decision, err)
			}
		}
	}
	log, err := app.OpenLog(t.Context(), app.Config{Data: list[0].folder.Path, Store: url}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	minimize := func(text string) *app.Minimized {
		t.Helper()
		source := app.BundleSource{Name: "limits.yaml", Files: []pdl.File{{Name: "limits.yaml", Data: []byte(text)}}}
		proof, err := prover.Minimize(t.Context(), log, source, app.MinimizeConfig{Since: time.Now().Add(-time.Hour), Until: time.Now(), Values: 8})
		if err != nil {
			t.Fatal(err)
		}
		if proof.Outcome != app.Noted && proof.Outcome != app.Holds {
			t.Errorf("the outcome is %s: %+v", proof.Outcome, proof.Questions)
		}
		return proof.Minimized
	}
	m := minimize(limits)
	if m.Allowed != 6 || !strings.Contains(m.Patch, "params.cents <= 20000") || !strings.Contains(m.Patch, "-  - {id: few") {
		t.Errorf("%d allowed, and the proposal is\n%s", m.Allowed, m.Patch)
	}
	// An hour became a day: what was spent in a day nobody recorded.
	m = minimize(strings.Replace(limits, "sum: params.cents, within: 1h", "sum: params.cents, within: 24h", 1))
	for _, r := range m.Rules {
		if r.Rule == "limits/budget" && (r.Advice != "kept" || !strings.Contains(r.Why, "the fact spent was not recorded for pay")) {
			t.Errorf("of a fact that nobody recorded: %s, %s", r.Advice, r.Why)
		}
	}
}
