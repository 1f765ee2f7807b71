package notify

import (
	"context"
	"fmt"

	"github.com/strixlabs/execution-kernel/internal/gate"
)

// Turn tells one endpoint what is due now.
func (n *Notifier) Turn(ctx context.Context, endpoint string) error {
	s, found := n.named(endpoint)
	if !found {
		return fmt.Errorf("no endpoint %s", endpoint)
	}
	box, err := n.cfg.Kernel.Outbox(ctx, endpoint, s.Wants)
	if err != nil {
		return err
	}
	return n.turn(ctx, s, box)
}

// MayDial reports whether an endpoint may have an address.
func MayDial(address string, here, inside bool) error { return mayDial(address, here, inside) }

var _ Kernel = (*gate.Gate)(nil)
