package gate

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/grant"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/registry"
	"github.com/strixlabs/execution-kernel/internal/store"
)

const doorGrants = "grants"

// A Redemption is what an enforcement point shows to redeem a grant.
type Redemption struct {
	Token  string // of the decision's grant
	Digest string // of the request that is to be executed; empty: it was compared with the token elsewhere
}

// Redeem spends a grant, once and for all nodes: what was decided may be
// executed now, by this caller. It is checked again what it rests on, and that
// nothing of it changed since.
//
// The error is a *kernel.Error that says by its code why not.
func (g *Gate) Redeem(ctx context.Context, caller kernel.Caller, id string, r Redemption) (grant.Record, error) {
	claims, err := g.openToken(ctx, r.Token)
	if err != nil {
		return grant.Record{}, err
	}
	switch {
	case claims.ID != id || claims.Issuer != g.cfg.Signer.Origin():
		return grant.Record{}, kernel.Errorf(kernel.GrantAltered, "the token is of another grant").At("$.grant").
			WithHint("give the grant's id (grant.id) and token (grant.token) of one and the same decision")
	case !caller.MaySpeakFor(claims.Agent):
		return grant.Record{}, kernel.Errorf(kernel.GrantWrongAgent, "the caller may not act for agent %q", claims.Agent).
			WithHint("redeem it with a token of that agent, or of a gateway that speaks for it")
	case r.Digest != "" && r.Digest != claims.Digest:
		return grant.Record{}, kernel.Errorf(kernel.GrantMismatch, "the grant is about another request").At("$.request_digest").
			WithHint("execute what was asked, or ask for what is to be executed")
	}
	entry, request, err := g.decided(ctx, claims)
	if err != nil {
		return grant.Record{}, err
	}
	return g.changeGrant(ctx, id, func(b *batch, v versionedGrant) (grant.Record, error) {
		if g.grants.isSpent(id) {
			v.State = grant.Redeemed // whatever was put back into its record
		}
		if claims.ExpiresAt.Before(v.ExpiresAt) {
			v.ExpiresAt = claims.ExpiresAt // whatever its record was made to say
		}
		next, err := v.Redeem(caller.Principal, b.now)
		if err == nil {
			err = g.stillStands(b, entry.Decision, &request)
		}
		if err != nil {
			return next, err
		}
		b.after = append(b.after, func() { g.grants.spend(next) })
		return next, g.enterGrant(b, caller, next, ledger.GrantRedeemed, v.version, redeemedLife)
	})
}

// openToken checks a token's signature. A key of another node may be new.
func (g *Gate) openToken(ctx context.Context, token string) (grant.Claims, error) {
	claims, err := grant.Open(token, g.grants.known())
	if err == nil {
		return claims, nil
	}
	keys, unread := g.GrantKeys(ctx)
	if unread != nil {
		return grant.Claims{}, unread
	}
	return grant.Open(token, keys)
}

// decided reads from the log the decision that a token is about.
func (g *Gate) decided(ctx context.Context, c grant.Claims) (ledger.Entry, kernel.Request, error) {
	fail := func(err error) (ledger.Entry, kernel.Request, error) { return ledger.Entry{}, kernel.Request{}, err }
	if _, err := ulid.ParseStrict(c.ID); err != nil {
		return fail(kernel.Errorf(kernel.GrantAltered, "the token names no decision").At("$.grant"))
	}
	row, err := g.cfg.Store.EntryByID(ctx, c.ID)
	if errors.Is(err, store.ErrNotFound) {
		return fail(kernel.Errorf(kernel.GrantAltered, "there is no decision that the token is of").At("$.grant"))
	}
	if err != nil {
		return fail(unavailable("the decision could not be read"))
	}
	entry, err := ledger.Read(row)
	if err != nil || entry.Decision == nil {
		return fail(unavailable("entry %d is not as it was written", row.Seq))
	}
	request, err := ledger.RequestOf(row)
	if err != nil {
		return fail(unavailable("the request of entry %d is not there", row.Seq))
	}
	if !sameClaims(c, entry.Decision, &request, row.Private.Digest) {
		return fail(kernel.Errorf(kernel.GrantAltered, "the token says something else than the decision").At("$.grant"))
	}
	return entry, request, nil
}

// stillStands reports what changed since a decision that it rests on.
func (g *Gate) stillStands(b *batch, was *ledger.Decided, r *kernel.Request) error {
	if b.program == nil {
		return noPolicy()
	}
	again := "ask for another decision"
	st := standing(b.registry, b.program, r, b.now)
	switch {
	case st.Killed != "":
		return kernel.Errorf(kernel.GrantKilled, "a kill switch stops %s", st.Killed).WithHint("ask again when it is lifted")
	case st.Status != was.Standing.Status:
		return kernel.Errorf(kernel.GrantSuspended, "the agent was %s and is %s", status(was.Standing), status(st)).WithHint("ask an administrator")
	case b.program.Version() != was.Verdict.PolicyVersion:
		return kernel.Errorf(kernel.GrantPolicy, "another policy decides now than when it was issued").WithHint("%s", again)
	case st.Capability != was.Standing.Capability || !slices.Equal(st.Chain, was.Standing.Chain):
		return kernel.Errorf(kernel.GrantCapability, "the capability that covered the request does not any more").WithHint("%s", again)
	case !sameAttributes(st.Agent, was.Standing.Agent) || !sameAttributes(st.Resource, was.Standing.Resource):
		return kernel.Errorf(kernel.GrantRegistry, "what the registry says of the agent or the resource changed").WithHint("%s", again)
	}
	return nil
}

