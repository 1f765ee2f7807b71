package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/grant"
	"github.com/strixlabs/execution-kernel/internal/history"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
)

const recordGrant = "grant" // key: the id of a decision; value: a grant.Record

// How long the record of a grant is kept after its last change: whoever
// redeemed one may take long to execute. The log keeps everything.
const (
	redeemedLife = 30 * 24 * time.Hour
	closedLife   = 7 * 24 * time.Hour
)

// A granted is an ALLOW about to carry a grant: whom it answers, and about what.
type granted struct {
	asker, agent, action, door string
}

// wantsGrant reports whether an ALLOW of a question has to carry a grant, and
// why it cannot. It is asked before anything is added to the batch.
func (g *Gate) wantsGrant(p *eval.Program, q *question, v kernel.Verdict) (bool, error) {
	required := needsGrant(p, q.Request.Action)
	switch {
	case v.Decision == kernel.Deny, !required && (v.Decision != kernel.Allow || !q.Request.Grant):
		return false, nil
	case q.Phase1: // people are not asked for what could not be handed out either
		return false, kernel.Errorf(kernel.GrantMissing, "the action %q is allowed with a grant only, which this door cannot hand out", q.Request.Action).
			WithHint("ask at POST /v1/decisions")
	case g.cfg.Grants == nil:
		return false, kernel.Errorf(kernel.Unsupported, "this kernel has no key to sign grants with").At("$.grant")
	}
	return v.Decision == kernel.Allow, nil
}

// needsGrant reports whether the schema has an action allowed with a grant only.
func needsGrant(p *eval.Program, action string) bool {
	declared := p.Schema().ActionOf(action)
	return declared != nil && declared.Grant
}

// issueGrant adds to a batch the grant of an ALLOW whose entry the batch has,
// and names it in the decision. Its token is signed after the commit, by
// [Gate.withToken]: before, it would permit what nobody recorded.
func (g *Gate) issueGrant(b *batch, d *kernel.Decision, of granted) error {
	rec := grant.Record{
		ID: d.ID, State: grant.Issued, Agent: of.agent, Action: of.action, Asker: of.asker,
		IssuedAt: b.now, ExpiresAt: b.now.Truncate(time.Second).Add(g.cfg.GrantLife), // a JWT counts in seconds
	}
	_, err := b.log.Append(ledger.Entry{
		Instant: b.now, Node: g.cfg.Node, Batch: b.id, Caller: of.asker, Door: of.door,
		Grant: &ledger.GrantChange{Change: ledger.GrantIssued, ID: rec.ID, Agent: rec.Agent, Action: rec.Action, Expires: rec.ExpiresAt},
	}, nil)
	if err != nil {
		return unavailable("the entry of its grant could not be made")
	}
	b.changeGrant(rec, 0, 0)
	b.after = append(b.after, func() { g.grants.add(versionedGrant{rec, 1}) })
	d.Grant = &kernel.Grant{ID: rec.ID, ExpiresAt: rec.ExpiresAt}
	return nil
}

// changeGrant adds the compare-and-set of a grant's record. A life of 0 keeps
// it until it changes again.
func (b *batch) changeGrant(rec grant.Record, from uint64, life time.Duration) {
	value, err := json.Marshal(rec)
	if err != nil {
		panic(err) // texts and instants always encode; the batch begins anew without this job
	}
	t := store.Transition{RecordKey: grantKey(rec.ID), From: from, Value: value}
	if life > 0 {
		t.Expires = b.now.Add(life).UnixNano()
	}
	b.change(t)
}

func grantKey(id string) store.RecordKey { return store.RecordKey{Kind: recordGrant, Key: id} }

// A versionedGrant is the record of a grant and its version.
type versionedGrant struct {
	grant.Record
	version uint64
}

func readGrantRecord(rec store.Record) (v versionedGrant, err error) {
	if err := json.Unmarshal(rec.Value, &v.Record); err != nil || v.ID != rec.Key {
		return v, unavailable("the record of grant %s is damaged", rec.Key)
	}
	v.version = rec.Version
	return v, nil
}

// readGrant returns the record of a grant, or NotFound.
func (g *Gate) readGrant(ctx context.Context, id string) (versionedGrant, error) {
	rec, err := g.cfg.Store.Record(ctx, grantKey(id))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return versionedGrant{}, noGrant(id)
	case err != nil:
		return versionedGrant{}, unavailable("the record of the grant could not be read")
	}
	return readGrantRecord(rec)
}

// clip keeps a text of somebody's short enough for an error.
func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}

// withToken gives a decision that is on disk the token of its grant.
func (g *Gate) withToken(d kernel.Decision, r *kernel.Request) (kernel.Decision, error) {
	if d.Grant == nil || g.cfg.Grants == nil || !g.instant().Before(d.Grant.ExpiresAt) {
		return d, nil
	}
	token, err := g.cfg.Grants.Sign(grant.Claims{
		Issuer: g.cfg.Signer.Origin(), ID: d.Grant.ID, Agent: r.Agent.ID, Action: r.Action,
		ResourceType: r.Resource.Type, ResourceID: r.Resource.ID,
		Digest: d.RequestDigest, PolicyVersion: d.PolicyVersion, Constraints: d.Constraints, KeptBy: d.KeptBy,
		IssuedAt: d.DecidedAt, ExpiresAt: d.Grant.ExpiresAt,
	})
	if err != nil {
		return kernel.Decision{}, fmt.Errorf("sign the grant of decision %s: %w", d.ID, err)
	}
	signed := *d.Grant
	signed.Token = token
	d.Grant = &signed
	return d, nil
}

// grantOf adds to an ALLOW that was read from the log what became of its grant:
// with its token while it may be redeemed and the caller asked for it.
func (g *Gate) grantOf(ctx context.Context, d kernel.Decision, r *kernel.Request) (kernel.Decision, error) {
	if d.Decision != kernel.Allow {
		return d, nil
	}
	rec, err := g.readGrant(ctx, d.ID)
	var e *kernel.Error
	if errors.As(err, &e) && e.Code == kernel.NotFound {
		return d, nil
	}
	if err != nil {
		return kernel.Decision{}, err
	}
	d.Grant = &kernel.Grant{ID: rec.ID, ExpiresAt: rec.ExpiresAt}
	if r == nil || rec.State != grant.Issued {
		return d, nil
	}
	return g.withToken(d, r)
}

// released gives back to the history what a decision counts for, as its entry
// will when the log is read again.
func (g *Gate) released(b *batch, r grant.Record) {
	if g.past == nil {
		return
	}
	event := releaseOf(r, b.now)
	if g.shared() {
		for _, key := range g.past.KeysOf(&event) {
			b.counts(key, true)
		}
	}
	g.past.Add(&event)
}

func releaseOf(r grant.Record, at time.Time) history.Event {
	return history.Event{Name: r.Action, ID: r.ID, At: at, Released: true}
}

// sameClaims reports whether a token says what the log says of its decision.
func sameClaims(c grant.Claims, e *ledger.Decided, r *kernel.Request, digest string) bool {
	return c.ID == e.ID && c.Agent == e.Agent && c.Action == e.Action && e.Verdict.Decision == kernel.Allow &&
		c.ResourceType == r.Resource.Type && c.ResourceID == r.Resource.ID &&
		c.Digest == digest && c.PolicyVersion == e.Verdict.PolicyVersion &&
		maps.EqualFunc(c.Constraints, e.Verdict.Constraints, func(a, b any) bool { return fmt.Sprintf("%#v", a) == fmt.Sprintf("%#v", b) })
}
