package prove

import "context"

func (p *Prover) lint(ctx context.Context, policy *Policy) ([]Finding, error) {
	_, _ = ctx, policy
	return nil, nil
}
