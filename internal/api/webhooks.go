package api

import (
	"context"
	"net/http"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
)

// A Teller tells endpoints what happens.
type Teller interface {
	Webhooks(context.Context, kernel.Caller) ([]gate.WebhookView, error)
	Test(ctx context.Context, caller kernel.Caller, endpoint string) (gate.Sent, error)
	Resend(ctx context.Context, caller kernel.Caller, endpoint, id string) (int, error)
}

// listWebhooks is GET /v1/webhooks.
func (d *door) listWebhooks(c *call) (reply, error) {
	list, err := d.cfg.Webhooks.Webhooks(c.ctx, c.caller)
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, struct {
		Webhooks []gate.WebhookView `json:"webhooks"`
	}{list}), nil
}

// testWebhook is POST /v1/webhooks:test.
func (d *door) testWebhook(c *call) (reply, error) {
	m, err := textMembers(c.data, "endpoint")
	if err != nil {
		return reply{}, err
	}
	sent, err := d.cfg.Webhooks.Test(c.ctx, c.caller, m["endpoint"])
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, struct {
		Delivered bool   `json:"delivered"`
		Note      string `json:"note"`
	}{sent.OK, sent.Note}), nil
}

// retryWebhook is POST /v1/webhooks:retry.
func (d *door) retryWebhook(c *call) (reply, error) {
	m, err := textMembers(c.data, "endpoint", "message")
	if err != nil {
		return reply{}, err
	}
	n, err := d.cfg.Webhooks.Resend(c.ctx, c.caller, m["endpoint"], m["message"])
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, struct {
		Messages int `json:"messages"`
	}{n}), nil
}

// tellsNobody is the teller of a kernel that has none.
type tellsNobody struct{}

func (tellsNobody) Webhooks(context.Context, kernel.Caller) ([]gate.WebhookView, error) {
	return []gate.WebhookView{}, nil
}

func (tellsNobody) Test(context.Context, kernel.Caller, string) (gate.Sent, error) {
	return gate.Sent{}, noWebhooks()
}

func (tellsNobody) Resend(context.Context, kernel.Caller, string, string) (int, error) {
	return 0, noWebhooks()
}

func noWebhooks() error {
	return kernel.Errorf(kernel.NotFound, "this kernel has no webhooks").WithHint("kernel serve --webhooks FILE configures them")
}
