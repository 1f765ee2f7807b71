package gate

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// A DecisionQuery selects decisions, the newest first. Zero members select all.
type DecisionQuery struct {
	Agent, Action string
	Decision      *kernel.Effect
	Since, Until  time.Time // [Since, Until)
	Limit         int       // 1…1000
	Cursor        string    // DecisionPage.NextCursor of the page before
}

// A DecisionPage is one page of a query.
type DecisionPage struct {
	Decisions  []kernel.Decision `json:"decisions"`
	NextCursor string            `json:"next_cursor,omitzero"` // "" on the last page
}

// MaxPage is the largest number of decisions in one page.
const MaxPage = 1000

// fromEntry returns the decision of an entry. Who keeps its constraints the
// policy says, which is known while it is the active one; afterwards everything
// is left to the door.
func (g *Gate) fromEntry(row store.Entry) (kernel.Decision, error) {
	d, err := ledger.Decision(row)
	if p := g.program.Load(); err == nil && p != nil && p.Version() == d.PolicyVersion {
		d.KeptBy = p.KeptBy(d.Constraints)
	}
	return d, err
}

// Decision returns one decision. Whoever asked for it reads it freely; an
// auditor or admin too, which is recorded. To anybody else it does not exist.
func (g *Gate) Decision(ctx context.Context, caller kernel.Caller, id string) (kernel.Decision, error) {
	if _, err := ulid.ParseStrict(id); err != nil {
		return kernel.Decision{}, kernel.Errorf(kernel.NotFound, "no such decision").
			WithHint("a decision id has 26 letters and digits")
	}
	row, err := g.cfg.Store.EntryByID(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return kernel.Decision{}, unavailable("the log could not be read")
	}
	own := err == nil && owns(caller, row)
	if !own {
		if caller.Is(kernel.RoleAuditor, kernel.RoleAdmin) {
			if err := g.access(ctx, caller, "decision", url.Values{"id": {id}}); err != nil {
				return kernel.Decision{}, err
			}
		}
		if err != nil || !caller.Is(kernel.RoleAuditor, kernel.RoleAdmin) {
			return kernel.Decision{}, kernel.Errorf(kernel.NotFound, "no decision %q", id)
		}
	}
	d, err := g.fromEntry(row)
	if err != nil {
		return kernel.Decision{}, err
	}
	if !own {
		return g.grantOf(ctx, d, nil)
	}
	request, err := ledger.RequestOf(row)
	if err != nil { // it was erased: there is nothing to execute any more
		return g.grantOf(ctx, d, nil)
	}
	return g.grantOf(ctx, d, &request)
}

// owns reports whether a caller made a decision or is the agent it is about.
func owns(caller kernel.Caller, row store.Entry) bool {
	return caller.Is(kernel.RoleAgent) && caller.Agent == row.Agent ||
		caller.Is(kernel.RoleGateway) && caller.Principal == row.Caller
}

// Decisions returns one page. An auditor or admin sees all decisions, which is
// recorded; an agent those about itself; a gateway those it asked for.
func (g *Gate) Decisions(ctx context.Context, caller kernel.Caller, q DecisionQuery) (DecisionPage, error) {
	sq, err := q.rows()
	if err != nil {
		return DecisionPage{}, err
	}
	switch {
	case caller.Is(kernel.RoleAuditor, kernel.RoleAdmin):
		if err := g.access(ctx, caller, "decisions", q.values()); err != nil {
			return DecisionPage{}, err
		}
	case caller.Is(kernel.RoleAgent):
		if q.Agent != "" && q.Agent != caller.Agent {
			return DecisionPage{Decisions: []kernel.Decision{}}, nil
		}
		sq.Agent = caller.Agent
	case caller.Is(kernel.RoleGateway):
		sq.Caller = caller.Principal
	default:
		return DecisionPage{}, kernel.Errorf(kernel.Forbidden, "the caller may not read decisions")
	}
	return g.page(ctx, sq, q.Limit)
}

func (g *Gate) page(ctx context.Context, sq store.Query, limit int) (DecisionPage, error) {
	page := DecisionPage{Decisions: []kernel.Decision{}}
	var last uint64
	for row, err := range g.cfg.Store.Entries(ctx, sq) {
		if err != nil {
			return DecisionPage{}, unavailable("the log could not be read")
		}
		if len(page.Decisions) == limit {
			page.NextCursor = cursor(last)
			return page, nil
		}
		d, err := g.fromEntry(row)
		if err != nil {
			return DecisionPage{}, fmt.Errorf("entry %d: %w", row.Seq, err)
		}
		page.Decisions = append(page.Decisions, d)
		last = row.Seq
	}
	return page, nil
}

func (q DecisionQuery) rows() (store.Query, error) {
	if q.Limit < 1 || q.Limit > MaxPage {
		return store.Query{}, kernel.Errorf(kernel.Invalid, "limit is between 1 and %d", MaxPage).At("limit")
	}
	if max(len(q.Agent), len(q.Action)) > 4*kernel.MaxName {
		return store.Query{}, kernel.Errorf(kernel.Invalid, "names have at most %d characters", kernel.MaxName)
	}
	sq := store.Query{
		Kind: string(ledger.KindDecision), Agent: q.Agent, Action: q.Action, Newest: true, Limit: q.Limit + 1,
	}
	if q.Decision != nil {
		sq.Decision = q.Decision.String()
	}
	if !q.Since.IsZero() {
		sq.Since = q.Since.UnixNano()
	}
	if !q.Until.IsZero() {
		sq.Until = q.Until.UnixNano()
	}
	if q.Cursor != "" {
		from, err := parseCursor(q.Cursor)
		if err != nil {
			return store.Query{}, kernel.Errorf(kernel.Invalid, "no such cursor").At("cursor").
				WithHint("send next_cursor of the page before, unchanged")
		}
		sq.From = from
	}
	return sq, nil
}

// values spells the query for its access entry.
func (q DecisionQuery) values() url.Values {
	v := url.Values{"limit": {strconv.Itoa(q.Limit)}}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("agent", q.Agent)
	set("action", q.Action)
	set("cursor", q.Cursor)
	if q.Decision != nil {
		set("decision", q.Decision.String())
	}
	if !q.Since.IsZero() {
		set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	if !q.Until.IsZero() {
		set("until", q.Until.UTC().Format(time.RFC3339Nano))
	}
	return v
}

// A cursor is opaque to callers: the seq below which the next page begins. 0
// cannot be one, since nothing lies below.
func cursor(seq uint64) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatUint(seq, 10)))
}

func parseCursor(s string) (uint64, error) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return 0, err
	}
	seq, err := strconv.ParseUint(string(raw), 10, 64)
	if err == nil && seq == 0 {
		err = errors.New("nothing lies below entry 0")
	}
	return seq, err
}

// access records that a caller reads what is not its own, before it does.
func (g *Gate) access(ctx context.Context, caller kernel.Caller, what string, query url.Values) error {
	return g.submit(ctx, &job{apply: func(b *batch) error { return g.accessed(b, caller, what, query) }})
}

// accessed adds the entry of an access to a batch.
func (g *Gate) accessed(b *batch, caller kernel.Caller, what string, query url.Values) error {
	_, err := b.log.Append(ledger.Entry{
		Instant: b.now, Node: g.cfg.Node, Batch: b.id, Caller: caller.Principal,
		Access: &ledger.Access{What: what, Query: query.Encode()},
	}, nil)
	return err
}
