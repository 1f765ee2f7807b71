package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/strixlabs/execution-kernel/internal/grant"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// A grantsPast is what the entries so far say of grants and their keys.
type grantsPast struct {
	grants map[string]grantPast
	keys   map[string]Entry // the latest about each
}

// A grantPast is how far a grant came. Entries of several shards may be read in
// another order than they were written in, so the farthest counts.
type grantPast struct {
	state    grant.State
	expires  time.Time
	redeemer string
	released bool
}

// ranks order the states; a grant that expired and was redeemed is for an audit.
var ranks = []grant.State{"", grant.Issued, grant.Expired, grant.Redeemed, grant.Settled}

// grant takes the next entry about a grant or a key.
func (h *history) grant(e Entry) {
	if k := e.GrantKey; k != nil {
		if last, known := h.keys[k.KID]; !known || byInstant(last, e) < 0 {
			h.keys[k.KID] = e
		}
	}
	g := e.Grant
	if g == nil {
		return
	}
	past := h.grants[g.ID]
	if state := grant.State(g.Change); slices.Index(ranks, state) > slices.Index(ranks, past.state) {
		past.state = state
	}
	switch g.Change {
	case GrantIssued:
		past.expires = g.Expires
	case GrantRedeemed:
		past.redeemer = e.Caller
	case GrantSettled, GrantExpired:
		past.released = g.Released || g.Change == GrantExpired
	}
	h.grants[g.ID] = past
}

// grantDifferences compares the records of grants and their keys with the
// entries. Those of closed grants are forgotten after a while.
func (v *verification) grantDifferences(ctx context.Context) (problems []string, err error) {
	for r, err := range v.reader.Records(ctx, recordGrant, "") {
		if err != nil {
			return nil, err
		}
		if problem := v.history.compareGrant(r); problem != "" {
			problems = append(problems, fmt.Sprintf("the record of grant %q: %s", r.Key, problem))
		}
	}
	for r, err := range v.reader.Records(ctx, recordKeys, "") {
		if err != nil {
			return nil, err
		}
		if problem := v.history.compareKey(r); problem != "" {
			problems = append(problems, fmt.Sprintf("the record of the key of grants %q: %s", r.Key, problem))
		}
	}
	return problems, nil
}

func (h *history) compareGrant(r store.Record) string {
	var g grant.Record
	past, known := h.grants[r.Key]
	switch {
	case json.Unmarshal(r.Value, &g) != nil:
		return "it cannot be read"
	case g.ID != r.Key || !known:
		return "no entry says that it was issued"
	case g.State != past.state || g.RedeemedBy != past.redeemer || g.Released != past.released || !g.ExpiresAt.Equal(past.expires):
		return fmt.Sprintf("it says %q, and the entries say %q", g.State, past.state)
	}
	return ""
}

func (h *history) compareKey(r store.Record) string {
	var k struct {
		Public  string    `json:"public"`
		Retired time.Time `json:"retired"`
	}
	last, known := h.keys[r.Key]
	switch {
	case json.Unmarshal(r.Value, &k) != nil:
		return "it cannot be read"
	case !known:
		return "no entry says that it was added"
	case k.Public != last.GrantKey.Public || k.Retired.IsZero() != (last.GrantKey.Change == "added"):
		return "it is not what the entries say"
	}
	return ""
}
