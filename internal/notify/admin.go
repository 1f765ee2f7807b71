package notify

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/gate"
)

// Webhooks lists the endpoints of this node and those that are kept from
// before, by name. Only an admin or auditor may see them.
func (n *Notifier) Webhooks(ctx context.Context, caller kernel.Caller) ([]gate.WebhookView, error) {
	views, err := n.cfg.Kernel.Webhooks(ctx, caller)
	if err != nil {
		return nil, err
	}
	for _, s := range n.senders {
		i := slices.IndexFunc(views, func(v gate.WebhookView) bool { return v.Endpoint == s.Name })
		if i < 0 { // it has not begun yet
			i = len(views)
			views = append(views, gate.WebhookView{Endpoint: s.Name, Messages: []gate.DeliveryView{}})
		}
		views[i].Configured, views[i].Target, views[i].Events = true, s.Target(), s.Events
	}
	slices.SortFunc(views, func(a, b gate.WebhookView) int { return strings.Compare(a.Endpoint, b.Endpoint) })
	return views, nil
}

// Resend has messages sent again: see [gate.Gate.Resend].
func (n *Notifier) Resend(ctx context.Context, caller kernel.Caller, endpoint, id string) (int, error) {
	return n.cfg.Kernel.Resend(ctx, caller, endpoint, id)
}

// testNotice is what a test sends.
type testNotice struct {
	Type string    `json:"type"`
	At   time.Time `json:"timestamp"`
	Data struct {
		By string `json:"by"`
	} `json:"data"`
}

// Test sends one message of the type test, and says what came of it. It is
// recorded, and not tried again. Only an admin may.
func (n *Notifier) Test(ctx context.Context, caller kernel.Caller, endpoint string) (gate.Sent, error) {
	s, found := n.named(endpoint)
	if !found && caller.Is(kernel.RoleAdmin) {
		return gate.Sent{}, kernel.Errorf(kernel.NotFound, "this kernel is configured with no webhook of that name").
			WithHint("kernel webhooks list shows those there are; kernel serve --webhooks FILE configures them")
	}
	id, err := n.cfg.Kernel.Tested(ctx, caller, endpoint)
	if err != nil {
		return gate.Sent{}, err
	}
	t := testNotice{Type: "test", At: n.cfg.Clock().UTC()}
	t.Data.By = caller.Principal
	body, err := encode(t)
	if err != nil {
		return gate.Sent{}, err
	}
	sent := s.send(ctx, id, body, n.cfg.Clock())
	sent.Wait = 0
	return sent, nil
}
