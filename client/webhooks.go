package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/webhook"
)

// A Webhook is an endpoint that the kernel tells what happens.
type Webhook struct {
	Endpoint   string           `json:"endpoint"`
	Configured bool             `json:"configured"`       // on the node that answered
	Target     string           `json:"target,omitzero"`  // scheme and host
	Events     []string         `json:"events,omitzero"`  // that it is told of
	Stopped    time.Time        `json:"stopped,omitzero"` // since when its receiver wants nothing any more
	Pending    int              `json:"pending"`
	Dead       int              `json:"dead"`
	Messages   []WebhookMessage `json:"messages"` // that were not delivered; the first 100
}

// A WebhookMessage is a message that was not delivered.
type WebhookMessage struct {
	ID       string    `json:"id"`
	Event    string    `json:"event"`
	State    string    `json:"state"` // pending, dead
	Since    time.Time `json:"since"`
	Attempts int       `json:"attempts"`
	Next     time.Time `json:"next,omitzero"`
	Last     string    `json:"last,omitzero"`
}

// Webhooks lists whom the kernel tells. It takes an admin or auditor.
func (c *Client) Webhooks(ctx context.Context) ([]Webhook, error) {
	data, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/webhooks"}, http.StatusOK, jsonType)
	if err != nil {
		return nil, err
	}
	var list struct {
		Webhooks []Webhook `json:"webhooks"`
	}
	if err := json.Unmarshal(data, &list); err != nil || list.Webhooks == nil {
		return nil, fmt.Errorf("the answer holds no list of webhooks")
	}
	return list.Webhooks, nil
}

// TestWebhook has a test sent to an endpoint, and returns what came of it. It
// takes an admin.
func (c *Client) TestWebhook(ctx context.Context, endpoint string) (delivered bool, note string, err error) {
	var got struct {
		Delivered bool   `json:"delivered"`
		Note      string `json:"note"`
	}
	err = c.webhook(ctx, "test", map[string]string{"endpoint": endpoint}, &got)
	return got.Delivered, got.Note, err
}

// RetryWebhook has messages sent again that were not delivered, all of an
// endpoint or one by its id, and returns how many. It takes an admin.
func (c *Client) RetryWebhook(ctx context.Context, endpoint, message string) (messages int, err error) {
	body := map[string]string{"endpoint": endpoint}
	if message != "" {
		body["message"] = message
	}
	var got struct {
		Messages int `json:"messages"`
	}
	err = c.webhook(ctx, "retry", body, &got)
	return got.Messages, err
}

func (c *Client) webhook(ctx context.Context, verb string, body map[string]string, got any) error {
	sent, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode a call: %w", err)
	}
	data, err := c.do(ctx, request{method: http.MethodPost, path: "/v1/webhooks:" + verb, body: sent}, http.StatusOK, jsonType)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, got); err != nil {
		return fmt.Errorf("read what came of it: %w", err)
	}
	return nil
}

// A WebhookEvent is what a webhook tells.
type WebhookEvent struct {
	ID   string          // the same at every attempt: who has seen it answers 2xx and does nothing
	Type string          // approval.opened, …
	At   time.Time       // when it happened
	Data json.RawMessage // what is told, by the type
}

// VerifyWebhook checks a webhook as it came in: that one of the secrets signed
// its headers and body as they are, within five minutes of an instant. Nothing
// of one that fails may be believed. Secrets are written whsec_…; of several, one
// is being replaced by another.
func VerifyWebhook(header http.Header, body []byte, now time.Time, secrets ...string) (WebhookEvent, error) {
	known := make([]webhook.Secret, len(secrets))
	for i, text := range secrets {
		var err error
		if known[i], err = webhook.ParseSecret(text); err != nil {
			return WebhookEvent{}, err
		}
	}
	for _, name := range []string{webhook.HeaderID, webhook.HeaderTimestamp, webhook.HeaderSignature} {
		if len(header.Values(name)) != 1 {
			return WebhookEvent{}, kernel.Errorf(kernel.Unauthenticated, "the webhook has %d headers %s, not one", len(header.Values(name)), name).
				WithHint("take the message for nobody's: answer 401 and do nothing")
		}
	}
	id := header.Get(webhook.HeaderID)
	if err := webhook.Verify(known, id, header.Get(webhook.HeaderTimestamp), header.Get(webhook.HeaderSignature), body, now); err != nil {
		return WebhookEvent{}, err
	}
	var told struct {
		Type string          `json:"type"`
		At   time.Time       `json:"timestamp"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &told); err != nil || told.Type == "" {
		return WebhookEvent{}, kernel.Errorf(kernel.Invalid, "the webhook is genuine, but tells nothing that a kernel tells")
	}
	return WebhookEvent{ID: id, Type: told.Type, At: told.At, Data: told.Data}, nil
}
