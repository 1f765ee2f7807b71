package gate

import (
	"context"
	"net/url"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
)

// Explain evaluates a request with a full trace and decides nothing. It
// records that somebody asked. Only an auditor or admin may.
func (g *Gate) Explain(ctx context.Context, caller kernel.Caller, ask Ask) (eval.Trace, error) {
	program, in, err := g.asked(ctx, caller, ask, "explain")
	if err != nil {
		return eval.Trace{}, err
	}
	return program.Explain(in)
}

// DryRun says what the verdict on a request would be now, and decides nothing:
// there is no decision, and so no id of one. It records that somebody asked.
// Only an auditor or admin may.
func (g *Gate) DryRun(ctx context.Context, caller kernel.Caller, ask Ask) (kernel.Verdict, error) {
	program, in, err := g.asked(ctx, caller, ask, "dryrun")
	if err != nil {
		return kernel.Verdict{}, err
	}
	if in.Digest, err = ask.Request.Digest(); err != nil {
		return kernel.Verdict{}, kernel.Errorf(kernel.Invalid, "the request has no canonical form").At("$")
	}
	return program.NewEvaluator(eval.Config{Paranoid: g.cfg.Paranoid}).Decide(in)
}

// asked records who asks what would be decided, before it is said, and returns
// the program that would decide and what it would be given.
func (g *Gate) asked(ctx context.Context, caller kernel.Caller, ask Ask, what string) (*eval.Program, eval.Input, error) {
	if !caller.Is(kernel.RoleAuditor, kernel.RoleAdmin) {
		return nil, eval.Input{}, kernel.Errorf(kernel.Forbidden, "only an auditor or admin may see what would be decided")
	}
	if err := ask.check(); err != nil {
		return nil, eval.Input{}, err
	}
	var program *eval.Program
	in := eval.Input{Request: ask.Request, Phase1: ask.Phase1}
	query := url.Values{"agent": {ask.Request.Agent.ID}, "action": {ask.Request.Action}}
	if err := g.submit(ctx, &job{apply: func(b *batch) (err error) {
		if program, in.Now = b.program, b.now; program == nil {
			return noPolicy()
		}
		st := standing(b.registry, program, &ask.Request, b.now)
		in.Standing = &st
		known := st.Know(ask.Request)
		if in.Facts, err = g.facts(b, &known); err != nil {
			return err
		}
		return g.accessed(b, caller, what, query)
	}}); err != nil {
		return nil, eval.Input{}, err
	}
	return program, in, nil
}
