package gate

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
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
	Shard         *int      // of the log; nil: all of them, as one
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
	if err == nil && d.Approval != nil {
		d.Approval, err = g.present(d.ID)
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
	return g.page(ctx, q, sq)
}

func (g *Gate) page(ctx context.Context, q DecisionQuery, sq store.Query) (DecisionPage, error) {
	queries, err := g.queries(ctx, q, sq)
	if err != nil {
		return DecisionPage{}, err
	}
	page := DecisionPage{Decisions: []kernel.Decision{}}
	var last store.Spot
	for row, err := range store.Merged(ctx, g.cfg.Store, queries) {
		if err != nil {
			return DecisionPage{}, unavailable("the log could not be read")
		}
		if len(page.Decisions) == q.Limit {
			page.NextCursor = cursor(last)
			return page, nil
		}
		d, err := g.fromEntry(row)
		if err != nil {
			return DecisionPage{}, fmt.Errorf("entry %d of shard %d: %w", row.Seq, row.Shard, err)
		}
		page.Decisions = append(page.Decisions, d)
		last = store.SpotOf(row)
	}
	return page, nil
}

// queries are the query of each shard, from where the page before ended.
func (g *Gate) queries(ctx context.Context, q DecisionQuery, sq store.Query) ([]store.Query, error) {
	shards, err := g.shardsOf(ctx, q.Shard)
	if err != nil {
		return nil, err
	}
	var from store.Spot
	if q.Cursor != "" {
		if from, err = parseCursor(q.Cursor); err != nil {
			return nil, kernel.Errorf(kernel.Invalid, "no such cursor").At("cursor").
				WithHint("send next_cursor of the page before, unchanged")
		}
	}
	list := make([]store.Query, len(shards))
	for i, shard := range shards {
		list[i] = sq
		list[i].Shard = shard
		if q.Cursor != "" {
			list[i] = list[i].Before(from)
		}
	}
	return list, nil
}

// shardsOf lists the shards of the log, or the one that is asked for.
func (g *Gate) shardsOf(ctx context.Context, only *int) ([]int, error) {
	shards, err := g.cfg.Store.Shards(ctx)
	if err != nil {
		return nil, unavailable("the shards of the log could not be listed")
	}
	if !slices.Contains(shards, g.shard()) { // nothing was written to it yet
		shards = append(shards, g.shard())
		slices.Sort(shards)
	}
	if only == nil {
		return shards, nil
	}
	if !slices.Contains(shards, *only) {
		return nil, kernel.Errorf(kernel.Invalid, "the log has no shard %d", *only).At("shard").
			WithHint("leave it out; entry.shard of a decision names one that there is")
	}
	return []int{*only}, nil
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
	if q.Shard != nil {
		set("shard", strconv.Itoa(*q.Shard))
	}
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

// A cursor is opaque to callers: where the last entry of a page stands. What is
// written later stands before the first page, so that no page shows an entry
// twice or leaves one out.
func cursor(last store.Spot) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "[%d,%d,%d]", last.Instant, last.Shard, last.Seq))
}

func parseCursor(s string) (store.Spot, error) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return store.Spot{}, err
	}
	var parts []int64
	if err := json.Unmarshal(raw, &parts); err != nil {
		return store.Spot{}, err
	}
	if len(parts) != 3 || min(parts[0], parts[1], parts[2]) < 0 || parts[1] > math.MaxInt32 {
		return store.Spot{}, errors.New("not where an entry stands")
	}
	spot := store.Spot{Instant: parts[0], Shard: int(parts[1]), Seq: uint64(parts[2])}
	if cursor(spot) != s {
		return store.Spot{}, errors.New("not as it was written")
	}
	return spot, nil
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