func sameAttributes(a, b map[string]any) bool {
	return maps.EqualFunc(a, b, func(x, y any) bool { return reflect.DeepEqual(x, y) })
}

func status(st registry.Standing) string {
	if st.Status == "" {
		return "not registered"
	}
	return string(st.Status)
}

// Settle closes a grant with its outcome. Only whoever redeemed it may; the
// same outcome again changes nothing.
func (g *Gate) Settle(ctx context.Context, caller kernel.Caller, id string, s grant.Settlement) (grant.Record, error) {
	if err := s.Check(); err != nil {
		return grant.Record{}, err
	}
	return g.changeGrant(ctx, id, func(b *batch, v versionedGrant) (grant.Record, error) {
		if !concerns(caller, v.Record) {
			return v.Record, noGrant(id)
		}
		next, changed, err := v.Settle(caller.Principal, caller.Is(kernel.RoleAgent) && caller.Agent == v.Agent, s, b.now)
		if err != nil || !changed {
			return next, err
		}
		if next.Released {
			if err := g.restOnRelease(b, next); err != nil {
				return next, err
			}
		}
		if err := g.enterGrant(b, caller, next, ledger.GrantSettled, v.version, closedLife); err != nil {
			return next, err
		}
		if next.Released {
			g.released(b, next)
		}
		return next, nil
	})
}

// concerns reports whether a caller may know of a grant: whoever asked for it,
// redeemed it, or could.
func concerns(caller kernel.Caller, r grant.Record) bool {
	return r.Asker == caller.Principal || r.RedeemedBy == caller.Principal || caller.MaySpeakFor(r.Agent)
}

func noGrant(id string) error {
	return kernel.Errorf(kernel.NotFound, "no grant %q", clip(id)).WithHint("a grant has the id of its decision")
}

// changeGrant runs a change of one grant inside a batch, on its record as it is
// when the change is committed.
func (g *Gate) changeGrant(ctx context.Context, id string, change func(*batch, versionedGrant) (grant.Record, error)) (grant.Record, error) {
	if _, err := ulid.ParseStrict(id); err != nil {
		return grant.Record{}, noGrant(id)
	}
	was, err := g.readGrant(ctx, id)
	if err != nil {
		return grant.Record{}, err
	}
	var now grant.Record
	j := &job{}
	j.apply = func(b *batch) (err error) {
		if b.owners[grantKey(id)] != nil { // one change of one record in one batch
			j.recheck = true
			return errLater
		}
		if j.recheck {
			if was, err = g.readGrant(context.Background(), id); err != nil {
				return err
			}
		}
		now, err = change(b, was)
		return err
	}
	if err := g.submit(ctx, j); err != nil {
		return grant.Record{}, err
	}
	return now, nil
}

// enterGrant adds the entry of a change and its record.
func (g *Gate) enterGrant(b *batch, caller kernel.Caller, r grant.Record, change string, from uint64, life time.Duration) error {
	entry := &ledger.GrantChange{Change: change, ID: r.ID, Agent: r.Agent, Action: r.Action}
	if change == ledger.GrantSettled {
		entry.Outcome, entry.Result, entry.Released = string(r.Outcome), r.Result, r.Released
	}
	door := doorGrants
	if change == ledger.GrantExpired {
		door = ""
	}
	_, err := b.log.Append(ledger.Entry{Instant: b.now, Node: g.cfg.Node, Batch: b.id, Caller: caller.Principal, Door: door, Grant: entry}, nil)
	if err != nil {
		return unavailable("the entry of the grant could not be made")
	}
	b.changeGrant(r, from, life)
	return nil
}

// Grant returns what became of one grant. Whoever asked for it or redeemed it
// reads it freely; an auditor or admin too, which is recorded. To anybody else
// it does not exist.
func (g *Gate) Grant(ctx context.Context, caller kernel.Caller, id string) (grant.Record, error) {
	v, err := g.readGrant(ctx, id)
	own := err == nil && (v.Asker == caller.Principal || v.RedeemedBy == caller.Principal || caller.Is(kernel.RoleAgent) && caller.Agent == v.Agent)
	if own {
		return v.Record, nil
	}
	if !caller.Is(kernel.RoleAuditor, kernel.RoleAdmin) {
		return grant.Record{}, noGrant(id)
	}
	if err := g.access(ctx, caller, "grant", url.Values{"id": {clip(id)}}); err != nil {
		return grant.Record{}, err
	}
	return v.Record, err
}
