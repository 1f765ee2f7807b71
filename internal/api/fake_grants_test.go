package api_test

import (
	"context"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/grant"
)

func fakeGrant(id string, state grant.State) grant.Record {
	return grant.Record{ID: id, State: state, Agent: "agent-001", Action: "deploy", Asker: "pipeline", IssuedAt: noon, ExpiresAt: noon.Add(time.Minute)}
}

func (f *fake) Grant(_ context.Context, _ kernel.Caller, id string) (grant.Record, error) {
	return fakeGrant(id, grant.Issued), nil
}

func (f *fake) Grants(context.Context, kernel.Caller, gate.GrantQuery) (gate.GrantPage, error) {
	return gate.GrantPage{}, nil
}

func (f *fake) Redeem(_ context.Context, _ kernel.Caller, id string, _ gate.Redemption) (grant.Record, error) {
	return fakeGrant(id, grant.Redeemed), nil
}

func (f *fake) Settle(_ context.Context, _ kernel.Caller, id string, s grant.Settlement) (grant.Record, error) {
	return fakeGrant(id, grant.Settled), s.Check()
}

func (f *fake) GrantKeys(context.Context) (grant.Keys, error) { return grant.Keys{}, nil }
