// Package contest sets the same rules and the same requests before several
// policy engines, checks that all of them decide alike, and measures what a
// decision costs each.
//
// It needs the standard library only, so that engines whose dependencies do
// not go together can each live in a module of their own.
package contest

import (
	"fmt"
	"math/rand/v2"
)

// An Effect is what a rule, or all rules together, say. The zero Effect denies.
type Effect int

// The effects. A denial wins over a request for approval, and that over ALLOW.
const (
	Deny Effect = iota
	RequireApproval
	Allow
)

func (e Effect) String() string {
	switch e {
	case Allow:
		return "ALLOW"
	case RequireApproval:
		return "REQUIRE_APPROVAL"
	}
	return "DENY"
}

// A Rule holds when its four texts equal the request's and the amount compares
// as it says.
type Rule struct {
	ID          string
	Action      string
	Environment string
	Role        string
	Sensitivity string
	Op          string // ">=" or "<"
	Limit       int64  // what the amount is compared with
	Effect      Effect
	Approvals   int // 0 unless the effect is RequireApproval
}

// Holds is the meaning of a rule, from which no engine may differ.
func (r Rule) Holds(q *Request) bool {
	if r.Action != q.Action || r.Environment != q.Resource.Environment ||
		r.Role != q.Agent.Role || r.Sensitivity != q.Resource.Sensitivity {
		return false
	}
	if r.Op == "<" {
		return q.Params.Amount < r.Limit
	}
	return q.Params.Amount >= r.Limit
}

// What rules and requests speak about. The number of actions grows with that
// of the rules, see [Generate].
var (
	Environments  = []string{"development", "staging", "production"}
	Roles         = []string{"junior", "senior", "operator", "release_bot"}
	Sensitivities = []string{"public", "internal", "secret"}
)

// MaxAmount is the largest amount of a request.
const MaxAmount = 1_000_000

// A Set is what every engine translates into its own language.
type Set struct {
	Actions []string
	Rules   []Rule
	seed    uint64
}

// Generate makes n rules, of ten seven that allow, two that deny and one that
// asks for approval. There is one action for ten rules, and at least four: a
// real bundle grows because it covers more, not because all of it is about
// one action. The same seed and n give the same set.
func Generate(seed uint64, n int) Set {
	set := Set{seed: seed}
	for i := range max(4, n/10) {
		set.Actions = append(set.Actions, fmt.Sprintf("act%d", i))
	}
	random := rand.New(rand.NewPCG(seed, uint64(n)))
	for i := range n {
		r := Rule{
			ID: fmt.Sprintf("r%d", i), Action: pick(random, set.Actions), Environment: pick(random, Environments),
			Role: pick(random, Roles), Sensitivity: pick(random, Sensitivities),
			Op: pick(random, []string{">=", "<"}), Limit: 1 + random.Int64N(MaxAmount), Effect: Allow,
		}
		switch i % 10 {
		case 3, 8:
			r.Effect = Deny
		case 6:
			r.Effect, r.Approvals = RequireApproval, 1+i/10%3
		}
		set.Rules = append(set.Rules, r)
	}
	return set
}

func pick[T any](random *rand.Rand, list []T) T { return list[random.IntN(len(list))] }
