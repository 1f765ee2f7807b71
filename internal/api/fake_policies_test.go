package api_test

import (
	"context"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
	"github.com/strixlabs/execution-kernel/internal/pdl"
)

func (f *fake) Push(context.Context, kernel.Caller, gate.Push) (gate.PushReport, error) {
	return gate.PushReport{Version: someDecision().PolicyVersion}, nil
}

func (f *fake) Report(context.Context, kernel.Caller, gate.Report) (gate.Reported, error) {
	return gate.Reported{At: someDecision().DecidedAt, Entry: someDecision().Entry}, nil
}

func (f *fake) Policies(context.Context, kernel.Caller) ([]gate.Policy, error) { return nil, nil }

func (f *fake) PolicySource(context.Context, kernel.Caller, string) ([]pdl.File, error) {
	return []pdl.File{{Name: "b.yaml", Data: []byte("pdl: v1")}}, nil
}

func (f *fake) PolicyDiff(_ context.Context, _ kernel.Caller, _, to string) (gate.PolicyDifference, error) {
	return gate.PolicyDifference{To: to, Files: []gate.FileDifference{}}, nil
}

func (f *fake) ActivatePushed(context.Context, kernel.Caller, gate.Activation) error { return nil }
