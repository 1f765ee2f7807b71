package ledger

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/internal/eval"
	"github.com/strixlabs/execution-kernel/internal/grant"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// An AuditReport says what an audit read, and which promises the log breaks.
type AuditReport struct {
	Entries   uint64
	Grants    uint64 // that were issued
	Effects   uint64 // grants that were redeemed
	Approvals uint64 // that were asked for

	// DecidedAgain counts the approvals whose voters were looked at again, with
	// the policy and the registry of when they allowed something.
	DecidedAgain uint64
	Broken       uint64 // of them, those that somebody allowed alone
	Open         uint64 // of those, the ones with a review that is open
	Overdue      uint64 // of those, the ones whose review was overdue at the end of the log
	Findings
}

// Audit walks the whole log, all of its shards, and checks what a kernel
// promises about effects: every redemption had one grant, issued with one
// ALLOW; every grant had at most one redemption, by somebody who may act for
// its agent, before it expired; only its redeemer settled it, once; nothing
// came after it expired; and no agent gave back what it reported itself. Every
// approval ended once; every ALLOW that answers one was approved with it, in
// time and by votes enough of different principals, each given with a token
// that stands for them; or by somebody alone who said why, while no review of
// the like was overdue, and whose review was closed by somebody else. With load,
// which returns the policy of a version, the votes are counted again too: by
// what that policy asks, and by what the registry said of each voter then.
//
// That the log is the one that was written is for [Verify] to say.
func Audit(ctx context.Context, r store.Reader, load func(version string) (*eval.Program, error)) (AuditReport, error) {
	a := audit{tokens: map[string]*tokenPast{}, chains: map[string]*chain{}, recent: map[string]link{}, consents: map[string]*consent{}, principals: map[string][]was{}}
	shards, err := r.Shards(ctx)
	if err != nil {
		return a.AuditReport, err
	}
	for _, shard := range shards {
		for row, err := range r.Entries(ctx, store.Query{Shard: shard, Bare: true}) {
			if err != nil {
				return a.AuditReport, err
			}
			a.read(row)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(a.chains)) {
		a.chain(id, a.chains[id])
	}
	for _, id := range slices.Sorted(maps.Keys(a.consents)) {
		a.consent(id, a.consents[id])
	}
	a.glasses()
	return a.AuditReport, a.again(ctx, r, load)
}

type audit struct {
	AuditReport
	tokens map[string]*tokenPast // by id
	chains map[string]*chain     // by the id of a decision and its grant
	batch  string                // of the entry before
	recent map[string]link       // what that batch allowed so far, by decision

	last       time.Time           // the latest instant
	consents   map[string]*consent // by the id of the decision that asks
	principals map[string][]was    // by id, as they were read
	written    []author
	fold       // the registry
}

// A chain is all that the log says of one decision's grant.
type chain struct {
	allowed *link // the ALLOW that it was issued together with
	changes map[string][]link
}

// A link is one entry of a chain.
type link struct {
	seq    uint64
	shard  int
	at     time.Time
	caller string
	agent  string
	action string
	change *GrantChange // nil: the decision
}

func (a *audit) read(row store.Entry) {
	a.Entries++
	e, err := Decode(row.Body)
	if err != nil {
		a.entry(row.Shard, row.Seq, "its body cannot be read: %v", err)
		return
	}
	if e.Batch != a.batch {
		a.batch, a.recent = e.Batch, map[string]link{}
	}
	if e.Instant.After(a.last) {
		a.last = e.Instant
	}
	a.people(placed{e, row.Seq, row.Shard})
	at := link{seq: row.Seq, shard: row.Shard, at: e.Instant, caller: e.Caller}
	switch {
	case e.Token != nil:
		a.token(e)
	case e.Decision != nil:
		if at.agent, at.action = e.Decision.Agent, e.Decision.Action; e.Decision.Verdict.Decision == kernel.Allow {
			a.recent[e.Decision.ID] = at
		}
	case e.Grant != nil:
		at.agent, at.action, at.change = e.Grant.Agent, e.Grant.Action, e.Grant
		c := a.of(e.Grant.ID)
		c.changes[e.Grant.Change] = append(c.changes[e.Grant.Change], at)
		if d, together := a.recent[e.Grant.ID]; together && c.allowed == nil && e.Grant.Change == GrantIssued {
			c.allowed = &d
		}
	}
}

func (a *audit) of(id string) *chain {
	c := a.chains[id]
	if c == nil {
		c = &chain{changes: map[string][]link{}}
		a.chains[id] = c
	}
	return c
}

func (a *audit) token(e Entry) {
	if past := a.tokens[e.Token.ID]; past != nil && e.Token.Change == "revoked" {
		past.revoked = e.Instant
		return
	}
	a.tokens[e.Token.ID] = &tokenPast{TokenChange: *e.Token}
}

// chain checks one grant.
func (a *audit) chain(id string, c *chain) {
	issued, redeemed, settled, expired := c.changes[GrantIssued], c.changes[GrantRedeemed], c.changes[GrantSettled], c.changes[GrantExpired]
	a.Grants += uint64(min(len(issued), 1))
	a.Effects += uint64(min(len(redeemed), 1))
	for _, links := range [][]link{issued, redeemed, settled, expired} {
		a.once(id, links)
		for _, l := range links {
			a.about(id, c, l)
		}
	}
	if len(issued) == 0 {
		l := slices.Concat(redeemed, settled, expired)[0]
		a.entry(l.shard, l.seq, "grant %s was %s, and no entry issued it", id, l.change.Change)
		return
	}
	for _, l := range redeemed {
		a.redeemed(id, issued[0], l)
	}
	for _, l := range settled {
		a.settled(id, redeemed, l)
	}
	for _, l := range expired {
		a.expired(id, issued[0], redeemed, l)
	}
}

func (a *audit) once(id string, links []link) {
	for _, l := range links[min(1, len(links)):] {
		a.entry(l.shard, l.seq, "grant %s was %s before, in entry %d", id, l.change.Change, links[0].seq)
	}
}

// about checks that a change is about the decision that the grant is of.
func (a *audit) about(id string, c *chain, l link) {
	d := c.allowed
	switch {
	case d == nil && l.change.Change == GrantIssued:
		a.entry(l.shard, l.seq, "grant %s was not issued together with a decision that is an ALLOW", id)
	case d != nil && (d.agent != l.agent || d.action != l.action):
		a.entry(l.shard, l.seq, "grant %s is about another agent or action than its decision", id)
	case l.change.Change == GrantIssued && l.change.Expires.Sub(l.at) > grant.MaxLife:
		a.entry(l.shard, l.seq, "grant %s lasts longer than %s", id, grant.MaxLife)
	}
}

func (a *audit) redeemed(id string, issued, l link) {
	if !l.at.Before(issued.change.Expires) {
		a.entry(l.shard, l.seq, "grant %s was redeemed after it expired at %s", id, issued.change.Expires.Format(time.RFC3339))
	}
	caller, known := a.caller(l.caller)
	switch {
	case !known:
		a.entry(l.shard, l.seq, "grant %s was redeemed by %q, which no entry made a token of", id, l.caller)
	case !caller.MaySpeakFor(l.agent):
		a.entry(l.shard, l.seq, "grant %s was redeemed by %q, which may not act for agent %q", id, l.caller, l.agent)
	}
}

func (a *audit) settled(id string, redeemed []link, l link) {
	if len(redeemed) == 0 {
		a.entry(l.shard, l.seq, "grant %s was settled, and nobody redeemed it", id)
		return
	}
	caller, _ := a.caller(l.caller)
	switch {
	case redeemed[0].caller != l.caller:
		a.entry(l.shard, l.seq, "grant %s was settled by %q, but redeemed by %q", id, l.caller, redeemed[0].caller)
	case redeemed[0].shard == l.shard && l.seq < redeemed[0].seq:
		a.entry(l.shard, l.seq, "grant %s was settled before it was redeemed", id)
	case l.change.Released && caller.Is(kernel.RoleAgent):
		a.entry(l.shard, l.seq, "grant %s was released by the agent that it is about", id)
	}
}

func (a *audit) expired(id string, issued link, redeemed []link, l link) {
	switch {
	case len(redeemed) > 0:
		a.entry(l.shard, l.seq, "grant %s expired, but it was redeemed in entry %d", id, redeemed[0].seq)
	case l.at.Before(issued.change.Expires):
		a.entry(l.shard, l.seq, "grant %s was ended before it expired at %s", id, issued.change.Expires.Format(time.RFC3339))
	}
}

// caller returns what a principal of an entry may do by the entries of tokens.
func (a *audit) caller(principal string) (kernel.Caller, bool) {
	id, isToken := strings.CutPrefix(principal, tokenPrefix)
	if !isToken { // the caller of a kernel that runs with --dev
		return kernel.Caller{Principal: principal, Roles: []kernel.Role{kernel.RoleAdmin}}, principal == "dev"
	}
	past, known := a.tokens[id]
	if !known {
		return kernel.Caller{}, false
	}
	return kernel.Caller{Principal: principal, Roles: past.Roles, Agent: past.Agent, SpeaksFor: past.SpeaksFor, StandsFor: past.Principal}, true
}
