package gate

import (
	"context"
	"net/url"
	"slices"
	"strconv"

	"github.com/oklog/ulid/v2"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/grant"
)

// A GrantQuery selects grants that are still kept, the oldest first. Zero
// members select all.
type GrantQuery struct {
	State  grant.State
	Agent  string
	Limit  int    // 1…1000
	Cursor string // GrantPage.NextCursor of the page before
}

// A GrantPage is one page of a query.
type GrantPage struct {
	Grants     []grant.Record
	NextCursor string // "" on the last page
}

// Grants returns one page of grants. Only an auditor or admin may see them,
// which is recorded.
func (g *Gate) Grants(ctx context.Context, caller kernel.Caller, q GrantQuery) (GrantPage, error) {
	switch {
	case !caller.Is(kernel.RoleAuditor, kernel.RoleAdmin):
		return GrantPage{}, kernel.Errorf(kernel.Forbidden, "only an auditor or admin may list grants")
	case q.Limit < 1 || q.Limit > MaxPage:
		return GrantPage{}, kernel.Errorf(kernel.Invalid, "limit is between 1 and %d", MaxPage).At("limit")
	case q.State != "" && !slices.Contains(grant.States(), q.State):
		return GrantPage{}, kernel.Errorf(kernel.Invalid, "a grant is issued, redeemed, settled or expired").At("state")
	case len(q.Agent) > 4*kernel.MaxName:
		return GrantPage{}, kernel.Errorf(kernel.Invalid, "names have at most %d characters", kernel.MaxName).At("agent")
	}
	if _, err := ulid.ParseStrict(q.Cursor); q.Cursor != "" && err != nil {
		return GrantPage{}, kernel.Errorf(kernel.Invalid, "the cursor is not one of ours").At("cursor").WithHint("send next_cursor of the page before")
	}
	if err := g.access(ctx, caller, "grants", q.values()); err != nil {
		return GrantPage{}, err
	}
	return g.grantPage(ctx, q)
}

func (g *Gate) grantPage(ctx context.Context, q GrantQuery) (page GrantPage, err error) {
	for rec, err := range g.cfg.Store.Records(ctx, recordGrant, q.Cursor) {
		if err != nil {
			return GrantPage{}, unavailable("the grants could not be read")
		}
		v, err := readGrantRecord(rec)
		if err != nil {
			return GrantPage{}, err
		}
		if q.State != "" && v.State != q.State || q.Agent != "" && v.Agent != q.Agent {
			continue
		}
		if len(page.Grants) == q.Limit {
			page.NextCursor = page.Grants[q.Limit-1].ID
			return page, nil
		}
		page.Grants = append(page.Grants, v.Record)
	}
	return page, nil
}

// values spells the query for its access entry.
func (q GrantQuery) values() url.Values {
	v := url.Values{"limit": {strconv.Itoa(q.Limit)}}
	for name, value := range map[string]string{"state": string(q.State), "agent": q.Agent, "cursor": q.Cursor} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v
}
