package ledger

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/strixlabs/execution-kernel/internal/approval"
)

// GlassChange is the body of a breakglass entry: somebody allowed alone what
// others were asked, a review of that is overdue, or one was closed.
type GlassChange struct {
	Change string         // "broken", "overdue" or "reviewed"
	Glass  approval.Glass // as its record is from here on
}

// The changes of a broken glass.
const (
	GlassBroken   = "broken"
	GlassOverdue  = "overdue"
	GlassReviewed = "reviewed"
)

type wireGlass struct {
	Change string         `json:"change"`
	Glass  jsontext.Value `json:"glass"`
}

func (c *canonical) glass(g *GlassChange) {
	value, err := g.Glass.Encode()
	c.keep(err)
	switch g.Change {
	case GlassBroken, GlassOverdue, GlassReviewed:
	default:
		c.keep(fmt.Errorf("a breakglass entry says that a glass was broken, that its review is overdue or was closed, not %q", g.Change))
	}
	if g.Glass.By == "" || g.Glass.Reason == "" {
		c.keep(errors.New("a breakglass entry says who broke the glass, and why"))
	}
	c.object("breakglass")
	c.text("change", g.Change)
	c.name("glass")
	c.buf = append(c.buf, value...)
	c.close('}')
}

func glassFromWire(w *wireGlass) (*GlassChange, error) {
	g, err := approval.DecodeGlass(w.Glass)
	return &GlassChange{Change: w.Change, Glass: g}, err
}
