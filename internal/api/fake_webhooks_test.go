package api_test

import (
	"context"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/api"
	"github.com/strixlabs/execution-kernel/internal/gate"
)

var _ api.Teller = (*fake)(nil)

func (f *fake) Webhooks(context.Context, kernel.Caller) ([]gate.WebhookView, error) {
	return []gate.WebhookView{{
		Endpoint: "pager", Configured: true, Target: "https://hooks.example.org", Events: []string{"approval.*"}, Pending: 1, Dead: 1,
		Messages: []gate.DeliveryView{
			{ID: "msg_1", Event: "approval.opened", State: "dead", Since: noon, Attempts: 12, Last: "answered 500"},
			{ID: "msg_2", Event: "approval.voted", State: "pending", Since: noon, Next: noon},
		},
	}}, nil
}

func (f *fake) Test(context.Context, kernel.Caller, string) (gate.Sent, error) {
	return gate.Sent{OK: true, Note: "answered 204"}, nil
}

func (f *fake) Resend(context.Context, kernel.Caller, string, string) (int, error) { return 1, nil }
