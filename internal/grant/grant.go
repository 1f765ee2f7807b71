// Package grant is the single-use permission that an ALLOW may carry: the token
// that an enforcement point checks offline, and the states it goes through.
//
// It promises that a token is what this kernel signed, to the byte, about one
// request; and that of a grant's states none is left twice.
package grant

import (
	"time"

	"github.com/strixlabs/execution-kernel"
)

// Life is how long a grant may be redeemed unless a kernel says otherwise, and
// MaxLife the longest that one may say.
const (
	Life    = 60 * time.Second
	MaxLife = time.Hour
)

// A State is where a grant is on its way. The zero State is none: such a grant
// permits nothing.
type State string

// The states. A grant begins as Issued and ends as Settled or Expired.
const (
	Issued   State = "issued"
	Redeemed State = "redeemed" // once, by whoever executes
	Settled  State = "settled"  // its redeemer said how it ended
	Expired  State = "expired"  // nobody redeemed it in time
)

// States lists every state.
func States() []State { return []State{Issued, Redeemed, Settled, Expired} }

// An Outcome is how what a grant permitted ended.
type Outcome string

// The outcomes.
const (
	Succeeded Outcome = "succeeded"
	Failed    Outcome = "failed"
	Abandoned Outcome = "abandoned" // it was not finished, and nobody knows more
)

// A Record is what a kernel keeps of one grant: it has the id of the decision
// that it comes from, so that one decision has one grant at most.
type Record struct {
	ID         string    `json:"id"`
	State      State     `json:"state"`
	Agent      string    `json:"agent"`
	Action     string    `json:"action"`
	Asker      string    `json:"asker"` // the principal that the decision answered
	IssuedAt   time.Time `json:"issued_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	RedeemedBy string    `json:"redeemed_by,omitempty"`
	RedeemedAt time.Time `json:"redeemed_at,omitzero"`
	SettledAt  time.Time `json:"settled_at,omitzero"`
	Outcome    Outcome   `json:"outcome,omitempty"`
	Result     string    `json:"result,omitempty"`   // sha256:… of whatever the outcome was shown with
	Released   bool      `json:"released,omitempty"` // it does not count any more
}

// Redeem spends a grant.
func (r Record) Redeem(by string, now time.Time) (Record, error) {
	switch {
	case r.State == Redeemed || r.State == Settled:
		return r, kernel.Errorf(kernel.GrantRedeemed, "the grant was redeemed before").WithHint("a grant is good for one effect; ask for another decision")
	case r.State == Expired || !now.Before(r.ExpiresAt):
		return r, kernel.Errorf(kernel.GrantExpired, "the grant expired at %s", r.ExpiresAt.UTC().Format(time.RFC3339)).WithHint("ask for another decision")
	case r.State != Issued:
		return r, kernel.Errorf(kernel.Unavailable, "the record of the grant is damaged")
	}
	r.State, r.RedeemedBy, r.RedeemedAt = Redeemed, by, now
	return r, nil
}

// A Settlement is what a redeemer says of the outcome.
type Settlement struct {
	Outcome  Outcome
	Result   string // sha256:…, or empty
	NoEffect bool   // nothing was changed: what the decision counts for may be given back
}

// Check reports what no redeemer may say.
func (s Settlement) Check() error {
	switch {
	case s.Outcome != Succeeded && s.Outcome != Failed && s.Outcome != Abandoned:
		return kernel.Errorf(kernel.Invalid, "an outcome is succeeded, failed or abandoned").At("$.outcome")
	case s.Result != "" && !isDigest(s.Result):
		return kernel.Errorf(kernel.Invalid, "a result is sha256: and 64 hexadecimal digits").At("$.result").WithHint("send the digest of the result, not the result")
	case s.NoEffect && s.Outcome != Failed:
		return kernel.Errorf(kernel.Invalid, "only what failed may have had no effect").At("$.no_effect").WithHint("settle it as failed, or leave no_effect out")
	}
	return nil
}

// isDigest reports whether a text is how digests are written.
func isDigest(s string) bool {
	const prefix = "sha256:"
	if len(s) != len(prefix)+64 || s[:len(prefix)] != prefix {
		return false
	}
	for _, c := range s[len(prefix):] {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Settle closes a grant. The same outcome again changes nothing: changed is
// false. Released says that what the decision counts for is given back; an
// agent that reports on itself is recorded, and gives nothing back.
func (r Record) Settle(by string, isAgent bool, s Settlement, now time.Time) (settled Record, changed bool, err error) {
	released := s.NoEffect && !isAgent
	switch {
	case r.State == Issued || r.State == Expired:
		return r, false, kernel.Errorf(kernel.GrantNotRedeemed, "the grant was not redeemed, so nothing can have come of it").WithHint("redeem it before the effect")
	case r.State != Redeemed && r.State != Settled:
		return r, false, kernel.Errorf(kernel.Unavailable, "the record of the grant is damaged")
	case r.RedeemedBy != by:
		return r, false, kernel.Errorf(kernel.GrantWrongRedeemer, "the grant was redeemed by somebody else").WithHint("whoever redeemed a grant settles it")
	case r.State == Settled && (r.Outcome != s.Outcome || r.Result != s.Result || r.Released != released):
		return r, false, kernel.Errorf(kernel.GrantSettled, "the grant was settled before, as %s", r.Outcome).WithHint("an outcome is final")
	case r.State == Settled:
		return r, false, nil
	}
	r.State, r.Outcome, r.Result, r.SettledAt, r.Released = Settled, s.Outcome, s.Result, now, released
	return r, true, nil
}

// Expire ends a grant that nobody redeemed in time. It reports false where
// there is nothing to end.
func (r Record) Expire(now time.Time) (Record, bool) {
	if r.State != Issued || now.Before(r.ExpiresAt) {
		return r, false
	}
	r.State, r.Released = Expired, true
	return r, true
}
