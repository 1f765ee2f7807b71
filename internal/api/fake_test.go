package api_test

import (
	"context"
	"sync"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/api"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/token"
)

// A fake answers without deciding: for what only HTTP can get wrong. Its zero
// value knows the tokens admin, gateway, agent and auditor, and allows
// everything.
type fake struct {
	decide    func(context.Context, kernel.Caller, gate.Ask) (kernel.Decision, error)
	refuse    error
	ready     error
	lost      int  // of a batch so many answers do not come
	unnamed   bool // there is no policy
	revoked   string
	mu        sync.Mutex
	asked     []gate.Ask
	callers   []kernel.Caller
	refusals  []gate.Refusal
	refusedBy []string
}

var _ api.Kernel = (*fake)(nil)

func (f *fake) Decide(ctx context.Context, caller kernel.Caller, ask gate.Ask) (kernel.Decision, error) {
	f.mu.Lock()
	f.asked, f.callers = append(f.asked, ask), append(f.callers, caller)
	f.mu.Unlock()
	if f.decide != nil {
		return f.decide(ctx, caller, ask)
	}
	return someDecision(), nil
}

func (f *fake) DecideBatch(ctx context.Context, caller kernel.Caller, asks []gate.Ask) (answers []gate.Answer) {
	for _, ask := range asks {
		d, err := f.Decide(ctx, caller, ask)
		answers = append(answers, gate.Answer{Decision: d, Err: err})
	}
	return answers[:max(0, len(answers)-f.lost)]
}

func (f *fake) DryRun(context.Context, kernel.Caller, gate.Ask) (kernel.Verdict, error) {
	return someDecision().Verdict, nil
}

func (f *fake) Explain(context.Context, kernel.Caller, gate.Ask) (eval.Trace, error) {
	return eval.Trace{Verdict: someDecision().Verdict, Candidates: []eval.Candidate{}}, nil
}

func (f *fake) Decision(context.Context, kernel.Caller, string) (kernel.Decision, error) {
	return someDecision(), nil
}

func (f *fake) Decisions(context.Context, kernel.Caller, gate.DecisionQuery) (gate.DecisionPage, error) {
	return gate.DecisionPage{Decisions: []kernel.Decision{}}, nil
}

func (f *fake) Refuse(_ context.Context, caller kernel.Caller, r gate.Refusal) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refusals, f.refusedBy = append(f.refusals, r), append(f.refusedBy, caller.Principal)
	return f.refuse
}

func (f *fake) recorded() []gate.Refusal {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refusals
}

func (f *fake) Authenticate(secret string) (kernel.Caller, error) {
	for _, role := range kernel.Roles() {
		if secret == string(role) {
			c := kernel.Caller{Principal: "token:" + secret, Roles: []kernel.Role{role}}
			if role == kernel.RoleAgent {
				c.Agent = "agent-001"
			}
			return c, nil
		}
	}
	return kernel.Caller{}, kernel.Errorf(kernel.Unauthenticated, "unknown token")
}

func (f *fake) CreateToken(_ context.Context, _ kernel.Caller, s token.Spec) (string, token.Token, error) {
	return "kt_" + "0123456789012345678901234567890123456789012", token.Token{ID: "T1", Name: s.Name, Role: s.Role, Agent: s.Agent, SpeaksFor: s.SpeaksFor}, nil
}

func (f *fake) Tokens(context.Context, kernel.Caller) ([]token.Token, error) { return nil, nil }

func (f *fake) RevokeToken(_ context.Context, _ kernel.Caller, id string) error {
	f.revoked = id
	return nil
}

func (f *fake) Checkpoint(context.Context, kernel.Caller) (string, error) { return note, nil }

func (f *fake) LatestCheckpoint(context.Context, *int) (string, error) { return note, nil }

func (f *fake) LogShards(context.Context) ([]gate.LogShard, error) {
	return []gate.LogShard{{Shard: 0, Size: 7, WrittenHere: true}, {Shard: 2, Size: 9}}, nil
}

const note = "kernel.example/log\n7\nqvQ3ZyH3nJ8yLtmGCWm1Q2iZcQ0Zk0LJmYB8oBzvN1Q=\n\n— kernel.example/log AAAAAA==\n"

const someVersion = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

func (f *fake) PolicyVersion() string {
	if f.unnamed {
		return ""
	}
	return someVersion
}

func (f *fake) Ready(context.Context) error { return f.ready }

func someDecision() kernel.Decision {
	return kernel.Decision{
		ID: "01JD9XQ4M0000000000000000A",
		Verdict: kernel.Verdict{
			Decision: kernel.Allow, Constraints: map[string]any{}, Reason: "Because.", Code: kernel.CodeRule,
			Rules: []string{"p/r"}, PolicyVersion: someVersion, RequestDigest: someVersion,
		},
		DecidedAt: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
		Entry:     kernel.EntryRef{Leaf: someVersion[len("sha256:"):]},
	}
}
