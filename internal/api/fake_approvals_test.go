package api_test

import (
	"context"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/approval"
	"github.com/strixlabs/execution-kernel/internal/gate"
)

func (f *fake) Approvals(context.Context, kernel.Caller, gate.ApprovalQuery) ([]gate.ApprovalView, error) {
	return []gate.ApprovalView{}, nil
}

func (f *fake) Listed(context.Context, kernel.Caller, gate.ApprovalQuery) ([]gate.ApprovalView, error) {
	return []gate.ApprovalView{}, nil
}

func (f *fake) Approval(_ context.Context, _ kernel.Caller, id string) (gate.ApprovalView, error) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	return gate.ApprovalView{
		ID: id, State: approval.Pending, Agent: "agent-001", AskedBy: "dev", Request: map[string]any{}, Digest: someVersion, Rules: []string{},
		Policy: someVersion, Opened: at, Expires: at, Workflows: []gate.WorkflowView{}, Votes: []gate.VoteView{}, Constraint: map[string]any{},
	}, nil
}

func (f *fake) Vote(_ context.Context, _ kernel.Caller, b gate.Ballot) (*kernel.Approval, error) {
	return &kernel.Approval{ID: b.ID, State: "PENDING"}, nil
}

func (f *fake) BreakGlass(_ context.Context, _ kernel.Caller, b gate.Breaking) (*kernel.Approval, error) {
	return &kernel.Approval{ID: b.ID, State: "APPROVED", Code: "BREAK_GLASS"}, nil
}

func (f *fake) Review(ctx context.Context, caller kernel.Caller, r gate.Review) (gate.ApprovalView, error) {
	v, err := f.Approval(ctx, caller, r.ID)
	v.Broken = &gate.BrokenView{By: "person-001", Reason: "why", Reviews: []gate.ReviewView{{Workflow: "pair", Asks: []string{}, By: "person-002", Justified: &r.Justified, Note: r.Note}}}
	return v, err
}

func (f *fake) Cancel(_ context.Context, _ kernel.Caller, id, _ string) (*kernel.Approval, error) {
	return &kernel.Approval{ID: id, State: "CANCELLED"}, nil
}

func (f *fake) Await(_ context.Context, _ kernel.Caller, d kernel.Decision, _ time.Duration) (kernel.Decision, error) {
	return d, nil
}

func (f *fake) Linked(context.Context, string, map[string]string) (gate.ApprovalView, error) {
	return gate.ApprovalView{}, nil
}

func (f *fake) Changed() <-chan struct{} { return nil }
