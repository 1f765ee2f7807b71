package api_test

import (
	"context"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

// Registry is empty.
func (f *fake) Registry(context.Context, kernel.Caller) (*registry.Snapshot, error) {
	return registry.Build(nil)
}

func (f *fake) Apply(context.Context, kernel.Caller, registry.Document, gate.ApplyOptions) (gate.Application, error) {
	return gate.Application{Version: 1, Changes: []registry.Difference{}}, nil
}

func (f *fake) SetStatus(context.Context, kernel.Caller, string, registry.Status, string) error {
	return nil
}

func (f *fake) Kill(context.Context, kernel.Caller, registry.Scope, string, string) error { return nil }

func (f *fake) Lift(context.Context, kernel.Caller, registry.Scope, string, string) error { return nil }

func (f *fake) Lend(_ context.Context, _ kernel.Caller, d registry.Delegation) (registry.Delegation, error) {
	d.ID = "01KFG8XN3B2M4Q5R6S7T8V9WXY"
	return d, nil
}

func (f *fake) Revoke(context.Context, kernel.Caller, string) error { return nil }
