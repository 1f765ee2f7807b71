package gate_test

import (
	"context"
	"errors"
	"testing"

	kernel "github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// deaf is a store of which a gate never learns that something changed.
type deaf struct{ store.Store }

func (deaf) Revision(context.Context, string) (uint64, error) { return 0, errors.New("no news") }

// behind starts two gates, of which the second knows what the first changes
// only from commits that do not hold.
func (f *cluster) behind(t *testing.T) (news, stale *node) {
	news = f.nodes(t, limited)[0]
	return news, f.node(t, 3, func(c *gate.Config) { c.Store = deaf{c.Store} })
}

func TestANodeThatIsBehindSaysNotThatASwitchIsOn(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		news, stale := f.behind(t)
		if err := stale.Kill(t.Context(), dev, registry.ScopeAction, "act", "test"); err != nil {
			t.Fatal(err)
		}
		if err := news.Lift(t.Context(), dev, registry.ScopeAction, "act", ""); err != nil {
			t.Fatal(err)
		}
		if err := stale.Kill(t.Context(), dev, registry.ScopeAction, "act", "again"); err != nil {
			t.Fatal(err)
		}
		if d, err := news.Decide(t.Context(), dev, act("agent-001", "")); err != nil || d.Code != kernel.CodeKilled {
			t.Errorf("Decide after the switch = %v, %v, want KILLED", d.Code, err)
		}
	})
}

func TestANodeThatIsBehindGivesNoAllowAgain(t *testing.T) {
	onEveryStore(t, func(t *testing.T, f *cluster) {
		news, stale := f.behind(t)
		if d, err := stale.Decide(t.Context(), dev, act("agent-001", "r-1")); err != nil || d.Decision != kernel.Allow {
			t.Fatal(d.Decision, err)
		}
		if d, err := stale.Decide(t.Context(), dev, act("agent-001", "r-1")); err != nil || !d.Replayed || d.Decision != kernel.Allow {
			t.Errorf("again = %v, %v, want the ALLOW once more", d.Decision, err)
		}
		if err := news.Kill(t.Context(), dev, registry.ScopeAction, "act", "test"); err != nil {
			t.Fatal(err)
		}
		if d, err := stale.Decide(t.Context(), dev, act("agent-001", "r-1")); !isCode(err, kernel.Spent) {
			t.Errorf("after the switch = %v, %v, want %s", d.Decision, err, kernel.Spent)
		}
		answers := stale.DecideBatch(t.Context(), dev, []gate.Ask{act("agent-001", "r-1")})
		if !isCode(answers[0].Err, kernel.Spent) {
			t.Errorf("after the switch, one of many = %v, want %s", answers[0], kernel.Spent)
		}
	})
}
