package contest

import (
	"fmt"
	"slices"
)

// An Answer is what an engine decided, and by which rules.
type Answer struct {
	Effect    Effect
	Approvals int      // 0 unless the effect is RequireApproval
	Rules     []string // ids, in any order; see [Evidence] for which
}

func (a *Answer) reset() { a.Effect, a.Approvals, a.Rules = Deny, 0, a.Rules[:0] }

// Evidence says which rules an engine can name. An engine that names fewer
// does less work; the table says so.
type Evidence string

// What engines can name.
const (
	EveryRule  Evidence = "every rule that holds"
	WinningSet Evidence = "the denying rules, else every rule that holds"
	OneDenying Evidence = "one denying rule, else every rule that holds"
	OneRule    Evidence = "one rule of those that decide"
)

// Decide is the reference: it looks at every rule, one after the other.
func (s Set) Decide(q *Request) Verdict {
	var v Verdict
	for _, r := range s.Rules {
		if r.Holds(q) {
			v.held[r.Effect] = append(v.held[r.Effect], r.ID)
			v.approvals = max(v.approvals, r.Approvals)
		}
	}
	return v
}

// A Verdict holds the ids of the rules that hold, by effect.
type Verdict struct {
	held      [3][]string
	approvals int
}

// Effect returns the first effect that some rule has; Deny when none has.
func (v Verdict) Effect() Effect {
	for effect, ids := range v.held {
		if len(ids) > 0 {
			return Effect(effect)
		}
	}
	return Deny
}

// Check returns an error when an answer differs from the verdict, or names
// other rules than an engine of that evidence can name.
func (v Verdict) Check(a Answer, e Evidence) error {
	effect := v.Effect()
	if a.Effect != effect {
		return fmt.Errorf("decided %v by %v, want %v", a.Effect, a.Rules, effect)
	}
	if want := v.approvals; effect == RequireApproval && e != OneRule && a.Approvals != want {
		return fmt.Errorf("%d approvals, want %d", a.Approvals, want)
	}
	got, want := slices.Sorted(slices.Values(a.Rules)), slices.Sorted(slices.Values(slices.Concat(v.held[:]...)))
	deciding := v.held[effect]
	switch {
	case e == OneRule, e == OneDenying && effect == Deny:
		if len(got) != min(1, len(deciding)) || len(got) == 1 && !slices.Contains(deciding, got[0]) {
			return fmt.Errorf("rules %v, want one of %v", got, deciding)
		}
		return nil
	case e == WinningSet && effect == Deny:
		want = slices.Sorted(slices.Values(deciding))
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("rules %v, want %v", got, want)
	}
	return nil
}
