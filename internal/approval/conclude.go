package approval

import "github.com/strixlabs/execution-kernel"

// Conclude settles a pending question for which there are votes enough, by the
// verdict of now: what is denied is rejected, and so is what was asked with a
// token that was revoked since; everything else is approved. Without votes
// enough it stays as it is.
func (q Question) Conclude(c *Case, automatic map[string][]string, v kernel.Verdict, revoked bool) (Question, error) {
	if _, quorum := q.Count(c, automatic); !quorum {
		return q, nil
	}
	switch {
	case revoked:
		return q.Settle(Rejected, RequesterRevoked, "", "the token that asked was revoked", c.Now)
	case v.Decision == kernel.Deny:
		return q.Settle(Rejected, PolicyChanged, "", v.Reason, c.Now)
	}
	return q.Settle(Approved, QuorumReached, "", "", c.Now)
}
