package pdl

import "time"

// A BreakGlass says who may allow, alone and with a reason, what a workflow
// asks others, and who looks at that afterwards.
type BreakGlass struct {
	Of        []Voter
	MinReason int           // characters of the reason; 1 or more
	Expires   time.Duration // after the request was asked; 0: as long as it waits
	Review    Review
}

// A Review says who closes what somebody did alone, and until when.
type Review struct {
	Of     []Voter
	Within time.Duration
}

// How short a reason may be, and what it has to be at least where nothing is
// said.
const (
	maxMinReason     = 256
	defaultMinReason = 10
)

// breakGlass reads who may break the glass. Without somebody who has to look
// at it afterwards nobody may.
func (c *compiler) breakGlass(n *node, w *workflow) {
	f := c.fields(n, "break_glass", breakGlassForm.names(), nil)
	if f == nil {
		return
	}
	b := &BreakGlass{MinReason: defaultMinReason}
	if of := f.need("of"); of != nil {
		b.Of = c.voters(of, "of", w)
	}
	if least := f.got["min_reason"]; least != nil {
		if i, ok := c.integer(least, "min_reason", 1, maxMinReason); ok {
			b.MinReason = int(i)
		}
	}
	if expires := f.got["expires"]; expires != nil {
		b.Expires = c.within(expires, "expires", w)
	}
	if review := f.need("review"); review != nil {
		b.Review = c.review(review, w)
	}
	w.BreakGlass = b
}

// within reads how long something of a workflow may be done, which is no
// longer than it waits.
func (c *compiler) within(n *node, what string, w *workflow) time.Duration {
	d := c.expiry(n, what)
	if w.Expires > 0 && d > w.Expires {
		c.errorf(n.span(), "leave it out, or shorten it", "%s is %s, and a request waits %s at most", what, d, w.Expires)
	}
	return d
}

func (c *compiler) review(n *node, w *workflow) (r Review) {
	f := c.fields(n, "a review", []string{"of", "within"}, nil)
	if f == nil {
		return r
	}
	if of := f.need("of"); of != nil {
		r.Of = c.voters(of, "of", w)
	}
	if within := f.need("within"); within != nil {
		r.Within = c.expiry(within, "within")
	}
	return r
}
